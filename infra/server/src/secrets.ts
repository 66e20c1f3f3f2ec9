import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Secrets between the processes of one installation. Made at the first start, kept in a file only its owner can read. */
export interface Secrets {
  readonly databaseOwnerPassword: string;
  readonly databaseAppPassword: string;
  readonly operatorToken: string;
  readonly internalToken: string;
}

/** Reads `<home>/secrets.json`, making it if it is absent. */
export function loadSecrets(home: string): Secrets {
  const file = join(home, 'secrets.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Secrets;
  const secret = (): string => randomBytes(24).toString('base64url');
  const secrets: Secrets = {
    databaseOwnerPassword: secret(),
    databaseAppPassword: secret(),
    operatorToken: secret(),
    internalToken: secret(),
  };
  writePrivately(file, JSON.stringify(secrets, null, 2));
  return secrets;
}

/** Writes a file only its owner can read, whole or not at all. */
export function writePrivately(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}
