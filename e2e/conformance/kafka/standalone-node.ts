import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimPorts } from '@robustmq/contracts/testing';
import { eventually, start } from '../../support/process.ts';

export const USER = 'dev';
export const PASSWORD = 'pa55-word';

interface Ports {
  readonly port: number;
  readonly advertisedPort: number;
  readonly tlsPort: number;
}
/** Paths of PEM files. */
interface ServerFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** One `standalone` node that a test may kill: its data stays where it is. Clients are told to come to `advertisedPort`. */
export class StandaloneNode {
  readonly port: number;
  readonly advertisedPort: number;
  /** Of the listener over TLS, which is there when `make` is given files. */
  readonly tlsPort: number;
  readonly #directory = mkdtempSync(join(tmpdir(), 'robustmq-kafka-'));
  #child: ChildProcess | null = null;

  private constructor(ports: Ports, settings: object, tls: ServerFiles | undefined) {
    const { port, advertisedPort, tlsPort } = ports;
    this.port = port;
    this.advertisedPort = advertisedPort;
    this.tlsPort = tlsPort;
    const secure = { port: tlsPort, advertisedHost: '127.0.0.1', advertisedPort: tlsPort, tls };
    const config = {
      dataDir: join(this.#directory, 'data'),
      listeners: {
        kafka: { port, advertisedHost: '127.0.0.1', advertisedPort },
        ...(tls === undefined ? {} : { kafkaTls: secure }),
      },
      namespaces: [{ name: 'main', default: true, credentials: [{ username: USER, password: PASSWORD }], settings }],
    };
    writeFileSync(join(this.#directory, 'node.yaml'), JSON.stringify(config));
  }

  /**
   * With `tapped`, clients are led through a port of their own where somebody listens in. `settings` are the cluster's, as
   * in the configuration file; `tls` is the certificate of a second listener.
   */
  static async make(tapped = false, settings: object = {}, tls?: ServerFiles): Promise<StandaloneNode> {
    const [port, tap, tlsPort] = (await claimPorts(3)) as [number, number, number];
    return new StandaloneNode({ port, advertisedPort: tapped ? tap : port, tlsPort }, settings, tls);
  }

  async start(): Promise<void> {
    const args = ['data-plane/node/src/main.mjs', 'standalone', '--config', join(this.#directory, 'node.yaml')];
    const child = start(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout!.on('data', (bytes: Buffer) => (output += bytes.toString()));
    child.stderr!.on('data', (bytes: Buffer) => (output += bytes.toString()));
    this.#child = child;
    await eventually('the node is ready', 60_000, () => {
      if (child.exitCode !== null) throw new Error(`the node ended: ${output}`);
      return output.includes('ready\n');
    });
  }

  /** As a power cut: nothing is flushed that was not. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
