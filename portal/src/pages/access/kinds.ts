import type { BlacklistEntry } from '@robustmq/contracts';

/** What a blacklist entry can name, and what it is called. */
export const KINDS: Record<BlacklistEntry['kind'], string> = {
  'client-id': 'Client id',
  'client-id-prefix': 'Client ids beginning with',
  user: 'Credential',
  address: 'Address or network',
};

/** The name of a kind; bans can have others than the blacklist. */
export const kindText = (kind: string): string => (KINDS as Record<string, string>)[kind] ?? kind;
