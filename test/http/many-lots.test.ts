import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { createLedger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { startTestApp } from '../support/app.ts';
import { debit } from '../support/commands.ts';

const LOTS = 300;
const HOUR = 3_600_000;
/** What is spent first among lots that expire together. */
const CATEGORIES = ['bonus', 'adjustment', 'included', 'purchase'];

/** A lot as the balance tells it. */
interface Lot {
  readonly seq: number;
  readonly category: string;
  readonly free: number;
  readonly priority: number;
  readonly expires_at: string | null;
}

interface Draw {
  readonly lot: number;
  readonly amount: number;
}

/** No two expire at the same moment, and every ninth never does. */
function lotOf(i: number, start: number): Lot {
  const expiresAt = new Date(start + (24 + ((i * 37) % LOTS)) * HOUR).toISOString();
  return {
    seq: i + 1,
    category: CATEGORIES[i % 4] ?? '',
    free: 1 + ((i * 7) % 13),
    priority: (i % 5) - 2,
    expires_at: i % 9 === 0 ? null : expiresAt,
  };
}

const sum = (lots: readonly Lot[]) => lots.reduce((total, { free }) => total + free, 0);
const expiryOf = ({ expires_at }: Lot) => expires_at ?? '9999';
const bySeq = (draws: readonly Draw[]) => draws.toSorted((a, b) => a.lot - b.lot);

const inBurnOrder = (lots: readonly Lot[]) =>
  lots.toSorted(
    (a, b) =>
      a.priority - b.priority ||
      expiryOf(a).localeCompare(expiryOf(b)) ||
      CATEGORIES.indexOf(a.category) - CATEGORIES.indexOf(b.category) ||
      a.seq - b.seq,
  );

/** What so many credits take from lots that are in their order. */
function drawsOf(lots: readonly Lot[], amount: number): readonly Draw[] {
  let left = amount;
  return lots.flatMap(({ seq, free }) => {
    const taken = Math.min(free, left);
    left -= taken;
    return taken > 0 ? [{ lot: seq, amount: taken }] : [];
  });
}

/** The lots while a hold reserves the draws: also one that is reserved as a whole stays open. */
function less(lots: readonly Lot[], draws: readonly Draw[]): readonly Lot[] {
  const drawn = new Map(draws.map(({ lot, amount }) => [lot, amount]));
  return lots.map((lot) => ({ ...lot, free: lot.free - (drawn.get(lot.seq) ?? 0) }));
}

/** The lots after the draws: what is used up is open no more. */
const without = (lots: readonly Lot[], draws: readonly Draw[]) =>
  less(lots, draws).filter(({ free }) => free > 0);

/** The app, and what a server asks it about one user. */
async function startWithUser() {
  const api = await startTestApp({ env: { MAX_OPEN_LOTS: String(LOTS) } });
  onTestFinished(() => api.close());
  const key = await api.makeKey('admin');
  const get = async (path: string) =>
    (await api.call('GET', `/api/v1/users/ada${path}`, { key })).body.data;
  return {
    database: api.database,
    get,
    async post(path: string, body: object) {
      const headers = { 'idempotency-key': randomUUID() };
      const answer = await api.call('POST', `/api/v1/users/ada${path}`, { key, body, headers });
      expect(answer.status, answer.text).toBe(200);
      return answer.body.data;
    },
    /** Fails unless these lots are open, and no others; returns what the newest entry drew. */
    async expectOpen(lots: readonly Lot[], held = 0): Promise<readonly Draw[]> {
      const available = sum(lots);
      const balance = await get('/credits');
      expect(balance).toMatchObject({ balance: available + held, available, held });
      expect(balance.lots).toEqual(lots);
      return (await get('/credits/entries?limit=1'))[0].draws;
    },
  };
}

test('hundreds of different lots are spent, reserved, given back and lost as arithmetic has it', async () => {
  const { database, get, post, expectOpen } = await startWithUser();
  const start = Date.now();
  const granted = Array.from({ length: LOTS }, (_, i) => lotOf(i, start));
  for (const { seq, free: amount, category, priority, expires_at } of granted) {
    const terms = { category, priority, ...(expires_at && { expires_at }) };
    const { entry } = await post('/grants', { amount, ...terms, reason: 'one of many' });
    expect(entry.seq).toBe(seq);
  }
  const lots = inBurnOrder(granted);
  await expectOpen(lots);

  // All of 120 lots, and a part of the next.
  const delta = sum(lots.slice(0, 120)) + 1;
  const spent = drawsOf(lots, delta);
  const { entry: debited } = await post('/credits/debit', { delta });
  const afterDebit = without(lots, spent);
  expect(await expectOpen(afterDebit)).toEqual(spent);

  const units = sum(afterDebit.slice(0, 100)) + 1;
  const reserved = drawsOf(afterDebit, units);
  await post('/holds', { id: 'job', units, expires_in: 600 });
  expect(await expectOpen(less(afterDebit, reserved), units)).toEqual(reserved);
  const captured = drawsOf(afterDebit, units - 150);
  await post('/holds/job/capture', { units: units - 150 });
  expect(await expectOpen(without(afterDebit, captured))).toEqual(captured);

  await post('/reversals', { seq: debited.seq });
  const open = without(lots, captured);
  expect(bySeq(await expectOpen(open))).toEqual(bySeq(spent));

  // The next command after fifty have expired says so before it draws.
  const soonest = open.toSorted((a, b) => expiryOf(a).localeCompare(expiryOf(b)));
  const expired = soonest.slice(0, 50);
  const clockOffset = Date.parse(expired.at(-1)?.expires_at ?? '') + HOUR / 2 - Date.now();
  const later = createLedger({ ...database, clockOffset });
  onTestFinished(() => later.close());
  expect(await later.post(debit('ada', 20))).toMatchObject({ ok: true });
  const lost = expired.map(({ seq, free }) => ({ lot: seq, amount: free }));
  const alive = open.filter((lot) => !expired.includes(lot));
  const last = drawsOf(alive, 20);
  expect(await expectOpen(without(alive, last))).toEqual(last);
  const expiries: readonly { draws: readonly Draw[] }[] = await get(
    '/credits/entries?kind=expiry&limit=100',
  );
  expect(bySeq(expiries.flatMap(({ draws }) => draws))).toEqual(bySeq(lost));
  expect(await verifyLedger(database.pool)).toMatchObject({ entries: LOTS + 55, faults: [] });
});
