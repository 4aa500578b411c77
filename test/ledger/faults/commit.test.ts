import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { debit, grant } from '../../support/commands.ts';
import {
  balanceOf,
  ledger,
  proxy,
  untilLaneWaits,
  useLedgerBehindProxy,
  within5s,
} from './harness.ts';

useLedgerBehindProxy();

describe('when the connection dies during COMMIT', () => {
  test('and the commit took effect, the caller hears the result and nothing is done twice', async () => {
    await ledger.post(grant('answer-lost', 100));
    proxy.breakNextCommit('lose-the-answer');
    const outcomes = await Promise.all([1, 2, 3].map((n) => ledger.post(debit('answer-lost', n))));
    expect(proxy.broken()).toBe(1);
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    expect(await balanceOf('answer-lost')).toBe(94);
  });

  test('and the commit never arrived, the command is carried out once, on a new connection', async () => {
    await ledger.post(grant('request-lost', 100));
    proxy.breakNextCommit('lose-the-request');
    expect(await ledger.post(debit('request-lost', 7))).toMatchObject({ ok: true });
    expect(proxy.broken()).toBe(1);
    expect(await balanceOf('request-lost')).toBe(93);
  });

  test('and the commit arrives late, it is waited for: nothing is done twice', async () => {
    await ledger.post(grant('late', 100));
    proxy.breakNextCommit('delay-the-request');
    const outcome = ledger.post(debit('late', 7));
    await untilLaneWaits();
    proxy.deliverCommit();
    expect(await outcome).toMatchObject({ ok: true, entry: { balance: 93 } });
    expect(await balanceOf('late')).toBe(93);
    expect(ledger.counts.unknownCommits).toBe(1);
  });

  test('of a first grant, the new customer gets it once either way', async () => {
    for (const fault of ['lose-the-answer', 'lose-the-request'] as const) {
      proxy.breakNextCommit(fault);
      expect(await ledger.post(grant(`first-${fault}`, 5))).toMatchObject({ ok: true });
      expect(await balanceOf(`first-${fault}`)).toBe(5);
    }
    expect(proxy.broken()).toBe(2);
  });

  test('with something that no driver could foresee, nothing is done twice', async () => {
    await ledger.post(grant('garbled', 100));
    proxy.breakNextCommit('garble-the-answer');
    expect(await ledger.post(debit('garbled', 3))).toMatchObject({ ok: true });
    expect(proxy.broken()).toBe(1);
    expect(await balanceOf('garbled')).toBe(97);
    expect(ledger.counts.unknownCommits).toBe(1);
  });

  test('and the way to the database is silent from then on, the lane answers and recovers', async () => {
    await ledger.post(grant('silent', 10));
    proxy.breakNextCommit('lose-the-answer');
    const answer = ledger.post(debit('silent', 1)).catch((error) => error);
    while (proxy.broken() === 0) await delay(1);
    proxy.stall();
    expect(await within5s(answer)).toMatchObject({ code: 'outcome_unknown' });
    await proxy.comeBack();
    expect(await ledger.post(debit('silent', 2))).toMatchObject({
      ok: true,
      entry: { balance: 7 },
    });
  });

  test('and the database stays away, the caller is told that the outcome is unknown', async () => {
    await ledger.post(grant('unknown', 10));
    proxy.breakNextCommit('lose-the-answer');
    const answer = ledger.post(debit('unknown', 1)).catch((error) => error);
    while (proxy.broken() === 0) await delay(1);
    await proxy.goAway();
    expect(await within5s(answer)).toMatchObject({ code: 'outcome_unknown', status: 503 });
  });
});

test('a COMMIT that the server answers with ROLLBACK is never taken for a success', async () => {
  await ledger.post(grant('rolled-back', 100));
  proxy.breakNextCommit('roll-back');
  await expect(ledger.post(debit('rolled-back', 7))).rejects.toMatchObject({
    code: 'internal_error',
  });
  expect(proxy.broken()).toBe(1);
  expect(await balanceOf('rolled-back')).toBe(100);
});
