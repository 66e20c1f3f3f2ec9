import { z } from 'zod';

/** Display name of a cluster: a letter, then letters, digits and dashes; unique within its tenant. */
export const ClusterName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,38}[a-z0-9]$/, 'use 2 to 40 lower-case letters, digits and dashes, starting with a letter');

/** Name of a credential within its cluster; what a client sends is `<name>@<cluster key>`. */
export const CredentialName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'use 1 to 63 letters, digits, dots, dashes and underscores');

/** Topic name: the Kafka rule (letters, digits, `.`, `_`, `-`; 1 to 249; not `.` or `..`). */
export const TopicName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,249}$/, 'use 1 to 249 letters, digits, dots, dashes and underscores')
  .refine((n) => n !== '.' && n !== '..', 'the names "." and ".." are reserved');
