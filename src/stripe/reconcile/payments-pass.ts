import { sum } from '../../sum.ts';
import type { NoAnswer } from '../api/api.ts';
import { fetchCheckout } from '../api/payments.ts';
import type { Worth } from '../fulfil/grants.ts';
import { interpret } from '../fulfil/interpret.ts';
import type { Interpretation, Payment } from '../fulfil/interpretation.ts';
import type { Verdict } from '../inbox/verdicts.ts';
import { type Told, tellOf } from '../shapes/event.ts';
import { at, idOf, type Json } from '../shapes/json.ts';
import { isBefore, paymentTime } from '../shapes/payment-time.ts';
import type { PaymentEvidence } from './evidence.ts';
import { lookAt } from './look-at.ts';
import { answerOrIncomplete, asJson, askFor } from './objects.ts';
import { type Finding, NOT_KNOWN } from './report.ts';
import { createdAt, Incomplete, type Run, type Suspect } from './run.ts';

const TYPES = { session: 'checkout.session.completed', invoice: 'invoice.paid' } as const;

/** Compares complete checkout sessions, or paid invoices. */
export async function comparePayments(
  run: Run,
  kind: keyof typeof TYPES,
  objects: readonly Json[],
): Promise<void> {
  const paid = objects.filter((object) => isPaid(kind, object));
  for (const object of paid) addNames(run.paid, object);
  const known = await run.evidence.payments(objects.map((object) => idOf(object) ?? ''));
  for (const object of objects) {
    const id = idOf(object) ?? '';
    const { recorded = false, unseen = false } = known.get(id) ?? {};
    // What a run before could not look at has its turn by itself.
    if (recorded || unseen || wasPaidBefore(run, kind, object)) continue;
    await lookAt(run, {
      about: { kind: 'paid-but-not-granted', object: id },
      look: () => comparePayment(run, kind, object),
      noteUnseen: (reason) => run.followUps.noteUnseen(unseenPayment(object, reason)),
    });
  }
}

/** Whether it was paid before this database came into use: something else gave credits for it. */
function wasPaidBefore({ notBefore }: Run, kind: keyof typeof TYPES, object: Json): boolean {
  const paidAt = paymentTime(tellOf(object, TYPES[kind]));
  return notBefore !== null && paidAt !== null && isBefore(paidAt, notBefore);
}

/**
 * Compares one that is not on record.
 * @throws Incomplete when Stripe cannot be asked what it must be asked
 */
export async function comparePayment(
  run: Run,
  kind: keyof typeof TYPES,
  object: Json,
): Promise<void> {
  const told = tellOf(object, TYPES[kind]);
  const asked = interpret(told, run.livemode);
  if (asked.kind === 'park' && buys(kind, object)) {
    await run.suspect(unrecorded(run, told, asked));
  } else if (asked.kind === 'pay') {
    const isOff = !asked.payment.manual || (await grantsByItself(run, asked.payment));
    if (isOff) await run.suspect(unrecorded(run, told, asked));
    // Its refund would wait for it.
    else if (run.apply) await run.processing.carryOut(told);
  }
}

/**
 * Whether an invoice that somebody wrote gives credits by itself. Most give none, and that of a
 * checkout is its receipt: the session grants, and so is what is compared.
 * @throws Incomplete when Stripe cannot be asked
 */
async function grantsByItself(run: Run, payment: Payment): Promise<boolean> {
  const { api, appraise } = run.processing;
  const worth = await appraise(payment);
  if (worth.kind === 'nothing') return false;
  if (worth.kind === 'unreachable') throw new Incomplete(worth.reason);
  const checkout = await fetchCheckout(api, payment);
  if (checkout.kind === 'unusable') return true;
  const session = answerOrIncomplete(checkout);
  if (session === null) return true;
  if (run.hasFound({ kind: 'paid-but-not-granted', object: session })) return false;
  const answer = await askFor(run, 'session', session);
  if (answer.kind === 'unusable') return true;
  await comparePayment(run, 'session', answer.value);
  return false;
}

/** Whether an invoice, or a session, is paid; a session also when it costs nothing. */
export function isPaid(kind: keyof typeof TYPES, object: Json): boolean {
  if (kind === 'invoice') return at(object, 'status') === 'paid';
  return ['paid', 'no_payment_required'].includes(String(at(object, 'payment_status')));
}

