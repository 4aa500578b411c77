import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOCAL_MARK } from '../config/values.ts';

/** The secrets of a developer's machine, by the variables that they stand in for. */
export interface LocalSecrets {
  readonly SESSION_SECRET_KEY: string;
  readonly NEXTAUTH_SECRET: string;
  readonly STRIPE_SECRET_KEY: string;
  readonly STRIPE_WEBHOOK_SECRET: string;
}

/** Reads the folder's secrets; makes them, at random, the first time. */
export async function readLocalSecrets(folder: string): Promise<LocalSecrets> {
  const file = join(folder, 'secrets.json');
  const draft = `${file}.${process.pid}`;
  await mkdir(folder, { recursive: true });
  await writeFile(draft, `${JSON.stringify(makeSecrets(), null, 2)}\n`, { mode: 0o600 });
  // Of two that start at once, the first link wins and both read the same.
  await link(draft, file).catch((error) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(draft);
  await chmod(file, 0o600);
  return JSON.parse(await readFile(file, 'utf8'));
}

function makeSecrets(): LocalSecrets {
  const random = () => randomBytes(32).toString('base64url');
  return {
    SESSION_SECRET_KEY: `${LOCAL_MARK}-${random()}`,
    NEXTAUTH_SECRET: `${LOCAL_MARK}-${random()}`,
    STRIPE_SECRET_KEY: `sk_test_${LOCAL_MARK}${randomBytes(12).toString('hex')}`,
    STRIPE_WEBHOOK_SECRET: `whsec_${LOCAL_MARK}${randomBytes(24).toString('hex')}`,
  };
}
