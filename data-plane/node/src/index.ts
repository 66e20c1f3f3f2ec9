export { standalone } from './command-line.ts';
export { Node, NODE_VERSION } from './node.ts';
export { ManagedConfig, StandaloneConfig, type NodeConfig } from './config.ts';
export { loadConfig, parseConfig } from './config-file.ts';
export { NODE_ERRORS, NodeError, type NodeErrorCode } from './node-error.ts';

/** The program of a node: `node <NODE_MAIN> standalone --config FILE.yaml`, or `--config FILE.json` for an agent. */
export const NODE_MAIN = new URL('./main.mjs', import.meta.url);
