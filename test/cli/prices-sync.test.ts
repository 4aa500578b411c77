import { describe, expect, test } from 'vitest';
import { publish } from '../../src/stripe/catalogue/publish.ts';
import { monthly } from '../support/price-list.ts';
import { startPriceStage } from '../support/price-stage.ts';
import { terms } from '../support/stripe.ts';

const USUAL = {
  ...{ category: null, expires: 'never', for_sale: true },
  ...{ trial: 'none', free: 'none', manual: 'none' },
};

const BAD_METADATA = [
  [{ credits: '1e9' }, 'credits must be a whole number'],
  [{ credits: '-5' }, 'credits must be a whole number'],
  [{ credits: '1.5' }, 'credits must be a whole number'],
  [{ credits: '9'.repeat(30) }, 'credits must be a whole number'],
  [{ credits: '1000000000001' }, 'credits must be a whole number'],
  [{ credits: '0x10' }, 'credits must be a whole number'],
  [{ credits: ' 5' }, 'credits must be a whole number'],
  [{ credits: '٥' }, 'credits must be a whole number'],
  [{ credits: '' }, 'credits must be a whole number'],
  [{ credits: '__proto__' }, 'credits must be a whole number'],
  [{ credits_category: 'bonus' }, 'credits must be a whole number'],
  [{ credits: '5', credits_category: '__proto__' }, 'credits_category must be'],
  [{ credits: '5', credits_expires: 'soon' }, 'credits_expires must be'],
  [{ credits: '5', credits_trial: 'yes' }, 'credits_trial must be'],
  [{ credits: '5', credits_free: 'true' }, 'credits_free must be'],
  [{ credits: '5', credits_manual: 'yes' }, 'credits_manual must be'],
  [{ credits: '5', credits_expiry: '30 days' }, '"credits_expiry" is not known here'],
  [{ credits: '5', credits_credits: '7' }, '"credits_credits" is not known here'],
  [{ credits: '5', credits_expires: 'period_end' }, 'credits_expires period_end needs'],
] as const;

