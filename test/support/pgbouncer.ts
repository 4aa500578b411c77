import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findFreePort } from '../../src/local/free-port.ts';

/** PgBouncer refuses to run as root. */
const NOBODY = { uid: 65534, gid: 65534 };

/** Starts PgBouncer, in transaction mode, before the Postgres of `databaseUrl`. */
export async function startPgBouncer(program: string, databaseUrl: string) {
  const target = new URL(databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'purser-pgbouncer-'));
  const port = await findFreePort();
  await writeFile(join(folder, 'users'), `"${target.username}" "${target.password}"\n`);
  await writeFile(
    join(folder, 'config'),
    [
      '[databases]',
      `* = host=${target.hostname} port=${target.port}`,
      '[pgbouncer]',
      'pool_mode = transaction',
      'default_pool_size = 3',
      `listen_addr = 127.0.0.1`,
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${join(folder, 'users')}`,
    ].join('\n'),
  );
  const user = process.getuid?.() === 0 ? NOBODY : {};
  if ('uid' in user) {
    for (const path of ['', 'users', 'config']) {
      await chown(join(folder, path), NOBODY.uid, NOBODY.gid);
    }
  }
  const bouncer = spawn(program, [join(folder, 'config')], { ...user, cwd: '/', stdio: 'ignore' });
  await waitUntilOpen(port);
  const url = new URL(databaseUrl);
  url.port = String(port);
  return {
    url: url.href,
    async stop(): Promise<void> {
      bouncer.kill('SIGKILL');
      await once(bouncer, 'exit');
      await rm(folder, { recursive: true });
    },
  };
}

async function waitUntilOpen(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const socket = connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await delay(25);
  }
  throw new Error('PgBouncer did not start');
}
