/**
 * `npm run bench`: compares Purser with the classic design and writes bench/RESULTS.md.
 *
 * `npm run bench -- hot single` measures some scenarios only and writes nothing. BENCH_SECONDS is
 * the length of a sample (3), BENCH_ROUNDS how many of each are taken (5). To have every process
 * leave its profile, start it without npm, since a host's older Node refuses these options:
 * `NODE_OPTIONS="--cpu-prof --cpu-prof-dir=profiles" node_modules/.bin/node bench/run.ts`.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeServiceKey } from '../src/auth/service-key.ts';
import { startLocalPostgres } from '../src/local/postgres.ts';
import { createAccounts, createDatabase, readDurability, settleDatabase } from './database.ts';
import { createDeliverySampler, DELIVERY_SCENARIOS, type DeliveryScenario } from './delivering.ts';
import type { Sample } from './figures.ts';
import { findLoadTool } from './load-tool.ts';
import { describeMachine } from './machine.ts';
import {
  deliveriesTable,
  expectationsTable,
  figure,
  figuresTable,
  markdown,
  resultsPage,
} from './report.ts';
import { type Contender, createSampler, type Sampler, type Sampling } from './sampling.ts';
import { SCENARIOS, type Scenario, usersOf, VARIANTS } from './scenarios.ts';
import { startServer } from './server-process.ts';
import { createTokens } from './tokens.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RESULTS = join(ROOT, 'bench', 'RESULTS.md');
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 3);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
/** The round before the first: short, and not counted. */
const WARM_UP_ROUND = 0;

// Ctrl-C reaches the children too; the first that ends fails the run, which then cleans up.
process.on('SIGINT', () => {});

await main(process.argv.slice(2));

