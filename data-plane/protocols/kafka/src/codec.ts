import { Reader, WireError, Writer } from '@robustmq/wire';
import { type AnyField, type Api, type Decoded, type Encodable, type Schema, ZERO_UUID } from './schema.ts';

/** Array elements one message may hold in all, so that a small frame cannot become a large heap. */
export const MESSAGE_ELEMENTS_MAX = 200_000;
/** Pieces of records smaller than this are copied into the response: cheaper than a write of their own. */
export const GATHER_SIZE_BYTES_MIN = 16 * 1024;

/** Reader of one message; counts array elements against `MESSAGE_ELEMENTS_MAX`. */
export class MessageReader extends Reader {
  #elements = 0;

  /** Checks a count read from the wire before anything is allocated for it: each element takes a byte at least. */
  count(value: number): number {
    this.#elements += value;
    if (value < 0 || value > this.remaining || this.#elements > MESSAGE_ELEMENTS_MAX) {
      throw new WireError('out-of-range', this.at, `array of ${value} elements at ${this.at}`);
    }
    return value;
  }
}

/** Writer that remembers where large slices belong, so that they are sent from where they lie. */
export class MessageWriter extends Writer {
  /** Slices and the offset in `buffer` they come before, in order. */
  readonly cuts: { readonly at: number; readonly slice: Buffer }[] = [];
  /** Bytes in all slices of `cuts`. */
  gatheredBytes = 0;

  override reset(): void {
    super.reset();
    this.cuts.length = 0;
    this.gatheredBytes = 0;
  }
  /** Bytes written, slices included. */
  get sizeBytes(): number {
    return this.at + this.gatheredBytes;
  }
  /** Adds slices in order. Neighbours in memory count as one piece; large pieces are not copied. */
  slices(slices: readonly Buffer[]): void {
    for (let first = 0; first < slices.length;) {
      const start = slices[first]!;
      let size = start.length;
      let next = first + 1;
      for (; next < slices.length; next++) {
        const slice = slices[next]!;
        if (slice.buffer !== start.buffer || slice.byteOffset !== start.byteOffset + size) break;
        size += slice.length;
      }
      const piece = next === first + 1 ? start : Buffer.from(start.buffer, start.byteOffset, size);
      first = next;
      if (size < GATHER_SIZE_BYTES_MIN) this.bytes(piece);
      else {
        this.cuts.push({ at: this.at, slice: piece });
        this.gatheredBytes += size;
      }
    }
  }
}

type Read = (r: MessageReader) => unknown;
type Write = (w: MessageWriter, value: unknown) => void;
interface Coder {
  readonly read: Read;
  readonly write: Write;
}

/** Reads and writes one message in one version. */
export interface Codec<S extends Schema> {
  decode(r: MessageReader): Decoded<S>;
  encode(w: MessageWriter, value: Encodable<S>): void;
}

/** Both messages of one version of an API. */
export interface ApiCodec<Q extends Schema = Schema, R extends Schema = Schema> {
  readonly flexible: boolean;
  readonly request: Codec<Q>;
  readonly response: Codec<R>;
}

const compiled = new Map<string, ApiCodec>();

/** The codec of `version`, made on first use. */
export function codecOf<Q extends Schema, R extends Schema>(api: Api<Q, R>, version: number): ApiCodec<Q, R> {
  const key = `${api.key}/${version}`;
  let codec = compiled.get(key);
  if (codec === undefined) {
    const flexible = version >= api.flexibleSince;
    codec = {
      flexible,
      request: compile(api.request, version, flexible),
      response: compile(api.response, version, flexible),
    };
    compiled.set(key, codec);
  }
  return codec as unknown as ApiCodec<Q, R>;
}

/** Specialises a schema for one version. */
export function compile<S extends Schema>(schema: S, version: number, flexible: boolean): Codec<S> {
  const coder = structCoder(schema, version, flexible);
  return { decode: (r) => coder.read(r) as Decoded<S>, encode: (w, value) => coder.write(w, value) };
}

