import { createPublicKey, randomUUID, verify, type KeyObject } from 'node:crypto';
import { status, type Metadata } from '@grpc/grpc-js';
import { Inject, Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { RpcException } from '@nestjs/microservices';
import { Database, type AgentRow } from '@robustmq/db';
import { z } from 'zod';
import { KeyRing } from '../auth/key-ring.ts';
import { ALGORITHM, AUDIENCE_AGENT, ISSUER } from '../auth/tokens.ts';
import type {
  AuthenticateReply,
  AuthenticateRequest,
  EnrollReply,
  EnrollRequest,
  LinkCertificatesReply,
  LinkCertificatesRequest,
} from './agent-frames.ts';
import { LinkCertificates } from './link-certificates.ts';

/** Life of an agent's access token in milliseconds. */
export const AGENT_TOKEN_MS = 10 * 60_000;
/** How far an assertion's time may be from ours, in milliseconds; nonces are remembered twice as long. */
export const ASSERTION_SKEW_MS = 5 * 60_000;
/** Nonces remembered at most; more assertions than this within the skew are refused. */
const NONCES_MAX = 200_000;

const AgentClaims = z.object({ sub: z.uuid(), epoch: z.int().nonnegative() });

/** Refuses a call of the agent link with a gRPC status and a sentence for the agent's log. */
export const refuse = (code: status, message: string): RpcException => new RpcException({ code, message });

/** An Ed25519 public key, and no other kind. */
function ed25519(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    return undefined;
  }
}

function signed(pem: string, text: string, signature: string): boolean {
  const key = ed25519(pem);
  return key !== undefined && verify(null, Buffer.from(text, 'utf8'), key, Buffer.from(signature, 'base64'));
}

/** Who an agent is: enrolment, assertions, access tokens. The private key never leaves the agent. */
@Injectable()
export class AgentIdentity {
  readonly #database: Database;
  readonly #keys: KeyRing;
  readonly #jwt: JwtService;
  readonly #certificates: LinkCertificates | null;
  /** nonce → when it may be forgotten, oldest first */
  readonly #nonces = new Map<string, number>();

  constructor(
    database: Database,
    keys: KeyRing,
    jwt: JwtService,
    @Inject(LinkCertificates) certificates: LinkCertificates | null,
  ) {
    this.#certificates = certificates;
    this.#database = database;
    this.#keys = keys;
    this.#jwt = jwt;
  }

  /** Exchanges a join token for an identity bound to the agent's own key. */
  async enrol(request: EnrollRequest): Promise<EnrollReply> {
    const { joinToken, publicKeyPem, agentVersion } = request;
    if (!ed25519(publicKeyPem)) throw refuse(status.INVALID_ARGUMENT, 'public_key_pem is no Ed25519 public key');
    if (!signed(publicKeyPem, joinToken, request.signature))
      throw refuse(status.UNAUTHENTICATED, 'the enrolment is not signed by its own key');
    const result = await this.#database.agents.enrol({
      tokenHash: this.#keys.digest(joinToken),
      ...{ publicKeyPem, agentVersion: agentVersion.slice(0, 100), now: new Date() },
    });
    if (result.kind === 'unknown') throw refuse(status.UNAUTHENTICATED, 'the join token is not known');
    if (result.kind === 'used')
      throw refuse(status.FAILED_PRECONDITION, 'the join token was used already; ask for a new one (409)');
    if (result.kind !== 'enrolled')
      throw refuse(status.FAILED_PRECONDITION, 'the join token has expired; ask for a new one (410)');
    const { agentId, region, epoch } = result;
    return { agentId, epoch: Number(epoch), region, controlPublicKeyPem: this.#keys.publicKeyPem };
  }

  /** Exchanges an assertion signed by the agent's key for a 10-minute access token (in the way of RFC 7523). */
  async authenticate(request: AuthenticateRequest): Promise<AuthenticateReply> {
    const { agentId, epoch, issuedAtMs, nonce, signature } = request;
    const now = Date.now();
    if (Math.abs(now - issuedAtMs) > ASSERTION_SKEW_MS)
      throw refuse(status.UNAUTHENTICATED, 'the assertion is too old or from the future: check the clock');
    const agent = z.uuid().safeParse(agentId).success ? await this.#database.agents.agent(agentId) : null;
    // told apart, so that an agent whose control plane lost its database knows what to do
    if (!agent) throw refuse(status.NOT_FOUND, 'this control plane does not know the agent');
    const text = `${agentId}|${epoch}|${issuedAtMs}|${nonce}`;
    if (agent.disabledAt || nonce.length < 8 || nonce.length > 128 || !signed(agent.publicKeyPem, text, signature))
      throw refuse(status.UNAUTHENTICATED, 'the assertion is not valid');
    this.#useNonce(`${agentId}|${nonce}`, now);
    const accessToken = await this.#jwt.signAsync(
      { epoch },
      {
        ...{ subject: agentId, issuer: ISSUER, audience: AUDIENCE_AGENT, algorithm: ALGORITHM, jwtid: randomUUID() },
        ...{ expiresIn: AGENT_TOKEN_MS / 1000, secret: this.#keys.jwtKey },
      },
    );
    return { accessToken, expiresAtMs: now + AGENT_TOKEN_MS };
  }

  /** The fingerprints of the link's certificates, signed for whoever asked. Throws UNIMPLEMENTED where the link is plain. */
  certificates({ nonce }: LinkCertificatesRequest): LinkCertificatesReply {
    if (!this.#certificates) throw refuse(status.UNIMPLEMENTED, 'the link has no TLS of its own');
    if (!/^[\w-]{8,128}$/.test(nonce))
      throw refuse(status.INVALID_ARGUMENT, 'nonce is no 8 to 128 characters base64url');
    const fingerprintsJson = JSON.stringify(this.#certificates.fingerprints);
    return { fingerprintsJson, signature: this.#keys.sign(`link-certificates|${nonce}|${fingerprintsJson}`) };
  }

  /** The agent that makes a call. Throws UNAUTHENTICATED. */
  async caller(metadata: Metadata): Promise<AgentRow> {
    const header = metadata.get('authorization')[0];
    const token = typeof header === 'string' ? /^Bearer (\S+)$/i.exec(header)?.[1] : undefined;
    const claims = token === undefined ? undefined : await this.#claims(token);
    const agent = claims && (await this.#database.agents.agent(claims.sub));
    if (!agent || agent.disabledAt) throw refuse(status.UNAUTHENTICATED, 'the access token is not valid');
    return agent;
  }

  /** Whether a text is signed by the agent's key. */
  signedBy(agent: AgentRow, text: string, signature: string): boolean {
    return signed(agent.publicKeyPem, text, signature);
  }

  async #claims(token: string): Promise<z.infer<typeof AgentClaims> | undefined> {
    try {
      const claims: unknown = await this.#jwt.verifyAsync(token, {
        ...{ secret: this.#keys.jwtKey, algorithms: [ALGORITHM], issuer: ISSUER, audience: AUDIENCE_AGENT },
      });
      return AgentClaims.parse(claims);
    } catch {
      return undefined;
    }
  }

  #useNonce(nonce: string, now: number): void {
    for (const [old, until] of this.#nonces) {
      if (until > now) break;
      this.#nonces.delete(old);
    }
    if (this.#nonces.has(nonce)) throw refuse(status.UNAUTHENTICATED, 'the assertion was used already');
    if (this.#nonces.size >= NONCES_MAX) throw refuse(status.RESOURCE_EXHAUSTED, 'too many assertions; try later');
    this.#nonces.set(nonce, now + 2 * ASSERTION_SKEW_MS);
  }
}
