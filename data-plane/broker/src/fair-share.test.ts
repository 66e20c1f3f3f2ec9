import { describe, expect, it, vi } from 'vitest';
import type { Connection } from './broker-types.ts';
import { config, runOf, TestNode } from './testing/test-node.ts';

vi.setConfig({ testTimeout: 60_000 });

/*
 * Turns and work, not time: in every turn each connection that does not wait hands over a whole chunk, which is the most a
 * turn of a node reads from one socket.
 */
const MESSAGES = 64;
const PAYLOAD = 'x'.repeat(1_000);
const CHUNK_BYTES = MESSAGES * 1_003;
/** What one greedy namespace may do in a turn beside others, and in the first one before it is known to be greedy. */
const HALF_TURN_UNITS = 524_288;

class Client {
  readonly connection: Connection;
  readonly #node: TestNode;
  readonly #chunk;
  #waitsUntilMs = -Infinity;
  turns = 0;
  waits = 0;
  constructor(node: TestNode, id: string, name: string, messages: number, protocol: 'mqtt' | 'kafka' = 'mqtt') {
    this.#node = node;
    this.connection = node.connect(name, protocol, id);
    this.#chunk = runOf(
      'a/b',
      Array.from({ length: messages }, () => PAYLOAD),
      0,
    );
  }
  turn(nowMs: number): boolean {
    if (nowMs < this.#waitsUntilMs) return false;
    this.#node.namespace(this.connection.namespace.id).publish(this.#chunk, this.connection);
    this.turns++;
    const delayMs = Math.max(this.connection.ingressDelayMs(), this.connection.egressDelayMs());
    if (delayMs > 0) {
      this.waits++;
      this.#waitsUntilMs = nowMs + Math.ceil(delayMs);
    }
    return true;
  }
}
async function start(...ids: string[]): Promise<TestNode> {
  const node = await TestNode.start();
  for (const id of ids) await node.broker.applyNamespace(config({ id, name: id, isDefault: false }));
  return node;
}
const many = (node: TestNode, id: string, count: number): Client[] =>
  Array.from({ length: count }, (_, i) => new Client(node, id, `${id}${i}`, MESSAGES));
/** Chunks per turn of each group of clients. */
function run(node: TestNode, groups: readonly Client[][], turns: number): number[][] {
  const perTurn: number[][] = [];
  for (let turn = 0; turn < turns; turn++) {
    const nowMs = node.runtime.monotonicMs();
    perTurn.push(groups.map((clients) => clients.filter((client) => client.turn(nowMs)).length));
    node.runtime.advance(1);
  }
  return perTurn;
}
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('fairness between the namespaces of a node', () => {
  it('a namespace that floods through many connections leaves others half of every turn; alone it has all of it', async () => {
    const node = await start('flood', 'quiet');
    const flood = many(node, 'flood', 100);
    const alone = run(node, [flood], 50);
    expect(alone.every(([chunks]) => chunks === 100)).toBe(true);

    const quiet = new Client(node, 'quiet', 'q', 1);
    const together = run(node, [[quiet], flood], 200);
    expect(quiet.turns).toBe(200);
    expect(quiet.waits).toBe(0);
    // the turn in which the other one comes is as it was; from then on it waits for a bounded piece of work
    const settled = together.slice(2).map(([, chunks]) => chunks!);
    const fair = Math.ceil(HALF_TURN_UNITS / CHUNK_BYTES);
    expect(Math.max(...settled)).toBeLessThanOrEqual(2 * fair + 2);
    expect(sum(settled) / settled.length).toBeLessThanOrEqual(fair);
    expect(sum(settled) / settled.length).toBeGreaterThan(fair / 4);

    node.runtime.advance(1_000);
    const again = run(node, [flood], 50);
    expect(sum(again.map(([chunks]) => chunks!))).toBe(50 * 100);
  });

  it('two that flood have equal parts, on whatever protocol', async () => {
    const node = await start('one', 'two', 'quiet');
    const one = many(node, 'one', 100);
    const two = Array.from({ length: 10 }, (_, i) => new Client(node, 'two', `k${i}`, MESSAGES, 'kafka'));
    const quiet = new Client(node, 'quiet', 'q', 1);
    const chunks = run(node, [one, two, [quiet]], 2_000).slice(500);
    const [ofOne, ofTwo] = [sum(chunks.map(([n]) => n!)), sum(chunks.map(([, n]) => n!))];
    expect(ofOne / ofTwo).toBeGreaterThan(0.8);
    expect(ofOne / ofTwo).toBeLessThan(1.25);
    expect(quiet.turns).toBe(2_000);
  });

  it('many that do little are never slowed', async () => {
    const ids = Array.from({ length: 50 }, (_, i) => `ns${i}`);
    const node = await start(...ids);
    const clients = ids.map((id) => new Client(node, id, id, 4));
    run(node, [clients], 100);
    expect(sum(clients.map(({ waits }) => waits))).toBe(0);
  });
});
