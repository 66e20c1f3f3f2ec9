/**
 * What agents and nodes need of the contracts: `@robustmq/contracts/data-plane`. The REST shapes of the whole are 9 MB in
 * the memory of a process that never speaks REST.
 */
export * from './ids.ts';
export * from './names.ts';
export * from './plans.ts';
export * from './meters.ts';
export * from './usage-window.ts';
export * from './cluster-settings.ts';
export * from './desired.ts';
export * from './node-admin.ts';
export * from './fleet.ts';
export * from './node-views.ts';
export * from './s3-settings.ts';

/** File URL of the agent link's protobuf definition. */
export const AGENT_LINK_PROTO = new URL('../proto/agent-link.proto', import.meta.url);
