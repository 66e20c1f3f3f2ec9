import { Kafka, logLevel } from 'kafkajs';
const kafka = new Kafka({ clientId: 't', brokers: ['127.0.0.1:' + process.argv[2]], logLevel: logLevel.ERROR });
const mode = process.argv[3];
if (mode === 'produce') {
  const p = kafka.producer(); await p.connect();
  for (let i = 0; i < 50; i++) await p.send({ topic: 'facts', messages: Array.from({ length: 100 }, (_, k) => ({ key: `k${(i*100+k)%10}`, value: `v${i * 100 + k}`.padEnd(200, 'x') })) });
  await p.disconnect(); console.log('produced');
} else {
  const c = kafka.consumer({ groupId: 'g' + Date.now() }); await c.connect(); await c.subscribe({ topic: process.argv[4] ?? 'facts', fromBeginning: true });
  let n = 0, bad = 0, last = Date.now(); await c.run({ eachMessage: async ({ message }) => { if (Number(message.offset) !== n) bad++; n++; last = Date.now(); } });
  while (Date.now() - last < 3000) await new Promise((r) => setTimeout(r, 200));
  console.log('consumed', n, 'bad', bad); await c.disconnect();
}
