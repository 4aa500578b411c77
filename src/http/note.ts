import { Type } from 'typebox';
import type { Note } from '../ledger/core/entry.ts';
import { Metadata, Reason, Ref } from './schemas.ts';

/** What whoever moves credits may say about it. */
export const noteFields = {
  reason: Type.Optional(Reason),
  ref: Type.Optional(Ref),
  metadata: Type.Optional(Metadata),
};

/** What a body says about it; what it leaves out is null. */
export function noteOf({
  reason = null,
  ref = null,
  metadata = null,
}: {
  readonly [field in keyof Note]?: Note[field] | undefined;
}): Note {
  return { reason, ref, metadata };
}
