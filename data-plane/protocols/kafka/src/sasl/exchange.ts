import type { Admission, AdmitRequest, Broker, Refusal } from '@robustmq/broker';
import type { Runtime } from '@robustmq/wire';
import { parseBearer } from './oauth-bearer.ts';
import { parsePlain } from './plain.ts';
import { SCRAM_RANDOM_BYTES, ScramExchange, type ScramMechanism, type ScramProof } from './scram.ts';

/** The mechanisms clients may choose from. */
export const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const;
export type Mechanism = (typeof MECHANISMS)[number];

export function isMechanism(name: string): name is Mechanism {
  return (MECHANISMS as readonly string[]).includes(name);
}

/** What a token led to: `admission` null = the client's next token is awaited. */
export type SaslStep = { readonly challenge: Buffer; readonly admission: Admission | null } | Refusal;
/** What is known of the connection without the token. */
export type SaslOrigin = Pick<AdmitRequest, 'listener' | 'serverName' | 'remoteAddress'> & {
  readonly clientId: string;
};

/** What a token says of its bearer. */
type Who = Pick<AdmitRequest, 'username' | 'password' | 'proof' | 'verdict'>;

const MALFORMED: Refusal = { refused: 'bad-credentials', message: 'the SASL message is malformed' };
const EMPTY = Buffer.alloc(0);

/** One authentication: tokens in, challenges out, an admission at the end. */
export class SaslExchange {
  readonly mechanism: Mechanism;
  readonly #broker: Broker;
  readonly #origin: SaslOrigin;
  readonly #scram: ScramExchange | null;
  #awaitsProof = false;
  /** What `ask` brought, for the step it was asked for. */
  #asked: AdmitRequest | null = null;

  constructor(mechanism: Mechanism, broker: Broker, runtime: Runtime, origin: SaslOrigin) {
    this.mechanism = mechanism;
    this.#broker = broker;
    this.#origin = origin;
    const isScram = mechanism === 'SCRAM-SHA-256' || mechanism === 'SCRAM-SHA-512';
    this.#scram = isScram ? new ScramExchange(mechanism, runtime.randomBytes(SCRAM_RANDOM_BYTES)) : null;
  }

  /** Asks whoever must be asked about the token's bearer before `step` can decide; null = nobody. */
  ask(token: Buffer): Promise<void> | null {
    const plain = this.mechanism === 'PLAIN' ? parsePlain(token) : null;
    const asking = plain === null ? null : (this.#broker.ask?.(this.#request(plain)) ?? null);
    return asking === null ? null : asking.then((asked) => void (this.#asked = asked));
  }

  step(token: Buffer): SaslStep {
    if (this.#scram !== null) return this.#scramStep(this.#scram, token);
    return this.mechanism === 'PLAIN' ? this.#plain(token) : this.#bearer(token);
  }

  #plain(token: Buffer): SaslStep {
    const plain = parsePlain(token);
    const asked = this.#asked;
    this.#asked = null;
    return plain === null ? MALFORMED : this.#admit(asked ?? plain, EMPTY);
  }

  #bearer(message: Buffer): SaslStep {
    const bearer = parseBearer(message);
    if (bearer === null) return MALFORMED;
    const { username, token } = bearer;
    return this.#admit({ username, password: null, proof: { kind: 'jwt', token } }, EMPTY);
  }

  #scramStep(scram: ScramExchange, token: Buffer): SaslStep {
    if (!this.#awaitsProof) {
      this.#awaitsProof = true;
      const challenge = scram.first(token, (username) =>
        this.#broker.scramVerifier(this.#request({ username, password: null }), scram.mechanism),
      );
      return challenge === null ? MALFORMED : { challenge, admission: null };
    }
    const final = scram.final(token);
    if (final === null) return MALFORMED;
    return this.#admit(scramRequest(scram.mechanism, final), scram.serverFinal(final));
  }

  #admit(who: Who, challenge: Buffer): SaslStep {
    // the broker writes the client event of a refusal
    const admission = this.#broker.admit(this.#request(who));
    return 'refused' in admission ? admission : { challenge, admission };
  }

  #request(who: Who): AdmitRequest {
    return { protocol: 'kafka', ...this.#origin, ...who };
  }
}

function scramRequest(mechanism: ScramMechanism, { username, authMessage, clientProof }: ScramProof) {
  return { username, password: null, proof: { kind: 'scram', mechanism, authMessage, clientProof } } as const;
}
