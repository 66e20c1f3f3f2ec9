import type { Admission, AdmitRequest, Broker, Refusal } from '@robustmq/broker';
import type { Auth, Connect } from './control-packets.ts';
import { MqttFault } from './reason-codes.ts';
import { isScramMechanism, ScramExchange } from './scram.ts';
import type { ScramMechanism } from './scram.ts';

/** The step an AUTH leads to: a further question, or who it is. */
export type AuthenticationStep =
  | { readonly challenge: Buffer | null }
  | { readonly admission: Admission; readonly serverFinal: Buffer }
  | { readonly refusal: Refusal };

/**
 * Enhanced authentication of one connection (MQTT 5 §4.12): SCRAM, at CONNECT and as often again as the client likes.
 * The client speaks first, so a CONNECT without data is answered by an empty question. Throws `MqttFault`.
 */
export class EnhancedAuthentication {
  readonly method: ScramMechanism;
  readonly #broker: Broker;
  readonly #random: (bytes: number) => Buffer;
  readonly #request: AdmitRequest;
  #exchange: ScramExchange;
  #asked = false;

  /** `request`: who asks and where, as for a password. */
  constructor(broker: Broker, random: (bytes: number) => Buffer, request: AdmitRequest, method: string) {
    if (!isScramMechanism(method)) throw new MqttFault('bad-authentication-method'); // [MQTT-4.12.0-1]
    this.method = method;
    this.#broker = broker;
    this.#random = random;
    this.#request = request;
    this.#exchange = new ScramExchange(method);
  }

  /** The data of CONNECT. */
  begin(connect: Connect): AuthenticationStep {
    const data = connect.properties.authenticationData;
    return data === undefined ? { challenge: null } : this.#step(data);
  }

  /** AUTH 0x18, or 0x19 to begin again [MQTT-4.12.1-1]. */
  take(auth: Auth): AuthenticationStep {
    if (auth.method !== this.method) throw new MqttFault('protocol-error', 'AUTH with another method than CONNECT');
    if (auth.reason === 0x19) {
      this.#exchange = new ScramExchange(this.method);
      this.#asked = false;
    }
    if (auth.data === null) {
      if (auth.reason === 0x19) return { challenge: null };
      throw new MqttFault('protocol-error', 'AUTH without authentication data');
    }
    return this.#step(auth.data);
  }

  #step(data: Buffer): AuthenticationStep {
    const exchange = this.#exchange;
    if (!this.#asked) {
      if (!exchange.first(data))
        throw new MqttFault('not-authorized', 'the first SCRAM message is not as RFC 5802 has it');
      this.#asked = true;
      const secrets = this.#broker.scramVerifier(this.#named(), this.method);
      return { challenge: exchange.serverFirst(secrets, this.#random) };
    }
    const final = exchange.final(data);
    if (final === null) throw new MqttFault('not-authorized', 'the final SCRAM message is not as RFC 5802 has it');
    const { authMessage, clientProof, serverFinal } = final;
    const proof = { kind: 'scram', mechanism: this.method, authMessage, clientProof } as const;
    const admission = this.#broker.admit({ ...this.#named(), proof });
    if ('refused' in admission) return { refusal: admission };
    return { admission, serverFinal };
  }

  /** SCRAM names the user; where it names nobody the user name of CONNECT does. */
  #named(): AdmitRequest {
    const { username } = this.#exchange;
    return { ...this.#request, username: username === '' ? this.#request.username : username, password: null };
  }
}
