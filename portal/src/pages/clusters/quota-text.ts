import type { Quotas } from '@robustmq/contracts';
import { bytesText, countText } from './quantity.ts';

/** What each limit is called, in the order they are shown. */
export const QUOTA_LABEL: Record<keyof Quotas, string> = {
  connectionsMax: 'Connections',
  connectionRatePerSecondMax: 'New connections a second',
  ingressBytesPerSecondMax: 'Data in, each second',
  egressBytesPerSecondMax: 'Data out, each second',
  topicsMax: 'Topics',
  partitionsMax: 'Partitions',
  sessionsMax: 'MQTT sessions',
  messageSizeBytesMax: 'Message size',
  storageBytesMax: 'Storage',
  inboxBytesMax: 'MQTT inboxes',
};
export const QUOTA_NAMES = Object.keys(QUOTA_LABEL) as (keyof Quotas)[];

/** A limit, or what is used of it, for people. */
export const quotaText = (name: keyof Quotas, value: number): string =>
  name.includes('Bytes') ? bytesText(value) : countText(value);

const UNIT_BYTES = { '': 1, b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 } as const;

/** A limit as people type it: `500`, or `2 GiB` where it is in bytes; undefined when it is none. */
export function quotaOf(name: keyof Quotas, text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim().replaceAll(',', ''));
  if (!match) return undefined;
  const unit = match[2]!.toLowerCase();
  if (unit !== '' && (!name.includes('Bytes') || !(unit in UNIT_BYTES))) return undefined;
  const value = Number(match[1]) * UNIT_BYTES[unit as keyof typeof UNIT_BYTES];
  return Number.isSafeInteger(Math.round(value)) && (unit !== '' || Number.isInteger(value))
    ? Math.round(value)
    : undefined;
}

/** The limits of a form of texts, those left empty left out; undefined when one of them is no limit. */
export function quotasOf(texts: Readonly<Partial<Record<keyof Quotas, string>>>): Partial<Quotas> | undefined {
  const found: Partial<Quotas> = {};
  for (const name of QUOTA_NAMES) {
    const text = texts[name]?.trim() ?? '';
    if (text === '') continue;
    const value = quotaOf(name, text);
    if (value === undefined) return undefined;
    found[name] = value;
  }
  return found;
}
