import { WireError } from '@robustmq/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ROUTES } from './api-table.ts';
import { codecOf, type Codec, MessageReader, MessageWriter } from './codec.ts';
import { type AnyField, type Schema, ZERO_UUID } from './schema.ts';

const hex = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) => Buffer.from(b).toString('hex'));
const view = fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b));
const text = fc.string({ maxLength: 20 });

/** Values of a field in a version; fields the version lacks have their fallback. */
function valueOf(field: AnyField, version: number, flexible: boolean): fc.Arbitrary<unknown> {
  const { shape } = field;
  const carried = version >= shape.sinceVersion && version <= shape.untilVersion && (shape.tag < 0 || flexible);
  if (!carried) return fc.constant(shape.fallback);
  const plain = plainOf(field, version, flexible);
  const bare = shape.kind === 'records' || (shape.kind === 'struct' && shape.tag >= 0);
  const nullable = version >= shape.nullableSince && !bare;
  return nullable ? fc.option(plain, { nil: null }) : plain;
}

function plainOf(field: AnyField, version: number, flexible: boolean): fc.Arbitrary<unknown> {
  const { shape } = field;
  switch (shape.kind) {
    case 'bool':
      return fc.boolean();
    case 'int8':
      return fc.integer({ min: -128, max: 127 });
    case 'int16':
      return fc.integer({ min: -32768, max: 32767 });
    case 'int32':
      return fc.integer();
    case 'int64':
      return fc.maxSafeInteger();
    case 'float64':
      return fc.double({ noNaN: true });
    case 'uuid':
      return hex;
    case 'string':
      return text;
    case 'bytes':
      return view;
    case 'records':
      return fc.option(fc.array(view, { maxLength: 3 }), { nil: null });
    case 'array':
      return fc.array(valueOf(shape.element!, version, flexible), { maxLength: 3 });
    case 'struct':
      return messageOf(shape.fields!, version, flexible);
  }
}

function messageOf(schema: Schema, version: number, flexible: boolean): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(
    Object.fromEntries(Object.entries(schema).map(([name, f]) => [name, valueOf(f, version, flexible)])),
  );
}

/** Encoding takes slices of records, decoding gives one view. */
function joined(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (Array.isArray(value)) {
    return value.length > 0 && value.every((v) => Buffer.isBuffer(v))
      ? Buffer.concat(value as Buffer[]).toString('hex')
      : value.map(joined);
  }
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, k === 'records' && isEmpty(v) ? '' : joined(v)]));
}
function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function encoded(codec: Codec<Schema>, value: Record<string, unknown>): Buffer {
  const w = new MessageWriter(16);
  codec.encode(w, value as never);
  expect(w.cuts).toEqual([]);
  return w.toBuffer();
}

const VERSIONS = ROUTES.flatMap(({ api }) =>
  Array.from({ length: api.maxVersion - api.minVersion + 1 }, (_, i) => ({ api, version: api.minVersion + i })),
);

describe.each(VERSIONS.map(({ api, version }) => ({ name: `${api.name} ${version}`, api, version })))(
  '$name',
  ({ api, version }) => {
    const codec = codecOf(api, version);
    it.each(['request', 'response'] as const)('%s reads back what was written and fills it exactly', (side) => {
      fc.assert(
        fc.property(messageOf(api[side], version, codec.flexible), (message) => {
          const bytes = encoded(codec[side], message);
          const r = new MessageReader(bytes);
          expect(joined(codec[side].decode(r))).toEqual(joined(message));
          expect(r.remaining).toBe(0);
        }),
        { numRuns: 25 },
      );
    });
    it('random and mutated bytes end in a WireError or a message, within bounds', () => {
      fc.assert(
        fc.property(
          messageOf(api.request, version, codec.flexible),
          fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
          fc.nat(400),
          (message, mutations, length) => {
            const bytes = encoded(codec.request, message);
            for (const [at, byte] of mutations) if (bytes.length > 0) bytes[at % bytes.length] = byte;
            const r = new MessageReader(bytes.subarray(0, length));
            try {
              codec.request.decode(r);
            } catch (error) {
              if (!(error instanceof WireError)) throw error;
            }
            expect(r.at).toBeLessThanOrEqual(r.end);
          },
        ),
        { numRuns: 25 },
      );
    });
  },
);

it('a null topic id is the id of no topic', () => {
  expect(ZERO_UUID).toHaveLength(32);
});
