import { api, arrayOf, bytes, int16, int64, string } from '../schema.ts';

/** SaslHandshake (17). After version 0 the tokens follow bare, each behind its size (KIP-43). */
export const SaslHandshake = api({
  key: 17,
  name: 'SaslHandshake',
  minVersion: 0,
  maxVersion: 1,
  flexibleSince: Infinity,
  request: { mechanism: string() },
  response: { errorCode: int16(), mechanisms: arrayOf(string()) },
});

/** SaslAuthenticate (36), KIP-152. */
export const SaslAuthenticate = api({
  key: 36,
  name: 'SaslAuthenticate',
  minVersion: 0,
  maxVersion: 2,
  flexibleSince: 2,
  request: { authBytes: bytes() },
  response: {
    errorCode: int16(),
    errorMessage: string().nullable(),
    authBytes: bytes(),
    sessionLifetimeMs: int64().since(1).or(0),
  },
});
