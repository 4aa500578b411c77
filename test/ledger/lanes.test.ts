import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Command } from '../../src/ledger/core/command.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { debit, grant } from '../support/commands.ts';
import { countLanes, createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let ledger: Ledger;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(() => {
  ledger = createLedger(database);
});
afterEach(async () => {
  await ledger.close();
  await expect.poll(() => countLanes(database)).toBe(0);
});

async function seqsOf(commands: readonly Command[]): Promise<readonly number[]> {
  const outcomes = await Promise.all(commands.map(ledger.post));
  return outcomes.map((outcome) => (outcome.ok ? outcome.entry.seq : 0));
}

const usersOf = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name}-${i}`);

test('what fits one transaction waits for the one under way', async () => {
  await seqsOf(usersOf('few', 990).map((userId) => grant(userId, 10)));
  expect(await countLanes(database)).toBe(1);
  expect(ledger.counts.rounds).toBe(2);
});

test('a whole transaction that waits begins beside the one under way', async () => {
  await seqsOf(usersOf('many', 1_500).map((userId) => grant(userId, 10)));
  expect(await countLanes(database)).toBe(2);
  expect(ledger.counts).toMatchObject({ commands: 1_500, skips: 0, lockViolations: 0 });
});

test('and a third beside these two', async () => {
  await seqsOf(usersOf('more', 2_500).map((userId) => grant(userId, 10)));
  expect(await countLanes(database)).toBe(3);
  expect(ledger.counts).toMatchObject({ commands: 2_500, skips: 0, lockViolations: 0 });
});

test('an account is in one transaction at a time, in the order of its commands', async () => {
  await seqsOf([grant('hot', 1_001)]);
  // One is under way, and as many wait as make a whole transaction.
  const seqs = await seqsOf(Array.from({ length: 1_001 }, () => debit('hot', 1)));
  expect(seqs).toEqual(seqs.map((_, i) => i + 2));
  expect(await countLanes(database)).toBe(1);
  expect(ledger.counts).toMatchObject({ skips: 0, lockViolations: 0 });
});

test('what waits for accounts of another lane is carried out when that ends', async () => {
  const [first = '', ...users] = usersOf('again', 1_001);
  // The first lane has one, the second 1,000, and all that is left is for accounts of the second.
  const left = users.slice(0, 100).map((userId) => grant(userId, 10));
  const seqs = await seqsOf([...[first, ...users].map((userId) => grant(userId, 10)), ...left]);
  expect(seqs).toEqual([...Array(1_001).fill(1), ...Array(100).fill(2)]);
  expect(ledger.counts).toMatchObject({ rounds: 3, skips: 0, lockViolations: 0 });
});