type Fields = Record<string, unknown>;
interface NamedCoder extends Coder {
  readonly name: string;
  readonly fallback: unknown;
  readonly tag: number;
}

function structCoder(schema: Schema, version: number, flexible: boolean): Coder {
  const template: Fields = {};
  const plain: NamedCoder[] = [];
  const tagged: NamedCoder[] = [];
  for (const [name, field] of Object.entries(schema)) {
    const { shape } = field;
    template[name] = shape.fallback;
    if (version < shape.sinceVersion || version > shape.untilVersion) continue;
    if (shape.tag >= 0 && !flexible) continue;
    const named = { ...fieldCoder(field, version, flexible), name, fallback: shape.fallback, tag: shape.tag };
    (shape.tag >= 0 ? tagged : plain).push(named);
  }
  tagged.sort((a, b) => a.tag - b.tag);
  return {
    read(r) {
      const out = { ...template };
      for (const coder of plain) out[coder.name] = coder.read(r);
      if (flexible) readTags(r, out, tagged);
      return out;
    },
    write(w, value) {
      const from = value as Fields;
      for (const coder of plain) {
        const given = from[coder.name];
        coder.write(w, given === undefined ? coder.fallback : given);
      }
      if (flexible) writeTags(w, from, tagged);
    },
  };
}

/** TAG_BUFFER => count (tag size bytes)*; unknown tags are skipped, known ones must fill their size exactly (KIP-482). */
function readTags(r: MessageReader, out: Fields, tagged: readonly NamedCoder[]): void {
  const count = r.count(r.uvarint());
  let last = -1;
  for (let i = 0; i < count; i++) {
    const at = r.at;
    const tag = r.uvarint();
    if (tag <= last) throw new WireError('out-of-range', at, `tag ${tag} after tag ${last}`);
    last = tag;
    const end = r.uvarint() + r.at;
    if (end > r.end) throw new WireError('truncated', r.at, `tag ${tag} ends beyond the message`);
    const coder = tagged.find((candidate) => candidate.tag === tag);
    if (coder !== undefined) out[coder.name] = coder.read(r);
    else r.at = end;
    if (r.at !== end) throw new WireError('out-of-range', r.at, `tag ${tag} does not fill its size`);
  }
}

function writeTags(w: MessageWriter, from: Fields, tagged: readonly NamedCoder[]): void {
  const present = tagged.filter((coder) => {
    const value = from[coder.name];
    return value !== undefined && value !== null && value !== coder.fallback && !isEmptyArray(value);
  });
  w.uvarint(present.length);
  for (const coder of present) {
    const body = new MessageWriter(64);
    coder.write(body, from[coder.name]);
    w.uvarint(coder.tag).uvarint(body.at).bytes(body.view());
  }
}

