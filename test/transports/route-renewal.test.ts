import { expect, test } from 'vitest';
import type { AppAuth } from '../../src/auth/app-auth.ts';
import type { Principal } from '../../src/auth/identity.ts';
import { Renewal } from '../../src/transports/routes/live/renewal.ts';

const ADA: Principal = { type: 'principal', sub: 'ada', roles: [], claims: {}, expiresAt: undefined };

test('an internal error while a token is checked is logged, and reported without its text', async () => {
  const fault = new Error('the disk is gone');
  const authenticator = { authenticate: () => Promise.reject(fault) };
  const logged: unknown[] = [];
  const renewal = new Renewal({ authenticator } as unknown as AppAuth, (error) => void logged.push(error));
  const told: unknown[] = [];
  const nothing = () => {};
  await renewal.take(
    { type: 'auth', token: 'x', ref: 1 },
    {
      ...{
        identity: ADA,
        close: nothing,
        expiring: nothing,
        expired: nothing,
        revoked: nothing,
        stop: nothing,
        reauthorize: nothing,
      },
      answer: (message) => void told.push(message),
      refuse: ({ code, message }, ref) => void told.push([code, message, ref]),
    },
  );
  expect(logged).toEqual([fault]);
  expect(told).toEqual([['INTERNAL', expect.not.stringContaining('disk'), 1]]);
});

test.each(['say "auth"', '["auth"]', '{"type":"auth"}', '{"type":"auth","token":1,"message_type":"x"}', '"token"'])(
  '%s is not a message with a token',
  (text) => {
    const renewal = new Renewal({} as AppAuth, () => {});
    expect(renewal.read(Buffer.from(text))).toBeUndefined();
  },
);
