import { addUp, type BenchDatabase } from './database.ts';
import type { Sample } from './figures.ts';
import type { LoadTool } from './load.ts';
import { HELLO, type Scenario, usersOf } from './scenarios.ts';
import type { ServerProcess } from './server-process.ts';
import type { TokenFiles } from './tokens.ts';

/** A variant, ready to be measured. */
export interface Contender {
  readonly server: ServerProcess;
  readonly database: BenchDatabase;
}

export interface Sampling {
  readonly tool: LoadTool;
  readonly tokens: TokenFiles;
}

export interface Sampler {
  /** Measures for so many seconds; throws when anything that was sent did not succeed. */
  readonly take: (scenario: Scenario, round: number, seconds: number) => Promise<Sample>;
  /** Throws unless every account adds up, and to what was answered. */
  readonly check: (scenarios: readonly Scenario[], rounds: number) => Promise<void>;
}

/** At 5,000 tokens a second, the least that was seen, all of them get known to the guard. */
const WARM_UP_SECONDS_PER_TOKEN = 1 / 5_000;

export function createSampler(
  { server, database }: Contender,
  { tool, tokens }: Sampling,
): Sampler {
  const { origin } = server;
  const { variant } = database;
  /** How many entries the server has added to a group of accounts. */
  const added = new Map<string, number>();
  let committed = 0;

  return {
    async take(scenario, round, seconds) {
      const { connections, request } = scenario;
      const users = usersOf(scenario, round);
      const tokensFile = await tokens(users);
      const warmUp = Math.ceil(users.length * WARM_UP_SECONDS_PER_TOKEN);
      await tool.run({ origin, connections, tokensFile, request: HELLO, seconds: warmUp });

      const result = await tool.run({ origin, connections, tokensFile, request, seconds });
      const before = committed;
      committed = await server.settle();
      const commands = result.answers * request.commands;
      const unanswered = committed - before - commands;
      if (result.failures > 0 || unanswered < 0 || unanswered > connections) {
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
      const given = scenarios.reduce((sum, { accounts, entries, fresh }) => {
        return sum + accounts * (entries - 1) * (fresh ? rounds : 1);
      }, 0);
      const { debits, wrong } = await addUp(database);
      if (wrong > 0) throw new Error(`${variant}: ${wrong} accounts do not add up`);
      if (debits !== given + committed) {
        throw new Error(`${variant}: ${committed} debits answered, ${debits - given} on record`);
      }
    },
  };
}
