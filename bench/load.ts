import { writeFile } from 'node:fs/promises';
import type { Request } from './scenarios.ts';

/** What a process of its own is to send. Every connection waits for each answer. */
export interface Load {
  readonly origin: string;
  readonly connections: number;
  readonly seconds: number;
  /** What `writeRequests` wrote: the requests that take turns over all connections. */
  readonly requestsFile: string;
}

/** A request and the token that it is sent with. */
export interface SignedRequest extends Request {
  readonly token: string;
}

/** One request a line, with tabs between method, path, token and body: what Lua reads easily. */
export async function writeRequests(file: string, requests: readonly SignedRequest[]) {
  const lines = requests.map(({ method, path, token, body }) =>
    [method, path, token, body ?? ''].join('\t'),
  );
  await writeFile(file, lines.join('\n'), { mode: 0o600 });
}

/** Reads a line of `writeRequests`. */
export function readRequest(line: string): SignedRequest {
  const [method = '', path = '', token = '', body = ''] = line.split('\t');
  return { method: method as Request['method'], path, token, body: body === '' ? null : body };
}

/** What the load generator saw. Latencies are in milliseconds. */
export interface LoadResult {
  readonly answers: number;
  /** Answers other than 2xx, and requests without one. */
  readonly failures: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

export interface LoadTool {
  /** Name and version. */
  readonly name: string;
  readonly run: (load: Load) => Promise<LoadResult>;
}

/** A program with its arguments of which the last line on stdout is a `LoadResult` as JSON. */
export type LoadCommand = (load: Load) => Promise<readonly [program: string, ...args: string[]]>;
