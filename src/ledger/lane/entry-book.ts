import type { Entry } from '../core/entry.ts';

/** The entries that the commands of a round name, with what the round has posted about them since. */
export interface EntryBook {
  /** Of a hold of that id, oldest first: what opened it, if one is to be opened, and what ended it. */
  readonly hold: (userId: string, holdId: string) => readonly Entry[];
  readonly entry: (userId: string, seq: number) => Entry | null;
  /** The entries that reverse, claw back or reinstate that one, oldest first. */
  readonly reversing: (userId: string, seq: number) => readonly Entry[];
  /** The entries whose credits joined that lot after it was opened. */
  readonly joining: (userId: string, lot: number) => readonly Entry[];
  readonly remember: (entries: readonly Entry[]) => void;
}

/** @param onRecord in any order, and any of them more than once */
export function createEntryBook(onRecord: readonly Entry[]): EntryBook {
  const bySeq = new Map<string, Entry>();
  const byHold = new Map<string, Map<number, Entry>>();
  const byReversed = new Map<string, Map<number, Entry>>();
  const byJoined = new Map<string, Map<number, Entry>>();

  function remember(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { userId, seq, holdId, reversesSeq, lot } = entry;
      const joined = lot === seq ? null : lot;
      // Plain debits are most, and what a round has posted is not reversed before it has ended.
      if (holdId === null && reversesSeq === null && joined === null) continue;
      bySeq.set(keyOf(userId, seq), entry);
      if (holdId !== null) put(byHold, keyOf(userId, holdId), entry);
      if (reversesSeq !== null) put(byReversed, keyOf(userId, reversesSeq), entry);
      if (joined !== null) put(byJoined, keyOf(userId, joined), entry);
    }
  }

  for (const entry of onRecord) bySeq.set(keyOf(entry.userId, entry.seq), entry);
  remember(onRecord);
  return {
    hold: (userId, holdId) => listOf(byHold, keyOf(userId, holdId)),
    entry: (userId, seq) => bySeq.get(keyOf(userId, seq)) ?? null,
    reversing: (userId, seq) => listOf(byReversed, keyOf(userId, seq)),
    joining: (userId, lot) => listOf(byJoined, keyOf(userId, lot)),
    remember,
  };
}

function keyOf(userId: string, name: string | number): string {
  return `${userId}\0${name}`;
}

function put(map: Map<string, Map<number, Entry>>, key: string, entry: Entry): void {
  const entries = map.get(key);
  if (entries) entries.set(entry.seq, entry);
  else map.set(key, new Map([[entry.seq, entry]]));
}

function listOf(map: Map<string, Map<number, Entry>>, key: string): readonly Entry[] {
  return [...(map.get(key)?.values() ?? [])].toSorted((a, b) => a.seq - b.seq);
}
