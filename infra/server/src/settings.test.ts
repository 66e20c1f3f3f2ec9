import { describe, expect, it } from 'vitest';
import { readSettings } from './settings.ts';

describe('readSettings', () => {
  it('has the defaults of the public contract', () => {
    expect(readSettings({})).toMatchObject({
      httpPort: 8080,
      agentPort: 8081,
      mqttPort: 1883,
      mqttWsPort: 8083,
      kafkaPort: 9092,
    });
  });

  it.each(['http', '0', '65536', '80.5', '-1'])('refuses port %s and names the variable', (text) => {
    expect(() => readSettings({ ROBUSTMQ_MQTT_PORT: text })).toThrow(`ROBUSTMQ_MQTT_PORT is "${text}"`);
  });

  it('refuses one port for two listeners', () => {
    expect(() => readSettings({ ROBUSTMQ_MQTT_PORT: '9092' })).toThrow(/both set to port 9092/);
  });
});
