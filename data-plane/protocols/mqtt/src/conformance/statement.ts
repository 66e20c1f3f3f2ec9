/** One normative statement of an MQTT specification, in our words. */
export interface Statement {
  /** `3.1.2-22` for `[MQTT-3.1.2-22]`. */
  readonly id: string;
  readonly text: string;
  /** Why no test of a server can check it; absent = a test is owed. */
  readonly notOurs?: string;
}

/** Binds clients only, and a server cannot see whether they keep it. */
export const CLIENT_ONLY = 'binds the client';
/** Of servers without a feature that this one has. */
export const SUPPORTED = 'of servers without the feature; this one has it';

/** A row of a table of statements: id, text, and why it is not ours. */
export type Row = readonly [id: string, text: string, notOurs?: string];

/** The rows of a table as statements. */
export function statements(rows: readonly Row[]): readonly Statement[] {
  return rows.map(([id, text, notOurs]) => (notOurs === undefined ? { id, text } : { id, text, notOurs }));
}
