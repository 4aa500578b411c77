import { compareEvents } from './events-pass.ts';
import type { Unended } from './follow-ups.ts';
import { compareGrant } from './grants-pass.ts';
import { lookAt } from './look-at.ts';
import { askFor, type ObjectKind, readObjects } from './objects.ts';
import { comparePayment, comparePayments } from './payments-pass.ts';
import type { Finding } from './report.ts';
import { compareClawBacksOf, compareReversals } from './reversals-pass.ts';
import { Incomplete, type Run, toldOnly } from './run.ts';

/** Compares all of a kind that Stripe created since. */
export async function compareListed(run: Run, kind: ObjectKind, since: Date): Promise<void> {
  for await (const objects of readObjects(run, kind, since)) {
    switch (kind) {
      case 'event':
        await compareEvents(run, objects);
        break;
      case 'session':
      case 'invoice':
        await comparePayments(run, kind, objects);
        break;
      default:
        await compareReversals(run, kind, objects);
    }
  }
}

/** Compares refunds and disputes whose end was never told, however old they are; some at a time. */
export async function compareUnended(run: Run): Promise<void> {
  for (const unended of await run.followUps.unended(run.inTurn)) {
    const { id, kind } = unended;
    const noteAsked = () => run.followUps.noteAsked(id);

    async function look(): Promise<void> {
      if (!run.compared.has(id)) {
        const answer = await askFor(run, kind, id);
        if (answer.kind === 'answer') await compareReversals(run, kind, [answer.value]);
        else await run.suspect(toldOnly(await findGone(run, unended, answer.reason)));
      }
      if (run.apply) await noteAsked();
    }

    const about = { kind: `${kind}-differs`, object: id } as const;
    async function noteUnseen() {
      await noteAsked();
      return null;
    }
    await lookAt(run, { about, look, noteUnseen });
  }
}

/** Stripe does not know it any more: what is on file stays as it is. */
async function findGone({ evidence }: Run, unended: Unended, why: string): Promise<Finding> {
  const { id, kind, name, amount, currency, recordedAt } = unended;
  const user = await evidence.userOf([name]);
  const about = { user, amount, currency, credits: null, when: recordedAt };
  return { kind: `${kind}-differs`, code: 'unusable_answer', object: id, ...about, why };
}

/**
 * Looks again at what runs before could not repair, wherever the cursor is by now; and at what was
 * accepted though nobody had seen it, since that is an acceptance only as long as Stripe does not
 * answer.
 * @throws Incomplete when there is more of it than a run looks at; the rest is the next one's
 */
export async function compareLeft(run: Run): Promise<void> {
  const { inTurn } = run;
  const left = await run.followUps.open(inTurn + 1);
  const turn = left.slice(0, inTurn);
  turn.push(...(await run.followUps.acceptedUnseen(inTurn - turn.length)));
  for (const finding of turn) {
    if (run.hasFound(finding)) continue;
    const isSeen = await lookAt(run, {
      about: finding,
      look: () => lookAgain(run, finding),
      noteUnseen: () => run.followUps.noteUnseen(finding),
    });
    if (isSeen && run.apply && !run.hasFound(finding)) await run.followUps.drop(finding);
  }
  if (left.length > inTurn) {
    throw new Incomplete(
      `more than ${inTurn} findings of earlier runs are open, and not all had their turn`,
    );
  }
}

async function lookAgain(run: Run, finding: Finding): Promise<void> {
  const { kind, object } = finding;
  if (kind === 'granted-but-not-paid') return compareGrant(run, object);
  if (kind === 'clawed-back-differs') return compareClawBacksOf(run, [object]);
  if (await hasArrived(run, finding)) return;
  const asked = kindOf(finding);
  const answer = await askFor(run, asked, object);
  if (answer.kind !== 'answer') {
    const gone = { code: 'unusable_answer', why: answer.reason } as const;
    return run.suspect(toldOnly({ ...finding, ...gone }));
  }
  switch (asked) {
    case 'event':
      return compareEvents(run, [answer.value]);
    case 'session':
    case 'invoice':
      return comparePayment(run, asked, answer.value);
    default:
      return compareReversals(run, asked, [answer.value], { again: true });
  }
}

/** Whether it is in order by what is known here, so that Stripe need not be asked. */
async function hasArrived({ evidence }: Run, { kind, object }: Finding): Promise<boolean> {
  if (kind === 'event-missing') return (await evidence.eventsStored([object])).has(object);
  return (await evidence.payments([object])).get(object)?.recorded === true;
}

function kindOf({ kind, object }: Finding): ObjectKind {
  switch (kind) {
    case 'event-missing':
      return 'event';
    case 'refund-missing':
    case 'refund-differs':
      return 'refund';
    case 'dispute-missing':
    case 'dispute-differs':
      return 'dispute';
    case 'credit-note-missing':
    case 'credit-note-differs':
      return 'credit_note';
    default:
      return object.startsWith('cs_') ? 'session' : 'invoice';
  }
}
