import { config, openFileStore, openSession, runOf, subscribeOptions, TestNode } from './test-node.ts';

/**
 * A process to be killed: a node over the directory in argv[2] that publishes for ever, beginning with message argv[3], and
 * prints the number of each message once it is acknowledged.
 */
const node = await TestNode.start(await openFileStore(process.argv[2]!));
await node.broker.applyNamespace(config({ topics: [{ name: 'sensors', partitions: 1 }] }));
const { session, connection } = openSession(node, 'sleeper', { expirySeconds: 3600 });
const outcome = session.subscribe('#', { ...subscribeOptions, qos: 2 });
if (outcome.refusal === null) await outcome.commit!.promise();
for (let serial = Number(process.argv[3]); ; serial += 2) {
  const first = `m${serial};`;
  const second = `m${serial + 1};`;
  node.namespace().publish(runOf('sensors/1', [first]), connection);
  const { commit } = node.namespace().publish(runOf('doors/1', [second]), connection);
  commit!.onSettled((error) => void (error === null && process.stdout.write(`${serial}\n${serial + 1}\n`)));
  if (serial % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
}
