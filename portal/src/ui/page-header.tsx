import { Group, Stack, Text, Title } from '@mantine/core';
import { useEffect, useRef, type ReactNode } from 'react';

/** False until the first page is shown: a fresh load leaves the focus where the browser put it. */
let navigated = false;

/** Names the browser's tab after the page. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · RobustMQ Cloud`;
  }, [title]);
}

interface PageHeaderProps {
  readonly title: string;
  /** Of the browser's tab, where one heading stands above several pages. */
  readonly tabTitle?: string;
  readonly description?: ReactNode;
  /** Beside the title: status. */
  readonly badge?: ReactNode;
  /** To the right: what one can do here. */
  readonly actions?: ReactNode;
}

/** A page's heading; takes the focus after a navigation, so that screen readers say where one is. */
export function PageHeader({ title, tabTitle = title, description, badge, actions }: PageHeaderProps) {
  useTitle(tabTitle);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (navigated) heading.current?.focus({ preventScroll: true });
    navigated = true;
  }, []);
  return (
    <Group justify="space-between" align="flex-start" mb="lg" gap="md">
      <Stack gap={4} style={{ minWidth: 0, flex: '1 1 16rem' }}>
        <Group gap="sm">
          <Title order={1} size="h2" ref={heading} tabIndex={-1} style={{ overflowWrap: 'anywhere' }}>
            {title}
          </Title>
          {badge}
        </Group>
        {description !== undefined && (
          <Text c="dimmed" maw="44rem">
            {description}
          </Text>
        )}
      </Stack>
      {actions !== undefined && <Group gap="sm">{actions}</Group>}
    </Group>
  );
}
