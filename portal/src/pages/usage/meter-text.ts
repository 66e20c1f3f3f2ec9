import { bytesText, countText } from '../clusters/quantity.ts';
import type { Meter } from './series.ts';

/** What each meter is called. */
export const METER_LABEL: Record<Meter, string> = {
  messages_in: 'Messages in',
  messages_out: 'Messages out',
  ingress_bytes: 'Data in',
  egress_bytes: 'Data out',
  connection_seconds: 'Connection time',
  stored_byte_seconds: 'Storage',
  hot_byte_seconds: 'Storage, hot',
  warm_byte_seconds: 'Storage, warm',
  cold_byte_seconds: 'Storage, cold',
  object_requests: 'Object storage requests',
  partition_seconds: 'Partition time',
  node_seconds: 'Node time',
};

export const PROTOCOL_LABEL = { mqtt: 'MQTT', kafka: 'Kafka', amqp: 'AMQP', storage: 'Storage' } as const;

const HOUR_SECONDS = 3_600;
const HOURS = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** A quantity of a meter for people, rounded. */
export function meterText(meter: Meter, quantity: number): string {
  switch (meter) {
    case 'messages_in':
    case 'messages_out':
    case 'object_requests':
      return countText(Math.round(quantity));
    case 'ingress_bytes':
    case 'egress_bytes':
      return bytesText(quantity);
    case 'stored_byte_seconds':
    case 'hot_byte_seconds':
    case 'warm_byte_seconds':
    case 'cold_byte_seconds':
      return `${bytesText(quantity / HOUR_SECONDS)}·h`;
    case 'connection_seconds':
    case 'node_seconds':
    case 'partition_seconds':
      return quantity < HOUR_SECONDS
        ? `${countText(Math.round(quantity))} s`
        : `${HOURS.format(quantity / HOUR_SECONDS)} h`;
  }
}
