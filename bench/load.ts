import type { Request } from './scenarios.ts';

/** What a process of its own is to send. Every connection waits for each answer. */
export interface Load {
  readonly origin: string;
  readonly request: Request;
  readonly connections: number;
  readonly seconds: number;
  /** A file of session tokens, one a line, which take turns over all connections. */
  readonly tokensFile: string;
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
