import { Group } from '@mantine/core';
import { useLocation } from '@tanstack/react-router';
import { ButtonLink } from './links.tsx';

interface SubPage {
  readonly label: string;
  readonly to: string;
}

/** The pages of one tab, side by side; the one shown is marked. `to` are paths with their parameters filled in. */
export function SubPages({ label, pages }: { label: string; pages: readonly SubPage[] }) {
  const { pathname } = useLocation();
  const path = decodeURIComponent(pathname);
  const isAbove = (to: string) => path === to || path.startsWith(`${to}/`);
  const above = pages.map(({ to }) => decodeURIComponent(to)).filter(isAbove);
  const current = above.reduce((longest, to) => (to.length > longest.length ? to : longest), '');
  return (
    <Group component="nav" aria-label={label} gap="xs" mb="md">
      {pages.map((page) => {
        const shown = decodeURIComponent(page.to) === current;
        return (
          <ButtonLink
            key={page.to}
            to={page.to}
            size="xs"
            variant={shown ? 'light' : 'subtle'}
            activeOptions={{ exact: true }}
            {...(shown ? { 'aria-current': 'page' as const } : {})}
          >
            {page.label}
          </ButtonLink>
        );
      })}
    </Group>
  );
}
