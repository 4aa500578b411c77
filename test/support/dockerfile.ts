import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';

/** What a Dockerfile makes. */
export interface Image {
  /** Stands for the root of its file system. */
  readonly folder: string;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: string | null;
  readonly healthcheck: readonly string[];
  readonly command: readonly string[];
}

type Stage = { -readonly [K in keyof Image]: Image[K] };

/**
 * Does what a Dockerfile says in plain folders, without a container engine: what `docker build`
 * would do with the instructions that this repository uses, and an error for any other.
 */
export async function buildImage(context: string, folder: string): Promise<Image> {
  const stages = new Map<string, Stage>();
  const isIgnored = await readDockerignore(context);
  let stage: Stage | null = null;
  for (const [instruction, rest] of await readInstructions(context)) {
    if (instruction === 'FROM') {
      const [base = '', , name = `stage-${stages.size}`] = rest.split(/\s+/);
      if (base !== 'node:24-slim') throw new Error(`unknown base image ${base}`);
      stage = await startStage(join(folder, name));
      stages.set(name, stage);
    } else if (stage) {
      await carryOut(stage, instruction, rest, { context, stages, isIgnored });
    }
  }
  if (!stage) throw new Error('the Dockerfile has no FROM');
  return stage;
}

async function startStage(folder: string): Promise<Stage> {
  await mkdir(folder, { recursive: true });
  return { folder, workdir: '/', env: {}, user: null, healthcheck: [], command: [] };
}

interface Building {
  readonly context: string;
  readonly stages: ReadonlyMap<string, Stage>;
  readonly isIgnored: (path: string) => boolean;
}

async function carryOut(stage: Stage, instruction: string, rest: string, building: Building) {
  const here = join(stage.folder, stage.workdir);
  if (instruction === 'WORKDIR') {
    stage.workdir = rest;
    await mkdir(join(stage.folder, rest), { recursive: true });
  } else if (instruction === 'COPY') {
    await copy(here, rest, building);
  } else if (instruction === 'RUN') {
    await promisify(execFile)('sh', ['-e', '-c', rest], { cwd: here, env: buildEnvironment() });
  } else if (instruction === 'ENV') {
    const [, name = '', value = ''] = /^(\w+)=(\S*)$/.exec(rest) ?? [];
    stage.env = { ...stage.env, [name]: value };
  } else if (instruction === 'USER') {
    stage.user = rest;
  } else if (instruction === 'HEALTHCHECK') {
    stage.healthcheck = JSON.parse(rest.slice(rest.indexOf('[')));
  } else if (instruction === 'CMD') {
    stage.command = JSON.parse(rest);
  } else if (instruction !== 'EXPOSE') {
    throw new Error(`this does not know the instruction ${instruction}`);
  }
}

/** Packages come from npm's cache where it has them, so that a second run needs no network. */
function buildEnvironment() {
  const { NODE_ENV: _, ...env } = process.env;
  return { ...env, npm_config_prefer_offline: 'true', npm_config_loglevel: 'error' };
}

async function copy(here: string, rest: string, building: Building): Promise<void> {
  const words = rest.split(/\s+/);
  const from = /^--from=(.+)$/.exec(words[0] ?? '')?.[1];
  const [target = '', ...sources] = words.slice(from === undefined ? 0 : 1).reverse();
  const root = from === undefined ? building.context : building.stages.get(from)?.folder;
  if (root === undefined) throw new Error(`there is no stage ${from}`);
  for (const source of sources) {
    const to = target.endsWith('/') ? join(here, target, basename(source)) : join(here, target);
    await cp(join(root, source), to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => from !== undefined || !building.isIgnored(relative(root, path)),
    });
  }
}

/** Each instruction with the rest of its line, continued lines joined, comments left out. */
async function readInstructions(context: string): Promise<readonly (readonly [string, string])[]> {
  const text = await readFile(join(context, 'Dockerfile'), 'utf8');
  return text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, instruction = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
      return [instruction, rest];
    });
}

/** Knows `*` and `!name`, which is all that this repository's file uses. */
async function readDockerignore(context: string): Promise<(path: string) => boolean> {
  const text = await readFile(join(context, '.dockerignore'), 'utf8');
  const rules = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const [everything, ...kept] = rules;
  if (everything !== '*' || !kept.every((rule) => /^![\w.-]+$/.test(rule))) {
    throw new Error('this knows only a .dockerignore that keeps names out of everything');
  }
  return (path) => !kept.includes(`!${path.split('/')[0]}`);
}

/** Lets another user than its owner enter a folder. */
export const openToAll = (folder: string): Promise<void> => chmod(folder, 0o755);
