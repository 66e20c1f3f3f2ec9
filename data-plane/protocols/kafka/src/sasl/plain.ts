/**
 * PLAIN => [authzid] NUL authcid NUL passwd (RFC 4616). An authzid other than the authcid is refused: nobody acts for
 * somebody else here. Null when the token does not follow the grammar.
 */
export function parsePlain(token: Buffer): { username: string; password: Buffer } | null {
  const first = token.indexOf(0);
  const second = token.indexOf(0, first + 1);
  if (first < 0 || second < 0 || token.indexOf(0, second + 1) >= 0) return null;
  const authzid = token.toString('utf8', 0, first);
  const username = token.toString('utf8', first + 1, second);
  if (username === '' || (authzid !== '' && authzid !== username)) return null;
  return { username, password: Buffer.from(token.subarray(second + 1)) };
}
