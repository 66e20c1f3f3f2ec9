import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { AgentError } from './agent-error.ts';
import { readFileIfAny, replaceFile } from './durable-file.ts';

const IdentityFile = z.object({
  agentId: z.string().min(1),
  epoch: z.int().nonnegative(),
  region: z.string(),
  /** Pinned at enrolment; every desired state must carry its signature. */
  controlPublicKeyPem: z.string().includes('PUBLIC KEY'),
  /** SHA-256 of the link's TLS certificates, base64url; empty where the link has no TLS of its own. */
  linkPins: z.array(z.string()).default([]),
});
/** Who this agent is to the control plane, kept in `agent.json`. */
export type AgentIdentity = z.infer<typeof IdentityFile>;

/** The agent's own Ed25519 key pair. The private half never leaves the agent's directory. */
export class AgentKeys {
  readonly #privateKey: KeyObject;
  readonly publicKeyPem: string;

  constructor(privateKey: KeyObject) {
    this.#privateKey = privateKey;
    this.publicKeyPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  }

  /** Sixteen characters that are this installation's alone; they stay when it is enrolled anew. */
  get fingerprint(): string {
    return createHash('sha256').update(this.publicKeyPem).digest('hex').slice(0, 16);
  }

  /** Ed25519 signature over the text's UTF-8 bytes, base64. */
  sign(text: string): string {
    return sign(null, Buffer.from(text, 'utf8'), this.#privateKey).toString('base64');
  }

  /** Proof of who asks for an access token: a signature over `agentId|epoch|issuedAtMs|nonce` (in the way of RFC 7523). */
  assertion(identity: AgentIdentity, issuedAtMs: number): { issuedAtMs: number; nonce: string; signature: string } {
    const nonce = randomBytes(16).toString('base64url');
    const text = `${identity.agentId}|${identity.epoch}|${issuedAtMs}|${nonce}`;
    return { issuedAtMs, nonce, signature: this.sign(text) };
  }
}

/** Reads the key pair from `agent-key.pem`, or makes it at the first start. Throws `identity-damaged`. */
export async function openKeys(dir: string): Promise<AgentKeys> {
  const path = join(dir, 'agent-key.pem');
  const pem = await readFileIfAny(path);
  if (!pem) {
    const { privateKey } = generateKeyPairSync('ed25519');
    await replaceFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    return new AgentKeys(privateKey);
  }
  try {
    return new AgentKeys(createPrivateKey(pem));
  } catch (error) {
    throw new AgentError('identity-damaged', `the agent's key file ${path} is not a private key`, { cause: error });
  }
}

/** Reads `agent.json`; undefined before enrolment. Throws `identity-damaged`. */
export async function readIdentity(dir: string): Promise<AgentIdentity | undefined> {
  const path = join(dir, 'agent.json');
  const bytes = await readFileIfAny(path);
  if (!bytes) return undefined;
  try {
    return IdentityFile.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    throw new AgentError('identity-damaged', `the agent's identity file ${path} cannot be read`, { cause: error });
  }
}

/** Writes `agent.json`. */
export async function writeIdentity(dir: string, identity: AgentIdentity): Promise<void> {
  await replaceFile(join(dir, 'agent.json'), `${JSON.stringify(IdentityFile.parse(identity), null, 2)}\n`);
}
