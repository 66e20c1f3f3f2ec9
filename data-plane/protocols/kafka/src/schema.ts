/**
 * Kafka messages as data: an object whose keys, in order, are the fields on the wire, each with its type and the
 * versions that carry it. One description serves request and response of every version (KIP-482 for tags).
 */
export type Kind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'
  | 'array'
  | 'struct';

export type Schema = { readonly [name: string]: AnyField };
export type AnyField = Field<unknown, unknown, boolean>;

/** What decoding gives: every field of every version is there, with its fallback where the version lacks it. */
export type Decoded<S extends Schema> = {
  [K in keyof S]: S[K] extends Field<infer D, unknown, boolean> ? D : never;
};

/** What encoding takes: fields with a fallback may be left out. */
export type Encodable<S extends Schema> = {
  readonly [K in keyof S as S[K] extends Field<unknown, unknown, false> ? K : never]: EncodableOf<S[K]>;
} & {
  readonly [K in keyof S as S[K] extends Field<unknown, unknown, true> ? K : never]?: EncodableOf<S[K]>;
};
type EncodableOf<F> = F extends Field<unknown, infer E, boolean> ? E : never;

interface FieldShape {
  readonly kind: Kind;
  /** Element of an array. */
  readonly element: AnyField | null;
  /** Fields of a struct. */
  readonly fields: Schema | null;
  readonly sinceVersion: number;
  readonly untilVersion: number;
  /** First version in which null is legal; Infinity = never. */
  readonly nullableSince: number;
  /** Tag number in flexible versions, −1 for a plain field. */
  readonly tag: number;
  /** Value where the version or the sender leaves the field out. */
  readonly fallback: unknown;
}

/** One field. `D` decodes to, `E` is accepted for encoding, `O` may be left out when encoding. Immutable. */
export class Field<D, E, O extends boolean> {
  declare readonly decodesTo: D;
  declare readonly encodesFrom: E;
  declare readonly optional: O;
  readonly shape: FieldShape;

  constructor(shape: FieldShape) {
    this.shape = shape;
  }
  /** Only versions from `version` on carry the field. */
  since(version: number): Field<D, E, O> {
    return new Field({ ...this.shape, sinceVersion: version });
  }
  /** Only versions up to and including `version` carry the field. */
  until(version: number): Field<D, E, O> {
    return new Field({ ...this.shape, untilVersion: version });
  }
  /** Null is legal from `since` on. */
  nullable(since = 0): Field<D | null, E | null, O> {
    return new Field({ ...this.shape, nullableSince: since, fallback: null });
  }
  /** The value when the version or the sender leaves the field out. */
  or(fallback: E): Field<D, E, true> {
    return new Field({ ...this.shape, fallback });
  }
  /** A tagged field: written only where it differs from null / its fallback. */
  tagged(tag: number): Field<D, E, O> {
    return new Field({ ...this.shape, tag });
  }
}

function plain<D, E = D>(kind: Kind, fallback: unknown): Field<D, E, false> {
  return new Field({
    kind,
    element: null,
    fields: null,
    sinceVersion: 0,
    untilVersion: Infinity,
    nullableSince: Infinity,
    tag: -1,
    fallback,
  });
}

/** The id of no topic. */
export const ZERO_UUID = '0'.repeat(32);

export const bool = (): Field<boolean, boolean, false> => plain('bool', false);
export const int8 = (): Field<number, number, false> => plain('int8', 0);
export const int16 = (): Field<number, number, false> => plain('int16', 0);
export const int32 = (): Field<number, number, false> => plain('int32', 0);
/** 64-bit integer as a safe number; values beyond ±2^53 end the connection. */
export const int64 = (): Field<number, number, false> => plain('int64', 0);
export const f64 = (): Field<number, number, false> => plain('float64', 0);
/** 16 bytes as 32 hex digits. */
export const uuid = (): Field<string, string, false> => plain('uuid', ZERO_UUID);
export const string = (): Field<string, string, false> => plain('string', '');
/** Decodes to a view of the request. */
export const bytes = (): Field<Buffer, Uint8Array, false> => plain('bytes', Buffer.alloc(0));
/** Record batches: decodes to a view; encodes from slices that are sent without copying when they are large. */
export const records = (): Field<Buffer | null, readonly Buffer[] | null, false> =>
  plain<Buffer | null, readonly Buffer[] | null>('records', null).nullable();

/** Array of structs. */
export function array<S extends Schema>(fields: S): Field<Decoded<S>[], readonly Encodable<S>[], false> {
  return arrayOf(struct(fields));
}
/** Array of plain values. */
export function arrayOf<D, E>(element: Field<D, E, boolean>): Field<D[], readonly E[], false> {
  return new Field({ ...plain('array', []).shape, element });
}
/** A struct inside a struct. Nullable and not tagged: a byte before it tells (−1 null, 1 present). */
export function struct<S extends Schema>(fields: S): Field<Decoded<S>, Encodable<S>, false> {
  return new Field({ ...plain('struct', null).shape, fields });
}

/** One API: its key, the versions served, and its two messages. */
export interface Api<Q extends Schema = Schema, R extends Schema = Schema> {
  readonly key: number;
  readonly name: string;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** First version with compact lengths and tagged fields (KIP-482); Infinity = none. */
  readonly flexibleSince: number;
  readonly request: Q;
  readonly response: R;
}

/** Declares an API; exists so that the types of its messages are inferred. */
export function api<Q extends Schema, R extends Schema>(description: Api<Q, R>): Api<Q, R> {
  return description;
}
