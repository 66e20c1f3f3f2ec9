import { ActionIcon, AppShell, Burger, Button, Group, Menu, NavLink, ScrollArea, Stack, Text } from '@mantine/core';
import { useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconChartLine,
  IconCheck,
  IconChevronDown,
  IconKey,
  IconListDetails,
  IconLogout,
  IconMoon,
  IconReceipt,
  IconServer2,
  IconSun,
  IconUser,
  IconUserCog,
  IconUsers,
  IconWebhook,
} from '@tabler/icons-react';
import type { Permission } from '@robustmq/contracts';
import { Link, Outlet, useLocation, useNavigate, useRouter } from '@tanstack/react-router';
import { useEffect, type ComponentType } from 'react';
import { permissionsIn } from '../api/permission.ts';
import { hasLeft, selectTenant, signOut, useMaybeSession, useSession } from '../api/session.ts';
import { Logo } from './logo.tsx';
import { StepUpDialog } from './step-up-dialog.tsx';

interface Entry {
  readonly to: '/clusters' | '/usage' | '/billing' | '/members' | '/api-keys' | '/webhooks' | '/audit';
  readonly label: string;
  readonly icon: ComponentType<{ size?: number; stroke?: number }>;
  /** Hidden from those who may not even look. */
  readonly needs?: Permission;
}

const ENTRIES: readonly Entry[] = [
  { to: '/clusters', label: 'Clusters', icon: IconServer2 },
  { to: '/usage', label: 'Usage', icon: IconChartLine, needs: 'usage:read' },
  { to: '/billing', label: 'Billing', icon: IconReceipt, needs: 'billing:read' },
  { to: '/members', label: 'Members', icon: IconUsers },
  { to: '/api-keys', label: 'API keys', icon: IconKey, needs: 'api-key:read' },
  { to: '/webhooks', label: 'Webhooks', icon: IconWebhook, needs: 'webhook:read' },
  { to: '/audit', label: 'Audit log', icon: IconListDetails, needs: 'audit:read' },
];

/** Switches between light and dark; the choice is remembered. */
export function SchemeToggle() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const next = scheme === 'dark' ? 'light' : 'dark';
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      onClick={() => setColorScheme(next)}
      aria-label={`Switch to ${next} mode`}
    >
      {scheme === 'dark' ? <IconSun size={18} aria-hidden /> : <IconMoon size={18} aria-hidden />}
    </ActionIcon>
  );
}

function AccountMenu() {
  const { user, tenants, tenantId } = useSession();
  const navigate = useNavigate();
  const tenant = tenants.find((t) => t.id === tenantId);
  return (
    <Menu position="bottom-end" width={260} withinPortal>
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          px="xs"
          aria-label={`Account: ${user.email}, tenant ${tenant?.name ?? ''}`}
          leftSection={<IconUser size={18} aria-hidden />}
          rightSection={<IconChevronDown size={14} aria-hidden />}
        >
          <Text span size="sm" maw={160} truncate visibleFrom="sm">
            {tenant?.name ?? user.email}
          </Text>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label style={{ overflowWrap: 'anywhere' }}>{user.email}</Menu.Label>
        {tenants.map((t) => (
          <Menu.Item
            key={t.id}
            leftSection={
              t.id === tenantId ? (
                <IconCheck size={16} aria-hidden />
              ) : (
                <span style={{ width: 16, display: 'inline-block' }} />
              )
            }
            aria-current={t.id === tenantId || undefined}
            onClick={() => {
              selectTenant(t.id);
              void navigate({ to: '/clusters' });
            }}
          >
            {t.name}
            <Text size="xs" c="dimmed">
              {t.role}
            </Text>
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item
          leftSection={<IconUserCog size={16} aria-hidden />}
          onClick={() => void navigate({ to: '/account' })}
        >
          Your account
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => void signOut()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function Navigation({ onNavigate }: { onNavigate: () => void }) {
  const { pathname } = useLocation();
  const permissions = permissionsIn(useSession());
  return (
    <Stack gap={4}>
      {ENTRIES.filter(({ needs }) => needs === undefined || permissions.has(needs)).map(({ to, label, icon: Icon }) => {
        const active = pathname === to || pathname.startsWith(`${to}/`);
        return (
          <NavLink
            key={to}
            component={Link}
            to={to}
            label={label}
            active={active}
            {...(active ? { 'aria-current': 'page' as const } : {})}
            leftSection={<Icon size={18} stroke={1.6} />}
            onClick={onNavigate}
            style={{ borderRadius: 'var(--mantine-radius-md)' }}
          />
        );
      })}
    </Stack>
  );
}

/** Header, navigation and the page; sends people to the login when their session ends, and from there back. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure(false);
  const session = useMaybeSession();
  const navigate = useNavigate();
  const router = useRouter();
  useEffect(() => {
    const { href, pathname } = router.latestLocation;
    if (session || pathname === '/login') return;
    // whose session ended goes on here after the login; back does not lead to a page of nobody
    const search = hasLeft() ? {} : { next: href };
    void navigate({ to: '/login', search, replace: true });
  }, [session, navigate, router]);
  // Between a logout and the login page there is nobody whose things could be asked for.
  if (!session) return null;
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding={{ base: 'md', sm: 'xl' }}
    >
      <a
        href="#content"
        className="skip-link"
        onClick={(event) => {
          // the address stays that of the page
          event.preventDefault();
          document.getElementById('content')?.focus();
        }}
      >
        Skip to content
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={opened ? 'Close navigation' : 'Open navigation'}
              aria-expanded={opened}
            />
            <Link
              to="/clusters"
              aria-label="RobustMQ Cloud, your clusters"
              style={{ textDecoration: 'none', color: 'inherit' }}
            >
              <Logo />
            </Link>
          </Group>
          <Group gap={4} wrap="nowrap">
            <SchemeToggle />
            <AccountMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" aria-label="Main">
        <AppShell.Section grow component={ScrollArea}>
          <Navigation onNavigate={close} />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <div style={{ maxWidth: '72rem', margin: '0 auto' }}>
          <Outlet key={session.tenantId} />
        </div>
        <StepUpDialog />
      </AppShell.Main>
    </AppShell>
  );
}
