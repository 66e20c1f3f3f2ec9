const SEPARATOR = '\u0001';
/** gs2-header, then `key=value` pairs each behind U+0001, closed by another (RFC 7628 §3.1). */
const GS2_HEADER = /^n,(?:a=([^,]*))?,$/;
const BEARER = /^[Bb]earer ([A-Za-z0-9\-._~+/]+=*)$/;
/** The extension that names the cluster where neither port nor server name does. */
const CLUSTER_EXTENSION = 'logicalCluster';

/** What an OAUTHBEARER client says: its token, and where it wants to go. */
export interface BearerToken {
  readonly token: string;
  /** authzid, else `@cluster` of the extension, else null. */
  readonly username: string | null;
}

/** Reads the client's only message; null when it does not follow the grammar. */
export function parseBearer(message: Buffer): BearerToken | null {
  const [header = '', ...pairs] = message.toString('utf8').split(SEPARATOR);
  const gs2 = GS2_HEADER.exec(header);
  if (gs2 === null || pairs.length < 3 || pairs.at(-1) !== '' || pairs.at(-2) !== '') return null;
  const values = new Map<string, string>();
  for (const pair of pairs.slice(0, -2)) {
    const at = pair.indexOf('=');
    if (at <= 0) return null;
    values.set(pair.slice(0, at), pair.slice(at + 1));
  }
  const token = BEARER.exec(values.get('auth') ?? '')?.[1];
  if (token === undefined) return null;
  const authzid = gs2[1] ?? '';
  const cluster = values.get(CLUSTER_EXTENSION);
  if (authzid !== '') return { token, username: authzid };
  return { token, username: cluster === undefined ? null : `@${cluster}` };
}
