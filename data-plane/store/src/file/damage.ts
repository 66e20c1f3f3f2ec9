/** Something recovery found wrong with the medium and dealt with. For the log, the operator and the tests. */
export interface Damage {
  /**
   * `torn-tail`: an unfinished last write was cut off (nothing acknowledged is in it). `hole`: stored chunks are lost;
   * reading them reports `corrupt`. `index`: an index was rebuilt. `orphan`: a directory that no stream owns.
   */
  readonly kind: 'torn-tail' | 'hole' | 'index' | 'orphan';
  readonly file: string;
  /** Byte at which it begins in the file. */
  readonly position: number;
  /** What exactly: stream and offsets where they are known. */
  readonly detail: string;
}

/** Told of every damage, once, when it is found. */
export type OnDamage = (damage: Damage) => void;
