import type { Logger } from 'pino';
import { AgentError, sentenceOf } from './agent-error.ts';
import { backoffMs, pause } from './backoff.ts';
import { writeIdentity, type AgentIdentity, type AgentKeys } from './identity.ts';
import type { EnrollReply, LinkTransport } from './link-transport.ts';

const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 10_000;

/**
 * Exchanges the one-time join token for an identity and keeps it. Waits as long as the control plane is away.
 * Throws `enrolment-refused` when the token is wrong, used or too old, and `link-untrusted` when whoever answers does not
 * show the certificate that the token names: the token is not said then. Undefined when aborted.
 */
export async function enroll(
  dir: string,
  transport: LinkTransport,
  keys: AgentKeys,
  joinToken: string,
  agentVersion: string,
  log: Logger,
  signal: AbortSignal,
  linkPins: readonly string[] = [],
): Promise<AgentIdentity | undefined> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      const { agentId, epoch, region, controlPublicKeyPem } = await transport.call<EnrollReply>('Enroll', {
        joinToken,
        agentVersion,
        publicKeyPem: keys.publicKeyPem,
        signature: keys.sign(joinToken),
      });
      const identity = { agentId, epoch, region, controlPublicKeyPem, linkPins: [...linkPins] };
      await writeIdentity(dir, identity);
      log.info({ agentId, epoch, region }, 'enrolled');
      return identity;
    } catch (error) {
      if (error instanceof AgentError && error.code === 'link-refused') {
        throw new AgentError('enrolment-refused', `The control plane refused the join token: ${sentenceOf(error)}.`, {
          cause: error,
        });
      }
      if (error instanceof AgentError && error.code === 'link-untrusted') throw error;
      log.info({ error: sentenceOf(error) }, 'waiting for the control plane to enrol');
      await pause(backoffMs(attempt, RETRY_FIRST_MS, RETRY_MAX_MS), signal);
    }
  }
  return undefined;
}
