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

const CUSTOM = 'custom:';

/** Built-in roles and the tenant's own, as choices of a list. */
export const roleChoices = (custom: readonly { id: string; name: string }[]): { value: string; label: string }[] => [
  ...ROLES,
  ...custom.map(({ id, name }) => ({ value: `${CUSTOM}${id}`, label: name })),
];

/** The choice that stands for what somebody has. */
export const roleChoiceOf = ({ role, customRoleId }: { role: Role; customRoleId?: string | null }): string =>
  role === 'custom' && customRoleId ? `${CUSTOM}${customRoleId}` : role;

/** A choice as the API takes it. */
export const roleBody = (choice: string): { role: Role; customRoleId?: string } =>
  choice.startsWith(CUSTOM) ? { role: 'custom', customRoleId: choice.slice(CUSTOM.length) } : { role: choice as Role };

/** What a role is called. */
export const roleName = (
  held: { role: Role; customRoleId?: string | null },
  custom: readonly { id: string; name: string }[],
): string => custom.find(({ id }) => id === held.customRoleId)?.name ?? ROLE_LABEL[held.role];
