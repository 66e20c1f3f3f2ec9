import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** `MQTT_FUZZ_INPUTS=100000` for longer runs; `MQTT_FUZZ_SEED` repeats one. */
const INPUTS = Number(process.env['MQTT_FUZZ_INPUTS'] ?? 1_500);
const SEED = Number(process.env['MQTT_FUZZ_SEED'] ?? 20_261_122);
/** Inputs until every cache and buffer has its size. */
const WARM = 300;
/** What the heap may be larger whatever the number of inputs: compiled code, buffers that had not grown before … */
const SLACK_BYTES = 1024 * 1024;
/** … and per input: what inputs publish to stored topics is kept in the memory of this server, as it should be. */
const STORED_BYTES = 700;

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('testing/fuzz-memory.ts', import.meta.url));

it(
  `[MQTT-4.13.1-1] hostile input leaves nothing on the heap but what it published (seed ${SEED}, ${INPUTS} inputs)`,
  async () => {
    const args = ['--expose-gc', '--no-warnings', SCRIPT, SEED, WARM, INPUTS].map(String);
    const { stdout } = await run(process.execPath, args);
    const { heapBytesBefore, heapBytesAfter, inputs } = JSON.parse(stdout) as Record<string, number>;
    expect(inputs).toBe(INPUTS);
    expect(heapBytesAfter! - heapBytesBefore!).toBeLessThan(SLACK_BYTES + STORED_BYTES * INPUTS);
  },
  Math.max(120_000, INPUTS * 100),
);
