export * from './command.ts';
export * from './meta-error.ts';
export * from './meta.ts';
export { MetaState, type NamespaceState, type SessionState } from './state.ts';
export * from './settings.ts';
