import { afterAll, beforeAll, expect, test } from 'vitest';
import { FRONT_END, startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
  await api.database.sql('DROP TABLE credit_ledger CASCADE');
});
afterAll(() => api.close());

test.each([
  ['GET', '/api/v1/me/credits', undefined],
  ['GET', '/api/v1/me/credits/entries', undefined],
  ['POST', '/api/v1/credits/debit', { delta: 1 }],
  ['POST', '/api/v1/use-credits', { units: 1 }],
])(
  'a failure inside %s %s says nothing but the code and the request id',
  async (method, url, body) => {
    const headers = { origin: FRONT_END };
    const answer = await api.callAndFail(method, url, { as: 'ada', body, headers });
    const id = answer.headers['x-request-id'];
    expect(answer.status).toBe(500);
    expect(answer.body).toEqual({
      error: {
        code: 'internal_error',
        message: 'Something failed on our side; quote the request id.',
      },
      request_id: id,
    });
    expect(JSON.stringify(answer.headers)).not.toMatch(/credit_ledger|relation|42P01|src\//);
    expect(answer.headers['access-control-allow-origin']).toBe(FRONT_END);
    expect(answer.headers['cache-control']).toBe('no-store');
    const logged = api.log.map((line) => JSON.parse(line)).filter((line) => line.request_id === id);
    expect(
      logged.some(({ level, err }) => level === 50 && /credit_ledger/.test(err?.message)),
    ).toBe(true);
  },
);
