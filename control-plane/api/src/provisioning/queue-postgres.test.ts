import { queueSuite } from '../testing/queue-suite.ts';

queueSuite('PostgreSQL', () => ({ redisUrl: undefined }));
