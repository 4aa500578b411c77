import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../../src/config/config.ts';
import { PRODUCTION, SECRETS, variablesThatAreRead } from '../support/environment.ts';
import { ROOT } from '../support/process.ts';

/**
 * The keys of a Docker web service in the "Blueprint YAML Reference", render.com/docs/blueprint-spec,
 * as read on 2026-11-23. Those for static sites, cron jobs and Key Value are left out.
 */
const BLUEPRINT_KEYS = {
  root: ['services', 'databases', 'envVarGroups', 'projects', 'ungrouped', 'previews'],
  service: [
    ...['name', 'type', 'runtime', 'plan', 'region', 'previews', 'domains', 'ipAllowList'],
    ...['repo', 'branch', 'rootDir', 'autoDeployTrigger', 'buildFilter'],
    ...['dockerCommand', 'dockerfilePath', 'dockerContext', 'registryCredential'],
    ...['preDeployCommand', 'healthCheckPath', 'maxShutdownDelaySeconds'],
    ...['numInstances', 'scaling', 'disk', 'envVars'],
  ],
  envVar: ['key', 'value', 'generateValue', 'sync', 'fromDatabase', 'fromService', 'fromGroup'],
};

interface EnvVar {
  readonly key: string;
  readonly value?: string;
  readonly generateValue?: boolean;
  readonly sync?: boolean;
}

describe('render.yaml', async () => {
  const blueprint = parse(await readFile(join(ROOT, 'render.yaml'), 'utf8'));
  const [service, ...others] = blueprint.services;
  const envVars: readonly EnvVar[] = service.envVars;

  test('has only keys that Render’s reference knows', () => {
    expect(others).toEqual([]);
    expect(BLUEPRINT_KEYS.root).toEqual(expect.arrayContaining(Object.keys(blueprint)));
    expect(BLUEPRINT_KEYS.service).toEqual(expect.arrayContaining(Object.keys(service)));
    for (const envVar of envVars) {
      expect(BLUEPRINT_KEYS.envVar).toEqual(expect.arrayContaining(Object.keys(envVar)));
      expect(Object.keys(envVar), envVar.key).toHaveLength(2);
    }
  });

  test('describes a Docker web service that has the time to shut down', () => {
    expect(service).toMatchObject({
      type: 'web',
      runtime: 'docker',
      preDeployCommand: 'node src/cli/purser.ts migrate',
      healthCheckPath: '/healthz',
    });
    expect(service.plan).not.toBe('free');
    expect(service.maxShutdownDelaySeconds).toBeGreaterThan(10);
    expect(service.maxShutdownDelaySeconds).toBeLessThanOrEqual(300);
  });

  test('names every variable once, but for the one that only tests may set', () => {
    const wanted = new Set(variablesThatAreRead());
    wanted.delete('DISABLE_AUTH_FOR_TESTS');
    expect(envVars.map(({ key }) => key).sort()).toEqual([...wanted].sort());
  });

  test('holds no secret', () => {
    for (const key of [...Object.keys(SECRETS), 'DATABASE_URL', ...MORE_SECRETS]) {
      const { value, generateValue, sync } = envVars.find((one) => one.key === key) ?? { key };
      expect(value, key).toBeUndefined();
      expect(sync === false || generateValue === true, key).toBe(true);
    }
  });

  test('sets nothing but the defaults of production, and the port that Render expects', () => {
    const set = Object.fromEntries(envVars.map(({ key, value }) => [key, value]));
    for (const value of Object.values(set)) expect(typeof (value ?? '')).toBe('string');
    const required = Object.fromEntries(Object.entries(set).filter(([, value]) => value));
    const { allowedOrigins, stripe, ...rest } = readConfig({ ...PRODUCTION, ...required });
    const defaults = readConfig(PRODUCTION);
    expect(rest).toMatchObject({ mode: 'production', host: defaults.host, port: 10_000 });
    expect(rest.auth).toEqual(defaults.auth);
    expect(rest.rateLimits).toEqual(defaults.rateLimits);
    expect(rest.userWrites).toBe(defaults.userWrites);
    expect(allowedOrigins).toEqual(['https://app.example.com']);
    expect(stripe.apiBase).toEqual({ host: 'api.stripe.com', port: 443, protocol: 'https' });
  });
});

const MORE_SECRETS = [
  'NEXTAUTH_SECRETS_PREVIOUS',
  'STRIPE_WEBHOOK_SECRETS_PREVIOUS',
  'PURSER_ADMIN_KEY',
];

describe('.env.example', async () => {
  const text = await readFile(join(ROOT, '.env.example'), 'utf8');

  test('names every variable, each below a sentence about it', () => {
    expect(Object.keys(parseEnv(text)).sort()).toEqual([...variablesThatAreRead()].sort());
    for (const paragraph of text.trim().split('\n\n')) {
      expect(paragraph).toMatch(/^(# .+\n)+([A-Z_]+=\n?)*$|^(# .+\n?)+$/);
      expect(paragraph).toMatch(/\.$/m);
    }
  });

  test('sets nothing, so that a copy of it starts as an empty environment does', () => {
    expect(new Set(Object.values(parseEnv(text)))).toEqual(new Set(['']));
  });
});
