import { access, constants, copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type FakeStripe, startFakeStripe } from '../../packages/fake-stripe/src/fake-stripe.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';
import { buildImage, type Image, openToAll } from '../support/dockerfile.ts';
import { PRODUCTION } from '../support/environment.ts';
import { ROOT, startNode, urlOf } from '../support/process.ts';

/** Debian's `nobody`, who owns nothing here. */
const NOBODY = 65534;

let folder: string;
let image: Image;
let node: string;
let database: TestDatabase;
let stripe: FakeStripe;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'purser-image-'));
  await openToAll(folder);
  // This very Node, at a place that an unprivileged user reaches.
  node = join(folder, 'node');
  await copyFile(process.execPath, node, constants.COPYFILE_FICLONE);
  image = await buildImage(ROOT, folder);
  [database, stripe] = await Promise.all([
    createEmptyDatabase(),
    startFakeStripe({ account: 'acct_1' }),
  ]);
}, 120_000);

afterAll(async () => {
  await stripe?.stop();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command as the image would: in its folder, in its environment, not as root. */
function runInImage([program, ...args]: readonly string[], more: Record<string, string> = {}) {
  expect(program).toBe('node');
  const { NODE_ENV: _, ...variables } = PRODUCTION;
  const env = {
    ...image.env,
    ...variables,
    DATABASE_URL: database.url,
    STRIPE_API_BASE: stripe.url,
    HOST: '127.0.0.1',
    PORT: '0',
    ...more,
  };
  const cwd = join(image.folder, image.workdir);
  return startNode(args, { node, env, cwd, ...(process.getuid?.() === 0 && { uid: NOBODY }) });
}

describe('the image', () => {
  test('holds the program and its packages, and nothing that only development needs', async () => {
    const workdir = join(image.folder, image.workdir);
    expect((await readdir(workdir)).sort()).toEqual([
      'migrations',
      'node_modules',
      'package.json',
      'purser.catalogue.json',
      'src',
    ]);
    const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
    const packages = Object.entries<{ dev?: boolean; link?: boolean }>(lock.packages);
    const unwanted = packages.filter(([, { dev, link }]) => dev || link).map(([path]) => path);
    expect(unwanted).toContain('node_modules/vitest');
    expect(unwanted).toContain('node_modules/pino-pretty');
    expect(unwanted).toContain('node_modules/@purser/fake-stripe');
    const installed = await Promise.all(
      unwanted.map((path) =>
        access(join(workdir, path)).then(
          () => path,
          () => null,
        ),
      ),
    );
    expect(installed.filter((path) => path !== null)).toEqual([]);
  });

  test('runs as a user without privileges, in production mode', () => {
    expect(image.user).toBe('node');
    expect(image.env).toEqual({ NODE_ENV: 'production' });
  });

  test('migrates as render.yaml says, serves, is healthy, guards, and ends at SIGTERM', async () => {
    const { services } = parse(await readFile(join(ROOT, 'render.yaml'), 'utf8'));
    const migrated = await runInImage(services[0].preDeployCommand.split(' ')).ended();
    expect(migrated).toMatchObject({ code: 0, stderr: '' });
    expect(migrated.stdout).toContain('Applied migration 0001_ledger.sql.');

    const started = performance.now();
    const server = runInImage(image.command);
    const url = await urlOf(server, image.env);
    console.log(`The image boots in ${Math.round(performance.now() - started)} ms.`);
    const health = await fetch(url + services[0].healthCheckPath);
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({ data: { status: 'ok', database: 'ok' } });
    expect((await fetch(`${url}/api/v1/me/hello`)).status).toBe(401);
    expect((await fetch(`${url}/docs/`)).status).toBe(200);

    const PORT = new URL(url).port;
    expect((await runInImage(image.healthcheck, { PORT }).ended()).code).toBe(0);
    const { code, stderr } = await server.stop('SIGTERM');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect((await runInImage(image.healthcheck, { PORT }).ended()).code).toBe(1);
  });

  test('makes nothing up: without its variables it refuses to start', async () => {
    const { code, stderr } = await runInImage(image.command, {
      NEXTAUTH_SECRET: '',
      STRIPE_SECRET_KEY: '',
    }).ended();
    expect(code).toBe(1);
    expect(stderr).toContain('NEXTAUTH_SECRET is missing');
    expect(stderr).toContain('STRIPE_SECRET_KEY is missing');
  });
});
