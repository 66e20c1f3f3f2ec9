export * from './ids.ts';
export * from './names.ts';
export * from './plans.ts';
export * from './meters.ts';
export * from './usage-window.ts';
export * from './cluster-settings.ts';
export * from './desired.ts';
export * from './node-admin.ts';
export * from './node-views.ts';
export * from './problems.ts';
export * from './rest/auth.ts';
export * from './rest/page.ts';
export * from './rest/tenants.ts';
export * from './rest/clusters.ts';
export * from './rest/usage.ts';
export * from './rest/billing.ts';
export * from './rest/money.ts';
export * from './rest/operator.ts';
export * from './rest/settings.ts';
export * from './rest/live.ts';
export * from './permissions.ts';

/** File URL of the agent link's protobuf definition. */
export const AGENT_LINK_PROTO = new URL('../proto/agent-link.proto', import.meta.url);
export * from './routes.ts';
export * from './route-examples.ts';
export * from './openapi.ts';
