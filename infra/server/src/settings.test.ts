import { describe, expect, it } from 'vitest';
import { environmentFor, readSettings } from './settings.ts';

describe('readSettings', () => {
  it('has the defaults of the public contract', () => {
    expect(readSettings({})).toMatchObject({
      httpPort: 8080,
      agentPort: 8081,
      mqttPort: 1883,
      mqttWsPort: 8083,
      kafkaPort: 9092,
      ...{ mqttsPort: 8883, mqttsAliasPort: 1884, mqttWssPort: 8084, kafkaTlsPort: 9093, mqttQuicPort: 0 },
    });
  });

  it.each(['http', '0', '65536', '80.5', '-1'])('refuses port %s and names the variable', (text) => {
    expect(() => readSettings({ ROBUSTMQ_MQTT_PORT: text })).toThrow(`ROBUSTMQ_MQTT_PORT is "${text}"`);
  });

  it('opens no usual port over TLS beside a plain port that was moved, unless asked to', () => {
    const moved = { ROBUSTMQ_MQTT_PORT: '1993', ROBUSTMQ_MQTT_WS_PORT: '8993', ROBUSTMQ_KAFKA_PORT: '9992' };
    const closed = { mqttsPort: 0, mqttsAliasPort: 0, mqttWssPort: 0, kafkaTlsPort: 0, mqttQuicPort: 0 };
    expect(readSettings(moved)).toMatchObject(closed);
    const asked = { ROBUSTMQ_MQTTS_PORT: '8994', ROBUSTMQ_KAFKA_TLS_PORT: '9993', ROBUSTMQ_MQTT_QUIC_PORT: '9083' };
    const open = { ...closed, mqttsPort: 8994, kafkaTlsPort: 9993, mqttQuicPort: 9083 };
    expect(readSettings({ ...moved, ...asked })).toMatchObject(open);
    expect(readSettings({ ROBUSTMQ_MQTTS_PORT: '0' })).toMatchObject({ mqttsPort: 0, mqttsAliasPort: 1884 });
    expect(() => readSettings({ ROBUSTMQ_MQTTS_PORT: 'x' })).toThrow('from 1 to 65535, or 0 for none');
    expect(() => readSettings({ ROBUSTMQ_MQTTS_PORT: '9092' })).toThrow(/both set to port 9092/);
  });

  it.each([
    [{ ROBUSTMQ_S3_REGION: 'eu-central-1' }, 'ROBUSTMQ_S3_REGION is set but ROBUSTMQ_S3_BUCKET is not'],
    [{ ROBUSTMQ_S3_BUCKET: 'a b' }, 'ROBUSTMQ_S3_BUCKET is "a b"'],
    [{ ROBUSTMQ_S3_BUCKET: 'cold', ROBUSTMQ_S3_PREFIX: 'cloud' }, 'that end with /'],
    [{ ROBUSTMQ_S3_BUCKET: 'cold', ROBUSTMQ_S3_ENDPOINT: 'http://me:secret@s3' }, 'ROBUSTMQ_S3_ENDPOINT is no address'],
    [{ ROBUSTMQ_S3_BUCKET: 'cold', ROBUSTMQ_S3_PATH_STYLE: 'maybe' }, 'ROBUSTMQ_S3_PATH_STYLE is "maybe"'],
    [{ ROBUSTMQ_S3_BUCKET: 'cold', ROBUSTMQ_S3_SECRET_ACCESS_KEY: 'hidden' }, 'set both, or neither'],
  ])('refuses S3 settings that make no sense, and never shows a secret: %o', (env, sentence) => {
    expect(() => readSettings(env)).toThrow(sentence);
    expect(() => readSettings(env)).not.toThrow(/hidden|me:secret/);
  });

  it('refuses one port for two listeners', () => {
    expect(() => readSettings({ ROBUSTMQ_MQTT_PORT: '9092' })).toThrow(/both set to port 9092/);
  });
});

it('hands each child the secrets it needs and no others', () => {
  const env = {
    ...{ ROBUSTMQ_S3_BUCKET: 'b', ROBUSTMQ_S3_SECRET_ACCESS_KEY: 's', AWS_SECRET_ACCESS_KEY: 's', PATH: '/bin' },
    ...{ DATABASE_URL: 'd', REDIS_URL: 'r', SMTP_URL: 'm', STRIPE_SECRET_KEY: 'k', ROBUSTMQ_OPERATOR_TOKEN: 'o' },
  };
  const rest = (child: 'control-plane' | 'agent') => Object.keys(environmentFor(child, env)).sort();
  expect(rest('agent')).toEqual([
    'AWS_SECRET_ACCESS_KEY',
    'PATH',
    'ROBUSTMQ_S3_BUCKET',
    'ROBUSTMQ_S3_SECRET_ACCESS_KEY',
  ]);
  expect(rest('control-plane')).toEqual([
    'DATABASE_URL',
    'PATH',
    'REDIS_URL',
    'ROBUSTMQ_OPERATOR_TOKEN',
    'SMTP_URL',
    'STRIPE_SECRET_KEY',
  ]);
});
