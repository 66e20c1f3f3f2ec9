import type { Member } from '@robustmq/client';

export type Role = Member['role'];

export const ROLE_LABEL: Record<Role, string> = {
  owner: 'Owner',
  admin: 'Admin',
  developer: 'Developer',
  operator: 'Operator',
  billing: 'Billing',
  auditor: 'Auditor',
  viewer: 'Viewer',
  custom: 'Custom',
};

/** The roles as choices, the mightiest first. */
export const ROLES = (Object.keys(ROLE_LABEL) as Role[])
  .filter((one) => one !== 'custom')
  .map((value) => ({ value, label: ROLE_LABEL[value] }));