function isEmptyArray(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function fieldCoder(field: AnyField, version: number, flexible: boolean): Coder {
  const { shape } = field;
  const nullable = version >= shape.nullableSince;
  switch (shape.kind) {
    case 'bool':
      return { read: (r) => r.u8() !== 0, write: (w, v) => void w.u8(v ? 1 : 0) };
    case 'int8':
      return { read: (r) => r.i8(), write: (w, v) => void w.i8(v as number) };
    case 'int16':
      return { read: (r) => r.i16(), write: (w, v) => void w.i16(v as number) };
    case 'int32':
      return { read: (r) => r.i32(), write: (w, v) => void w.i32(v as number) };
    case 'int64':
      return { read: (r) => r.i64(), write: (w, v) => void w.i64(v as number) };
    case 'float64':
      return { read: (r) => r.f64(), write: (w, v) => void w.f64(v as number) };
    case 'uuid':
      return UUID;
    case 'string':
      return stringCoder(nullable, flexible);
    case 'bytes':
      return bytesCoder(nullable, flexible);
    case 'records':
      return recordsCoder(flexible);
    case 'array':
      return arrayCoder(fieldCoder(shape.element!, version, flexible), nullable, flexible);
    case 'struct':
      return nullable && shape.tag < 0
        ? nullableStruct(structCoder(shape.fields!, version, flexible))
        : structCoder(shape.fields!, version, flexible);
  }
}

/** A nullable struct: int8 −1 for null, 1 before the fields. */
function nullableStruct(coder: Coder): Coder {
  return {
    read: (r) => (r.i8() < 0 ? null : coder.read(r)),
    write(w, value) {
      w.i8(value === null ? -1 : 1);
      if (value !== null) coder.write(w, value);
    },
  };
}

const UUID: Coder = {
  read(r) {
    const at = r.skip(16);
    return r.buffer.toString('hex', at, at + 16);
  },
  write(w, value) {
    const at = w.reserve(16);
    w.buffer.write((value as string | null) ?? ZERO_UUID, at, 16, 'hex');
  },
};

/** Length prefix: −1 means null. `wide` is INT32 against INT16; flexible versions send length + 1 as UNSIGNED_VARINT. */
function readLength(r: MessageReader, nullable: boolean, flexible: boolean, wide: boolean): number {
  const at = r.at;
  const length = flexible ? r.uvarint() - 1 : wide ? r.i32() : r.i16();
  if (length < -1 || (length === -1 && !nullable)) {
    throw new WireError('out-of-range', at, `length ${length} at ${at}`);
  }
  return length;
}

function writeLength(w: MessageWriter, length: number, flexible: boolean, wide: boolean): void {
  if (flexible) w.uvarint(length + 1);
  else if (wide) w.i32(length);
  else if (length > 0x7fff) throw new WireError('out-of-range', w.at, `STRING of ${length} bytes`);
  else w.i16(length);
}

/** STRING, NULLABLE_STRING, COMPACT_STRING, COMPACT_NULLABLE_STRING. */
function stringCoder(nullable: boolean, flexible: boolean): Coder {
  return {
    read(r) {
      const length = readLength(r, nullable, flexible, false);
      return length < 0 ? null : r.text(length);
    },
    write(w, value) {
      if (value === null && nullable) return writeLength(w, -1, flexible, false);
      const text = value === null ? '' : (value as string);
      writeLength(w, Buffer.byteLength(text), flexible, false);
      w.text(text);
    },
  };
}

/** BYTES and its nullable and compact forms. */
function bytesCoder(nullable: boolean, flexible: boolean): Coder {
  return {
    read(r) {
      const length = readLength(r, nullable, flexible, true);
      return length < 0 ? null : r.bytes(length);
    },
    write(w, value) {
      const body = value as Uint8Array | null;
      writeLength(w, body === null ? (nullable ? -1 : 0) : body.length, flexible, true);
      if (body !== null) w.bytes(body);
    },
  };
}

/** RECORDS, COMPACT_RECORDS: bytes on the wire; a list of slices when encoding. */
function recordsCoder(flexible: boolean): Coder {
  return {
    read(r) {
      const length = readLength(r, true, flexible, true);
      return length < 0 ? null : r.bytes(length);
    },
    write(w, value) {
      const slices = value as readonly Buffer[] | null;
      if (slices === null) return writeLength(w, -1, flexible, true);
      let sizeBytes = 0;
      for (const slice of slices) sizeBytes += slice.length;
      writeLength(w, sizeBytes, flexible, true);
      w.slices(slices);
    },
  };
}

/** ARRAY, COMPACT_ARRAY; −1 / 0 is null. */
function arrayCoder(element: Coder, nullable: boolean, flexible: boolean): Coder {
  return {
    read(r) {
      const length = readLength(r, nullable, flexible, true);
      if (length < 0) return null;
      const out: unknown[] = [];
      for (let left = r.count(length); left > 0; left--) out.push(element.read(r));
      return out;
    },
    write(w, value) {
      const items = value as readonly unknown[] | null;
      writeLength(w, items === null ? (nullable ? -1 : 0) : items.length, flexible, true);
      if (items !== null) for (const item of items) element.write(w, item);
    },
  };
}
