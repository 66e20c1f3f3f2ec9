import type { RefusalCode } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR } from '../errors.ts';
import type { SaslAuthenticate, SaslHandshake } from '../messages/sasl.ts';
import { isMechanism, MECHANISMS } from '../sasl/exchange.ts';
import type { Decoded } from '../schema.ts';

const PASSING: readonly RefusalCode[] = ['unavailable', 'quota-connection-rate', 'draining', 'moved'];
const NOTHING = Buffer.alloc(0);

/**
 * SaslHandshake: version 0 is followed by bare tokens, version 1 by SaslAuthenticate requests. On a connection that is
 * authenticated it begins a re-authentication (KIP-368), which must use the mechanism of before.
 */
export function handleSaslHandshake(
  request: Decoded<typeof SaslHandshake.request>,
  call: Call<typeof SaslHandshake.response>,
): void {
  const { connection } = call;
  const again = connection.sasl === 'done';
  const illegal = again
    ? call.version === 0 || request.mechanism !== connection.mechanism
    : connection.session !== null || connection.sasl !== 'none';
  if (illegal) return call.reply({ errorCode: ERROR.ILLEGAL_SASL_STATE, mechanisms: MECHANISMS });
  if (!isMechanism(request.mechanism)) {
    return call.reply({ errorCode: ERROR.UNSUPPORTED_SASL_MECHANISM, mechanisms: MECHANISMS });
  }
  connection.clientId = call.clientId;
  connection.beginSasl(request.mechanism, call.version === 0);
  call.reply({ errorCode: ERROR.NONE, mechanisms: MECHANISMS });
}

/** SaslAuthenticate: one token of the exchange. A refusal is answered, then the connection ends. */
export function handleSaslAuthenticate(
  request: Decoded<typeof SaslAuthenticate.request>,
  call: Call<typeof SaslAuthenticate.response>,
): void | Promise<void> {
  const { connection } = call;
  if (connection.sasl !== 'handshaken') {
    const errorMessage = 'SaslAuthenticate without a SaslHandshake before it';
    call.reply({ errorCode: ERROR.ILLEGAL_SASL_STATE, errorMessage, authBytes: NOTHING });
    return connection.endAfterReply();
  }
  const asking = connection.saslAsk(request.authBytes);
  if (asking === null) return answer(request.authBytes, call);
  const token = Buffer.from(request.authBytes);
  return asking.then((isOpen) => {
    if (isOpen) answer(token, call);
  });
}

function answer(token: Buffer, call: Call<typeof SaslAuthenticate.response>): void {
  const { connection } = call;
  const step = connection.saslStep(token);
  if ('refused' in step) {
    // 58 makes clients give up for good; what passes by itself just ends the connection, and they come again
    if (PASSING.includes(step.refused)) return connection.fail(step.message);
    const errorCode = ERROR.SASL_AUTHENTICATION_FAILED;
    call.reply({ errorCode, errorMessage: step.message, authBytes: NOTHING });
    return connection.endAfterReply();
  }
  const { challenge, admission } = step;
  const expiresAtMs = admission?.expiresAtMs;
  const runsOut = expiresAtMs !== undefined && Number.isFinite(expiresAtMs);
  const leftMs = runsOut ? Math.max(1, expiresAtMs - call.server.runtime.nowMs()) : 0;
  call.reply({
    errorCode: ERROR.NONE,
    errorMessage: null,
    authBytes: challenge,
    sessionLifetimeMs: Math.floor(leftMs),
  });
}
