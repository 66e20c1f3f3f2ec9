import type { ClusterSettings, SettingsChange } from '@robustmq/contracts';

type FieldValue = string | number | boolean;

interface FieldCommon {
  /** Where it is in the settings, from their top. */
  readonly path: readonly [string, ...string[]];
  readonly label: string;
  readonly description?: string;
}
/** One setting of the form: a switch, a whole number, or one of several words. */
export type SettingsField =
  | (FieldCommon & { readonly kind: 'switch' })
  | (FieldCommon & { readonly kind: 'number'; readonly min: number; readonly max?: number })
  | (FieldCommon & { readonly kind: 'choice'; readonly options: Readonly<Record<string, string>> });

/** Settings that belong together. */
export interface SettingsSection {
  readonly title: string;
  readonly fields: readonly SettingsField[];
}

const number = (path: FieldCommon['path'], label: string, min: number, max?: number): SettingsField => {
  return { kind: 'number', path, label, min, ...(max === undefined ? {} : { max }) };
};
const toggle = (path: FieldCommon['path'], label: string, description?: string): SettingsField => {
  return { kind: 'switch', path, label, ...(description === undefined ? {} : { description }) };
};

/** Everything the form shows, in its order. Lists (subscriptions, rewrites) are text areas besides it. */
export const SECTIONS: readonly SettingsSection[] = [
  {
    title: 'Kafka',
    fields: [
      toggle(['kafka', 'autoCreateTopics'], 'Make topics when clients name them'),
      number(['kafka', 'defaultPartitions'], 'Partitions of such a topic', 1, 256),
    ],
  },
  {
    title: 'MQTT sessions and inboxes',
    fields: [
      number(['mqtt', 'inbox', 'messagesMax'], 'Messages in one inbox at most', 1),
      number(['mqtt', 'inbox', 'bytesMax'], 'Bytes in one inbox at most', 1),
      {
        ...number(['mqtt', 'inbox', 'ageSecondsMax'], 'Oldest message in an inbox, seconds', 0),
        description: '0 = no limit',
      },
      {
        kind: 'choice',
        path: ['mqtt', 'inbox', 'whenFull'],
        label: 'When an inbox is full',
        options: { 'drop-oldest': 'Drop the oldest message', 'drop-newest': 'Drop the newest message' },
      },
      {
        ...number(['mqtt', 'sessionExpirySecondsMax'], 'Longest session expiry, seconds', 0, 0xff_ff_ff_ff),
        description: '4294967295 = no limit',
      },
      number(['mqtt', 'keepAliveSecondsMax'], 'Longest keep alive, seconds', 1, 65_535),
    ],
  },
  {
    title: 'MQTT delivery',
    fields: [
      {
        kind: 'choice',
        path: ['mqtt', 'sharedStrategy'],
        label: 'Who of a shared subscription is next',
        options: {
          'round-robin': 'One after the other',
          random: 'Anyone',
          sticky: 'The same as long as it is there',
          'hash-client': 'By the publisher’s client id',
          'hash-topic': 'By the topic',
        },
      },
      toggle(['mqtt', 'delayed', 'enabled'], 'Delayed messages', 'Publish to $delayed/seconds/topic'),
      number(['mqtt', 'delayed', 'messagesMax'], 'Delayed messages at most', 0),
    ],
  },
  {
    title: 'Slow subscribers',
    fields: [
      toggle(['mqtt', 'slowSubscriber', 'enabled'], 'List slow deliveries'),
      number(['mqtt', 'slowSubscriber', 'thresholdMs'], 'Slow is more than, milliseconds', 1),
      number(['mqtt', 'slowSubscriber', 'listed'], 'How many are listed', 1, 1_000),
    ],
  },
  {
    title: 'Clients that connect too often',
    fields: [
      toggle(['mqtt', 'flapping', 'enabled'], 'Ban them for a while'),
      number(['mqtt', 'flapping', 'connectsMax'], 'Connects allowed in the window', 2),
      number(['mqtt', 'flapping', 'windowSeconds'], 'Window, seconds', 1, 3_600),
      number(['mqtt', 'flapping', 'banSeconds'], 'Banned for, seconds', 1, 2_592_000),
    ],
  },
];

