import fc from 'fast-check';
import { PROPERTY_TABLE } from '../property-table.ts';

/** What one hostile client does next. */
export type FuzzStep =
  | { readonly kind: 'send'; readonly bytes: Buffer; readonly pieces: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'wait'; readonly ms: number };

const u16 = (value: number): Buffer => Buffer.of((value >> 8) & 255, value & 255);
const field = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const byte = rest & 127;
    rest >>>= 7;
    bytes.push(rest > 0 ? byte | 128 : byte);
  } while (rest > 0);
  return Buffer.from(bytes);
}
const packet = (first: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(first), varint(body.length), body]);
};

const NAMES = [
  'a',
  'a/b',
  'witness',
  '',
  '+',
  '#',
  'a/#',
  '+/b',
  '$SYS/x',
  '$share/g/a',
  '$share/g',
  '$share//a',
  '/',
  'a/+/c',
];
const MORE_NAMES = [
  '$queue/a',
  '$exclusive/a',
  '$delayed/5/a',
  '$delayed/x/a',
  '$delayed//',
  'a\0b',
  'x'.repeat(300),
  '\u00e9',
];
const text = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...NAMES, ...MORE_NAMES).map((name) => Buffer.from(name)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 10 }).map((name) => Buffer.from(name)) },
);
const bytes = fc.uint8Array({ maxLength: 40 }).map((list) => Buffer.from(list));
const id = fc
  .oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 4 }) }, { weight: 1, arbitrary: fc.nat(0xffff) })
  .map(u16);

const property = fc.constantFrom(...PROPERTY_TABLE).chain((row) => {
  const value: fc.Arbitrary<Buffer> =
    row.kind === 'byte'
      ? fc.nat(3).map((n) => Buffer.of(n))
      : row.kind === 'u16'
        ? fc.oneof(fc.nat(3), fc.nat(0xffff)).map(u16)
        : row.kind === 'u32'
          ? fc
              .oneof(fc.nat(3), fc.nat(0xffff_ffff))
              .map((n) => Buffer.of(n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255))
          : row.kind === 'varint'
            ? fc.nat(300).map(varint)
            : row.kind === 'pair'
              ? fc.tuple(text, text).map(([name, of]) => Buffer.concat([field(name), field(of)]))
              : text.map(field);
  return value.map((of) => Buffer.concat([Buffer.of(row.id), of]));
});
/** A property block: usually empty, else a few of any packet's. */
const block = fc.oneof(
  { weight: 5, arbitrary: fc.constant(Buffer.of(0)) },
  {
    weight: 2,
    arbitrary: fc.array(property, { maxLength: 4 }).map((list) => {
      const all = Buffer.concat(list);
      return Buffer.concat([varint(all.length), all]);
    }),
  },
  { weight: 1, arbitrary: bytes },
);
const none: fc.Arbitrary<Buffer> = fc.constant(Buffer.alloc(0));

function connect(v5: boolean): fc.Arbitrary<Buffer> {
  const properties = v5 ? block : none;
  const will = fc.tuple(properties, text.map(field), bytes.map(field)).map((parts) => Buffer.concat(parts));
  return fc
    .record({
      level: fc.oneof({ weight: 9, arbitrary: fc.constant(v5 ? 5 : 4) }, { weight: 1, arbitrary: fc.nat(255) }),
      hasWill: fc.boolean(),
      clean: fc.boolean(),
      extra: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(255) }),
      keepAlive: fc.oneof(fc.constant(0), fc.nat(60)),
      properties,
      clientId: fc.constantFrom('', 'fuzz-1', 'fuzz-2', 'fuzz-3').map((name) => field(Buffer.from(name))),
      will,
    })
    .map(({ level, hasWill, clean, extra, keepAlive, properties: all, clientId, will: fields }) => {
      const flags = (clean ? 2 : 0) | (hasWill ? 4 : 0) | extra;
      const head = Buffer.concat([field(Buffer.from('MQTT')), Buffer.of(level, flags), u16(keepAlive)]);
      return packet(0x10, head, all, clientId, hasWill ? fields : Buffer.alloc(0));
    });
}

