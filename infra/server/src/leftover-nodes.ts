import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Ports held by nodes that outlived their killed agent: the next agent adopts those nodes, so their ports are not taken
 * by a stranger. Read from the nodes' own `node.json` files below the agent's directory.
 */
export function leftoverNodePorts(home: string): Set<number> {
  const ports = new Set<number>();
  const nodes = join(home, 'agent/nodes');
  if (!existsSync(nodes)) return ports;
  for (const id of readdirSync(nodes)) {
    const file = join(nodes, id, 'run/node.json');
    if (!existsSync(file)) continue;
    try {
      const node = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; listeners?: { port: number }[] };
      if (!existsSync(`/proc/${node.pid}`)) continue;
      for (const listener of node.listeners ?? []) ports.add(listener.port);
    } catch {
      // a half-written file of a node that died at its start holds no port
    }
  }
  return ports;
}
