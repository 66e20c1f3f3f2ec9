/** Injection tokens of things that are no classes. */
export const SETTINGS = Symbol('Settings');
