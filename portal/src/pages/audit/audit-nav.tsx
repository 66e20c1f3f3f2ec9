import { usePermitted } from '../../api/permission.ts';
import { SubPages } from '../../ui/sub-pages.tsx';

/** The audit log, and operations that can be taken back. */
export function AuditPages() {
  const mayRead = usePermitted('audit:read');
  if (!mayRead) return null;
  return (
    <SubPages
      label="Audit log"
      pages={[
        { label: 'Audit log', to: '/audit' },
        { label: 'Operations', to: '/audit/operations' },
      ]}
    />
  );
}
