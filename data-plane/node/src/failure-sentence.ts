import { NodeError } from './node-error.ts';

const CAUSES_MAX = 8;

/** Turns what the medium or the system says into a NodeError whose sentence tells what to do; others stay as they are. */
export function explained(error: unknown, dataDir: string): Error {
  if (error instanceof NodeError) return error;
  const cause = { cause: error };
  const codes = causes(error);
  const code = codes.find((one) => one !== 'failed') ?? codes[0];
  switch (code) {
    case 'locked':
      return new NodeError('data-dir-locked', `another node uses ${dataDir}: stop it or choose another dataDir`, cause);
    case 'disk-full':
    case 'ENOSPC':
      return new NodeError('disk-full', `no space is left for ${dataDir}: free some and start the node again`, cause);
    case 'corrupt':
    case 'log-corrupt':
      return new NodeError('data-corrupt', `stored data in ${dataDir} is damaged: ${messageOf(error)}`, cause);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'EEXIST':
    case 'read-only':
      return new NodeError('data-dir-unusable', `${dataDir} cannot be written: ${messageOf(error)}`, cause);
    case 'io':
    case 'failed':
      return new NodeError('data-dir-failed', `${dataDir} can be written no more: ${messageOf(error)}`, cause);
    default:
      return error instanceof Error ? error : new Error(String(error), cause);
  }
}
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Codes from the outermost failure to the first one: the medium's own `failed` hides what happened first. */
function causes(error: unknown): string[] {
  const codes: string[] = [];
  for (let at = error; at instanceof Error && codes.length < CAUSES_MAX; at = at.cause)
    if ('code' in at && typeof at.code === 'string') codes.push(at.code);
  return codes;
}
