import { MemoryLogStore } from '@robustmq/store';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, NamespaceQuotas } from './command.ts';
import { decodeEntry, encodeEntry } from './log-entry.ts';
import { MetaError } from './meta-error.ts';
import { Meta, META_STREAM } from './meta.ts';
import { MetaState } from './state.ts';
import { testRuntime } from './testing/test-runtime.ts';

const quotas: NamespaceQuotas = {
  connectionsMax: 1,
  connectionRatePerSecondMax: 1,
  topicsMax: 1,
  partitionsMax: 1,
  sessionsMax: 1,
  messageSizeBytesMax: 1,
  storageBytesMax: 1,
  ingressBytesPerSecondMax: 1,
  egressBytesPerSecondMax: 1,
  inboxBytesMax: 1,
};
const name = fc.constantFrom('a', 'b', 'c');
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ id: name, label: name, generation: fc.nat(9), isDefault: fc.boolean() }).map((r): Command => ({
    kind: 'put-namespace',
    namespace: {
      id: r.id,
      name: r.label,
      tenantId: 't',
      generation: r.generation,
      quotas,
      allowAnonymous: false,
      isDefault: r.isDefault,
      autoCreateTopics: true,
      credentials: [{ name: 'u', sha256: { salt: '', hash: '' } }],
    },
  })),
  fc.record({ kind: fc.constant('remove-namespace' as const), namespaceId: name }),
  fc.record({ namespaceId: name, topic: name, partitions: fc.integer({ min: 1, max: 9 }) }).map((r): Command => ({
    kind: 'create-topic',
    namespaceId: r.namespaceId,
    topic: {
      id: '0'.repeat(32),
      name: r.topic,
      partitions: r.partitions,
      bindings: null,
      durability: 'flushed',
      retentionMs: -1,
      retentionBytes: -1,
    },
  })),
  fc.record({ kind: fc.constant('remove-topic' as const), namespaceId: name, name }),
  fc
    .record({ namespaceId: name, clientId: name, number: fc.nat(9), expirySeconds: fc.option(fc.nat(9)) })
    .map(({ namespaceId, ...session }): Command => ({
      kind: 'put-session',
      namespaceId,
      session: { ...session, detachedAtMs: null },
    })),
  fc.record({ kind: fc.constant('remove-session' as const), namespaceId: name, clientId: name }),
  fc.record({ namespaceId: name, clientId: name, filter: name, qos: fc.constantFrom(0, 1, 2) }).map((r): Command => ({
    kind: 'put-subscription',
    namespaceId: r.namespaceId,
    clientId: r.clientId,
    subscription: {
      filter: r.filter,
      qos: r.qos as 0 | 1 | 2,
      noLocal: false,
      retainAsPublished: true,
      retainHandling: 0,
      subscriptionId: null,
    },
  })),
  fc.record({ kind: fc.constant('remove-subscription' as const), namespaceId: name, clientId: name, filter: name }),
);

function picture(meta: { readonly namespaces: Meta['namespaces'] }): unknown {
  return [...meta.namespaces].map(([id, n]) => ({
    id,
    record: n.record,
    next: n.sessionNumberNext,
    topics: [...n.topics.values()].sort((a, b) => a.name.localeCompare(b.name)),
    sessions: [...n.sessions.values()]
      .map((s) => ({ record: s.record, subscriptions: [...s.subscriptions.values()] }))
      .sort((a, b) => a.record.number - b.record.number),
  }));
}

async function proposeAll(meta: Meta, commands: readonly Command[]): Promise<void> {
  await Promise.all(
    commands.map((c) =>
      meta.propose(c).catch((error: unknown) => {
        if (!(error instanceof MetaError)) throw error;
      }),
    ),
  );
}

describe('Meta', () => {
  it('is the same after a restart, with and without snapshots', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(command, { maxLength: 12 }), { maxLength: 6 }), async (turns) => {
        for (const snapshotBytesMin of [1, 1e9]) {
          const store = new MemoryLogStore();
          const meta = new Meta({ store, runtime: testRuntime(), snapshotBytesMin });
          await meta.start();
          for (const commands of turns) await proposeAll(meta, commands);
          const again = new Meta({ store, runtime: testRuntime(), snapshotBytesMin });
          await again.start();
          expect(picture(again)).toEqual(picture(meta));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('a snapshot makes the state again', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const state = new MetaState();
        for (const c of commands) {
          try {
            state.apply(c);
          } catch (error) {
            expect(error).toBeInstanceOf(MetaError);
          }
        }
        const again = new MetaState();
        for (const c of state.commands()) again.apply(c);
        expect(picture(again)).toEqual(picture(state));
      }),
    );
  });

  it('reads any bytes without crashing, and its own entries exactly', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeEntry(Buffer.from(bytes)) === null));
    fc.assert(
      fc.property(fc.array(command), (commands) => {
        expect(decodeEntry(encodeEntry(commands))).toEqual(commands);
      }),
    );
  });
});

describe('a damaged log', () => {
  const put: Command = {
    kind: 'put-namespace',
    namespace: {
      id: 'a',
      name: 'a',
      tenantId: 't',
      generation: 1,
      quotas,
      allowAnonymous: false,
      isDefault: false,
      autoCreateTopics: true,
      credentials: [],
    },
  };
  async function logOf(chunks: readonly Buffer[]): Promise<MemoryLogStore> {
    const store = new MemoryLogStore();
    const log = await store.open(META_STREAM);
    for (const bytes of chunks) {
      log.append({ baseOffset: log.endOffset, nextOffset: log.endOffset + 1, timestampMs: 1, bytes });
    }
    await store.flush();
    return store;
  }

  it('loses an unreadable end and nothing else', async () => {
    const store = await logOf([encodeEntry([put]), Buffer.from('torn')]);
    const meta = new Meta({ store, runtime: testRuntime() });
    await meta.start();
    expect(meta.namespaces.has('a')).toBe(true);
    expect(meta.lostTail).toBe(true);
    expect((await store.open(META_STREAM)).endOffset).toBe(1);
  });

  it('forgets a snapshot that was cut off', async () => {
    const store = await logOf([encodeEntry([put]), encodeEntry('snapshot-begin'), encodeEntry([{ ...put }])]);
    const meta = new Meta({ store, runtime: testRuntime() });
    await meta.start();
    await meta.propose({ kind: 'remove-namespace', namespaceId: 'a' });
    const again = new Meta({ store, runtime: testRuntime() });
    await again.start();
    expect(again.namespaces.size).toBe(0);
  });

  it('refuses to start over a hole in the middle', async () => {
    const store = await logOf([Buffer.from('garbage'), encodeEntry([put])]);
    await expect(new Meta({ store, runtime: testRuntime() }).start()).rejects.toMatchObject({ code: 'log-corrupt' });
  });

  it('refuses commands of the wrong shape', async () => {
    const meta = new Meta({ store: new MemoryLogStore(), runtime: testRuntime() });
    await meta.start();
    const wrong = { ...put, namespace: { ...put.namespace, id: 'a/b' } };
    await expect(meta.propose(wrong)).rejects.toMatchObject({ code: 'command-invalid' });
  });
});
