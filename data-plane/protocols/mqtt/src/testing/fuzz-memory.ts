import fc from 'fast-check';
import { fuzzSteps } from './fuzz-packets.ts';
import { RealClient, RealWorld } from './real-world.ts';

/**
 * Feeds hostile input to a server and tells what is left of it: `node --expose-gc fuzz-memory.ts SEED WARM INPUTS` prints
 * `{ heapBytesBefore, heapBytesAfter, inputs }`, the heap after `WARM` inputs and after `INPUTS` more, both collected.
 */
class DeafClient extends RealClient {
  override write(): void {}
}
const [seed, warm, inputs] = process.argv.slice(2).map(Number) as [number, number, number];
const collect = (globalThis as { gc?: () => void }).gc;
if (collect === undefined) throw new Error('run with --expose-gc');

const world = await RealWorld.start({}, { connectsPerAddressPerSecondMax: 0 });

async function feed(count: number, from: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const v5 = i % 2 === 0;
    // one at a time: what is not fed yet is not on the heap
    const [steps] = fc.sample(fuzzSteps(v5), { seed: from + i, numRuns: 1 });
    const client = new DeafClient(world, v5 ? 5 : 4);
    for (const step of steps!) {
      if (step.kind === 'wait') world.runtime.advance(step.ms);
      else if (step.kind === 'cut') client.cut();
      else {
        const size = Math.max(1, Math.ceil(step.bytes.length / step.pieces));
        for (let at = 0; at < step.bytes.length; at += size) client.bytes(step.bytes.subarray(at, at + size));
      }
    }
    await world.settle();
    client.cut();
  }
  // sessions end, caches of the broker are swept
  for (let i = 0; i < 5; i++) await world.advance(1_000);
}
async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect!();
  }
  return process.memoryUsage().heapUsed;
}

await feed(warm, seed);
const heapBytesBefore = await heapBytes();
await feed(inputs, seed + warm);
const heapBytesAfter = await heapBytes();
process.stdout.write(`${JSON.stringify({ heapBytesBefore, heapBytesAfter, inputs })}\n`);
world.server.close();
process.exit(0);
