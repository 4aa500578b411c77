import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, readdir, readFile, rm, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFolder, postmasterIn, type Served, servePurser } from '../support/process.ts';
import { until } from '../support/stripe.ts';

/** The part of the banner that is made to be pasted into a shell. */
function blockToPaste(stdout: string): string {
  const lines = stdout.slice(stdout.indexOf('Purser serves at')).split('\n');
  return lines.slice(lines.findIndex((line) => line.startsWith('cd '))).join('\n');
}

const tokenIn = (stdout: string) => /^export TOKEN='([^']+)'$/m.exec(stdout)?.[1] ?? '';

/** As the demo user of the banner. */
async function call(server: Served, path: string, body?: object) {
  const started = performance.now();
  const response = await fetch(server.url + path, {
    headers: {
      authorization: `Bearer ${tokenIn(server.stdout())}`,
      ...(body && { 'content-type': 'application/json', 'idempotency-key': randomUUID() }),
    },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  const answer = (await response.json()) as {
    data: { balance: number; status: string; url: string };
  };
  return {
    status: response.status,
    headers: response.headers,
    answer,
    took: performance.now() - started,
  };
}

const balanceOf = async (server: Served) =>
  (await call(server, '/api/v1/me/credits')).answer.data.balance;

/** Runs lines in a shell as a person has it: with npm, curl and whatever else is on the PATH. */
function runInShell(script: string) {
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  const env = { PATH: path, HOME: process.env['HOME'], npm_config_offline: 'true' };
  return promisify(execFile)('sh', ['-e', '-c', script], { env, timeout: 40_000 });
}

async function buy(server: Served): Promise<void> {
  const purchase = blockToPaste(server.stdout())
    .split('\n')
    .filter((line) => /^(cd|npx) /.test(line));
  await runInShell(purchase.join('\n'));
}

test('without any environment it prints what a person needs, and the lines to paste work', async () => {
  const folder = await makeFolder();
  const server = await servePurser(['--folder', folder]);
  const banner = server.stdout();
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(banner).toContain(`${server.url}/docs`);
  expect(banner).toMatch(/data in \/\S+/);
  expect(banner).toContain('SIMULATED');
  for (const line of banner.split('\n')) {
    if (!line.startsWith('export TOKEN=')) expect(line.length).toBeLessThanOrEqual(100);
  }

  const { stdout } = await runInShell(blockToPaste(banner));
  const [before, bought, after] = stdout.trim().split(/\n(?=Simulated|\{"data":\{"balance":497)/);
  expect(JSON.parse(before ?? '')).toEqual({
    data: { balance: 0, available: 0, held: 0, seq: 0, lots: [] },
  });
  expect(bought).toContain('demo paid for 1 × price_starter');
  expect(JSON.parse(after ?? '').data).toMatchObject({
    balance: 497,
    entry: { delta: -3, kind: 'debit', reason: 'render' },
  });

  const token = tokenIn(banner);
  expect(token.split('.')).toHaveLength(5);
  const hello = await fetch(`${server.url}/api/v1/me/hello`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(await hello.json()).toEqual({ data: { user: 'demo' } });

  const ended = await server.stop('SIGINT');
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  expect(await postmasterIn(folder)).toBeNull();
});

test.runIf(process.getuid?.() === 0)(
  'under a home that the user of Postgres cannot pass, the banner says where the data lie',
  async () => {
    const folder = await makeFolder();
    await chmod(folder, 0o700);
    const server = await servePurser(['--folder', folder]);
    const elsewhere = /data in (\/var\/lib\/purser-\w+)\n/.exec(server.stdout())?.[1] ?? '';
    onTestFinished(() => rm(elsewhere, { recursive: true }));
    expect(await readdir(elsewhere)).toContain('cluster');
    expect(server.stdout().replace(/\s+/g, ' ')).toContain(`lie in ${elsewhere}.`);
    for (const line of server.stdout().split('\n')) {
      if (!line.startsWith('export TOKEN=')) expect(line.length).toBeLessThanOrEqual(100);
    }
    await server.stop();
  },
);

test('a pack is bought on the page whose address the API answers, and its credits arrive', async () => {
  const server = await servePurser(['--folder', await makeFolder()]);
  const asked = await call(server, '/api/v1/checkout-sessions', { price: 'price_starter' });
  const address = String(asked.answer.data.url);
  const page = await (await fetch(address)).text();
  expect(page).toMatch(/simulated/i);
  const [button] = page.match(/<button class="main" name="choice" value="pay">[^<]*/) ?? [];
  expect(button).toMatch(/>Pay$/);
  const body = new URLSearchParams({ choice: 'pay' });
  const paid = await fetch(address, { method: 'POST', body, redirect: 'follow' });
  expect(await paid.text()).toMatch(/paid/i);
  await until(async () => (await balanceOf(server)) === 500);
  await server.stop();
});

test('the second start keeps the data and the secrets, which only their owner may read', async () => {
  const folder = await makeFolder();
  const first = await servePurser(['--folder', folder]);
  await buy(first);
  const secrets = await readFile(join(folder, 'secrets.json'), 'utf8');
  for (const file of ['secrets.json', `running.${first.pid}.json`]) {
    expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
  }
  await first.stop();
  expect(await readdir(folder)).not.toContain(`running.${first.pid}.json`);

  const second = await servePurser(['--folder', folder]);
  expect(await balanceOf(second)).toBe(500);
  expect(await readFile(join(folder, 'secrets.json'), 'utf8')).toBe(secrets);
  const old = await fetch(`${second.url}/api/v1/me/hello`, {
    headers: { authorization: `Bearer ${tokenIn(first.stdout())}` },
  });
  expect(old.status).toBe(200);
  await second.stop();

  const another = await makeFolder();
  const other = await servePurser(['--folder', another]);
  const others: object = JSON.parse(await readFile(join(another, 'secrets.json'), 'utf8'));
  for (const [name, secret] of Object.entries(others)) {
    expect(secret, name).toContain('purserlocal');
    expect(secrets).not.toContain(secret);
  }
  await other.stop();
});

describe('nothing that was acknowledged is lost', () => {
  test('by kill -9 of Node: the next start takes its Postgres over', async () => {
    const folder = await makeFolder();
    const first = await servePurser(['--folder', folder]);
    await buy(first);
    expect((await call(first, '/api/v1/credits/debit', { delta: 7 })).status).toBe(200);
    await first.stop('SIGKILL');
    expect(await postmasterIn(folder)).not.toBeNull();

    // At the same address, as `npm start` is, so that what the first left behind seems to answer.
    const env = { PORT: new URL(first.url).port };
    const second = await servePurser(['--folder', folder], { env });
    expect(await balanceOf(second)).toBe(493);
    await buy(second);
    expect(await balanceOf(second)).toBe(993);
    expect((await second.stop()).code).toBe(0);
    expect(await postmasterIn(folder)).toBeNull();
  });

  test('by kill -9 of Postgres: 503 within 5 s, and all is there after a restart', async () => {
    const folder = await makeFolder();
    const first = await servePurser(['--folder', folder]);
    await buy(first);
    expect((await call(first, '/api/v1/credits/debit', { delta: 7 })).status).toBe(200);
    const postmaster = (await postmasterIn(folder)) ?? 0;
    process.kill(postmaster, 'SIGKILL');
    // Its backends see for themselves that it is gone; until then they may still answer.
    const health = async () => (await call(first, '/healthz')).status;
    await expect.poll(health, { timeout: 10_000 }).toBe(503);

    for (const [path, body] of [
      ['/healthz'],
      ['/api/v1/me/credits'],
      ['/api/v1/me/credits/entries'],
      ['/api/v1/credits/debit', { delta: 1 }],
    ] as const) {
      const { status, headers, took } = await call(first, path, body);
      expect({ path, status }).toEqual({ path, status: 503 });
      expect(headers.get('retry-after')).toMatch(/^\d+$/);
      expect(took).toBeLessThan(5_000);
    }
    expect((await call(first, '/livez')).answer.data.status).toBe('ok');
    // The terminal says once what died and what to do, and is not flooded with stacks.
    const obituary = new RegExp(`local Postgres \\(process ${postmaster}\\) .* npm start`, 'g');
    await expect.poll(() => first.stderr().match(obituary)).toHaveLength(1);
    const ended = await first.stop();
    expect(ended.code).toBe(0);
    expect(ended.stderr.trim().split('\n')).toHaveLength(1);
    expect(ended.stdout).not.toMatch(/^ +at /m);
    expect(ended.stdout.match(/inbox cannot be read/g) ?? []).toSatisfy(
      (said: unknown[]) => said.length <= 1,
    );
    expect(ended.took).toBeLessThan(10_000);

    const second = await servePurser(['--folder', folder]);
    expect(await balanceOf(second)).toBe(493);
    await second.stop();
  });
});

test('a second server on the folder comes and goes without disturbing the first', async () => {
  const folder = await makeFolder();
  const first = await servePurser(['--folder', folder]);
  const second = await servePurser(['--folder', folder]);
  await second.stop();
  await buy(first);
  expect(await first.stop()).toMatchObject({ code: 0 });
});

test('closing the terminal ends the server and its Postgres', async () => {
  const folder = await makeFolder();
  const server = await servePurser(['--folder', folder]);
  expect(await server.stop('SIGHUP')).toMatchObject({ code: 0 });
  expect(await postmasterIn(folder)).toBeNull();
  expect((await readdir(folder)).filter((name) => name.startsWith('running.'))).toEqual([]);
});
