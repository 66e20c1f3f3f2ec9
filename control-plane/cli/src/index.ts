export { run } from './program.ts';
export { terminal, type Terminal } from './terminal.ts';
