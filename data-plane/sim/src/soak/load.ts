/*
 * The victim of the soak: `node load.ts <directory> <seed>` appends to every stream of `SOAK_STREAMS`, trims, moves,
 * compacts and changes policies until it is killed. It says what it was told, at once, on its standard output:
 * `a <stream> <offset>` everything below is acknowledged, `t <stream> <offset>` it is about to ask for a trim,
 * `T <stream> <offset>` the trim was acknowledged.
 */
import { writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { BatchBuilder } from '@robustmq/journal';
import { batchAt, MACHINE, openSoak, SOAK_STREAMS } from './soak-streams.ts';

// A killed process does not come to it by itself.
flushCompileCache();

const [directory = '', seed = '1'] = process.argv.slice(2);
const TRIMMED = 1;

let state = Number(seed) >>> 0 || 1;
/** A whole number in [0, below). */
function chance(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

const { journal } = await openSoak(directory);
const streams = await Promise.all(SOAK_STREAMS.map(({ name, policy }) => journal.open(name, policy)));
const builder = new BatchBuilder();
let housekeeping: Promise<unknown> = Promise.resolve();
for (let turn = 0; ; turn++) {
  for (const [index, stream] of streams.entries()) {
    for (let left = chance(3); left >= 0; left--) {
      const count = 1 + chance(4);
      const offset = stream.endOffset;
      const batch = batchAt(builder, index, offset, count);
      const commit = stream.append(batch, await stream.prepare(batch));
      commit.onSettled((error) => {
        if (error === null) say(`a ${index} ${offset + count}`);
      });
    }
  }
  if (chance(3) > 0) await journal.current.promise();
  if (turn % 15 === 14) {
    const stream = streams[TRIMMED]!;
    const before = Math.max(stream.startOffset, stream.stableOffset - 300);
    say(`t ${TRIMMED} ${before}`);
    void stream.trim(before).then(() => say(`T ${TRIMMED} ${before}`));
  }
  if (turn % 10 === 5) {
    housekeeping = housekeeping
      .then(() => journal.enforceRetention(MACHINE.nowMs()))
      .then(() => journal.runTiering(MACHINE.nowMs() + 700_000 * chance(2)));
  }
  if (turn % 20 === 19) journal.alterPolicy(SOAK_STREAMS[2]!.name, { tier: { coldAfterBytes: chance(60_000) } });
}
