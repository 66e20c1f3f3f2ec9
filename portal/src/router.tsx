import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { restoreSession } from './api/session.ts';
import type { SsoReturn } from './pages/account/sso-sign-in.ts';
import { NotFoundPage } from './pages/not-found/not-found-page.tsx';
import { Shell } from './ui/shell.tsx';
import { ErrorState, LoadingState } from './ui/states.tsx';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFoundPage });

/** Only a path of this portal may be gone to after a login. */
const localPath = (value: unknown): string | undefined =>
  typeof value === 'string' && /^\/(?![/\\])/.test(value) ? value : undefined;

const guestSearch = (search: Record<string, unknown>): { next?: string } => {
  const next = localPath(search['next']);
  return next === undefined ? {} : { next };
};

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: guestSearch,
  component: lazyRouteComponent(() => import('./pages/account/login-page.tsx'), 'LoginPage'),
});
const signup = createRoute({
  getParentRoute: () => root,
  path: '/signup',
  validateSearch: guestSearch,
  component: lazyRouteComponent(() => import('./pages/account/signup-page.tsx'), 'SignupPage'),
});

const tokenSearch = (search: Record<string, unknown>): { token?: string } =>
  typeof search['token'] === 'string' ? { token: search['token'] } : {};

const ssoLogin = createRoute({
  getParentRoute: () => root,
  path: '/sso',
  validateSearch: guestSearch,
  component: lazyRouteComponent(() => import('./pages/account/sso-pages.tsx'), 'SsoLoginPage'),
});
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
const ssoReturn = createRoute({
  getParentRoute: () => root,
  path: '/login/sso',
  validateSearch: (search: Record<string, unknown>): SsoReturn => {
    const given = ['state', 'code', 'iss', 'error'].map((name) => [name, textOf(search[name])] as const);
    return Object.fromEntries(given.filter(([, value]) => value !== undefined));
  },
  component: lazyRouteComponent(() => import('./pages/account/sso-pages.tsx'), 'SsoReturnPage'),
});
const forgotPassword = createRoute({
  getParentRoute: () => root,
  path: '/forgot-password',
  component: lazyRouteComponent(() => import('./pages/account/forgot-password-page.tsx'), 'ForgotPasswordPage'),
});
const resetPassword = createRoute({
  getParentRoute: () => root,
  path: '/reset-password',
  validateSearch: tokenSearch,
  component: lazyRouteComponent(() => import('./pages/account/reset-password-page.tsx'), 'ResetPasswordPage'),
});
const verifyEmail = createRoute({
  getParentRoute: () => root,
  path: '/verify-email',
  validateSearch: tokenSearch,
  component: lazyRouteComponent(() => import('./pages/account/token-pages.tsx'), 'VerifyEmailPage'),
});

