import { pipelined, type Session } from '../../db/session.ts';
import { SQLSTATE, sqlState } from '../../db/sqlstate.ts';
import type { Command } from '../core/command.ts';
import { createPaymentBook } from '../core/payment.ts';
import { storedKey } from '../core/request-key.ts';
import * as store from '../store/accounts.ts';
import { append } from '../store/append.ts';
import { appendAlerts } from '../store/append-alerts.ts';
import { findNamedHolds, findReversible } from '../store/named-entries.ts';
import { findPaymentEntries, findReversed } from '../store/payment-entries.ts';
import { createDraft, type Plan, type Rules } from './draft.ts';
import { createEntryBook } from './entry-book.ts';
import { createKnownKeys } from './known-keys.ts';

export interface RoundOptions extends Rules {
  /** Wait for accounts that another transaction holds, instead of skipping them. */
  readonly wait: boolean;
}

/**
 * Begins a transaction, locks and loads the accounts of `commands`, and decides them in order.
 * Nothing is written yet but the rows of customers who get their first entry.
 */
export async function planRound(
  session: Session,
  commands: readonly Command[],
  options: RoundOptions,
): Promise<Plan> {
  const userIds = distinct(commands.map((command) => command.userId));
  const payments = paymentsOf(commands);
  const [, locked, heads, settled, reversed, holds, reversible, ...leads] = await pipelined([
    store.begin(session),
    store.lock(session, userIds, options),
    store.load(session, userIds),
    findPaymentEntries(session, payments),
    findReversed(session, payments),
    findNamedHolds(session, commands),
    findReversible(session, commands),
    ...findLeads(session, commands),
  ]);
  const draft = createDraft(options, {
    known: createKnownKeys(leads.flat()),
    payments: createPaymentBook(settled, reversed),
    named: createEntryBook([...holds, ...reversible]),
  });
  const newcomers = draft.decideAll(commands, locked, heads);
  if (newcomers.length === 0) return draft.plan(commands, new Set());
  if (!(await makeRows(session, newcomers))) return draft.plan(commands, new Set(newcomers));
  const [lockedNow, headsNow] = await pipelined([
    store.lock(session, newcomers, options),
    store.load(session, newcomers),
  ]);
  draft.decideAll(commands, lockedNow, headsNow);
  return draft.plan(commands, new Set());
}

/**
 * Makes the newcomers' rows. False when another transaction is making one of them and does not
 * end: the rest of the batch goes on without them.
 */
async function makeRows(session: Session, newcomers: readonly string[]): Promise<boolean> {
  try {
    await pipelined([store.setSavepoint(session), store.createCustomers(session, newcomers)]);
    return true;
  } catch (error) {
    if (sqlState(error) !== SQLSTATE.lockNotAvailable) throw error;
    await store.returnToSavepoint(session);
    return false;
  }
}

/** Writes what was planned and commits. When it throws, see `isConnectionError`: the end is open. */
export async function commitRound(session: Session, plan: Plan): Promise<void> {
  const { sealed, alerts, due } = plan;
  await pipelined([
    ...(sealed.length > 0 ? [append(session, sealed)] : []),
    ...(alerts.length > 0 ? [appendAlerts(session, alerts)] : []),
    ...(due.length > 0 ? [store.scheduleSweep(session, due)] : []),
    store.commit(session),
  ]);
}

/**
 * Whether a plan whose commit was cut off took effect. On a connection of its own, waits for the
 * lock of one account it wrote to, which outlasts the old transaction, and looks for the entry.
 */
export async function wasCommitted(session: Session, { sealed }: Plan): Promise<boolean> {
  const [probe] = sealed;
  if (!probe) return true;
  const { userId, seq, id } = probe.entry;
  await store.begin(session);
  await store.createCustomers(session, [userId]);
  await store.lock(session, [userId], { wait: true });
  const found = await store.findEntryId(session, userId, seq);
  await store.commit(session);
  return found === id;
}

function paymentsOf(commands: readonly Command[]): readonly string[] {
  const settling = commands.filter((command) => command.kind === 'settle_payment');
  return distinct(settling.map(({ payment }) => payment));
}

function findLeads(session: Session, commands: readonly Command[]) {
  const asked = commands.flatMap((command) => {
    const key = storedKey(command);
    return key ? [{ userId: command.userId, key }] : [];
  });
  const grants = commands.filter((command) => command.kind === 'grant');
  const settling = commands.filter((command) => command.kind === 'settle_payment');
  const eventIds = [...grants, ...settling].flatMap(({ stripeEventId }) => stripeEventId ?? []);
  const grantKeys = grants.flatMap(({ grantKey }) => grantKey ?? []);
  return [
    store.findByIdempotencyKeys(
      session,
      asked.map(({ userId }) => userId),
      asked.map(({ key }) => key),
    ),
    store.findByGlobalKeys(session, eventIds, grantKeys),
  ];
}

function distinct(userIds: readonly string[]): readonly string[] {
  return [...new Set(userIds)].sort();
}
