import { Breadcrumbs, ScrollArea, Tabs, Text } from '@mantine/core';
import { ApiError, type Cluster } from '@robustmq/client';
import { IconServerOff } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { AnchorLink, ButtonLink } from '../../ui/links.tsx';
import { createContext, useContext, useEffect, useRef } from 'react';
import { clusterQuery } from '../../api/queries.ts';
import { useSession } from '../../api/session.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { StatusBadge } from '../../ui/status-badge.tsx';

const route = getRouteApi('/inside/clusters/$clusterId');
const ClusterContext = createContext<Cluster | undefined>(undefined);

/** The cluster whose pages are shown; they are only there once it was read. */
export function useCluster(): Cluster {
  const cluster = useContext(ClusterContext);
  if (!cluster) throw new Error('this page belongs inside a cluster');
  return cluster;
}

const TABS = [
  { value: 'overview', label: 'Overview', to: '/clusters/$clusterId' },
  { value: 'connect', label: 'Connect', to: '/clusters/$clusterId/connect' },
  { value: 'credentials', label: 'Credentials', to: '/clusters/$clusterId/credentials' },
  { value: 'topics', label: 'Topics', to: '/clusters/$clusterId/topics' },
  { value: 'test-client', label: 'Test client', to: '/clusters/$clusterId/test-client' },
  { value: 'clients', label: 'Clients', to: '/clusters/$clusterId/clients' },
  { value: 'messages', label: 'Messages', to: '/clusters/$clusterId/messages' },
  { value: 'groups', label: 'Groups', to: '/clusters/$clusterId/groups' },
  { value: 'access', label: 'Access', to: '/clusters/$clusterId/access' },
  { value: 'events', label: 'Events', to: '/clusters/$clusterId/events' },
  { value: 'settings', label: 'Settings', to: '/clusters/$clusterId/settings' },
] as const;

/** The tabs; on a phone they scroll sideways, and the one of the page shown comes into sight. */
function TabList({ tab }: { tab: string }) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [tab]);
  return (
    <ScrollArea type="never" mb="lg">
      <Tabs.List aria-label="Cluster" style={{ flexWrap: 'nowrap' }} ref={list}>
        {TABS.map(({ value, label }) => (
          <Tabs.Tab key={value} value={value} px="sm">
            {label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
    </ScrollArea>
  );
}

/** Heading and tabs of one cluster; keeps its state fresh for the pages below. */
export function ClusterLayout() {
  const { clusterId } = route.useParams();
  const { tenantId } = useSession();
  const { data: cluster, error, refetch } = useQuery(clusterQuery(tenantId, clusterId));
  const { pathname } = useLocation();
  const navigate = useNavigate();
  if (error instanceof ApiError && (error.status === 404 || error.status === 400)) {
    return (
      <>
        <PageHeader title="Cluster not found" />
        <EmptyState
          icon={<IconServerOff size={28} />}
          title="There is no such cluster"
          action={<ButtonLink to="/clusters">Go to your clusters</ButtonLink>}
        >
          It may have been deleted, or it belongs to another tenant.
        </EmptyState>
      </>
    );
  }
  if (error && !cluster) {
    return (
      <>
        <PageHeader title="Cluster" />
        <ErrorState error={error} retry={() => void refetch()} />
      </>
    );
  }
  if (!cluster) return <LoadingState />;
  const [tab, below] = [pathname.split('/')[3] || 'overview', pathname.split('/')[4]];
  const tabTitle = [below && decodeURIComponent(below), TABS.find(({ value }) => value === tab)?.label, cluster.name];
  return (
    <ClusterContext value={cluster}>
      <Breadcrumbs mb="xs" aria-label="Breadcrumb" component="nav">
        <AnchorLink to="/clusters" size="sm">
          Clusters
        </AnchorLink>
        <Text size="sm" aria-current="page">
          {cluster.name}
        </Text>
      </Breadcrumbs>
      <PageHeader
        title={cluster.name}
        tabTitle={tabTitle.filter(Boolean).join(' · ')}
        badge={<StatusBadge phase={cluster.phase} />}
      />
      {error && <ErrorState mb="md" error={error} retry={() => void refetch()} />}
      <Tabs
        value={tab}
        onChange={(value) => {
          const to = TABS.find((t) => t.value === value)?.to;
          if (to) void navigate({ to, params: { clusterId } });
        }}
        activateTabWithKeyboard={false}
      >
        <TabList tab={tab} />
        <Tabs.Panel value={tab}>
          <Outlet />
        </Tabs.Panel>
      </Tabs>
    </ClusterContext>
  );
}