function publish(v5: boolean): fc.Arbitrary<Buffer> {
  const properties = v5 ? block : none;
  return fc
    .record({ flags: fc.nat(15), topic: text, id, properties, payload: bytes, repeat: fc.integer({ min: 1, max: 5 }) })
    .map(({ flags, topic, id: packetId, properties: all, payload, repeat }) => {
      const one = packet(0x30 | flags, field(topic), flags & 6 ? packetId : Buffer.alloc(0), all, payload);
      return Buffer.concat(Array.from({ length: repeat }, () => one));
    });
}

const control = (v5: boolean): fc.Arbitrary<Buffer> => {
  const properties = v5 ? block : none;
  const reason = v5
    ? fc.oneof(
        none,
        fc.tuple(fc.nat(255), block).map(([code, all]) => Buffer.concat([Buffer.of(code), all])),
      )
    : none;
  const filters = fc.array(
    fc.tuple(
      text.map(field),
      fc.nat(63).map((n) => Buffer.of(n)),
    ),
    { maxLength: 4 },
  );
  return fc.oneof(
    fc.tuple(id, properties, filters).map(([packetId, all, list]) => packet(0x82, packetId, all, ...list.flat())),
    fc
      .tuple(id, properties, filters)
      .map(([packetId, all, list]) => packet(0xa2, packetId, all, ...list.map(([name]) => name))),
    fc
      .tuple(fc.constantFrom(0x40, 0x50, 0x62, 0x70), id, reason)
      .map(([first, packetId, rest]) => packet(first, packetId, rest)),
    fc.constant(packet(0xc0)),
    reason.map((rest) => packet(0xe0, rest)),
    reason.map((rest) => packet(0xf0, rest)),
    fc.tuple(fc.nat(255), bytes).map(([first, body]) => packet(first, body)),
  );
};

/** Damages well-formed bytes: flips, cuts, doubles, or changes a length. */
const damaged = (whole: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(whole, fc.nat(), fc.nat(255), fc.constantFrom('flip', 'cut', 'double', 'insert'))
    .map(([good, at, value, how]) => {
      const where = good.length === 0 ? 0 : at % good.length;
      if (how === 'cut') return good.subarray(0, where);
      if (how === 'double') return Buffer.concat([good, good.subarray(where)]);
      if (how === 'insert') return Buffer.concat([good.subarray(0, where), Buffer.of(value), good.subarray(where)]);
      const bad = Buffer.from(good);
      if (bad.length > 0) bad[where] = value;
      return bad;
    });

/** The life of one hostile client: mostly good packets, so that it gets deep, then worse. */
export function fuzzSteps(v5: boolean): fc.Arbitrary<FuzzStep[]> {
  const good = fc.oneof(publish(v5), control(v5), connect(v5));
  const send = (of: fc.Arbitrary<Buffer>): fc.Arbitrary<FuzzStep> =>
    fc.record({ kind: fc.constant('send' as const), bytes: of, pieces: fc.integer({ min: 1, max: 4 }) });
  const step: fc.Arbitrary<FuzzStep> = fc.oneof(
    { weight: 10, arbitrary: send(good) },
    { weight: 3, arbitrary: send(damaged(good)) },
    { weight: 1, arbitrary: send(bytes) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(20_000) }) },
    { weight: 1, arbitrary: fc.constant<FuzzStep>({ kind: 'cut' }) },
  );
  const begin = fc.oneof({ weight: 9, arbitrary: send(connect(v5)) }, { weight: 1, arbitrary: step });
  return fc.tuple(begin, fc.array(step, { maxLength: 25 })).map(([first, rest]) => [first, ...rest]);
}