async function main(names: readonly string[]): Promise<void> {
  const isAsked = ({ name }: { name: string }) => names.length === 0 || names.includes(name);
  const asked: Asked = {
    scenarios: SCENARIOS.filter(isAsked),
    deliveries: DELIVERY_SCENARIOS.filter(isAsked),
  };
  if (asked.scenarios.length + asked.deliveries.length < names.length) {
    const all = [...SCENARIOS, ...DELIVERY_SCENARIOS].map(({ name }) => name);
    console.error(`The scenarios are ${all.join(', ')}.`);
    process.exitCode = 1;
    return;
  }
  await mkdir(join(ROOT, '.purser'), { recursive: true });
  // On the disk of the checkout: a temporary folder may be memory, which makes fsync free.
  const folder = await mkdtemp(join(ROOT, '.purser', 'bench-'));
  try {
    const report = { ...asked, ...(await measureOnOwnPostgres(folder, asked)) };
    const { samples } = report;
    console.log(`\n${markdown(expectationsTable(samples))}\n`);
    console.log(markdown(figuresTable(samples, asked.scenarios)));
    console.log(`\n${markdown(deliveriesTable(samples, asked.deliveries))}`);
    if (names.length === 0) await writeFile(RESULTS, resultsPage(report));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Asked {
  readonly scenarios: readonly Scenario[];
  readonly deliveries: readonly DeliveryScenario[];
}

async function measureOnOwnPostgres(folder: string, asked: Asked) {
  const postgres = await startLocalPostgres({ folder });
  try {
    const tool = await findLoadTool(folder);
    const secret = randomBytes(32).toString('base64url');
    const facts = [
      `${new Date().toISOString().slice(0, 10)}, ${ROUNDS} rounds of ${SECONDS} s per sample`,
      ...describeMachine(postgres.folder),
      `load from ${tool.name}`,
    ];
    const serviceKey = makeServiceKey();
    const sampling = { tool, tokens: createTokens(secret), serviceKey, folder };
    return await measure({ adminUrl: postgres.url, secret, sampling, facts }, asked);
  } finally {
    await postgres.stop();
    await rm(postgres.folder, { recursive: true, force: true });
  }
}

interface Stage {
  readonly adminUrl: string;
  /** What the session tokens are sealed with, and Stripe's deliveries signed. */
  readonly secret: string;
  readonly sampling: Sampling;
  /** What is known already about where and how it is measured. */
  readonly facts: readonly string[];
}

async function measure(stage: Stage, { scenarios, deliveries }: Asked) {
  const contenders: Contender[] = [];
  const closing: (() => Promise<void>)[] = [];
  try {
    for (const variant of VARIANTS) {
      const database = await createDatabase(stage.adminUrl, variant);
      closing.push(() => database.client.end());
      const own = scenarios.filter(({ variants }) => variants.includes(variant));
      for (const scenario of own) await createAllAccounts(database, scenario);
      await settleDatabase(database);
      const { secret, sampling } = stage;
      const { serviceKey } = sampling;
      const webhookSecret = webhookSecretOf(stage);
      const databaseUrl = database.url;
      const server = await startServer({ variant, databaseUrl, secret, serviceKey, webhookSecret });
      closing.push(server.stop);
      contenders.push({ database, server });
    }
    const facts = [...stage.facts, await readDurability(stage.adminUrl)];
    console.log(facts.join('\n'));
    const samplers = contenders.map((contender) => createSampler(contender, stage.sampling));
    const samples = await takeTurns(samplers, scenarios);
    for (const sampler of samplers) await sampler.check(scenarios, ROUNDS + 1);
    console.log('\nEvery request succeeded, and every account adds up.');
    const delivered = await takeDeliveries(contenders, deliveries, webhookSecretOf(stage));
    return { facts, samples: [...samples, ...delivered] };
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

async function createAllAccounts(database: Contender['database'], scenario: Scenario) {
  const rounds = scenario.fresh ? ROUNDS : WARM_UP_ROUND;
  for (let round = WARM_UP_ROUND; round <= rounds; round += 1) {
    await createAccounts(database, usersOf(scenario, round), scenario);
  }
}

/** All variants of a scenario right after each other, each of them first in every other round. */
async function takeTurns(
  samplers: readonly Sampler[],
  scenarios: readonly Scenario[],
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (let round = WARM_UP_ROUND; round <= ROUNDS; round += 1) {
    const order = round % 2 === 0 ? samplers : samplers.toReversed();
    console.log(round === WARM_UP_ROUND ? '\nwarming up' : `\nround ${round} of ${ROUNDS}`);
    for (const scenario of scenarios) {
      const measured = order.filter(({ variant }) => scenario.variants.includes(variant));
      for (const sampler of measured) {
        const seconds = round === WARM_UP_ROUND ? 1 : SECONDS;
        const sample = await sampler.take(scenario, round, seconds);
        if (round !== WARM_UP_ROUND) samples.push(sample);
        tell(scenario.title, sample, 'requests/s');
      }
    }
  }
  return samples;
}

/** Purser alone: the classic design knows nothing of Stripe. */
async function takeDeliveries(
  contenders: readonly Contender[],
  scenarios: readonly DeliveryScenario[],
  webhookSecret: string,
): Promise<readonly Sample[]> {
  const purser = contenders.find(({ database }) => database.variant === 'purser');
  if (!purser) throw new Error('Purser is one of the variants');
  const sampler = createDeliverySampler(purser, webhookSecret);
  const samples: Sample[] = [];
  for (let round = WARM_UP_ROUND; round <= ROUNDS; round += 1) {
    for (const scenario of scenarios) {
      const sample = await sampler.take(scenario, round);
      if (round !== WARM_UP_ROUND) samples.push(sample);
      tell(`${scenario.title}, round ${round}`, sample, 'grants/s');
    }
  }
  return samples;
}

function tell(title: string, { variant, rate, p50, p99 }: Sample, unit: string): void {
  const latency = `p50 ${figure(p50)} ms, p99 ${figure(p99)} ms`;
  console.log(`  ${title}, ${variant}: ${figure(rate)} ${unit}, ${latency}`);
}

function webhookSecretOf({ secret }: Stage): string {
  return `whsec_${secret}`;
}
