import fc from 'fast-check';
import pg from 'pg';
import { expect, test } from 'vitest';
import { coalesce } from '../../src/db/coalesce.ts';

/** An error as Postgres sends it. */
function databaseError(code: string): Error {
  return Object.assign(new pg.DatabaseError('refused', 0, 'error'), { code });
}

/** A `run` whose batches are let go one by one; records them. */
function gatedRun(limit: number, options: object = {}) {
  const batches: (readonly number[])[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const ask = coalesce<number, number>(
    async (items) => {
      batches.push(items);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
      return items.map((item) => item * 2);
    },
    { limit, ...options },
  );
  return { batches, ask, open: () => gates.shift()?.resolve() };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('who comes in one turn goes together; who comes meanwhile next, up to the limit', async () => {
  const { batches, ask, open } = gatedRun(3);
  const together = [1, 2].map(ask);
  expect(batches).toEqual([]);
  await turn();
  expect(batches).toEqual([[1, 2]]);
  const meanwhile = [3, 4, 5, 6].map(ask);
  for (let i = 0; i < 3; i++) {
    open();
    await turn();
  }
  expect(await Promise.all([...together, ...meanwhile])).toEqual([2, 4, 6, 8, 10, 12]);
  expect(batches).toEqual([[1, 2], [3, 4, 5], [6]]);
});

test('a batch ends before it weighs too much; what alone weighs too much goes alone', async () => {
  const weight = { of: (item: number) => item, most: 10 };
  const { batches, ask, open } = gatedRun(9, { weight });
  const results = [1, 4, 6, 20, 3].map(ask);
  for (let i = 0; i < 4; i++) {
    await turn();
    open();
  }
  await Promise.all(results);
  expect(batches).toEqual([[1, 4], [6], [20], [3]]);
});

test('beyond the queue’s bound callers are overloaded at once', async () => {
  const { ask, open } = gatedRun(9, { queue: 2 });
  const first = ask(1);
  await turn();
  const [second, third] = [2, 3].map(ask);
  await expect(ask(4)).rejects.toMatchObject({ code: 'overloaded' });
  for (let i = 0; i < 2; i++) {
    open();
    await turn();
  }
  expect(await Promise.all([first, second, third])).toEqual([2, 4, 6]);
});

test('who has waited too long for a turn is overloaded, and the others go on', async () => {
  const { batches, ask, open } = gatedRun(9, { wait: -1 });
  const [first, late] = [ask(1), ask(2)];
  const refused = expect(late).rejects.toMatchObject({ code: 'overloaded' });
  open();
  await expect(first).rejects.toMatchObject({ code: 'overloaded' });
  await refused;
  expect(batches).toEqual([]);
});

test('a database that is away fails all of a batch, and none of it is tried alone', async () => {
  let runs = 0;
  const ask = coalesce<number, number>(
    async () => {
      runs += 1;
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    },
    { limit: 9 },
  );
  const all = [1, 2, 3, 4].map((item) => ask(item).catch(({ code }) => code));
  expect(await Promise.all(all)).toEqual(Array(4).fill('database_unavailable'));
  expect(runs).toBe(1);
});

test('what stood in the way for a moment is tried again', async () => {
  let runs = 0;
  const ask = coalesce<number, number>(
    async (items) => {
      runs += 1;
      if (runs <= 2) throw databaseError('40P01');
      return items;
    },
    { limit: 9 },
  );
  expect(await ask(7)).toBe(7);
});

test('whatever fails, each caller gets its own result, and only culprits fail', async () => {
  const item = fc.record({ value: fc.nat(), fails: fc.boolean(), later: fc.nat({ max: 3 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(item, { maxLength: 40 }), fc.integer({ min: 1, max: 8 }), check),
    { numRuns: 200 },
  );

  async function check(items: { value: number; fails: boolean; later: number }[], limit: number) {
    let underWay = 0;
    const ask = coalesce<(typeof items)[number], number>(
      async (batch) => {
        underWay += 1;
        expect(underWay).toBe(1);
        expect(batch.length).toBeLessThanOrEqual(limit);
        await turn();
        underWay -= 1;
        if (batch.some(({ fails }) => fails)) throw databaseError('22021');
        return batch.map(({ value }) => value);
      },
      { limit },
    );
    const outcomes = await Promise.all(
      items.map(async (one) => {
        for (let i = 0; i < one.later; i++) await turn();
        return ask(one).catch(({ code }) => code);
      }),
    );
    expect(outcomes).toEqual(items.map(({ value, fails }) => (fails ? 'internal_error' : value)));
  }
});
