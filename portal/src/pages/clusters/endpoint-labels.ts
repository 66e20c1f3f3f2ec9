import type { Cluster } from '@robustmq/client';

const LABELS: readonly (readonly [keyof Cluster['endpoints'], string])[] = [
  ['mqtt', 'MQTT'],
  ['mqttWs', 'MQTT over WebSocket'],
  ['mqtts', 'MQTT over TLS'],
  ['mqttWss', 'MQTT over WebSocket and TLS'],
  ['kafka', 'Kafka'],
  ['kafkaTls', 'Kafka over TLS'],
  ['amqp', 'AMQP'],
  ['amqps', 'AMQP over TLS'],
];

/** MQTT's path on a WebSocket listener; the API names scheme, host and port only. */
export const WEBSOCKET_PATH = '/mqtt';

/** The endpoints a cluster has, in a fixed order, as a client is given them. */
export const endpointLabels = (endpoints: Cluster['endpoints']): { label: string; url: string }[] =>
  LABELS.flatMap(([name, label]) => {
    const url = endpoints[name];
    return url === undefined
      ? []
      : [{ label, url: name === 'mqttWs' || name === 'mqttWss' ? url + WEBSOCKET_PATH : url }];
  });