/** The form's values by the fields' names; numbers are text while they are typed. */
export interface SettingsValues {
  readonly fields: Readonly<Record<string, FieldValue>>;
  readonly autoSubscribe: string;
  readonly rewrite: string;
}

export const nameOf = (field: SettingsField): string => field.path.join('.');
const ALL = SECTIONS.flatMap(({ fields }) => fields);

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

function valueAt(settings: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), settings);
}

/** `filter qos` a line. */
const linesOfSubscriptions = (settings: ClusterSettings): string =>
  settings.mqtt.autoSubscribe.map(({ filter, qos }) => `${filter} ${qos}`).join('\n');
/** `on from to` a line. */
const linesOfRewrites = (settings: ClusterSettings): string =>
  settings.mqtt.rewrite.map(({ on, from, to }) => `${on} ${from} ${to}`).join('\n');

/** Settings as the form holds them. */
export const settingsValues = (settings: ClusterSettings): SettingsValues => ({
  fields: Object.fromEntries(ALL.map((field) => [nameOf(field), valueAt(settings, field.path) as FieldValue])),
  autoSubscribe: linesOfSubscriptions(settings),
  rewrite: linesOfRewrites(settings),
});

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** Lists of the form as settings; options that lines have no words for are taken from the entry with the same filter. */
function subscriptionsOf(text: string, settings: ClusterSettings): Json[] {
  return linesOf(text).map((line) => {
    const [, filter = line, qos] = /^(.*?)(?:\s+([0-2]))?$/.exec(line) ?? [];
    const before = settings.mqtt.autoSubscribe.find((one) => one.filter === filter);
    return { ...before, filter, qos: Number(qos ?? 0) };
  });
}
function rewritesOf(text: string): Json[] {
  return linesOf(text).map((line) => {
    const [, on = 'all', from = '', to = ''] = /^(?:(publish|subscribe|all)\s+)?(\S+)\s+(\S+)$/.exec(line) ?? [];
    return { on, from, to };
  });
}

/** What is wrong with the form, by field; empty = nothing. */
export function settingsErrors(values: SettingsValues): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const field of ALL) {
    if (field.kind !== 'number') continue;
    const value = values.fields[nameOf(field)];
    const { min, max = Number.MAX_SAFE_INTEGER } = field;
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
    if (!fits) errors[nameOf(field)] = field.max === undefined ? `Use ${min} or more` : `Use ${min} to ${max}`;
  }
  const rewrites = linesOf(values.rewrite);
  if (rewrites.some((line) => !/^(?:(publish|subscribe|all)\s+)?\S+\s+\S+$/.test(line)))
    errors['rewrite'] = 'Write each line as: publish, subscribe or all, the filter, and what it becomes';
  if (linesOf(values.autoSubscribe).some((line) => !/^\S+(\s+[0-2])?$/.test(line)))
    errors['autoSubscribe'] = 'Write each line as: the filter and its QoS';
  return errors;
}

function put(patch: Json, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) patch[key] = value;
  else put((patch[key] ??= {}) as Json, rest, value);
}

/** What the form changes, as a JSON merge patch (RFC 7396); empty = nothing. */
export function settingsPatch(settings: ClusterSettings, values: SettingsValues): Json {
  const patch: Json = {};
  for (const field of ALL) {
    const value = values.fields[nameOf(field)];
    if (value !== valueAt(settings, field.path)) put(patch, field.path, value);
  }
  if (values.autoSubscribe !== linesOfSubscriptions(settings))
    put(patch, ['mqtt', 'autoSubscribe'], subscriptionsOf(values.autoSubscribe, settings));
  if (values.rewrite !== linesOfRewrites(settings)) put(patch, ['mqtt', 'rewrite'], rewritesOf(values.rewrite));
  return patch;
}

/** A place in the settings in words: the form's label, or the path. */
export function pathText(path: string): string {
  const name = path.replace(/^\//, '').replaceAll('/', '.');
  if (name === 'network.allowedAddresses') return 'Allowed addresses';
  return ALL.find((field) => nameOf(field) === name)?.label ?? name;
}

const VALUE_CHARS_MAX = 200;

/** One side of a change. */
export function changedText(change: SettingsChange, side: 'from' | 'to'): string {
  const value = change[side];
  if (value === undefined) return '–';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
}
