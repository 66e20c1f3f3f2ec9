import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { restoreSession } from './api/session.ts';
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
    inside.addChildren([
      index,
      clusters,
      newCluster,
      cluster.addChildren([overview, connect, credentials, topics, testClient]),
      usage,
      billing,
      members,
      apiKeys,
      audit,
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
