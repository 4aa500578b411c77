import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  BIGINT,
  type BinaryType,
  BYTEA,
  JSONB,
  SMALLINT,
  TEXT,
  TIMESTAMPTZ,
  toBinaryArray,
  UUID,
} from '../../src/db/binary-array.ts';
import { isStorable } from '../../src/db/text.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createEmptyDatabase();
});
afterAll(() => database.drop());

const text = fc.string({ unit: 'binary' }).filter(isStorable);
const LAST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

describe('Postgres reads the same values as from the driver’s text', () => {
  const asItIs = (value: unknown) => value;
  const bytes = (hex: string) => Buffer.from(hex, 'hex');
  const moment = (milliseconds: number) => new Date(milliseconds).toISOString();
  const hex = fc.uint8Array().map((octets) => Buffer.from(octets).toString('hex'));

  const hold = <Value>(
    name: string,
    type: BinaryType<Value>,
    values: fc.Arbitrary<Value>,
    toDriver: (value: Value) => unknown = asItIs,
  ) =>
    test(name, async () => {
      const property = fc.asyncProperty(fc.array(fc.option(values)), async (array) => {
        const expected = array.map((value) => (value === null ? null : toDriver(value)));
        const [row] = await database.sql(
          `SELECT $1::${name}[]::text AS read, $2::${name}[]::text AS expected`,
          [toBinaryArray(type, array), array.every((value) => value === null) ? null : expected],
        );
        expect(row?.['read']).toBe(row?.['expected']);
      });
      await fc.assert(property, { numRuns: 50 });
    });

  hold('text', TEXT, text);
  hold(
    'jsonb',
    JSONB,
    fc.dictionary(text, text).map((members) => JSON.stringify(members)),
  );
  hold('bigint', BIGINT, fc.maxSafeInteger());
  hold('smallint', SMALLINT, fc.integer({ min: -32_768, max: 32_767 }));
  hold('timestamptz', TIMESTAMPTZ, fc.integer({ min: 0, max: LAST_TIME }), moment);
  hold('bytea', BYTEA, hex, bytes);
  hold('uuid', UUID, fc.uuid());
});

test('a column in which nobody has anything is one NULL', () => {
  expect(toBinaryArray(TEXT, [null, null])).toBeNull();
});

// Written down as another number they would be a balance that nobody has.
test.each([
  ['a fraction', BIGINT, 0.5],
  ['what is no number', BIGINT, Number.NaN],
  ['what is not exact', BIGINT, 2 ** 53],
  ['what needs more than two bytes', SMALLINT, 32_768],
])('%s is refused', (_, type, value) => {
  expect(() => toBinaryArray(type, [value])).toThrow(`${value} is not a`);
});