/** Everything behind the login. */
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  component: Shell,
  beforeLoad: async ({ location }) => {
    if (!(await restoreSession())) {
      throw redirect({ to: '/login', search: location.pathname === '/' ? {} : { next: location.href } });
    }
  },
});
const index = createRoute({
  getParentRoute: () => inside,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/clusters', replace: true });
  },
});
const clusters = createRoute({
  getParentRoute: () => inside,
  path: '/clusters',
  component: lazyRouteComponent(() => import('./pages/clusters/clusters-page.tsx'), 'ClustersPage'),
});
const newCluster = createRoute({
  getParentRoute: () => inside,
  path: '/clusters/new',
  component: lazyRouteComponent(() => import('./pages/clusters/new-cluster-page.tsx'), 'NewClusterPage'),
});
const cluster = createRoute({
  getParentRoute: () => inside,
  path: '/clusters/$clusterId',
  component: lazyRouteComponent(() => import('./pages/clusters/cluster-layout.tsx'), 'ClusterLayout'),
});
const overview = createRoute({
  getParentRoute: () => cluster,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/clusters/overview-page.tsx'), 'OverviewPage'),
});
const connect = createRoute({
  getParentRoute: () => cluster,
  path: '/connect',
  component: lazyRouteComponent(() => import('./pages/clusters/connect-page.tsx'), 'ConnectPage'),
});
const credentials = createRoute({
  getParentRoute: () => cluster,
  path: '/credentials',
  component: lazyRouteComponent(() => import('./pages/credentials/credentials-page.tsx'), 'CredentialsPage'),
});
const certificates = createRoute({
  getParentRoute: () => cluster,
  path: '/credentials/certificates',
  component: lazyRouteComponent(() => import('./pages/credentials/certificates-page.tsx'), 'CertificatesPage'),
});
const topics = createRoute({
  getParentRoute: () => cluster,
  path: '/topics',
  component: lazyRouteComponent(() => import('./pages/topics/topics-page.tsx'), 'TopicsPage'),
});
const testClient = createRoute({
  getParentRoute: () => cluster,
  path: '/test-client',
  component: lazyRouteComponent(() => import('./pages/test-client/test-client-page.tsx'), 'TestClientPage'),
});
const topic = createRoute({
  getParentRoute: () => cluster,
  path: '/topics/$topicName',
  component: lazyRouteComponent(() => import('./pages/topics/topic-page.tsx'), 'TopicPage'),
});
const records = createRoute({
  getParentRoute: () => cluster,
  path: '/topics/$topicName/records',
  component: lazyRouteComponent(() => import('./pages/topics/records-page.tsx'), 'RecordsPage'),
});
const clients = createRoute({
  getParentRoute: () => cluster,
  path: '/clients',
  component: lazyRouteComponent(() => import('./pages/clients/clients-page.tsx'), 'ClientsPage'),
});
const mqttSessions = createRoute({
  getParentRoute: () => cluster,
  path: '/clients/sessions',
  component: lazyRouteComponent(() => import('./pages/clients/sessions-page.tsx'), 'SessionsPage'),
});
const mqttSession = createRoute({
  getParentRoute: () => cluster,
  path: '/clients/sessions/$clientId',
  component: lazyRouteComponent(() => import('./pages/clients/session-page.tsx'), 'SessionPage'),
});
const retained = createRoute({
  getParentRoute: () => cluster,
  path: '/messages',
  component: lazyRouteComponent(() => import('./pages/messages/retained-page.tsx'), 'RetainedPage'),
});
const delayed = createRoute({
  getParentRoute: () => cluster,
  path: '/messages/delayed',
  component: lazyRouteComponent(() => import('./pages/messages/delayed-page.tsx'), 'DelayedPage'),
});
const groups = createRoute({
  getParentRoute: () => cluster,
  path: '/groups',
  component: lazyRouteComponent(() => import('./pages/groups/groups-page.tsx'), 'GroupsPage'),
});
const group = createRoute({
  getParentRoute: () => cluster,
  path: '/groups/$groupName',
  component: lazyRouteComponent(() => import('./pages/groups/group-page.tsx'), 'GroupPage'),
});
const aclRules = createRoute({
  getParentRoute: () => cluster,
  path: '/access',
  component: lazyRouteComponent(() => import('./pages/access/acl-rules-page.tsx'), 'AclRulesPage'),
});
const blacklist = createRoute({
  getParentRoute: () => cluster,
  path: '/access/blacklist',
  component: lazyRouteComponent(() => import('./pages/access/blacklist-page.tsx'), 'BlacklistPage'),
});
const bans = createRoute({
  getParentRoute: () => cluster,
  path: '/access/bans',
  component: lazyRouteComponent(() => import('./pages/access/bans-page.tsx'), 'BansPage'),
});
const addresses = createRoute({
  getParentRoute: () => cluster,
  path: '/access/addresses',
  component: lazyRouteComponent(() => import('./pages/access/addresses-page.tsx'), 'AddressesPage'),
});
const explain = createRoute({
  getParentRoute: () => cluster,
  path: '/access/explain',
  component: lazyRouteComponent(() => import('./pages/access/explain-page.tsx'), 'ExplainPage'),
});
const events = createRoute({
  getParentRoute: () => cluster,
  path: '/events',
  component: lazyRouteComponent(() => import('./pages/events/events-page.tsx'), 'EventsPage'),
});
const slowSubscribers = createRoute({
  getParentRoute: () => cluster,
  path: '/events/slow-subscribers',
  component: lazyRouteComponent(() => import('./pages/events/slow-subscribers-page.tsx'), 'SlowSubscribersPage'),
});
const settings = createRoute({
  getParentRoute: () => cluster,
  path: '/settings',
  component: lazyRouteComponent(() => import('./pages/settings/settings-page.tsx'), 'SettingsPage'),
});
const revisions = createRoute({
  getParentRoute: () => cluster,
  path: '/settings/revisions',
  component: lazyRouteComponent(() => import('./pages/settings/revisions-page.tsx'), 'RevisionsPage'),
});
const authentication = createRoute({
  getParentRoute: () => cluster,
  path: '/settings/authentication',
  component: lazyRouteComponent(() => import('./pages/settings/authentication-page.tsx'), 'AuthenticationPage'),
});
const limits = createRoute({
  getParentRoute: () => cluster,
  path: '/settings/limits',
  component: lazyRouteComponent(() => import('./pages/clusters/limits-page.tsx'), 'LimitsPage'),
});
const life = createRoute({
  getParentRoute: () => cluster,
  path: '/settings/cluster',
  component: lazyRouteComponent(() => import('./pages/clusters/life-page.tsx'), 'LifePage'),
});
const usage = createRoute({
  getParentRoute: () => inside,
  path: '/usage',
  component: lazyRouteComponent(() => import('./pages/usage/usage-page.tsx'), 'UsagePage'),
});
const billing = createRoute({
  getParentRoute: () => inside,
  path: '/billing',
  component: lazyRouteComponent(() => import('./pages/billing/billing-page.tsx'), 'BillingPage'),
});
const invoices = createRoute({
  getParentRoute: () => inside,
  path: '/billing/invoices',
  component: lazyRouteComponent(() => import('./pages/invoices/invoices-page.tsx'), 'InvoicesPage'),
});
const invoice = createRoute({
  getParentRoute: () => inside,
  path: '/billing/invoices/$invoiceId',
  component: lazyRouteComponent(() => import('./pages/invoices/invoice-page.tsx'), 'InvoicePage'),
});
const budgets = createRoute({
  getParentRoute: () => inside,
  path: '/billing/budgets',
  component: lazyRouteComponent(() => import('./pages/budgets/budgets-page.tsx'), 'BudgetsPage'),
});
const plan = createRoute({
  getParentRoute: () => inside,
  path: '/billing/plan',
  component: lazyRouteComponent(() => import('./pages/billing/plan-page.tsx'), 'PlanPage'),
});
const roles = createRoute({
  getParentRoute: () => inside,
  path: '/members/roles',
  component: lazyRouteComponent(() => import('./pages/members/roles-page.tsx'), 'RolesPage'),
});
const sso = createRoute({
  getParentRoute: () => inside,
  path: '/members/sso',
  component: lazyRouteComponent(() => import('./pages/sso/sso-page.tsx'), 'SsoPage'),
});
const account = createRoute({
  getParentRoute: () => inside,
  path: '/account',
  component: lazyRouteComponent(() => import('./pages/account/account-page.tsx'), 'AccountPage'),
});
const invitation = createRoute({
  getParentRoute: () => inside,
  path: '/invitation',
  validateSearch: tokenSearch,
  component: lazyRouteComponent(() => import('./pages/account/token-pages.tsx'), 'InvitationPage'),
});
const operator = createRoute({
  getParentRoute: () => root,
  path: '/operator',
  component: lazyRouteComponent(() => import('./pages/operator/operator-page.tsx'), 'OperatorPage'),
});
const members = createRoute({
  getParentRoute: () => inside,
  path: '/members',
  component: lazyRouteComponent(() => import('./pages/members/members-page.tsx'), 'MembersPage'),
});
const apiKeys = createRoute({
  getParentRoute: () => inside,
  path: '/api-keys',
  component: lazyRouteComponent(() => import('./pages/api-keys/api-keys-page.tsx'), 'ApiKeysPage'),
});
const webhooks = createRoute({
  getParentRoute: () => inside,
  path: '/webhooks',
  component: lazyRouteComponent(() => import('./pages/webhooks/webhooks-page.tsx'), 'WebhooksPage'),
});
const webhook = createRoute({
  getParentRoute: () => inside,
  path: '/webhooks/$webhookId',
  component: lazyRouteComponent(() => import('./pages/webhooks/webhook-page.tsx'), 'WebhookPage'),
});
const operations = createRoute({
  getParentRoute: () => inside,
  path: '/audit/operations',
  component: lazyRouteComponent(() => import('./pages/operations/operations-page.tsx'), 'OperationsPage'),
});
const audit = createRoute({
  getParentRoute: () => inside,
  path: '/audit',
  component: lazyRouteComponent(() => import('./pages/audit/audit-page.tsx'), 'AuditPage'),
});

