import type { NamespaceObserved } from '@robustmq/contracts/data-plane';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlLink, LINK_TIMING, type LinkOwner } from './control-link.ts';
import { DesiredStore } from './desired-store.ts';
import { enroll } from './enrolment.ts';
import { openKeys, readIdentity, type AgentIdentity, type AgentKeys } from './identity.ts';
import { LinkTransport } from './link-transport.ts';
import { FakeControlPlane } from './testing/fake-control-plane.ts';
import { clusterId, eventually, namespaceSpec, scratchDirectory, testLog, usageWindow } from './testing/fixtures.ts';

const TIMING = {
  leaseMs: 20,
  // longer than any pause of a busy machine: a session that ends by itself is not what most tests are about
  silenceMs: 2_000,
  pollMs: 30,
  fullPullMs: 60_000,
  reconnectFirstMs: 10,
  reconnectMaxMs: 100,
};
const NEVER = new AbortController().signal;

describe('ControlLink', { timeout: 180_000 }, () => {
  let control: FakeControlPlane;
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  let keys: AgentKeys;
  let identity: AgentIdentity;
  let store: DesiredStore;
  let link: ControlLink;

  const namespaces: NamespaceObserved[] = [
    {
      clusterId: clusterId(1) as NamespaceObserved['clusterId'],
      ...{ observedGeneration: 3, phase: 'ready', endpointsReachable: true, topics: [], connections: 2 },
    },
  ];
  const open = (timing = TIMING): void => {
    const owner: LinkOwner = {
      version: 'test',
      endpointsJson: () => JSON.stringify({ host: 'h', mqtt: 1, mqttWs: 2, kafka: 3, amqp: 0 }),
      haveVersion: () => store.version,
      status: () => ({ version: store.version, namespaces }),
      onState: async (state) => void (await store.accept(state, identity)),
    };
    const transport = new LinkTransport(`http://127.0.0.1:${control.port}`);
    link = new ControlLink(transport, identity, keys, owner, testLog, timing);
    link.start();
  };

  beforeEach(async () => {
    scratch = await scratchDirectory();
    control = new FakeControlPlane();
    await control.start();
    keys = await openKeys(scratch.dir);
    const transport = new LinkTransport(`http://127.0.0.1:${control.port}`);
    identity = (await enroll(scratch.dir, transport, keys, control.joinToken, 'test', testLog, NEVER))!;
    transport.close();
    store = await DesiredStore.open(scratch.dir);
  });
  afterEach(async () => {
    await link?.close();
    control.stop();
    await scratch.remove();
  });

  it('keeps its identity and its key on disk', async () => {
    expect(await readIdentity(scratch.dir)).toEqual(identity);
    expect((await openKeys(scratch.dir)).publicKeyPem).toBe(keys.publicKeyPem);
    open();
    await eventually('connected', () => link.connected);
  });

  it('takes states, reports status and applied versions on the session', async () => {
    open();
    await eventually('status', () => control.statuses.length === 1);
    expect(control.statuses).toEqual(namespaces);
    control.desire([namespaceSpec(1)]);
    await eventually('state', () => store.version === 1);
    link.sendApplied(1, '');
    await eventually('applied', () => control.applied.some((one) => one.version === 1 && one.error === ''));
  });

  it('takes no state that is forged, and says so', async () => {
    open();
    await eventually('connected', () => link.connected);
    control.desire([namespaceSpec(1)]);
    await eventually('state', () => store.version === 1);
    const forged = { ...control.update(2), signature: control.update(3).signature };
    for (const stream of control.sessions) stream.write({ state: forged });
    await eventually('refused', () => control.applied.some((one) => /signature/.test(one.error)));
    for (const stream of control.sessions) stream.write({ state: control.update(0) });
    await eventually('refused', () => control.applied.some((one) => /older/.test(one.error)));
    expect(store.version).toBe(1);
  });

  it('finds a version that the session never brought, from the lease', async () => {
    open();
    await eventually('connected', () => link.connected);
    const { sessions } = control;
    control.sessions = new Set();
    control.desire([namespaceSpec(1)]);
    control.sessions = sessions;
    await eventually('state', () => store.version === 1);
  });

  it('dials again after the control plane went away', async () => {
    open();
    await eventually('connected', () => link.connected);
    control.stop();
    await eventually('not connected', () => !link.connected);
    await expect(link.pushUsage(1, [usageWindow(1)])).rejects.toMatchObject({ code: 'link-unavailable' });
    control.desire([namespaceSpec(1)]);
    await control.start();
    await eventually('connected again', () => link.connected);
    await eventually('state', () => store.version === 1);
    expect(await link.pushUsage(7, [usageWindow(1)])).toMatchObject({ seq: 7, accepted: 1 });
  });

  it('leaves a session that has gone silent', async () => {
    open();
    await eventually('connected', () => link.connected);
    control.mute = true;
    const before = control.sessionsOpened;
    await eventually('dialled again', () => control.sessionsOpened > before);
    control.mute = false;
    await eventually('connected', () => link.connected);
  });

  it('renews its token early, and asks again when it is refused', async () => {
    control.tokenMs = 1_000;
    open();
    await eventually('connected', () => link.connected);
    for (let seq = 1; control.authentications < 3; seq += 1) {
      await link.pushUsage(seq, [usageWindow(seq)]);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await eventually('still connected', () => link.connected);
  });

  it('stops taking changes once a newer enrolment is in charge, not for one of its own epoch', async () => {
    open();
    await eventually('connected', () => link.connected);
    for (const stream of control.sessions) stream.write({ superseded: { byEpoch: identity.epoch } });
    control.desire([namespaceSpec(1)]);
    await eventually('state', () => store.version === 1);
    for (const stream of control.sessions) stream.write({ superseded: { byEpoch: identity.epoch + 1 } });
    await eventually('let go', () => !link.connected);
    control.desire([namespaceSpec(2)]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(store.version).toBe(1);
    await expect(link.pushUsage(1, [])).rejects.toMatchObject({ code: 'link-refused' });
  });

  it('asks for everything now and then, session or not', async () => {
    open({ ...TIMING, fullPullMs: 50 });
    await eventually('connected', () => link.connected);
    const { sessions } = control;
    control.sessions = new Set();
    control.desire([namespaceSpec(1)]);
    control.sessions = sessions;
    await eventually('state', () => store.version === 1);
    expect(LINK_TIMING.fullPullMs).toBeLessThanOrEqual(300_000);
  });
});
