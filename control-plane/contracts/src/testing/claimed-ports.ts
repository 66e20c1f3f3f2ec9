import { createServer, type Server } from 'node:net';

/**
 * Ports that no other test process takes. A process claims a block of 100 ports by listening on the first of them for
 * the rest of its life: the system lets only one process do that, and gives the block back however the process ends.
 * Blocks lie below the ephemeral ports, where outgoing connections of others would sit. Tests that bind at once and keep
 * what they get use ports outside of this range.
 */
const FIRST_BLOCK = 20_500;
const BLOCK_PORTS = 100;
const BLOCKS = 115;

interface Block {
  readonly claim: Server;
  next: number;
  readonly end: number;
}
let block: Block | undefined;
/** Claims are made one after the other, so that callers at the same time do not claim a block each. */
let turn: Promise<unknown> = Promise.resolve();

/** A free port on loopback that stays this process's own. Throws when all blocks are taken. */
export async function claimPort(): Promise<number> {
  return (await claimPorts(1))[0]!;
}

/** `count` free ports in a row (at most 99) that stay this process's own. */
export function claimPorts(count: number): Promise<number[]> {
  const ports = turn.then(() => take(count));
  turn = ports.catch(() => undefined);
  return ports;
}

async function take(count: number): Promise<number[]> {
  if (count > BLOCK_PORTS - 1)
    throw new Error(`${count} ports in a row are more than the ${BLOCK_PORTS - 1} of a block`);
  for (;;) {
    block ??= await claimBlock();
    const ports: number[] = [];
    while (ports.length < count && block.next < block.end) {
      const port = block.next++;
      if (await isFree(port)) ports.push(port);
      else ports.length = 0;
    }
    if (ports.length === count) return ports;
    // used up; it stays claimed, because what was given from it is in use
    block = undefined;
  }
}

async function claimBlock(): Promise<Block> {
  for (let attempt = 0; attempt < BLOCKS; attempt += 1) {
    const first = FIRST_BLOCK + ((process.pid + attempt) % BLOCKS) * BLOCK_PORTS;
    const claim = await listen(first);
    if (!claim) continue;
    claim.unref();
    return { claim, next: first + 1, end: first + BLOCK_PORTS };
  }
  throw new Error(`all ${BLOCKS} blocks of ports from ${FIRST_BLOCK} on are taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (!server) return false;
  await new Promise((closed) => server.close(closed));
  return true;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    // exclusive: a cluster's workers would share it otherwise
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}
