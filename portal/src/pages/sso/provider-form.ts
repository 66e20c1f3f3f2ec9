import type { SsoProvider } from '@robustmq/contracts';
import type { Sent } from '../../api/sent.ts';
import { roleBody, roleChoiceOf, type Role } from '../members/roles.ts';

/** In place of a role: newcomers whose groups map to nothing are refused. */
export const REFUSED = 'refused';

/** A provider as its form holds it. */
export interface ProviderValues {
  name: string;
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** A choice of `roles.ts`, or `REFUSED`. */
  defaultRole: string;
  groupsClaim: string;
  /** One a line: `group = role`. */
  groupRoles: string;
  joins: boolean;
}

export const NEW_PROVIDER: ProviderValues = {
  ...{ name: '', issuer: '', clientId: '', clientSecret: '', defaultRole: 'viewer' },
  ...{ groupsClaim: 'groups', groupRoles: '', joins: true },
};

interface OwnRole {
  readonly id: string;
  readonly name: string;
}

/** The form of a provider; its secret is never shown. */
export function valuesOf(provider: SsoProvider, own: readonly OwnRole[]): ProviderValues {
  const nameOf = (role: Role, customRoleId?: string) =>
    role === 'custom' ? (own.find(({ id }) => id === customRoleId)?.name ?? 'custom') : role;
  const { name, issuer, clientId, defaultRole, defaultCustomRoleId = null, groupsClaim, joins } = provider;
  return {
    ...{ name, issuer, clientId, clientSecret: '', groupsClaim, joins },
    defaultRole:
      defaultRole === null ? REFUSED : roleChoiceOf({ role: defaultRole, customRoleId: defaultCustomRoleId }),
    groupRoles: provider.groupRoles
      .map(({ group, role, customRoleId }) => `${group} = ${nameOf(role, customRoleId)}`)
      .join('\n'),
  };
}

type GroupRole = Sent<SsoProvider['groupRoles'][number]>;

/** The lines `group = role`; a line that is none, or names no role, as the words that say so. */
export function groupRolesOf(
  text: string,
  builtIn: readonly string[],
  own: readonly OwnRole[],
): readonly GroupRole[] | string {
  const found: GroupRole[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const at = line.lastIndexOf('=');
    const [group, role] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    if (at < 0 || group === '') return `Write it as group = role: ${line.trim()}`;
    const custom = own.find(({ name }) => name.toLowerCase() === role.toLowerCase());
    if (builtIn.includes(role.toLowerCase())) found.push({ group, role: role.toLowerCase() as Role });
    else if (custom) found.push({ group, role: 'custom', customRoleId: custom.id });
    else return `There is no role ${role}`;
  }
  return found;
}

/** What is sent of a form whose group roles are right. An empty secret is left as it is. */
export function bodyOfForm(values: ProviderValues, groupRoles: readonly GroupRole[]) {
  const { role, customRoleId = null } = values.defaultRole === REFUSED ? { role: null } : roleBody(values.defaultRole);
  return {
    ...{ name: values.name.trim(), issuer: values.issuer.trim(), clientId: values.clientId.trim() },
    ...{ groupsClaim: values.groupsClaim.trim(), joins: values.joins, groupRoles: [...groupRoles] },
    ...{ defaultRole: role, defaultCustomRoleId: customRoleId },
    ...(values.clientSecret === '' ? {} : { clientSecret: values.clientSecret }),
  };
}
