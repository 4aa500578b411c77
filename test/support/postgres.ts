import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrate } from '../../src/db/migrate.ts';
import { startLocalPostgres } from '../../src/local/postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The administrator's url of the throw-away Postgres that this run of the tests shares. */
    readonly postgresUrl: string;
  }
}

/** Migrated once; every test database is a copy of it. */
export const TEMPLATE = 'purser_template';

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));

/** Vitest's global setup: one Postgres for all test files; the returned function removes it. */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'purser-test-'));
  const postgres = await startLocalPostgres({ folder, durable: false });
  const remove = async () => {
    await postgres.stop();
    await rm(postgres.folder, { recursive: true });
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await createTemplate(postgres.url);
  } catch (error) {
    await remove();
    throw error;
  }
  provide('postgresUrl', postgres.url);
  return remove;
}

async function createTemplate(adminUrl: string): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${TEMPLATE}`);
    const url = new URL(adminUrl);
    url.pathname = TEMPLATE;
    await migrate(url.href, { folder: MIGRATIONS });
    // Nobody can be connected to the template, so a copy never has to wait.
    await admin.query(`ALTER DATABASE ${TEMPLATE} ALLOW_CONNECTIONS false`);
  } finally {
    await admin.end();
  }
}
