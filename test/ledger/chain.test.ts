import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Entry, Note } from '../../src/ledger/core/entry.ts';
import { canonicalJson, chainHash, GENESIS, hashNote } from '../../src/ledger/store/chain.ts';

const text = fc.string({ unit: 'grapheme', minLength: 1 });
/** Among them those that JavaScript takes for places in a list and moves to the front. */
const name = fc.oneof(text, fc.nat(200).map(String));
const noteMembers = {
  reason: fc.option(text),
  ref: fc.option(text),
  metadata: fc.option(fc.dictionary(name, text)),
};
const note: fc.Arbitrary<Note> = fc.record(noteMembers);
const category = fc.constantFrom('purchase', 'included', 'bonus', 'adjustment');
const terms = fc.record({ category, priority: fc.integer(), expiresAt: fc.option(fc.nat()) });
const DRAW = ['lot', 'amount'] as const;
const entry: fc.Arbitrary<Entry> = fc.record({
  ...noteMembers,
  userId: text,
  seq: fc.nat(),
  id: fc.uuid(),
  kind: fc.constantFrom('purchase', 'debit', 'expiry', 'clawback', 'hold', 'capture', 'reversal'),
  delta: fc.maxSafeInteger(),
  balance: fc.maxSafeInteger(),
  held: fc.nat(),
  lot: fc.option(fc.nat()),
  category: fc.option(category),
  expiresAt: fc.option(fc.nat()),
  payment: fc.option(text),
  invoiceLine: fc.option(text),
  reversesSeq: fc.option(fc.nat()),
  priority: fc.option(fc.integer()),
  holdId: fc.option(text),
  operation: fc.option(fc.record({ name: text, quantity: text })),
  draws: fc.option(
    fc.array(
      fc.record({ lot: fc.nat(), amount: fc.nat(), reopens: terms }, { requiredKeys: [...DRAW] }),
    ),
  ),
  leadSeq: fc.option(fc.nat()),
  actor: fc.constantFrom('user', 'stripe', 'system'),
  stripeEventId: fc.option(text),
  grantKey: fc.option(text),
  idempotencyKey: fc.option(text),
  requestHash: fc.option(text),
  createdAt: fc.nat(),
});

test('the canonical form is what RFC 8785 prescribes', () => {
  fc.assert(
    fc.property(entry, (one) => {
      const json = canonicalJson(one, hashNote(one));
      expect(json).toBe(canonicalize(JSON.parse(json)));
    }),
  );
});

test('a note is hashed in the form that RFC 8785 prescribes, without members that are null', () => {
  fc.assert(
    fc.property(note, (one) => {
      const members = Object.entries(one).filter(([, text]) => text !== null);
      const json = canonicalize(Object.fromEntries(members)) ?? '';
      const expected = members.length === 0 ? null : hash('sha256', json, 'hex');
      expect(hashNote(one)).toBe(expected);
    }),
    { examples: [[{ reason: null, ref: 'r', metadata: { a: 'x', 9: 'y', 10: 'z' } }]] },
  );
});

test('the hash does not change when the note is erased and its own hash stays', () => {
  fc.assert(
    fc.property(entry, (one) => {
      const erased = { ...one, reason: null, ref: null, metadata: null };
      expect(chainHash(GENESIS, erased, hashNote(one))).toBe(chainHash(GENESIS, one));
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
      expect(hashNote({ ...one, metadata: reversed })).toBe(hashNote(one));
    }),
  );
});
