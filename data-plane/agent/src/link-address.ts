import { isIP } from 'node:net';
import { AgentError } from './agent-error.ts';

/** Where the control plane is, and whose word is taken for it being the control plane. */
export interface LinkAddress {
  /** `host:port` */
  readonly target: string;
  readonly host: string;
  readonly port: number;
  /**
   * `pinned`: TLS with a certificate that the join token or the control plane's signing key vouches for. `public`: TLS with
   * the system's authorities, for a proxy that ends TLS. `plain`: no TLS, on this machine alone.
   */
  readonly kind: 'pinned' | 'public' | 'plain';
}

const SHAPE = /^(?:(https?):\/\/)?(\[[0-9a-fA-F:]+\]|[^/:]+):(\d{1,5})\/?$/;

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/**
 * Reads `host:port` (pinned), `https://host:port` (public) or `http://127.0.0.1:port` (plain). Throws `config-invalid`; plain
 * text to any other machine is refused, whatever the settings say.
 */
export function readLinkAddress(text: string): LinkAddress {
  const [, scheme, bracketed, digits] = SHAPE.exec(text) ?? [];
  const port = Number(digits);
  if (bracketed === undefined || !(port >= 1 && port <= 65_535)) {
    throw new AgentError('config-invalid', `ROBUSTMQ_AGENT_LINK is "${text}": give host:port or https://host:port`);
  }
  const host = bracketed.replace(/^\[|\]$/g, '');
  if (scheme === 'http' && !isLoopback(host)) {
    throw new AgentError(
      'config-invalid',
      `ROBUSTMQ_AGENT_LINK is "${text}": without TLS an agent speaks to this machine alone; leave http:// out`,
    );
  }
  const kind = scheme === 'http' ? 'plain' : scheme === 'https' ? 'public' : 'pinned';
  return { target: `${bracketed}:${port}`, host, port, kind };
}

/** The certificate's fingerprint at the end of a join token: `rmqj_….<SHA-256, base64url>`; undefined where there is none. */
export const fingerprintIn = (joinToken: string): string | undefined => /\.([\w-]{43})$/.exec(joinToken)?.[1];
