import { Resolver } from 'node:dns/promises';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { HttpCaller, HttpQuestion } from '@robustmq/broker';
import { http, https } from './http-module.ts';

/** Questions of all namespaces under way at a time; more are refused at once. */
export const CALLS_MAX = 256;
const PORTS = ['', '443', '8443'];
const DNS_TRY_MS = 2_000;
const DNS_TRIES = 2;

/** Addresses that are not the public internet (IANA special-purpose registries), IPv4 in IPv6 included. */
const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
];
/** Of IPv6 only 2000::/3 is given out; in it, ranges that carry IPv4 or mean documentation. */
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];
const special = new BlockList();
for (const block of SPECIAL) special.addSubnet(block.split('/')[0]!, Number(block.split('/')[1]), 'ipv4');
for (const block of SPECIAL_V6) special.addSubnet(block.split('/')[0]!, Number(block.split('/')[1]), 'ipv6');
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');

/** A tenant's service is not asked; `message` says why. */
export class EgressRefused extends Error {}

/** Whether an address is one of the public internet: not loopback, private, link-local, multicast or reserved. */
export function isPublicAddress(address: string): boolean {
  if (isIPv6(address)) return global.check(address, 'ipv6') && !special.check(address, 'ipv6');
  return isIP(address) === 4 && !special.check(address, 'ipv4');
}

/**
 * Asks services that tenants name, from inside the machine that serves them. The name is resolved here, every address it
 * leads to must be public, and the connection goes to exactly the one that was checked; redirects are not followed. Names
 * are not resolved by libuv: its threads are those that flush the disk, and a tenant's slow name server must not have them.
 */
export class TenantHttpCaller implements HttpCaller {
  readonly #anywhere: boolean;
  readonly #resolver = new Resolver({ timeout: DNS_TRY_MS, tries: DNS_TRIES });
  #calls = 0;

  /** `anywhere`: private addresses and plain HTTP are fine: one's own network, tests. */
  constructor({ anywhere }: { readonly anywhere: boolean }) {
    this.#anywhere = anywhere;
  }

  async call(question: HttpQuestion): Promise<{ status: number; body: string }> {
    if (this.#calls >= CALLS_MAX) throw new EgressRefused('too many questions are under way');
    this.#calls++;
    try {
      const url = this.#checked(question.url);
      const signal = AbortSignal.timeout(question.timeoutMs);
      const address = await abortable(this.#resolve(hostOf(url)), signal);
      return await this.#send(question, url, address, signal);
    } finally {
      this.#calls--;
    }
  }

  #checked(text: string): URL {
    const url = URL.parse(text);
    const isHttps = url?.protocol === 'https:';
    if (url === null || (!isHttps && !(this.#anywhere && url.protocol === 'http:')))
      throw new EgressRefused('the address must begin with https://');
    if (url.username !== '' || url.password !== '') throw new EgressRefused('the address holds a password');
    if (!this.#anywhere && !PORTS.includes(url.port)) throw new EgressRefused('the address must use port 443 or 8443');
    return url;
  }
  async #resolve(host: string): Promise<string> {
    const addresses = isIP(host) === 0 ? await this.#lookUp(host) : [host];
    if (!this.#anywhere && !addresses.every(isPublicAddress))
      throw new EgressRefused('the address is not of the public internet');
    if (addresses[0] === undefined) throw new EgressRefused('the name leads nowhere');
    return addresses[0];
  }
  async #lookUp(host: string): Promise<string[]> {
    if (this.#anywhere && host === 'localhost') return ['127.0.0.1'];
    const found = await Promise.allSettled([this.#resolver.resolve4(host), this.#resolver.resolve6(host)]);
    return found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  }
  #send(
    { method, headers, body, answerBytesMax }: HttpQuestion,
    url: URL,
    address: string,
    signal: AbortSignal,
  ): Promise<{ status: number; body: string }> {
    const family = isIP(address);
    return new Promise((resolve, reject) => {
      const request: ClientRequest = (url.protocol === 'https:' ? https : http).request(url, {
        ...{ method, signal, agent: false },
        headers: { ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' },
        // whoever asks gets what was checked
        lookup: (_host, options, done) => {
          if (options.all === true) done(null, [{ address, family }]);
          else done(null, address, family);
        },
      });
      request.once('error', reject);
      request.once('response', (response) => {
        readBody(response, answerBytesMax).then(
          (text) => resolve({ status: response.statusCode ?? 0, body: text }),
          reject,
        );
      });
      request.end(body);
    });
  }
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
async function readBody(response: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= bytesMax) break; // leaving the loop ends the connection
  }
  return Buffer.concat(chunks).toString('utf8', 0, bytesMax);
}
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new EgressRefused('the name was not resolved in time')), {
      once: true,
    });
    work.then(resolve, reject);
  });
}
