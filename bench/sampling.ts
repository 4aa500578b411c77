import { join } from 'node:path';
import { addUp, type BenchDatabase } from './database.ts';
import type { Sample } from './figures.ts';
import { type LoadTool, type SignedRequest, writeRequests } from './load.ts';
import { HELLO, type Scenario, usersOf, type Variant } from './scenarios.ts';
import type { ServerProcess } from './server-process.ts';
import type { Tokens } from './tokens.ts';

/** A variant, ready to be measured. */
export interface Contender {
  readonly server: ServerProcess;
  readonly database: BenchDatabase;
}

export interface Sampling {
  readonly tool: LoadTool;
  readonly tokens: Tokens;
  readonly serviceKey: string;
  /** Where the requests of a sample are written. */
  readonly folder: string;
}

export interface Sampler {
  readonly variant: Variant;
  /** Measures for so many seconds; throws when anything that was sent did not succeed. */
  readonly take: (scenario: Scenario, round: number, seconds: number) => Promise<Sample>;
  /** Throws unless every account adds up, and to what was answered. */
  readonly check: (scenarios: readonly Scenario[], rounds: number) => Promise<void>;
}

/** At 5,000 tokens a second, the least that was seen, all of them get known to the guard. */
const WARM_UP_SECONDS_PER_TOKEN = 1 / 5_000;

export function createSampler(
  { server, database }: Contender,
  { tool, tokens, serviceKey, folder }: Sampling,
): Sampler {
  const { origin } = server;
  const { variant } = database;
  /** How many entries the server has added to a group of accounts. */
  const added = new Map<string, number>();
  let committed = 0;

  return {
    variant,

    async take(scenario, round, seconds) {
      const { connections, traffic } = scenario;
      const users = usersOf(scenario, round);
      const send = async (requests: readonly SignedRequest[], seconds: number) => {
        const requestsFile = join(folder, 'requests');
        await writeRequests(requestsFile, requests);
        return tool.run({ origin, connections, requestsFile, seconds });
      };
      const known = traffic.caller === 'user' ? await tokens(users) : [];
      if (known.length > 0) {
        const hellos = known.map((token) => ({ ...HELLO, token }));
        await send(hellos, Math.ceil(known.length * WARM_UP_SECONDS_PER_TOKEN));
      }
      const requests = traffic.requests(users, round);
      const result = await send(
        requests.map((request, i) => ({ ...request, token: known[i] ?? serviceKey })),
        seconds,
      );
      const before = committed;
      committed = await server.settle();
      const commands = result.answers * traffic.commands;
      const unanswered = committed - before - commands;
      if (result.failures > 0 || unanswered < 0 || unanswered > connections * traffic.commands) {
        throw new Error(
          `${scenario.name}, ${variant}: ${result.failures} requests failed, and of ` +
            `${committed - before} commands ${unanswered} were not answered`,
        );
      }
      const [group = ''] = users;
      added.set(group, (added.get(group) ?? 0) + committed - before);
      return {
        ...{ scenario: scenario.name, variant, round, p50: result.p50, p99: result.p99 },
        rate: result.answers / result.seconds,
        entriesAfter: scenario.entries + Math.round((added.get(group) ?? 0) / users.length),
      };
    },

    async check(scenarios, rounds) {
      const own = scenarios.filter(({ variants }) => variants.includes(variant));
      const given = own.reduce((sum, { accounts, entries, fresh }) => {
        return sum + accounts * entries * (fresh ? rounds : 1);
      }, 0);
      const { entries, wrong } = await addUp(database);
      if (wrong > 0) throw new Error(`${variant}: ${wrong} accounts do not add up`);
      if (entries !== given + committed) {
        throw new Error(`${variant}: ${committed} commands answered, ${entries - given} on record`);
      }
    },
  };
}
