import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROUTES } from './api-table.ts';
import { codecOf, MessageReader, MessageWriter } from './codec.ts';

/** Requests as stock clients put them on the wire, without their size. */
interface Vector {
  readonly client: string;
  readonly api: string;
  readonly version: number;
  readonly frame: string;
}
const VECTORS = JSON.parse(readFileSync(new URL('vectors/requests.json', import.meta.url), 'utf8')) as Vector[];

describe('captured requests decode, and encode to the same bytes', () => {
  it.each(VECTORS)('$client: $api $version', ({ api: name, version, frame }) => {
    const { api } = ROUTES.find((route) => route.api.name === name)!;
    const codec = codecOf(api, version);
    const r = new MessageReader(Buffer.from(frame, 'hex'));
    expect([r.i16(), r.i16()]).toEqual([api.key, version]);
    r.i32();
    r.skip(Math.max(r.i16(), 0));
    // request header v2 ends with its tags, none of which any client sends
    if (codec.flexible) expect(r.u8()).toBe(0);
    const body = Buffer.from(r.buffer.subarray(r.at));
    const message = codec.request.decode(r);
    expect(r.remaining).toBe(0);
    const w = new MessageWriter();
    codec.request.encode(w, sliced(message) as never);
    expect(w.toBuffer().toString('hex')).toBe(body.toString('hex'));
  });
});

/** Records decode to one view and encode from a list of slices. */
function sliced(value: unknown, key = ''): unknown {
  if (key === 'records' && Buffer.isBuffer(value)) return [value];
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map((item) => sliced(item));
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, sliced(field, name)]));
}
