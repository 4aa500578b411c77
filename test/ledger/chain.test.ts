import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, chainHash, GENESIS } from '../../src/ledger/chain.ts';
import type { Entry } from '../../src/ledger/entry.ts';

const text = fc.string({ unit: 'grapheme', minLength: 1 });
const entry: fc.Arbitrary<Entry> = fc.record({
  userId: text,
  seq: fc.nat(),
  id: fc.uuid(),
  kind: fc.constantFrom('purchase', 'included', 'bonus', 'adjustment', 'debit'),
  delta: fc.maxSafeInteger(),
  balance: fc.maxSafeInteger(),
  held: fc.nat(),
  lot: fc.option(fc.nat()),
  draws: fc.option(fc.array(fc.record({ lot: fc.nat(), amount: fc.nat() }))),
  leadSeq: fc.option(fc.nat()),
  actor: fc.constantFrom('user', 'stripe', 'system'),
  reason: fc.option(text),
  ref: fc.option(text),
  metadata: fc.option(fc.dictionary(text, text)),
  stripeEventId: fc.option(text),
  grantKey: fc.option(text),
  idempotencyKey: fc.option(text),
  requestHash: fc.option(text),
  createdAt: fc.nat(),
});

test('the canonical form is what RFC 8785 prescribes', () => {
  fc.assert(
    fc.property(entry, (one) => {
      const json = canonicalJson(one);
      expect(json).toBe(canonicalize(JSON.parse(json)));
    }),
  );
});

test('a change of any member changes the hash', () => {
  fc.assert(
    fc.property(entry, entry, fc.nat(), (one, other, pick) => {
      const members = Object.keys(one) as (keyof Entry)[];
      const member = members[pick % members.length] ?? 'seq';
      const changed = { ...one, [member]: other[member] };
      const same = JSON.stringify(changed) === JSON.stringify(one);
      fc.pre(!same);
      expect(chainHash(GENESIS, changed)).not.toBe(chainHash(GENESIS, one));
    }),
  );
});

test('the order in which jsonb returns the members of metadata does not matter', () => {
  fc.assert(
    fc.property(entry, (one) => {
      const reversed = one.metadata && Object.fromEntries(Object.entries(one.metadata).reverse());
      expect(canonicalJson({ ...one, metadata: reversed })).toBe(canonicalJson(one));
    }),
  );
});
