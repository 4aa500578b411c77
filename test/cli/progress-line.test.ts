import { expect, test } from 'vitest';
import { createProgressLine } from '../../src/cli/progress-line.ts';

/** A terminal of 20 columns, and a clock that goes on when it is told to. */
function createTerminal(isTTY: boolean) {
  const written: string[] = [];
  let time = 0;
  const stream = { isTTY, columns: 20, write: (text: string) => written.push(text) > 0 };
  const line = createProgressLine(stream as never, () => time);
  return {
    line,
    written: () => written.splice(0).map((text) => text.replace('\r\x1b[K', '<erase>')),
    wait: (milliseconds: number) => {
      time += milliseconds;
    },
  };
}

test('a text takes the place of the one before, which stays long enough to be read', () => {
  const { line, written, wait } = createTerminal(true);
  line.show('1 event …');
  line.show('2 events …');
  expect(written()).toEqual(['<erase>1 event …']);
  wait(100);
  line.show('3 events …');
  wait(100);
  line.show('3 events …');
  expect(written()).toEqual(['<erase>3 events …']);
});

test('a text never reaches a second line, which nothing would erase', () => {
  const { line, written } = createTerminal(true);
  line.show('100 events, 100 sessions …');
  const [shown = ''] = written();
  expect(shown).toBe('<erase>100 events, 100 se…');
  expect(shown.length - '<erase>'.length).toBe(19);
});

test('nothing is left of it at the end, and where none was shown nothing is written', () => {
  const { line, written } = createTerminal(true);
  line.clear();
  expect(written()).toEqual([]);
  line.show('1 event …');
  line.clear();
  expect(written()).toEqual(['<erase>1 event …', '<erase>']);
});

test('what is no terminal, such as a file, gets nothing of it', () => {
  const { line, written } = createTerminal(false);
  line.show('1 event …');
  line.clear();
  expect(written()).toEqual([]);
});
