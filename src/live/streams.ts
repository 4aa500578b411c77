import type { FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import { PurserError } from '../errors.ts';
import { checkScope, type Scope } from '../identity.ts';
import type { Balance } from '../ledger/read/balance.ts';
import { createPlaces } from '../places.ts';
import { createEventStream, type EventStream } from './event-stream.ts';
import type { Feed } from './feed.ts';

/** The streams of balances that this process has open. */
export interface Streams {
  /**
   * Answers with the balance now and after every change, until the caller leaves or may not read
   * any more. Throws `overloaded` or `rate_limited` when there are too many streams, and
   * `database_unavailable`.
   */
  readonly open: (request: FastifyRequest, reply: FastifyReply, how: Manner) => Promise<void>;
  /** Ends all of them, and opens no more. */
  readonly close: () => void;
}

interface Manner {
  /** The `seq` of the balance that the client has, which is not sent again; null for none. */
  readonly lastSeq: number | null;
  /** What a service key needs, not only to begin with. */
  readonly scope: Scope;
  /** What is told of a balance. */
  readonly toBody: (balance: Balance) => unknown;
}

export interface StreamsOptions {
  readonly feed: Pick<Feed, 'watch'>;
  /** Throws when the caller of a request is not to be let in. */
  readonly guard: onRequestAsyncHookHandler;
  /** The most streams of this process. */
  readonly limit: number;
  readonly times?: Partial<StreamTimes>;
}

/** In milliseconds. */
export interface StreamTimes {
  /** Between two looks whether a caller may still read. */
  readonly check: number;
  /** Between two comments, which keep proxies from cutting a connection that is idle. */
  readonly heartbeat: number;
  /** How long a caller who cannot be judged, or who takes nothing, keeps the stream. */
  readonly patience: number;
}

const TIMES: StreamTimes = { check: 5_000, heartbeat: 15_000, patience: 60_000 };
/** The most streams of one account for one caller: the user, or a service key. */
const PER_CALLER = 10;
/** A round looks at so much of all streams, and `check` has so many rounds: others get a turn. */
const ROUNDS = 10;

interface Stream {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly scope: Scope;
  readonly events: EventStream;
  checkedAt: number;
  commentedAt: number;
  /** Since when it cannot be told whether the caller may still read; null when it was. */
  doubtedSince: number | null;
}

/** Opens streams of the feed's balances, and runs the guard again while they are open. */
export function createStreams({ feed, guard, limit, times }: StreamsOptions): Streams {
  const { check, heartbeat, patience } = { ...TIMES, ...times };
  /** Who was checked longest ago comes first. */
  const streams = new Set<Stream>();
  const places = createPlaces({ of: 'open streams', all: limit, perCaller: PER_CALLER });
  let closed = false;
  let timer: NodeJS.Timeout | null = null;

  async function open(request: FastifyRequest, reply: FastifyReply, how: Manner): Promise<void> {
    const { userId, actor } = request.account;
    const giveBack = places.take(`${actor} ${userId}`);
    const events = createEventStream(reply.raw);
    const stop = await feed.watch(userId, tellOf(events, how)).catch((error) => {
      giveBack();
      throw error;
    });
    const leave = () => {
      stop();
      giveBack();
    };
    if (closed) {
      leave();
      throw new PurserError('overloaded', { message: 'The server is shutting down.' });
    }
    reply.hijack();
    if (reply.raw.destroyed) return leave();
    reply.raw.once('close', leave);
    const now = performance.now();
    add({
      ...{ request, reply, scope: how.scope, events },
      ...{ checkedAt: now, commentedAt: now, doubtedSince: null },
    });
  }

  function add(stream: Stream): void {
    const { events, reply } = stream;
    streams.add(stream);
    timer ??= setInterval(round, check / ROUNDS).unref();
    reply.raw.once('close', () => {
      streams.delete(stream);
      if (streams.size > 0 || timer === null) return;
      clearInterval(timer);
      timer = null;
    });
    events.open(reply.getHeaders());
  }

  function round(): void {
    const now = performance.now();
    let left = Math.ceil(streams.size / ROUNDS);
    for (const stream of streams) {
      if (left === 0 || now - stream.checkedAt < check) return;
      left -= 1;
      stream.checkedAt = now;
      streams.delete(stream);
      streams.add(stream);
      void lookAt(stream, now);
    }
  }

  async function lookAt(stream: Stream, now: number): Promise<void> {
    const { events, reply } = stream;
    const verdict = await judge(stream);
    if (verdict === 'refused') return events.end();
    stream.doubtedSince = verdict === 'passes' ? null : (stream.doubtedSince ?? now);
    events.hold(verdict !== 'passes');
    if (events.stuckFor(now) >= patience) return void reply.raw.destroy();
    if (now - (stream.doubtedSince ?? now) >= patience) return events.end();
    if (now - stream.commentedAt < heartbeat) return;
    stream.commentedAt = now;
    events.comment('here');
  }

  /** Whether the caller would be let in now. */
  async function judge({
    request,
    reply,
    scope,
  }: Stream): Promise<'passes' | 'refused' | 'unknown'> {
    try {
      await guard.call(request.server, request, reply);
      if (request.identity.kind === 'key') checkScope(request, scope);
      return 'passes';
    } catch (error) {
      const { code, cause } = error as PurserError;
      if (code !== 'unauthorized' && code !== 'forbidden') return 'unknown';
      const reason = cause instanceof Error ? cause.message : code;
      request.log.info({ code, reason }, 'a stream was ended: its caller may not read any more');
      return 'refused';
    }
  }

  return {
    open,
    close() {
      closed = true;
      for (const { events } of streams) events.end();
    },
  };
}

/** Sends balances, but not first the one that the client has. */
function tellOf(events: EventStream, { lastSeq, toBody }: Manner): (balance: Balance) => void {
  let known = lastSeq;
  return (balance) => {
    const isKnown = balance.seq === known;
    known = null;
    if (isKnown) events.comment('unchanged');
    else events.send(balance.seq, toBody(balance));
  };
}
