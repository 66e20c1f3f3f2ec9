import { isMqttText } from './utf8.ts';

const PLUS = 0x2b;
const HASH = 0x23;

/** What is wrong with a topic name's bytes; null = nothing. Wildcards are not text's fault: [MQTT-3.3.2-2]. */
export function topicNameFault(
  bytes: Buffer,
  start: number,
  end: number,
): 'malformed-packet' | 'topic-name-invalid' | null {
  let ascii = true;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === PLUS || byte === HASH) return 'topic-name-invalid';
    if (byte === 0 || byte >= 0x80) ascii = false;
  }
  return ascii || isMqttText(bytes, start, end) ? null : 'malformed-packet';
}

/** Whether a topic filter without `$share` follows [MQTT-4.7.1-1], [MQTT-4.7.1-2] and [MQTT-4.7.3-1]. */
function isPlainFilter(filter: string): boolean {
  if (filter === '') return false;
  const levels = filter.split('/');
  return levels.every((level, index) => {
    if (level === '+') return true;
    if (level === '#') return index === levels.length - 1;
    return !level.includes('+') && !level.includes('#');
  });
}

/** Whether the filter asks for a shared subscription (MQTT 5 §4.8.2). */
export function isSharedFilter(filter: string): boolean {
  return filter === '$share' || filter.startsWith('$share/');
}

/** Whether what the filter finds goes to one of several: `$share/<group>/…`, or `$queue/…`, the group without a name. */
export function isGroupFilter(filter: string): boolean {
  return isSharedFilter(filter) || filter.startsWith('$queue/');
}

/** Whether a topic filter is valid, shared ones included ([MQTT-4.8.2-1], [MQTT-4.8.2-2]). */
export function isTopicFilter(filter: string): boolean {
  if (!isSharedFilter(filter)) return isPlainFilter(filter);
  const [, group, ...rest] = filter.split('/');
  return group !== undefined && group !== '' && !/[+#]/.test(group) && isPlainFilter(rest.join('/'));
}
