import { Injectable } from '@nestjs/common';
import { Database } from '@robustmq/db';
import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Prometheus metrics of the process. Labels never carry a tenant. */
@Injectable()
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram<'method' | 'route' | 'status'>;

  constructor(database: Database) {
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Histogram({
      name: 'robustmq_http_request_seconds',
      help: 'Time to answer HTTP requests.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [this.#registry],
    });
    const missing = new Gauge({
      name: 'robustmq_usage_windows_missing',
      help: 'Positions of a node’s usage log that never arrived although later ones did.',
      labelNames: ['agent', 'node', 'epoch'],
      registers: [this.#registry],
      collect: async () => {
        missing.reset();
        const gaps = await database.metering.gaps();
        for (const gap of gaps)
          missing.set({ agent: gap.agentId, node: gap.nodeId, epoch: gap.nodeEpoch }, Number(gap.missing));
      },
    });
  }

  /** Times every request of the server by its route template, never by its path. */
  watch(fastify: FastifyInstance): void {
    fastify.addHook('onResponse', (request, reply, done) => {
      const labels = { method: request.method, route: request.routeOptions.url ?? 'none', status: reply.statusCode };
      this.#requests.observe(labels, reply.elapsedTime / 1000);
      done();
    });
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
