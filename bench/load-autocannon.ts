import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import {
  type Load,
  type LoadCommand,
  type LoadResult,
  readRequest,
  type SignedRequest,
} from './load.ts';
import { TURN } from './scenarios.ts';

const PROGRAM = fileURLToPath(import.meta.url);
const require = createRequire(PROGRAM);

/** autocannon in a process of its own, which is this file. */
export const autocannonCommand: LoadCommand = async (load) => [
  process.execPath,
  PROGRAM,
  JSON.stringify(load),
];

/** What is used of autocannon, which brings no types. */
interface Options {
  readonly url: string;
  readonly connections: number;
  /** In seconds. */
  readonly duration: number;
  /** In seconds. */
  readonly timeout: number;
  readonly requests: readonly {
    readonly setupRequest: (request: object) => object;
  }[];
}
interface Result {
  readonly '2xx': number;
  readonly non2xx: number;
  readonly errors: number;
  readonly duration: number;
  readonly latency: { readonly p50: number; readonly p99: number };
}
type Autocannon = (options: Options) => Promise<Result>;

async function run({ origin, connections, seconds, requestsFile }: Load) {
  const autocannon = require('autocannon') as Autocannon;
  const requests = (await readFile(requestsFile, 'utf8')).split('\n').map(readRequest);
  let sent = 0;
  const result = await autocannon({
    url: origin,
    connections,
    duration: seconds,
    timeout: 60,
    requests: [
      {
        setupRequest(template) {
          const { method, path, token, body } = requests[sent % requests.length] as SignedRequest;
          const turn = String(Math.floor(sent / requests.length)).padStart(TURN.length, '0');
          sent += 1;
          const type = body === null ? {} : { 'content-type': 'application/json' };
          return {
            ...{ ...template, method, path: path.replace(TURN, turn) },
            headers: { authorization: `Bearer ${token}`, ...type },
            ...(body !== null && { body: body.replace(TURN, turn) }),
          };
        },
      },
    ],
  });
  const answers: LoadResult = {
    answers: result['2xx'] + result.non2xx,
    failures: result.non2xx + result.errors,
    seconds: result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
  console.log(JSON.stringify(answers));
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '') as Load);
