import type { Permission } from '@robustmq/contracts';
import type { ReactNode } from 'react';
import { permissionsIn } from '../../api/permission.ts';
import { useSession } from '../../api/session.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { SubPages } from '../../ui/sub-pages.tsx';

const PAGES = [
  { label: 'Members', to: '/members' },
  { label: 'Roles', to: '/members/roles' },
  { label: 'Single sign-on', to: '/members/sso', needs: 'sso:read' },
] as const satisfies readonly { label: string; to: string; needs?: Permission }[];

/** Heading and sub-pages of everything about people. */
export function MembersHeader(props: { title: string; description: ReactNode; actions?: ReactNode }) {
  const permissions = permissionsIn(useSession());
  const pages = PAGES.filter((page) => !('needs' in page) || permissions.has(page.needs));
  return (
    <>
      <SubPages label="Members" pages={pages} />
      <PageHeader {...props} />
    </>
  );
}
