import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ManagedConfig, StandaloneConfig, standaloneNode, standaloneQuotas } from './config.ts';
import { loadConfig, parseConfig } from './config-file.ts';
import { NodeError } from './node-error.ts';

const LISTENERS = 'listeners: { mqtt: { port: 1883 } }';
const SPACE = 'namespaces: [{ name: main, allowAnonymous: true }]';

function faultOf(text: string): string {
  try {
    parseConfig(text, 'node.yaml', StandaloneConfig);
  } catch (error) {
    if (error instanceof NodeError && error.code === 'config-invalid') return error.message;
    throw error;
  }
  return 'accepted';
}

describe('standalone configuration', () => {
  it('fills in what is left out', () => {
    const config = parseConfig(`${LISTENERS}\n${SPACE}`, 'node.yaml', StandaloneConfig);
    expect(config).toMatchObject({
      dataDir: './data',
      journal: { engine: 'file', durability: 'flushed' },
      listeners: { mqtt: [{ host: '127.0.0.1', port: 1883 }] },
      namespaces: [{ name: 'main', default: false, autoCreateTopics: true, credentials: [], topics: [], quotas: {} }],
    });
    expect(standaloneNode(config, '/srv').dataDir).toBe('/srv/data');
  });

  it('takes one listener or a list of them, and names each', () => {
    const text = `listeners: { kafka: { port: 9092 }, mqtts: [{ port: 8883, tls: &t { certFile: a, keyFile: b } }, { port: 1884, tls: *t }] }\n${SPACE}`;
    const { listeners } = standaloneNode(parseConfig(text, 'node.yaml', StandaloneConfig), '/srv');
    expect(listeners.map(({ name, key, port }) => [name, key, port])).toEqual([
      ['mqtts', 'mqtts', 8883],
      ['mqtts[1]', 'mqtts', 1884],
      ['kafka', 'kafka', 9092],
    ]);
    expect(listeners[1]!.tls).toEqual({ certFile: '/srv/a', keyFile: '/srv/b' });
  });

  it('lets single quotas be replaced', () => {
    expect(standaloneQuotas({ topicsMax: 3 })).toMatchObject({ topicsMax: 3, connectionsMax: 200_000 });
  });

  it.each([
    ['listeners: [', 'node.yaml: '],
    ['just text', 'the file is "just text": write keys and values'],
    [SPACE, 'listeners is missing'],
    [`listeners: {}\n${SPACE}`, 'listeners is {}: open at least one of mqtt, mqttWs, kafka'],
    [`listeners: { mqtt: { port: 70000 } }\n${SPACE}`, 'listeners.mqtt.port is 70000: write a port from 0 to 65535'],
    [`listeners: { mqtt: { port: a } }\n${SPACE}`, 'listeners.mqtt.port is "a": write a whole number from 0 to 65535'],
    [`listeners: { mqtt: {} }\n${SPACE}`, 'listeners.mqtt.port is missing: write a whole number'],
    [
      `listeners: { mqtt: { prt: 1, port: 1 } }\n${SPACE}`,
      'listeners.mqtt.prt is not a known key: remove it or use one of host, port',
    ],
    [`listeners: { mqtt: [{ port: 1 }, { prot: 2 }] }\n${SPACE}`, 'listeners.mqtt[1].port is missing: write a whole'],
    [
      `listeners: { mqtt: [{ prt: 1, port: 1 }] }\n${SPACE}`,
      'listeners.mqtt[0].prt is not a known key: remove it or use',
    ],
    [`listeners: { mqtts: { port: 8883 } }\n${SPACE}`, 'listeners.mqtts.tls is missing'],
    [`listeners: { mqtt: [] }\n${SPACE}`, 'listeners.mqtt is []: write at least one'],
    [
      `listeners: { mqtt: { port: 1, proxyProtocol: { trusted: [lan] } } }\n${SPACE}`,
      'listeners.mqtt.proxyProtocol.trusted[0] is "lan": write an address block such as 10.0.0.0/8',
    ],
    [`listeners: { amqp: { port: 5672 } }\n${SPACE}`, 'this version has no AMQP listener: remove listeners.amqp'],
    [`${LISTENERS}\n${SPACE}\ndatadir: x`, 'datadir is not a known key: remove it or use one of dataDir, listeners'],
    [LISTENERS, 'namespaces is missing: write a list of namespaces'],
    [`${LISTENERS}\nnamespaces: []`, 'namespaces is []: write at least one namespace'],
    [
      `${LISTENERS}\nnamespaces: [{ name: Main, allowAnonymous: true }]`,
      'namespaces[0].name is "Main": use 1 to 51 lower-case',
    ],
    [`${LISTENERS}\nnamespaces: [{ name: main }]`, 'namespaces[0].credentials is missing: nobody could connect'],
    [
      `${LISTENERS}\nnamespaces: [{ name: a, default: true, allowAnonymous: true }, { name: b, default: true, allowAnonymous: true }]`,
      'namespaces[1].default is true: only one namespace may be the default, and a is',
    ],
    [
      `${LISTENERS}\nnamespaces: [{ name: a, allowAnonymous: true }, { name: a, allowAnonymous: true }]`,
      'namespaces[1].name is "a": it stands there twice',
    ],
    [
      `${LISTENERS}\nnamespaces: [{ name: a, credentials: [{ username: x@y, password: p }] }]`,
      'namespaces[0].credentials[0].username is "x@y": use 1 to 255 characters without @',
    ],
    [
      `${LISTENERS}\nnamespaces: [{ name: a, allowAnonymous: true, topics: [{ name: a/b }] }]`,
      'namespaces[0].topics[0].name is "a/b": use 1 to 249 letters',
    ],
    [
      `${LISTENERS}\nnamespaces: [{ name: a, allowAnonymous: true, quotas: { topics: 1 } }]`,
      'namespaces[0].quotas.topics is not a known key: remove it or use one of connectionsMax',
    ],
    [
      `${LISTENERS}\nnamespaces: [{ name: a, allowAnonymous: true, settings: { mqtt: { inbox: { whenFul: x } } } }]`,
      'namespaces[0].settings.mqtt.inbox.whenFul is not a known key: remove it or use one of messagesMax, bytesMax',
    ],
    [
      `${LISTENERS}\nnamespaces: [{ name: a, allowAnonymous: true, settings: { mqtt: { sharedStrategy: fair } } }]`,
      'namespaces[0].settings.mqtt.sharedStrategy is "fair": ',
    ],
    [
      `${LISTENERS}\nnamespaces: [{ name: a, allowAnonymous: true, settings: { acl: { rules: [{ id: r, effect: allow, actions: [read] }] } } }]`,
      'namespaces[0].settings.acl.rules[0].pattern is missing',
    ],
    [`${LISTENERS}\n${SPACE}\njournal: { engine: tape }`, 'journal.engine is "tape": write file or memory'],
  ])('says what is wrong with %j', (text, sentence) => {
    expect(faultOf(text)).toContain(sentence);
  });

  it('never prints a password', () => {
    const fault = faultOf(`${LISTENERS}\nnamespaces: { credentials: [{ username: u, password: hunter2 }] }`);
    expect(fault).toContain('namespaces is');
    expect(fault).not.toContain('hunter2');
    expect(
      faultOf(`${LISTENERS}\nnamespaces: [{ name: a, credentials: [{ username: u, password: 12345 }] }]`),
    ).toContain('password is (hidden): write a password');
  });

  it('lists several faults', () => {
    const fault = faultOf(`listeners: { mqtt: { port: -1 }, kafka: { port: 99999 } }\n${SPACE}`);
    expect(fault).toMatch(/2 problems\n {2}listeners.mqtt.port is -1: .*\n {2}listeners.kafka.port is 99999: /);
  });

  it('names a file that is not there', () => {
    expect(() => loadConfig('/nonexistent/node.yaml', StandaloneConfig)).toThrow(
      /configuration file \/nonexistent\/node.yaml cannot be read: ENOENT/,
    );
  });
});

it('takes the annotated example', () => {
  const example = fileURLToPath(new URL('../../../infra/server/standalone.example.yaml', import.meta.url));
  const config = loadConfig(example, StandaloneConfig);
  expect(config.namespaces.map(({ name }) => name)).toEqual(['main', 'factory']);
});

it('takes the JSON an agent writes', () => {
  const text = JSON.stringify({
    nodeId: 'shared',
    dataDir: '/srv/data',
    runDir: '/srv/run',
    listeners: { mqtt: { host: '0.0.0.0', port: 1883 }, kafka: { port: 9092, advertisedHost: 'k.example' } },
    adminTokenFile: '/srv/run/token',
  });
  expect(parseConfig(text, 'node.json', ManagedConfig)).toMatchObject({ nodeId: 'shared', usageWindowMs: 60_000 });
});
