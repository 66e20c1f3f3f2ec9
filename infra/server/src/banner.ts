import type { Demo } from './demo-tenant.ts';

const hostPort = (endpoint: string | undefined): { host: string; port: string } => {
  const url = new URL(endpoint ?? 'none://localhost:0');
  return { host: url.hostname, port: url.port };
};

/** What robust-ctl talks to when nobody tells it otherwise. */
const DEFAULT_SERVER = 'http://localhost:8080';

/** What `npm start` has to tell. */
export interface Started {
  readonly portalUrl: string;
  readonly demo: Demo;
  /** The certificate that clients over TLS are to trust; null = one that they trust already. */
  readonly authorityFile: string | null;
  readonly seconds: string;
}

/** What `npm start` prints once everything answers: addresses, the demo login, and commands to paste. */
export function banner({ portalUrl, demo, authorityFile, seconds }: Started): string {
  const { endpoints, name, phase } = demo.cluster;
  const mqtt = hostPort(endpoints.mqtt);
  const kafka = hostPort(endpoints.kafka);
  const login = `-u '${demo.username}' -P '${demo.credentialPassword}'`;
  const server = portalUrl === DEFAULT_SERVER ? '' : ` --server ${portalUrl}`;
  const sasl = [
    'security.protocol=SASL_PLAINTEXT',
    'sasl.mechanism=PLAIN',
    `sasl.username=${demo.username}`,
    `sasl.password=${demo.credentialPassword}`,
  ];
  const kcat = `kcat -b ${kafka.host}:${kafka.port} ${sasl.map((setting) => `-X '${setting}'`).join(' ')}`;
  return `
RobustMQ Cloud is ready after ${seconds} s.

  Portal      ${portalUrl}
  API docs    ${portalUrl}/docs
  Demo login  ${demo.email}  ${demo.password}

  Cluster     ${name} (${phase})
  MQTT        ${endpoints.mqtt ?? '-'}
  WebSocket   ${endpoints.mqttWs ? `${endpoints.mqttWs}/mqtt` : '-'}
  Kafka       ${endpoints.kafka ?? '-'}
${secureLines(demo, authorityFile)}  User name   ${demo.username}
  Password    ${demo.credentialPassword}

Create a topic, publish over MQTT, read the same message over Kafka:

  npx robust-ctl login${server} --email ${demo.email} --password '${demo.password}'
  npx robust-ctl topic create sensors --cluster ${name}
  mosquitto_pub -h ${mqtt.host} -p ${mqtt.port} ${login} -q 1 -t sensors/1/temp -m 21.5
  ${kcat} -C -t sensors -o beginning -e -f '%k %s\\n'
${secureCommand(demo, authorityFile, login)}
Without those clients:

  npx robust-ctl pub sensors/1/temp --cluster ${name} -m 21.5
  npx robust-ctl consume sensors --cluster ${name} --from-beginning --count 1

Ctrl-C stops everything; the data stays.
`;
}

/** The listeners over TLS, and what to trust there; empty where there is none. */
function secureLines({ cluster }: Demo, authorityFile: string | null): string {
  const { mqtts, mqttWss, kafkaTls } = cluster.endpoints;
  const open = [mqtts, mqttWss && `${mqttWss}/mqtt`, kafkaTls].filter((endpoint) => endpoint !== undefined);
  if (open.length === 0) return '';
  const trust = authorityFile === null ? '' : `  CA to trust ${authorityFile}\n`;
  return `${open.map((endpoint, i) => `  ${i === 0 ? 'Over TLS    ' : '            '}${endpoint}\n`).join('')}${trust}`;
}

function secureCommand({ cluster }: Demo, authorityFile: string | null, login: string): string {
  if (cluster.endpoints.mqtts === undefined) return '';
  const { host, port } = hostPort(cluster.endpoints.mqtts);
  const trust = authorityFile === null ? '--tls-use-os-certs' : `--cafile '${authorityFile}'`;
  return `
Over TLS:

  mosquitto_pub -h ${host} -p ${port} ${trust} ${login} -q 1 -t sensors/2/temp -m 22.5
`;
}

/** What `robust-server control-plane` prints: the portal, and the command that joins an agent. */
export function controlPlaneBanner(portalUrl: string, agentLink: string, joinToken: string): string {
  return `
The control plane of RobustMQ Cloud is ready.

  Portal      ${portalUrl}
  API docs    ${portalUrl}/docs

No agent runs here. Join one, on this machine or another (the token works once, for 15 minutes):

  ROBUSTMQ_AGENT_LINK=${agentLink} ROBUSTMQ_JOIN_TOKEN=${joinToken} npx robust-server agent

Ctrl-C stops it; the data stays.
`;
}
