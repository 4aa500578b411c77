import { expect, test } from 'vitest';
import { claimsAt, createSessions, forge, judge, OPTIONS } from './harness.ts';

const START = Date.UTC(2026, 0, 1);

/** An authenticator with a clock that stands still until it is set. */
function createClocked() {
  let now = START;
  const authenticate = createSessions(OPTIONS, () => now);
  return {
    authenticate,
    setClock: (seconds: number) => {
      now = START + seconds * 1000;
    },
  };
}

test('a remembered verdict is the same object for 30 seconds and then made anew', async () => {
  const { authenticate, setClock } = createClocked();
  const token = await forge(claimsAt(START));
  const first = await judge(authenticate, token);
  setClock(29.999);
  expect(await judge(authenticate, token)).toBe(first);
  setClock(30);
  const second = await judge(authenticate, token);
  expect(second).toEqual(first);
  expect(second).not.toBe(first);
});

test('a remembered token expires on its second, not when it is forgotten', async () => {
  const { authenticate, setClock } = createClocked();
  const token = await forge({ ...claimsAt(START), exp: START / 1000 + 5 });
  expect(await judge(authenticate, token)).toMatchObject({ userId: 'user-1' });
  setClock(5 + 15 - 0.001);
  expect(await judge(authenticate, token)).toMatchObject({ userId: 'user-1' });
  setClock(5 + 15);
  expect(await judge(authenticate, token)).toMatchObject({ code: 'unauthorized' });
});

test('a remembered token becomes too old on its second', async () => {
  const { authenticate, setClock } = createClocked();
  const iat = START / 1000 - 30 * 24 * 60 * 60;
  const token = await forge({ ...claimsAt(START), iat });
  expect(await judge(authenticate, token)).toMatchObject({ userId: 'user-1' });
  setClock(16);
  expect(await judge(authenticate, token)).toMatchObject({ code: 'unauthorized' });
});

test('a refusal is not remembered', async () => {
  const { authenticate, setClock } = createClocked();
  const token = await forge({ ...claimsAt(START), iat: START / 1000 + 20 });
  expect(await judge(authenticate, token)).toMatchObject({ code: 'unauthorized' });
  setClock(10);
  expect(await judge(authenticate, token)).toMatchObject({ userId: 'user-1' });
});

test('two tokens with the same signature part are two tokens to the cache', async () => {
  const { authenticate } = createClocked();
  const ada = await forge(claimsAt(START));
  const bob = await forge({ ...claimsAt(START), sub: 'user-2' });
  await judge(authenticate, ada);
  const grafted = [...bob.split('.').slice(0, 4), ada.split('.')[4]].join('.');
  expect(await judge(authenticate, grafted)).toMatchObject({ code: 'unauthorized' });
  expect(await judge(authenticate, bob)).toMatchObject({ userId: 'user-2' });
});

test('who has a remembered identity cannot change it for the next request', async () => {
  const { authenticate } = createClocked();
  const identity = await authenticate([`Bearer ${await forge(claimsAt(START))}`]);
  expect(() => Object.assign(identity, { userId: 'user-2' })).toThrow(TypeError);
});
