import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The rooms of `src/`, in the order in which ARCHITECTURE.md tells one to read them. */
const rooms = [...read('ARCHITECTURE.md').matchAll(/^\| (`.+?`) \| /gm)]
  .flatMap(([, names = '']) => names.split(', '))
  .map((name) => name.replaceAll('`', ''))
  .filter((name) => /^src\/([\w-]+\/)*([\w-]+\.ts)?$/.test(name));

const files = globSync('src/**/*.ts', { cwd: ROOT });

/** The place in that order; -1 for what lies in no room. */
const placeOf = (file: string) =>
  rooms.findIndex((room) => file === room || (room.endsWith('/') && file.startsWith(room)));

test('ARCHITECTURE.md names a room for every file of src/', () => {
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => placeOf(file) === -1)).toEqual([]);
});

test('each room rests only on what ARCHITECTURE.md names before it', () => {
  const imports = files.flatMap((file) =>
    [...read(file).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, to = '']) => ({
      file,
      to: normalize(join(dirname(file), to)),
    })),
  );
  expect(imports.length).toBeGreaterThan(300);
  const backwards = imports.filter(({ file, to }) => placeOf(to) > placeOf(file));
  expect(backwards.map(({ file, to }) => `${file} → ${to}`)).toEqual([]);
});
