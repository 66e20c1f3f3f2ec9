import type { RouteName } from './routes.ts';

/** A request that the API accepts: shown in the OpenAPI document, and sent by the tests as it stands. */
export interface RouteExample {
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string>>;
}

/** One example per route that has a body or a needed query. */
export const ROUTE_EXAMPLES: Partial<Record<RouteName, RouteExample>> = {
  signup: { body: { email: 'ada@example.com', password: 'a long sentence is best', tenantName: 'Acme' } },
  login: { body: { email: 'ada@example.com', password: 'a long sentence is best' } },
  refresh: { body: { refreshToken: 'rmqr_…' } },
  logout: { body: { refreshToken: 'rmqr_…' } },
  verifyEmail: { body: { token: 'rmqm_…' } },
  forgotPassword: { body: { email: 'ada@example.com' } },
  resetPassword: { body: { token: 'rmqm_…', password: 'another long sentence' } },
  changePassword: { body: { password: 'a long sentence is best', newPassword: 'another long sentence' } },
  confirmMfa: { body: { code: '123456' } },
  disableMfa: { body: { code: '123456' } },
  stepUp: { body: { code: '123456' } },
  acceptInvitation: { body: { token: 'rmqm_…' } },
  ssoStart: { body: { email: 'ada@example.com' } },
  ssoFinish: { body: { binding: 'sealed…', state: 'as it came back', code: 'as it came back' } },
  createSsoProvider: {
    body: {
      ...{
        name: 'Acme login',
        issuer: 'https://login.example.com',
        clientId: 'robustmq',
        clientSecret: 'a secret of theirs',
      },
      ...{ defaultRole: 'viewer', groupRoles: [{ group: 'platform', role: 'developer' }] },
    },
  },
  updateSsoProvider: { body: { enabled: false } },
  createSsoDomain: { body: { domain: 'example.com' } },
  updateTenant: { body: { name: 'Acme' } },
  createInvitation: { body: { email: 'grace@example.com', role: 'developer' } },
  addMember: { body: { email: 'grace@example.com', role: 'developer' } },
  updateMember: { body: { role: 'viewer' } },
  createRole: {
    body: { name: 'Topic owner', permissions: ['tenant:read', 'cluster:read', 'topic:read', 'topic:write'] },
  },
  updateRole: { body: { name: 'Topic reader', permissions: ['tenant:read', 'cluster:read', 'topic:read'] } },
  rotateApiKey: { body: { overlapSeconds: 600 } },
  createApiKey: { body: { name: 'deploy', role: 'developer' } },
  createCluster: { body: { name: 'orders', plan: 'serverless', region: 'local' } },
  planCluster: { body: { name: 'orders', plan: 'dedicated' } },
  planClusterChange: { body: { plan: 'dedicated' } },
  setSoftLimits: { body: { connectionsMax: 1_000 } },
  updateCluster: { body: { labels: { team: 'billing', environment: 'production' } } },
  createCredential: { body: { name: 'sensor-1' } },
  issueCertificate: { body: { name: 'sensor-1', days: 90 } },
  createTopic: { body: { name: 'orders.created', partitions: 3, cleanup: 'delete', tier: { coldAfterMs: 3_600_000 } } },
  updateTopic: { body: { retentionMs: 86_400_000, retentionBytes: 1_073_741_824 } },
  produceRecord: {
    body: { key: 'order-1', value: '{"state":"created"}', headers: [{ name: 'source', value: 'test' }] },
  },
  setSettings: { body: { mqtt: { sharedStrategy: 'sticky' }, kafka: { autoCreateTopics: false } } },
  patchSettings: { body: { mqtt: { flapping: { enabled: true } } } },
  createAclRule: {
    body: { effect: 'deny', principal: 'sensor-1', pattern: 'admin/#', patternType: 'filter', actions: ['write'] },
  },
  updateAclRule: { body: { effect: 'allow', pattern: '*', actions: ['read', 'write'] } },
  createBlacklistEntry: { body: { kind: 'client-id', value: 'noisy', reason: 'floods the topic' } },
  getUsageBreakdown: { query: { by: 'credential' } },
  deleteRetained: { query: { topic: 'orders/1' } },
  explainAccess: { query: { principal: 'sensor-1', action: 'write', name: 'orders/1' } },
  liftBan: { query: { kind: 'client-id', value: 'noisy' } },
  updateSubscription: { body: { support: 'standard' } },
  redeemCoupon: { body: { code: 'WELCOME' } },
  createBudget: {
    body: { name: 'Month', amountMinor: '10000', thresholds: [{ percent: 80, action: 'notify' }] },
  },
  updateBudget: { body: { amountMinor: '20000' } },
  createWebhook: { body: { url: 'https://hooks.example.com/robustmq', events: ['cluster.*', 'member.remove'] } },
  updateWebhook: { body: { enabled: true } },
  resetOffsets: { body: { topic: 'orders.created', to: 'earliest' } },
};
