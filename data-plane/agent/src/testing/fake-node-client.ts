import { request } from 'node:http';
import { join } from 'node:path';
import type { NodeDirectory } from '../node-directory.ts';

/** Makes a fake node close one usage window. */
export async function closeWindow(directory: NodeDirectory, clusterId: string, value: string): Promise<void> {
  const token = await directory.adminToken();
  const socketPath = join(await directory.runDir(), 'admin.sock');
  await new Promise<void>((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const outgoing = request({ socketPath, path: '/test/usage', method: 'POST', headers }, (reply) => {
      reply.resume();
      reply.on('end', resolve);
    });
    outgoing.on('error', reject);
    outgoing.end(JSON.stringify({ clusterId, value }));
  });
}
