import { createHash, createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { AuthenticationSettings, CredentialRecord, ScramVerifier } from '@robustmq/meta';
import type { AuthenticationMethod, Proof, ScramMechanism } from './broker-types.ts';
import { JwtChecker } from './jwt-checker.ts';
import type { TokenAcl } from './token-acl.ts';
import { X509Checker } from './x509-checker.ts';

/** Somebody is who they say. */
export interface Proven {
  readonly principal: string;
  readonly method: AuthenticationMethod;
  /** When the proof runs out; Infinity = never. */
  readonly expiresAtMs: number;
  /** What the proof itself says its bearer may do; absent = the cluster's rules alone count. */
  readonly acl?: TokenAcl;
}

/** Checked in place of a credential that does not exist, so that absent and wrong take the same time. */
const NOBODY: CredentialRecord = { name: '', sha256: { salt: 'bm9ib2R5', hash: Buffer.alloc(32).toString('base64') } };
/** Iterations told for somebody who does not exist where nobody has a verifier (RFC 7677 §4). */
const SCRAM_ITERATIONS_DEFAULT = 4096;
const HASHES = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;

/** Who may come into one namespace, and how they prove who they are. Made anew when any of that changes. */
export class Authenticator {
  readonly #credentials: ReadonlyMap<string, CredentialRecord>;
  readonly #jwt: JwtChecker | null;
  readonly #x509: X509Checker | null;
  readonly #allowsAnonymous: boolean;
  /** Keys the salts of those who do not exist. */
  readonly #secret: () => Buffer;

  constructor(
    credentials: ReadonlyMap<string, CredentialRecord>,
    settings: AuthenticationSettings,
    allowsAnonymous: boolean,
    secret: () => Buffer,
  ) {
    this.#credentials = credentials;
    this.#jwt = settings.jwt === undefined ? null : new JwtChecker(settings.jwt);
    this.#x509 = settings.x509 === undefined ? null : new X509Checker(settings.x509);
    this.#allowsAnonymous = allowsAnonymous || settings.anonymous;
    this.#secret = secret;
  }

  get allowsAnonymous(): boolean {
    return this.#allowsAnonymous;
  }
  get hasCredentials(): boolean {
    return this.#credentials.size > 0;
  }
  hasCredential(name: string): boolean {
    return this.#credentials.has(name);
  }

  anonymous(): Proven | null {
    return this.#allowsAnonymous ? { principal: 'anonymous', method: 'anonymous', expiresAtMs: Infinity } : null;
  }
  /** A name and what came as its password: the credential's, or a token. null = neither. */
  password(name: string, password: Buffer | null, nowMs: number): Proven | null {
    const credential = this.#credentials.get(name);
    const isRight = checkPassword(credential ?? NOBODY, password);
    if (credential !== undefined) {
      return isRight ? { principal: name, method: 'password', expiresAtMs: Infinity } : null;
    }
    const token = password === null || this.#jwt === null ? null : this.#jwt.check(password.toString('latin1'), nowMs);
    if (token !== null) return token;
    // a namespace that lets everybody in and knows nobody has nothing to compare a name with
    return this.hasCredentials ? null : this.anonymous();
  }
  /** null = not proven. `name` is the user of SCRAM. */
  proof(name: string | null, proof: Proof, nowMs: number): Proven | null {
    switch (proof.kind) {
      case 'jwt':
        return this.#jwt?.check(proof.token, nowMs) ?? null;
      case 'x509':
        return this.#x509?.check(proof.certificate, nowMs) ?? null;
      case 'scram': {
        const verifier = name === null ? undefined : verifierOf(this.#credentials.get(name), proof.mechanism);
        const isRight = checkScram(verifier ?? this.scramVerifier(name ?? '', proof.mechanism), proof);
        if (verifier === undefined || !isRight) return null;
        return { principal: name!, method: 'scram', expiresAtMs: Infinity };
      }
    }
  }
  /** The user's verifier; for somebody who has none one that is always the same and fits no password. */
  scramVerifier(name: string, mechanism: ScramMechanism): ScramVerifier {
    const own = verifierOf(this.#credentials.get(name), mechanism);
    if (own !== undefined) return own;
    let iterations = SCRAM_ITERATIONS_DEFAULT;
    for (const credential of this.#credentials.values()) {
      const verifier = verifierOf(credential, mechanism);
      if (verifier === undefined) continue;
      iterations = verifier.iterations;
      break;
    }
    return madeUpVerifier(this.#secret(), name, mechanism, iterations);
  }
}

/** The work of a wrong password, for a namespace that does not exist. */
export function checkNobody(password: Buffer | null): void {
  checkPassword(NOBODY, password);
}

/** What a SCRAM server tells about nobody: looks like any other, and needs a preimage to be passed. */
export function madeUpVerifier(
  secret: Buffer,
  name: string,
  mechanism: ScramMechanism,
  iterations = SCRAM_ITERATIONS_DEFAULT,
): ScramVerifier {
  const made = (what: string): Buffer =>
    createHmac(HASHES[mechanism], secret).update(`${what} ${mechanism} ${name}`).digest();
  return {
    salt: made('salt').subarray(0, 16).toString('base64'),
    iterations,
    storedKey: made('stored').toString('base64'),
    serverKey: made('server').toString('base64'),
  };
}

function verifierOf(credential: CredentialRecord | undefined, mechanism: ScramMechanism): ScramVerifier | undefined {
  return mechanism === 'SCRAM-SHA-256' ? credential?.scramSha256 : credential?.scramSha512;
}

/** RFC 5802 §3: H(ClientProof ⊕ HMAC(StoredKey, AuthMessage)) = StoredKey. */
function checkScram(
  { storedKey }: ScramVerifier,
  { mechanism, authMessage, clientProof }: Extract<Proof, { kind: 'scram' }>,
): boolean {
  const stored = Buffer.from(storedKey, 'base64');
  const signature = createHmac(HASHES[mechanism], stored).update(authMessage).digest();
  if (clientProof.length !== signature.length) return false;
  for (let i = 0; i < signature.length; i++) signature[i]! ^= clientProof[i]!;
  const key = createHash(HASHES[mechanism]).update(signature).digest();
  return stored.length === key.length && timingSafeEqual(key, stored);
}

/** Salt and hash of a credential as bytes, decoded when they are first asked for. */
const DECODED = new WeakMap<CredentialRecord, { readonly salt: Buffer; readonly hash: Buffer }>();

function decoded(credential: CredentialRecord): { readonly salt: Buffer; readonly hash: Buffer } {
  let bytes = DECODED.get(credential);
  if (bytes === undefined) {
    const { salt, hash: wanted } = credential.sha256;
    bytes = { salt: Buffer.from(salt, 'base64'), hash: Buffer.from(wanted, 'base64') };
    DECODED.set(credential, bytes);
  }
  return bytes;
}

/** SHA-256(salt ‖ password) in constant time; no password is a wrong one. */
function checkPassword(credential: CredentialRecord, password: Buffer | null): boolean {
  const { salt, hash: wanted } = decoded(credential);
  const got = hash('sha256', password === null ? salt : Buffer.concat([salt, password]), 'buffer');
  return password !== null && wanted.length === got.length && timingSafeEqual(got, wanted);
}
