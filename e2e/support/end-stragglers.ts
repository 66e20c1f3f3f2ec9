import { afterAll } from 'vitest';
import { endStragglers } from './process.ts';

// registered before the file's own hooks, so it runs after them
afterAll(endStragglers);