/** All pages; each is its own file in the bundle. */
export const router = createRouter({
  routeTree: root.addChildren([
    login,
    signup,
    ssoLogin,
    ssoReturn,
    forgotPassword,
    resetPassword,
    verifyEmail,
    operator,
    inside.addChildren([
      index,
      clusters,
      newCluster,
      cluster.addChildren([
        overview,
        connect,
        credentials,
        certificates,
        topics,
        testClient,
        topic,
        records,
        clients,
        mqttSessions,
        mqttSession,
        retained,
        delayed,
        groups,
        group,
        aclRules,
        blacklist,
        bans,
        addresses,
        explain,
        events,
        slowSubscribers,
        settings,
        authentication,
        limits,
        revisions,
        life,
      ]),
      usage,
      billing,
      invoices,
      invoice,
      budgets,
      plan,
      account,
      invitation,
      members,
      roles,
      sso,
      apiKeys,
      webhooks,
      webhook,
      audit,
      operations,
    ]),
  ]),
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultPendingMs: 200,
  defaultPendingComponent: LoadingState,
  defaultErrorComponent: ({ error, reset }) => (
    <main style={{ padding: '2rem', maxWidth: '40rem', margin: '0 auto' }}>
      <ErrorState
        error={error}
        retry={() => {
          reset();
          void router.invalidate();
        }}
      />
    </main>
  ),
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