describe('sync', () => {
  test('publishes what the metadata of all active prices say, and tells what changed', async () => {
    const { stripe, prices, known } = await startPriceStage();
    stripe.offer({
      price_a: { metadata: { credits: '100' } },
      price_b: {
        metadata: {
          ...{ credits: '0', credits_category: 'bonus', credits_expires: 'period_end' },
          ...{
            credits_trial: 'grant',
            credits_free: 'grant',
            credits_manual: 'grant',
            team: 'core',
          },
        },
        ...monthly(),
      },
      price_other: { metadata: { team: 'core' } },
      __proto__x: {},
    });
    const first = await prices('sync');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^price +what +credits +category +expires +trial +free +manual/);
    expect(first.stdout).toMatch(/^price_a +new +100 +- +never +none +none +none/m);
    expect(first.stdout).toMatch(/^price_b +new +0 +bonus +period_end +grant +grant +grant/m);
    expect(first.stdout).toContain('2 changed, 0 as before, 0 refused.');
    expect(await known()).toEqual([
      { price: 'price_a', credits: 100, ...USUAL },
      {
        ...{ price: 'price_b', credits: 0, category: 'bonus', expires: 'period_end' },
        ...{ trial: 'grant', free: 'grant', manual: 'grant', for_sale: true },
      },
    ]);
    stripe.offer({ price_a: { metadata: { credits: '250' } } });
    const second = await prices('sync');
    expect(second.stdout).toMatch(/^price_a +changed +100 → 250 /m);
    expect(second.stdout).toMatch(/^price_b +withdrawn +0 +bonus/m);
    expect(await known()).toMatchObject([
      { price: 'price_a', credits: 250, for_sale: true },
      { price: 'price_b', credits: 0, for_sale: false },
    ]);
    expect((await prices('sync')).stdout).toBe('0 changed, 1 as before, 0 refused.\n');
  });

  test('with --dry-run tells the same and changes nothing', async () => {
    const { stripe, prices, known, packs } = await startPriceStage();
    stripe.offer({ price_a: { metadata: { credits: '100' } } });
    const { code, stdout } = await prices('sync', '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^price_a +new +100/m);
    expect(stdout).toContain('1 would change, 0 as before, 0 refused.');
    expect([await known(), await packs()]).toEqual([[], []]);
  });

  test('refuses what is no credits and no terms, naming price and field', async () => {
    const { stripe, prices, known } = await startPriceStage();
    const bad = BAD_METADATA.map(([metadata], i) => [`price_${i}`, { metadata }]);
    const good = ['price_good', { metadata: { credits: '7' } }];
    stripe.offer(Object.fromEntries([...bad, good]));
    const { code, stdout } = await prices('sync');
    expect(code).toBe(1);
    for (const [i, [metadata, problem]] of BAD_METADATA.entries()) {
      expect(stdout, JSON.stringify(metadata)).toContain(`REFUSED  price_${i}: ${problem}`);
    }
    expect(stdout).toContain(`1 changed, 0 as before, ${BAD_METADATA.length} refused.`);
    expect(await known()).toEqual([{ price: 'price_good', credits: 7, ...USUAL }]);
  });

  test('leaves a refused price as it was', async () => {
    const { stripe, prices, known } = await startPriceStage();
    stripe.offer({ price_a: { metadata: { credits: '100' } } });
    await prices('sync');
    stripe.offer({ price_a: { metadata: { credits: '1e2' } } });
    expect((await prices('sync')).code).toBe(1);
    expect(await known()).toEqual([{ price: 'price_a', credits: 100, ...USUAL }]);
  });

  test('reads every page', async () => {
    const { stripe, prices, known } = await startPriceStage();
    const all = Array.from({ length: 250 }, (_, i) => [
      `price_${i}`,
      { metadata: { credits: '1' } },
    ]);
    stripe.offer(Object.fromEntries(all));
    expect((await prices('sync')).stdout).toContain('250 changed');
    expect(stripe.pagesRead()).toBe(3);
    expect(await known()).toHaveLength(250);
  });

  test('wakes the events that waited for a price, and only those', async () => {
    const { db, stripe, prices } = await startPriceStage();
    for (const id of ['price_a', 'price_b']) {
      await db.sql(
        `INSERT INTO stripe_events (id, type, livemode, created, payload, state, reason, waits_for,
                                    next_attempt_at)
         VALUES ('evt_' || $1, 't', false, now(), '{}', 'parked', 'r', ARRAY['price:' || $1],
                 now() + interval '1 hour')`,
        [id],
      );
    }
    stripe.offer({ price_a: { metadata: { credits: '100' } } });
    await prices('sync');
    expect(await db.sql('SELECT id FROM stripe_events WHERE next_attempt_at <= now()')).toEqual([
      { id: 'evt_price_a' },
    ]);
  });

  test('changes nothing when Stripe does not answer, in full or at all', async () => {
    const { stripe, prices, known } = await startPriceStage();
    stripe.offer({ price_a: { metadata: { credits: '100' } } });
    await prices('sync');
    stripe.fail(500);
    const { code, stdout, stderr } = await prices('sync');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('nothing was changed');
    expect(await known()).toMatchObject([{ price: 'price_a', for_sale: true }]);
  });

  test('is refused with a key of another mode than the database’s', async () => {
    const { db, stripe, prices, known } = await startPriceStage();
    await db.sql('INSERT INTO stripe_account (livemode) VALUES (true)');
    stripe.offer({ price_a: { metadata: { credits: '100' } } });
    const { code, stderr } = await prices('sync');
    expect(code).toBe(1);
    expect(stderr).toContain('this database belongs to live mode');
    expect(await known()).toEqual([]);
  });

  test('records names and amounts, and what Stripe archived is for sale no more', async () => {
    const { db, stripe, prices, packs } = await startPriceStage();
    const given = new Map([
      ['price_env', terms({ credits: 5, name: 'Ours', description: 'Five' })],
      ['price_old', terms(7)],
    ]);
    await publish(db.pool, { source: 'env', prices: given });
    stripe.offer({
      price_env: { name: 'Theirs', unit_amount: 900, currency: 'eur' },
      price_old: {},
      price_plan: {
        ...{ metadata: { credits: '50' }, name: 'Plan', description: 'Monthly', ...monthly(3) },
      },
      price_tiers: { metadata: { credits: '1' }, billing_scheme: 'tiered', unit_amount: null },
    });
    await prices('sync');
    const usual = { category: null, expires: 'never', currency: 'usd', recurring: null };
    expect(await packs()).toEqual([
      {
        ...{ ...usual, price: 'price_env', credits: 5, amount: 900, currency: 'eur' },
        ...{ name: 'Ours', description: 'Five' },
      },
      {
        ...{ ...usual, price: 'price_old', credits: 7, amount: 1000 },
        ...{ name: 'Product of price_old', description: null },
      },
      {
        ...{ ...usual, price: 'price_plan', credits: 50, amount: 1000 },
        ...{ name: 'Plan', description: 'Monthly' },
        recurring: { interval: 'month', interval_count: 3 },
      },
      {
        ...{ ...usual, price: 'price_tiers', credits: 1, amount: null },
        ...{ name: 'Product of price_tiers', description: null },
      },
    ]);
    stripe.offer({ price_env: {} });
    await prices('sync');
    expect((await packs()).map(({ price }) => price)).toEqual(['price_env']);
  });
});
