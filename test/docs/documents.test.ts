import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

// A document that names what is not there sends a stranger astray, and nobody else notices.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
];

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const exists = (path: string) => existsSync(join(ROOT, path));
const withoutFences = (text: string) => text.replace(/^```[\s\S]*?^```/gm, '');

/** The first group of every match, sorted, each once. */
function all(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, group = '']) => group))].sort();
}

/** The part of the README under a heading, up to the next one of any level. */
function section(heading: string): string {
  const [, text] = new RegExp(`\n#+ ${heading}\n([\\s\\S]*?)(?=\n#|$)`).exec(readme) ?? [];
  if (text === undefined) throw new Error(`The README has no section "${heading}".`);
  return text;
}

const readme = read('README.md');
const commands = await cliCommands();

describe.each(DOCUMENTS)('%s', (name) => {
  const text = read(name);
  const prose = withoutFences(text);

  test('links only to files and headings that exist', () => {
    const links = all(prose, /\]\((?!https?:)([^)\s]+)\)/g);
    expect(links.filter((link) => !leadsSomewhere(link, name))).toEqual([]);
  });

  test('names only files and folders that exist', () => {
    const words = all(prose, /`([^`\n]+)`/g).flatMap((code) => code.split(/\s+/));
    expect(words.filter((word) => isPath(word) && !exists(word))).toEqual([]);
  });

  test('names only npm scripts and purser commands that exist', () => {
    const { scripts } = JSON.parse(read('package.json'));
    expect(all(text, /npm run ([\w:-]+)/g).filter((script) => !(script in scripts))).toEqual([]);
    expect(all(text, /npx purser ([\w-]+)/g).filter((one) => !commands.includes(one))).toEqual([]);
  });
});

function leadsSomewhere(link: string, from: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? from : path;
  if (!exists(target)) return false;
  return anchor === undefined || headings(read(target)).includes(anchor);
}

/** As GitHub makes anchors of headings. */
function headings(text: string): string[] {
  const titles = all(withoutFences(text), /^#+ (.+)$/gm);
  return titles.map((title) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** Our own files; not routes, files of a reader's own, or what only a run makes. */
function isPath(word: string): boolean {
  if (!/^\.?\w[\w./-]*$/.test(word) || word.startsWith('.purser/')) return false;
  return /\w\.(ts|json|md|ya?ml|sql|example)$|\/$|^\.ci\//.test(word);
}

async function cliCommands(): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ['src/cli/purser.ts', '--help'], {
    cwd: ROOT,
  });
  return all(stdout, /^ {2}([\w-]+) +\w/gm);
}

describe('the README tells all of', () => {
  test('the commands', () => {
    expect(all(section('Commands'), /^\| `npx purser ([\w-]+)`/gm)).toEqual(commands);
  });

  test('the variables that the configuration reads, as .env.example does', () => {
    const sources = readdirSync(join(ROOT, 'src/config')).map((file) => read(`src/config/${file}`));
    const variables = all(sources.join('\n'), /'([A-Z]+(?:_[A-Z]+)+|HOST|PORT)'/g);
    const named = all(section('Configuration'), /^\| (.+?) \|/gm).join(' ');
    expect(all(named, /`([A-Z_]+)`/g)).toEqual(variables);
    expect(all(read('.env.example'), /\b([A-Z]+(?:_[A-Z]+)+|HOST|PORT)\b/g)).toEqual(variables);
  });

  test('the error codes, with their status', () => {
    const codes = read('src/errors.ts').matchAll(/^ {2}(\w+): \[\s*(\d{3}),/gm);
    const rows = section('Errors').matchAll(/^\| (\d{3}) \| `(\w+)` \|/gm);
    expect([...rows].map(([, status, code]) => `${status} ${code}`)).toEqual(
      [...codes].map(([, code, status]) => `${status} ${code}`),
    );
  });
});

test('every curl of the README calls an operation of openapi.json', () => {
  const { paths } = JSON.parse(read('openapi.json'));
  const lines = readme.replaceAll('\\\n', ' ').split('\n');
  const calls = lines.flatMap((line) => {
    const [, path] = /curl .*?\$API(\/[\w/-]*)/.exec(line) ?? [];
    const [, named] = / -X ([A-Z]+) /.exec(line) ?? [];
    const method = named?.toLowerCase() ?? (line.includes(' -d ') ? 'post' : 'get');
    return path === undefined ? [] : [{ path, method }];
  });
  expect(calls.length).toBeGreaterThan(8);
  const templates = Object.keys(paths).map((template) => ({
    pattern: new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`),
    methods: paths[template],
  }));
  const isThere = ({ path, method }: { path: string; method: string }) =>
    templates.some(({ pattern, methods }) => pattern.test(path) && methods[method]);
  expect(calls.filter((call) => !isThere(call))).toEqual([]);
});
