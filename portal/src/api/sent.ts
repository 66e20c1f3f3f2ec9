/** A body of the contracts as it travels: what is not said is left out, never undefined. */
export type Sent<T> = T extends readonly (infer U)[]
  ? Sent<U>[]
  : T extends object
    ? { [K in keyof T]: Sent<Exclude<T[K], undefined>> }
    : T;
