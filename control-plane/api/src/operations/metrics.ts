import { Injectable } from '@nestjs/common';
import { Database, type UsageGap } from '@robustmq/db';
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
    this.#usageGauge(
      'robustmq_usage_windows_missing',
      'Positions of a node’s usage log that never arrived although later ones did.',
      async () => (await database.metering.gaps()).map((gap) => [gap, gap.missing]),
    );
    this.#usageGauge(
      'robustmq_usage_series_breaks',
      'Usage windows whose running total does not follow from the window before: one is missing, or one is wrong.',
      async () => (await database.metering.gaps()).map((gap) => [gap, gap.breaks]),
    );
  }

  /** A gauge per node log, read when it is asked for; what is 0 is not shown. */
  #usageGauge(name: string, help: string, read: () => Promise<(readonly [UsageGap, bigint])[]>): void {
    const gauge = new Gauge({
      ...{ name, help, labelNames: ['agent', 'node', 'epoch'], registers: [this.#registry] },
      collect: async () => {
        const values = await read();
        gauge.reset();
        for (const [{ agentId, nodeId, nodeEpoch }, value] of values)
          if (value > 0n) gauge.set({ agent: agentId, node: nodeId, epoch: nodeEpoch }, Number(value));
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
