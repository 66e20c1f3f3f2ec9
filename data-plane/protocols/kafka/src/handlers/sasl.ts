import type { RefusalCode } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR } from '../errors.ts';
import type { SaslAuthenticate, SaslHandshake } from '../messages/sasl.ts';
import type { Decoded } from '../schema.ts';

const MECHANISMS = ['PLAIN'];
const PASSING: readonly RefusalCode[] = ['unavailable', 'quota-connection-rate'];

/** SaslHandshake: version 0 is followed by bare tokens, version 1 by SaslAuthenticate requests. */
export function handleSaslHandshake(
  request: Decoded<typeof SaslHandshake.request>,
  call: Call<typeof SaslHandshake.response>,
): void {
  const { connection } = call;
  if (connection.session !== null || connection.sasl === 'raw-tokens') {
    return call.reply({ errorCode: ERROR.ILLEGAL_SASL_STATE, mechanisms: MECHANISMS });
  }
  if (!MECHANISMS.includes(request.mechanism)) {
    return call.reply({ errorCode: ERROR.UNSUPPORTED_SASL_MECHANISM, mechanisms: MECHANISMS });
  }
  connection.sasl = call.version === 0 ? 'raw-tokens' : 'handshaken';
  call.reply({ errorCode: ERROR.NONE, mechanisms: MECHANISMS });
}

/** SaslAuthenticate: one PLAIN token. A refusal is answered, then the connection ends. */
export function handleSaslAuthenticate(
  request: Decoded<typeof SaslAuthenticate.request>,
  call: Call<typeof SaslAuthenticate.response>,
): void {
  const { connection } = call;
  if (connection.sasl !== 'handshaken') {
    const errorMessage = 'SaslAuthenticate without a SaslHandshake before it';
    call.reply({ errorCode: ERROR.ILLEGAL_SASL_STATE, errorMessage, authBytes: Buffer.alloc(0) });
    return connection.endAfterReply();
  }
  connection.clientId = call.clientId;
  const refusal = call.server.authenticatePlain(connection, request.authBytes);
  if (refusal !== null) {
    // 58 makes clients give up for good; what passes by itself just ends the connection, and they come again
    if (PASSING.includes(refusal.refused)) return connection.fail(refusal.message);
    const errorCode = ERROR.SASL_AUTHENTICATION_FAILED;
    call.reply({ errorCode, errorMessage: refusal.message, authBytes: Buffer.alloc(0) });
    return connection.endAfterReply();
  }
  connection.sasl = 'done';
  call.reply({ errorCode: ERROR.NONE, errorMessage: null, authBytes: Buffer.alloc(0) });
}
