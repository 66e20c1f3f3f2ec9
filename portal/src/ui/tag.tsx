import { Badge } from '@mantine/core';
import type { ReactNode } from 'react';

/** A state in a word and a colour. */
export function Tag({ color, children }: { color: string; children: ReactNode }) {
  return (
    <Badge variant="light" tt="none" radius="sm" color={color}>
      {children}
    </Badge>
  );
}
