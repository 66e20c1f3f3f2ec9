import type { ReactNode } from 'react';
import { PageHeader } from '../../ui/page-header.tsx';
import { SubPages } from '../../ui/sub-pages.tsx';

const PAGES = [
  { label: 'Members', to: '/members' },
  { label: 'Roles', to: '/members/roles' },
] as const;

/** Heading and sub-pages of everything about people. */
export function MembersHeader(props: { title: string; description: ReactNode; actions?: ReactNode }) {
  return (
    <>
      <SubPages label="Members" pages={PAGES} />
      <PageHeader {...props} />
    </>
  );
}
