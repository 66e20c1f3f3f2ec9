import { lookup } from 'node:dns/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';

const TIMEOUT_MS = 10_000;
/** Of an answer so much is read; the rest is cut off. */
const ANSWER_BYTES_MAX = 65_536;
const PORTS = ['', '443', '8443'];

/** Addresses that are not the public internet (IANA special-purpose registries), IPv4 in IPv6 included. */
const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
];
/** Of IPv6 only 2000::/3 is given out; in it, ranges that carry IPv4 or mean documentation. */
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const special = new BlockList();
for (const [blocks, family] of [
  [SPECIAL, 'ipv4'],
  [SPECIAL_V6, 'ipv6'],
] as const)
  for (const block of blocks) special.addSubnet(block.split('/')[0]!, Number(block.split('/')[1]), family);
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');

/** Whether an address is one of the public internet: not loopback, private, link-local, multicast or reserved. */
export function isPublic(address: string): boolean {
  if (isIPv6(address)) return global.check(address, 'ipv6') && !special.check(address, 'ipv6');
  return isIP(address) === 4 && !special.check(address, 'ipv4');
}

/** The address is not one this service calls; `message` says why, in words for the tenant. */
export class EgressRefused extends Error {}

export interface EgressRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}
export interface EgressAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/**
 * Calls to addresses that tenants name. The name is resolved here, every answer must be public, and the connection goes
 * to exactly that address: a second, different resolution cannot happen. Redirects are not followed.
 */
@Injectable()
export class Egress {
  readonly #anywhere: boolean;
  constructor(@Inject(SETTINGS) settings: Settings) {
    this.#anywhere = settings.egressPrivate ?? false;
  }

  /** What is wrong with the address without asking anybody; undefined = nothing. */
  objection(text: string): string | undefined {
    const url = URL.parse(text);
    if (url === null) return 'is no address';
    if (url.username !== '' || url.password !== '') return 'must not hold a user name or password';
    if (this.#anywhere) return /^https?:$/.test(url.protocol) ? undefined : 'must begin with https://';
    if (url.protocol !== 'https:') return 'must begin with https://';
    if (!PORTS.includes(url.port)) return 'must use port 443 or 8443';
    const host = hostOf(url);
    if (isIP(host) !== 0 && !isPublic(host)) return 'is not a public address';
    return /^(localhost|.*\.(localhost|local|internal))\.?$/i.test(host) ? 'is not a public address' : undefined;
  }

  /** One request. Throws `EgressRefused`, or the network's error. */
  async send({ url: text, method, headers, body }: EgressRequest): Promise<EgressAnswer> {
    const objection = this.objection(text);
    if (objection !== undefined) throw new EgressRefused(`The address ${objection}.`);
    const url = new URL(text);
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const pinned = await this.#resolved(hostOf(url));
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
        ...{ method, headers: { ...headers, connection: 'close' }, signal, agent: false },
        // whoever asks gets what was checked
        lookup: (_host, options, done) =>
          options.all ? done(null, [pinned]) : done(null, pinned.address, pinned.family),
      });
      request.once('error', reject);
      request.once('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        const finish = (): void => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).subarray(0, ANSWER_BYTES_MAX),
          });
          response.destroy();
        };
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size >= ANSWER_BYTES_MAX) finish();
        });
        response.once('end', finish);
        response.once('error', reject);
      });
      request.end(body);
    });
  }

  async #resolved(host: string): Promise<{ address: string; family: number }> {
    const found = await lookup(host, { all: true, verbatim: true });
    if (!this.#anywhere && !found.every(({ address }) => isPublic(address)))
      throw new EgressRefused('The name leads to an address that is not public.');
    const first = found[0];
    if (first === undefined) throw new EgressRefused('The name leads nowhere.');
    return first;
  }
}

const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');