/** Whether it may give credits, though it cannot be read: of a subscription its invoices do. */
export function buys(kind: keyof typeof TYPES, object: Json): boolean {
  return isPaid(kind, object) && (kind === 'invoice' || at(object, 'mode') === 'payment');
}

function addNames(names: Set<string>, object: Json): void {
  for (const id of [idOf(object), idOf(at(object, 'invoice'))]) {
    if (id !== null) names.add(id);
  }
}

/** What a verdict comes to, in words. */
export function tellVerdict({ state, reason }: Verdict): string {
  if (state === 'done') return reason ?? 'done';
  return state === 'parked' ? `tried, but ${reason}` : `nothing: ${reason}`;
}

/** What a payment asks for, or why that cannot be read. */
type Asked = Extract<Interpretation, { readonly kind: 'pay' | 'park' }>;

function unrecorded(run: Run, told: Told, asked: Asked): Suspect {
  const key = idOf(told.object) ?? '';
  const look = async () => (await run.evidence.payments([key])).get(key);
  return {
    isOff: async () => (await look())?.recorded !== true,
    async describe(): Promise<Finding> {
      const event = (await look())?.event ?? null;
      const { problems, ...known } = await findOut(run, asked);
      return {
        ...{ kind: 'paid-but-not-granted', object: key, ...known },
        when: createdAt(told.object),
        why: [whyNot(event), ...problems.filter((one) => one !== event?.reason)].join('; '),
      };
    },
    async repair() {
      const verdict = await run.processing.carryOut(told);
      const isLearned = asked.kind === 'pay' && (await learnUser(run, verdict, asked.payment));
      return tellVerdict(isLearned ? await run.processing.carryOut(told) : verdict);
    },
  };
}

/** The user of a subscription, from the checkout that began it, when nothing else tells. */
async function learnUser(run: Run, verdict: Verdict, { subscription }: Payment): Promise<boolean> {
  const isUnknown =
    verdict.state === 'parked' && verdict.waitsFor.some((cause) => cause.startsWith('user_of:'));
  if (!isUnknown || subscription === null) return false;
  const answer = await run.processing.api.ask((client) =>
    client.checkout.sessions.list({ subscription, limit: 1 }),
  );
  const [session] = answerOrIncomplete(answer).data;
  if (!session) return false;
  const told = tellOf(asJson(session) as Json, 'checkout.session.completed');
  return (await run.processing.carryOut(told)).state === 'done';
}

async function findOut({ processing }: Run, asked: Asked) {
  if (asked.kind === 'park')
    return { ...NOT_KNOWN, code: 'unreadable' as const, problems: [asked.reason] };
  const { amount, currency } = asked.payment.money;
  const user = await processing.userOf(asked.payment);
  const worth = await processing.appraise(asked.payment);
  const credits = worth.kind === 'grant' ? sum(worth.grants.map(({ amount }) => amount)) : null;
  const problems = [
    ...(worth.kind === 'unknown_price' ? [`unknown price ${worth.price}`] : []),
    ...('reason' in worth ? [worth.reason] : []),
    ...(user === null ? ['unknown user'] : []),
  ];
  const known = { user, amount, currency, credits: worth.kind === 'nothing' ? 0 : credits };
  return { code: codeOf(worth, user), ...known, problems };
}

/** Of several causes the first in which they are met. */
function codeOf({ kind }: Worth | NoAnswer, user: string | null): Finding['code'] {
  switch (kind) {
    case 'unreachable':
      return 'unanswered';
    case 'unusable':
      return 'unreadable';
    case 'unknown_price':
      return kind;
    default:
      return user === null ? 'unknown_user' : 'not_carried_out';
  }
}

function unseenPayment(object: Json, reason: string): Finding {
  const about = { kind: 'paid-but-not-granted', object: idOf(object) ?? '' } as const;
  return { ...about, code: 'unanswered', ...NOT_KNOWN, when: createdAt(object), why: reason };
}

function whyNot(event: PaymentEvidence['event']): string {
  switch (event?.state) {
    case undefined:
      return 'its event never arrived';
    case 'received':
      return 'its event has not been carried out yet';
    default:
      return `its event is ${event?.state}: ${event?.reason ?? 'without a reason'}`;
  }
}
