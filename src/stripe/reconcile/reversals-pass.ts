import type { Pool } from 'pg';
import { readClawBacks } from '../../ledger/claw-backs.ts';
import type { Told } from '../fulfil/process.ts';
import { at, idOf, isObject, type Json, wholeNumber } from '../shapes/json.ts';
import {
  type Reversal,
  readCreditNote,
  readDisputeNow,
  readRefund,
} from '../shapes/reversal-shapes.ts';
import type { Read } from '../shapes/shapes.ts';
import type { Evidence, FiledEvidence } from './evidence.ts';
import { carryOut, tellOf, tellVerdict } from './payments-pass.ts';
import type { Counts, Finding } from './report.ts';
import {
  answerOf,
  asJson,
  createdSince,
  PATIENTLY,
  type Run,
  readPages,
  type Suspect,
} from './run.ts';

export interface ReversalsOptions {
  readonly pool: Pool;
  readonly evidence: Evidence;
  readonly since: Date;
  /** Takes the ids of what was compared. */
  readonly compared: Set<string>;
}

type Kind = Reversal['kind'];

const LISTS = {
  refund: { what: 'refunds', count: 'refunds' },
  dispute: { what: 'disputes', count: 'disputes' },
  credit_note: { what: 'credit notes', count: 'creditNotes' },
} as const satisfies Record<Kind, { readonly what: string; readonly count: keyof Counts }>;

/** How many of those whose end was not told are asked for one by one. */
const MAX_UNENDED = 500;

/** Compares the refunds, disputes or credit notes that were created since. */
export async function compareReversals(
  run: Run,
  { evidence, since, compared }: ReversalsOptions,
  kind: Kind,
): Promise<void> {
  const { what, count } = LISTS[kind];
  const params = createdSince(since);
  const pages = readPages(run, what, (client, page) => {
    const all = { ...params, ...page };
    if (kind === 'refund') return client.refunds.list(all, PATIENTLY);
    return kind === 'dispute'
      ? client.disputes.list(all, PATIENTLY)
      : client.creditNotes.list(all, PATIENTLY);
  });
  for await (const page of pages) {
    run.counts[count] += page.length;
    await compareAll(run, evidence, page, kind);
    for (const object of page) compared.add(idOf(object) ?? '');
  }
}

/** Compares those whose end was never told, however old they are. */
export async function compareUnended(
  run: Run,
  { evidence, compared }: ReversalsOptions,
): Promise<void> {
  for (const { id, kind } of await evidence.unended(MAX_UNENDED)) {
    if (compared.has(id)) continue;
    await run.step();
    const answer = await run.processing.api.ask(async (client) =>
      kind === 'refund' ? client.refunds.retrieve(id) : client.disputes.retrieve(id),
    );
    // One that Stripe does not know any more stays as it is.
    if (answer.kind === 'unusable') continue;
    const object = asJson(answerOf(`${kind} ${id}`, answer));
    if (isObject(object)) await compareAll(run, evidence, [object], kind as Kind);
  }
}

/** Compares what is clawed back with what follows from the refunds and disputes on file. */
export async function compareClawBacks(
  run: Run,
  { pool, evidence, since }: ReversalsOptions,
): Promise<void> {
  for await (const payments of evidence.reversedSince(since)) {
    await run.step();
    run.counts.payments += payments.length;
    for (const { payment, target, booked } of await readClawBacks(pool, payments)) {
      if (target !== booked) await run.suspect(unsettled(run, pool, payment));
    }
  }
}

async function compareAll(
  run: Run,
  evidence: Evidence,
  objects: readonly Json[],
  kind: Kind,
): Promise<void> {
  const filed = await evidence.filed(objects.map((object) => idOf(object) ?? ''));
  for (const object of objects) {
    const read = readReversal(object, kind);
    if (!read.ok || read.value === null) continue;
    const reversal = read.value;
    if (differs(reversal, filed.get(reversal.id)) === null) continue;
    await run.suspect(differing(run, evidence, tellReversal(object, reversal), reversal));
  }
}

function readReversal(object: Json, kind: Kind): Read<Reversal | null> {
  if (kind === 'refund') return readRefund(object, 'refund.updated');
  return kind === 'dispute' ? readDisputeNow(object) : readCreditNote(object);
}

/** As an event that tells what the object says now. */
function tellReversal(object: Json, { kind, live }: Reversal): Told {
  if (kind !== 'dispute') return tellOf(object, `${kind}.updated`);
  return tellOf(object, `charge.dispute.${live ? 'funds_withdrawn' : 'funds_reinstated'}`);
}

/** What is not on file as Stripe has it; null when it is. */
function differs(
  { live, amount, currency, status }: Reversal,
  filed: FiledEvidence | undefined,
): 'missing' | string | null {
  // What took no money, or gave it back, and was never told of: nothing follows from it.
  if (!filed) return live ? 'missing' : null;
  if (filed.live !== live) {
    return `Stripe says ${status}, on file it is ${filed.live ? 'live' : 'over or not live yet'}`;
  }
  const isSame = filed.amount === amount && filed.currency === currency;
  return isSame || !live ? null : `Stripe says ${amount} ${currency}, on file is ${filed.amount}`;
}

function differing(run: Run, evidence: Evidence, told: Told, reversal: Reversal): Suspect {
  const look = async () =>
    differs(reversal, (await evidence.filed([reversal.id])).get(reversal.id));
  return {
    isOff: async () => (await look()) !== null,
    async describe(): Promise<Finding> {
      const { id, kind, names, amount, currency } = reversal;
      const found = await look();
      const name = kind === 'credit_note' ? 'credit-note' : kind;
      return {
        kind: `${name}-${found === 'missing' ? 'missing' : 'differs'}`,
        object: id,
        user: await evidence.userOf(names),
        ...{ amount, currency, credits: null },
        when: new Date((wholeNumber(at(told.object, 'created')) ?? 0) * 1000),
        why: found === 'missing' ? `of ${names[0]}: not on file` : `of ${names[0]}: ${found}`,
      };
    },
    repair: async () => tellVerdict(await carryOut(run, told)),
  };
}

function unsettled({ processing }: Run, pool: Pool, payment: string): Suspect {
  const look = async () =>
    (await readClawBacks(pool, [payment])).find(({ target, booked }) => target !== booked);
  return {
    isOff: async () => (await look()) !== undefined,
    async describe(): Promise<Finding> {
      const found = await look();
      const { target = 0, booked = 0 } = found ?? {};
      return {
        kind: 'clawed-back-differs',
        object: payment,
        user: found?.userId ?? null,
        ...{ amount: null, currency: null },
        credits: booked - target,
        when: new Date(),
        why: `${target} credits should be clawed back, ${booked} are`,
      };
    },
    async repair() {
      const wakes = await processing.takeBack.catchUp(payment);
      if (wakes.length > 0) await processing.inbox.wake(wakes);
      return 'settled by what is on file';
    },
  };
}
