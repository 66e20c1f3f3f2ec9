import { isUtf8 } from 'node:buffer';

/** Longest topic name or filter, bytes of UTF-8 [MQTT-4.7.3-3]. */
export const TOPIC_BYTES_MAX = 65_535;
/** Most levels of a topic name or filter: bounds the depth of every walk over a trie. */
export const TOPIC_LEVELS_MAX = 128;
/** Kafka's rule for the names of stored topics. */
const STORED_NAME = /^[A-Za-z0-9._-]{1,249}$/;

/** Whether text may be published to: 1 to 65535 bytes, no wildcard, no U+0000 [MQTT-4.7.1-1, MQTT-4.7.3-1, -2]. */
export function isTopicName(name: string): boolean {
  if (name.length === 0 || /[#+\0]/.test(name)) return false;
  return fits(name);
}

/** As `isTopicName` for bytes, which must be UTF-8. */
export function isTopicNameBytes(bytes: Buffer): boolean {
  return bytes.length > 0 && bytes.length <= TOPIC_BYTES_MAX && isUtf8(bytes) && isTopicName(bytes.toString('utf8'));
}

/** Whether text may be subscribed to: `#` alone in the last level, `+` alone in its level [MQTT-4.7.1-2, -3]. */
export function isFilter(filter: string): boolean {
  if (filter.length === 0 || filter.includes('\0') || !fits(filter)) return false;
  const levels = filter.split('/');
  return levels.every((level, i) => {
    if (level === '#') return i === levels.length - 1;
    return level === '+' || !/[#+]/.test(level);
  });
}

/** Whether a stored topic may have this name: letters, digits, `.`, `_`, `-`; 1 to 249; not `.` or `..`. */
export function isStoredTopicName(name: string): boolean {
  return STORED_NAME.test(name) && name !== '.' && name !== '..';
}

/** The MQTT name of a stored topic `a.b`: `a/b`. */
export function slashName(storedTopicName: string): string {
  return storedTopicName.replaceAll('.', '/');
}

/** The filters a stored topic `a.b` captures unless it has its own: `a/b` and `a/b/#` (the latter includes the former). */
export function defaultBindings(storedTopicName: string): readonly string[] {
  const slashed = slashName(storedTopicName);
  return [slashed, `${slashed}/#`];
}

function fits(text: string): boolean {
  if (text.length > TOPIC_BYTES_MAX || Buffer.byteLength(text) > TOPIC_BYTES_MAX) return false;
  let levels = 1;
  for (let at = text.indexOf('/'); at >= 0; at = text.indexOf('/', at + 1)) levels++;
  return levels <= TOPIC_LEVELS_MAX;
}
