import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { literal, shellWord, snippetsOf } from './snippets.ts';

const facts = {
  mqtt: 'mqtt://mq.example.com:1883',
  kafka: 'kafka://mq.example.com:9092',
  username: 'checkout@orders-abc123',
  password: '<password>',
  topic: 'orders.created',
};

describe('snippetsOf', () => {
  it('puts the real host, port and user name into every snippet', () => {
    const snippets = snippetsOf(facts);
    expect(snippets.map((snippet) => snippet.id)).toEqual([
      'mosquitto',
      'python-paho',
      'node-mqtt',
      'java-hivemq',
      'go-paho',
      'kcat',
      'python-kafka',
      'node-kafkajs',
      'java-kafka',
      'go-kafka',
    ]);
    for (const { code, protocol } of snippets) {
      expect(code).toContain('mq.example.com');
      expect(code).toContain(protocol === 'MQTT' ? '1883' : '9092');
      expect(code).toContain('checkout@orders-abc123');
      expect(code).toContain(protocol === 'MQTT' ? 'orders/created' : 'orders.created');
    }
  });

  it('leaves out what the cluster has no endpoint for', () => {
    expect(snippetsOf({ ...facts, kafka: undefined }).every(({ protocol }) => protocol === 'MQTT')).toBe(true);
    expect(snippetsOf({ ...facts, kafka: undefined, mqtt: undefined })).toEqual([]);
  });

  it('writes shell commands and Python that parse, whatever the password', () => {
    const snippets = snippetsOf({ ...facts, password: `a'b"c $(touch x) \\` });
    const shell = snippets.filter(({ id }) => id === 'mosquitto' || id === 'kcat');
    for (const { code } of shell) expect(spawnSync('bash', ['-n', '-c', code]).status).toBe(0);
    const words = spawnSync('bash', ['-c', `printf '%s' ${shellWord(`a'b"c $(touch x) \\`)}`], { encoding: 'utf8' });
    expect(words.stdout).toBe(`a'b"c $(touch x) \\`);
  });

  it('quotes literals', () => {
    expect(literal('a"b\\c\né')).toBe('"a\\"b\\\\c\\n\\u00e9"');
  });
});
