import type { SettingsChange } from '@robustmq/contracts';

/** Changes that are listed one by one; beyond them the list ends. */
const CHANGES_MAX = 500;

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lists of things with an id are compared by id: a rule that moved has not changed. */
function byId(list: unknown): Json | undefined {
  if (!Array.isArray(list)) return undefined;
  if (!list.every((one) => isObject(one) && typeof one['id'] === 'string')) return undefined;
  return Object.fromEntries(list.map((one: Json) => [one['id'] as string, one]));
}

const token = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

function collect(from: unknown, to: unknown, path: string, into: SettingsChange[]): void {
  if (into.length >= CHANGES_MAX || JSON.stringify(from) === JSON.stringify(to)) return;
  const [left, right] = [isObject(from) ? from : byId(from), isObject(to) ? to : byId(to)];
  if (left && right) {
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
      collect(left[key], right[key], `${path}/${token(key)}`, into);
    return;
  }
  into.push({ path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) });
}

/** Where two settings differ, in the order of their fields. */
export function changesBetween(from: unknown, to: unknown): SettingsChange[] {
  const changes: SettingsChange[] = [];
  collect(from, to, '', changes);
  return changes;
}

/** RFC 7396 §2. Names that reach an object's prototype are ignored. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Json = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__') continue;
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}
