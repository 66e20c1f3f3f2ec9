import { ManualRuntime } from '@robustmq/wire';
import type { KafkaLimits } from '../limits.ts';
import type { Api, Decoded, Encodable, Schema } from '../schema.ts';
import { KafkaServer } from '../server.ts';
import { FakeClient } from './fake-client.ts';
import { MemoryBroker, type MemoryNamespace } from './memory-broker.ts';

/** One server in a world that moves by hand, with two namespaces; clients without credentials are let into the first. */
export class Fixture {
  readonly runtime = new ManualRuntime();
  readonly broker = new MemoryBroker();
  readonly blue: MemoryNamespace = this.broker.add('blue');
  readonly red: MemoryNamespace = this.broker.add('red');
  server: KafkaServer;
  readonly #limits: Partial<KafkaLimits>;

  constructor(limits: Partial<KafkaLimits> = {}) {
    this.broker.anonymous = 'blue';
    this.broker.passwords.set('joe@red', 'secret');
    this.#limits = limits;
    this.server = this.#start();
  }

  /** Another server over what is stored, as after a crash. */
  restart(): void {
    this.server.close();
    this.server = this.#start();
  }

  #start(): KafkaServer {
    return new KafkaServer({
      broker: this.broker,
      runtime: this.runtime,
      nodeId: 7,
      clusterId: 'test',
      advertised: (_listener, namespace) => ({ host: `${namespace.name}.example`, port: 9092 }),
      limits: this.#limits,
    });
  }

  client(extra?: ConstructorParameters<typeof FakeClient>[1]): FakeClient {
    return new FakeClient(this.server, extra);
  }

  /** Lets promises and the ends of turns run until nothing more happens. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.runtime.turn();
    }
  }

  /** Sends one request and gives its answer; fails when there is none. */
  async ask<Q extends Schema, R extends Schema>(
    client: FakeClient,
    api: Api<Q, R>,
    version: number,
    request: Encodable<Q>,
  ): Promise<Decoded<R>> {
    client.send(api, version, request);
    await this.settle();
    const response = client.next(api);
    if (response === null) throw new Error(`${api.name} ${version} was not answered`);
    return response;
  }
}
