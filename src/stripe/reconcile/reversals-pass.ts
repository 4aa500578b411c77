import { API_IS_BACK, type Verdict, wakesOf } from '../inbox/verdicts.ts';
import { type Told, tellOf } from '../shapes/event.ts';
import { idOf, type Json } from '../shapes/json.ts';
import { isBefore } from '../shapes/payment-time.ts';
import {
  type Reversal,
  readCreditNote,
  readDisputeNow,
  readRefund,
} from '../shapes/reversal-shapes.ts';
import type { Read } from '../shapes/shapes.ts';
import type { FiledEvidence } from './evidence.ts';
import { tellVerdict } from './payments-pass.ts';
import { type Finding, NOT_KNOWN } from './report.ts';
import { createdAt, type Run, type Suspect, toldOnly } from './run.ts';

type Kind = Reversal['kind'];

/** How findings call them. */
const NAMES = { refund: 'refund', dispute: 'dispute', credit_note: 'credit-note' } as const;

/**
 * Compares refunds, disputes or credit notes.
 * @param again whether a run before could not carry them out: filed they may be by now
 */
export async function compareReversals(
  run: Run,
  kind: Kind,
  objects: readonly Json[],
  { again = false } = {},
): Promise<void> {
  const filed = await run.evidence.filed(objects.map((object) => idOf(object) ?? ''));
  for (const object of objects) {
    const read = readReversal(object, kind);
    if (!read.ok) await run.suspect(unreadable(object, kind, read.problem));
    if (!read.ok || read.value === null) continue;
    const reversal = read.value;
    const told = tellReversal(object, reversal);
    const before = filed.get(reversal.id);
    if (!again && !before && (await isOfEarlierPayment(run, object, reversal))) continue;
    if (again || differs(reversal, before) !== null) {
      await run.suspect(differing(run, told, reversal, again));
    } else if (run.apply && before && before.status !== reversal.status) {
      // Not off, but as long as its end is not on file it is asked for.
      await run.processing.carryOut(told);
    }
    run.compared.add(reversal.id);
  }
}

/** Whether it was over before this database came into use, of a payment that is not on record. */
async function isOfEarlierPayment(
  { notBefore, evidence }: Run,
  object: Json,
  { names }: Reversal,
): Promise<boolean> {
  const isEarlier = notBefore !== null && isBefore(createdAt(object).getTime() / 1000, notBefore);
  return isEarlier && (await evidence.named(names)).length === 0;
}

/**
 * Compares what is clawed back with what follows from the refunds and disputes on file, where one
 * of these, or its payment, became known since.
 */
export async function compareClawBacks(run: Run, since: Date): Promise<void> {
  const compared = new Set<string>();

  async function compare(payments: readonly string[]): Promise<void> {
    await run.step();
    const others = [...new Set(payments)].filter((payment) => !compared.has(payment));
    for (const payment of others) compared.add(payment);
    run.counts.payments += others.length;
    await compareClawBacksOf(run, others);
  }

  for await (const payments of run.evidence.reversedSince(since)) await compare(payments);
  for await (const payments of run.evidence.recordedSince(since)) {
    await compare(payments.filter(({ reversed }) => reversed).map(({ payment }) => payment));
  }
}

/** The same, of these payments. */
export async function compareClawBacksOf(run: Run, payments: readonly string[]): Promise<void> {
  for (const { payment } of await run.evidence.unsettled(payments)) {
    await run.suspect(unsettled(run, payment));
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
): Pick<Finding, 'code' | 'why'> | null {
  // What took no money, or gave it back, and was never told of: nothing follows from it.
  if (!filed) return live ? { code: 'not_on_file', why: 'not on file' } : null;
  if (filed.live !== live) {
    const [code, what] = filed.live
      ? (['live_on_file', 'live'] as const)
      : (['over_on_file', 'over or not live yet'] as const);
    return { code, why: `Stripe says ${status}, on file it is ${what}` };
  }
  if (!live || (filed.amount === amount && filed.currency === currency)) return null;
  const why = `Stripe says ${amount} ${currency}, on file is ${filed.amount} ${filed.currency}`;
  return { code: 'other_amount', why };
}

const NOT_SETTLED = { code: 'not_settled', why: 'on file, but not settled' } as const;

function differing(run: Run, told: Told, reversal: Reversal, again: boolean): Suspect {
  const { id, kind, names, amount, currency } = reversal;
  const look = async () => differs(reversal, (await run.evidence.filed([id])).get(id));
  let isOpen = again;
  return {
    isOff: async () => (await look()) !== null || (isOpen && !(await isSettled(run, names))),
    async describe(): Promise<Finding> {
      const { code, why } = (await look()) ?? NOT_SETTLED;
      return {
        kind: `${NAMES[kind]}-${code === 'not_on_file' ? 'missing' : 'differs'}`,
        code,
        object: id,
        user: await run.evidence.userOf(names),
        ...{ amount, currency, credits: null },
        when: createdAt(told.object),
        why: `of ${names[0]}: ${why}`,
      };
    },
    async repair() {
      const verdict = await run.processing.carryOut(told);
      isOpen = waitsForStripe(verdict);
      return tellVerdict(verdict);
    },
  };
}

/** What no event could tell either. */
function unreadable(object: Json, kind: Kind, why: string): Suspect {
  const about = {
    kind: `${NAMES[kind]}-missing`,
    code: 'unreadable',
    object: idOf(object) ?? 'without an id',
  } as const;
  return toldOnly({ ...about, ...NOT_KNOWN, when: createdAt(object), why });
}

/** Whether a payment of one of these names is on record, and has lost what it should. */
async function isSettled({ evidence }: Run, names: readonly string[]) {
  const recorded = (await evidence.named(names)).map(({ payment }) => payment);
  return recorded.length > 0 && (await evidence.unsettled(recorded)).length === 0;
}

/** It is on file, but what it is about could not be asked; whatever else it waits for finds it. */
function waitsForStripe(verdict: Verdict): boolean {
  return verdict.state === 'parked' && verdict.waitsFor.includes(API_IS_BACK);
}

function unsettled({ processing, evidence }: Run, payment: string): Suspect {
  const look = async () => (await evidence.unsettled([payment]))[0];
  return {
    isOff: async () => (await look()) !== undefined,
    async describe(): Promise<Finding> {
      const { userId = null, target = 0, booked = 0 } = (await look()) ?? {};
      return {
        kind: 'clawed-back-differs',
        code: target === booked ? 'other_lines' : 'other_amount',
        object: payment,
        user: userId,
        ...{ amount: null, currency: null },
        credits: booked - target,
        when: new Date(),
        why:
          target === booked
            ? `the ${booked} credits that are clawed back should come from other lines of it`
            : `${target} credits should be clawed back, ${booked} are`,
      };
    },
    async repair() {
      const verdict = await processing.takeBack.catchUp(payment);
      await processing.inbox.wake(wakesOf(verdict));
      return verdict.state === 'parked' ? tellVerdict(verdict) : 'settled by what is on file';
    },
  };
}
