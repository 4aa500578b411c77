import type { FastifyPluginAsync } from 'fastify';
import type { Pool } from 'pg';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { Type } from 'typebox';
import { requireScope } from '../identity.ts';
import { guardedErrors, NoQuery } from '../operation.ts';
import { readBacklog } from '../stripe/inbox/inbox-desk.ts';
import { countOpenFindings } from '../stripe/reconcile/acceptances.ts';

/**
 * GET /metrics: what a monitor should watch, in Prometheus' text format. What waits is read from the
 * database with each scrape, so that every server tells the same of it; the process tells of itself.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function metricsRoute(pool: Pool): FastifyPluginAsync {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const readBooks = registerBooks(registry, pool);
  return async (app) => {
    app.get(
      '/metrics',
      {
        preParsing: requireScope('metrics:read'),
        schema: {
          operationId: 'metrics',
          summary: 'What a monitor should watch',
          description:
            'Events of Stripe’s that wait, findings of `purser reconcile` that nobody has accepted, ' +
            'and what the process itself uses.',
          tags: ['Health'],
          security: [{ service_key: ['metrics:read'] }],
          querystring: NoQuery,
          response: {
            200: {
              description: 'Prometheus’ text format, version 0.0.4.',
              content: { 'text/plain': { schema: Type.String() } },
            },
            ...guardedErrors,
          },
        },
      },
      async (_, reply) => {
        await readBooks();
        return reply.type(registry.contentType).send(await registry.metrics());
      },
    );
  };
}

/** @returns reads what is in the database, for the scrape that comes next */
function registerBooks(registry: Registry, pool: Pool): () => Promise<void> {
  const waits = new Gauge({
    name: 'purser_stripe_events_waiting',
    help: 'Stripe events that are not settled: parked until their cause goes away, or received.',
    labelNames: ['state'],
    registers: [registry],
  });
  const oldest = new Gauge({
    name: 'purser_stripe_events_oldest_seconds',
    help: 'How long the oldest event that waits in this state has been here; 0 when none does.',
    labelNames: ['state'],
    registers: [registry],
  });
  const findings = new Gauge({
    name: 'purser_reconcile_findings_open',
    help: 'What reconciling has left, and nobody has accepted.',
    registers: [registry],
  });
  return async () => {
    for (const { state, waiting, oldestSeconds } of await readBacklog(pool)) {
      waits.set({ state }, waiting);
      oldest.set({ state }, oldestSeconds);
    }
    findings.set(await countOpenFindings(pool));
  };
}
