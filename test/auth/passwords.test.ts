import { scryptSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Passwords } from '../../src/auth/accounts/passwords.ts';

const passwords = new Passwords(100);

describe('a password', () => {
  test('is verified with the parameters of its stored hash', async () => {
    const stored = await passwords.hash('correct horse');
    expect(stored).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(await passwords.verify('correct horse', stored)).toBe(true);
    expect(await passwords.verify('correct horsf', stored)).toBe(false);
    expect(await passwords.verify('', stored)).toBe(false);
    expect(await passwords.hash('correct horse')).not.toBe(stored);
  });

  test('is hashed with scrypt (RFC 7914), also with earlier parameters', async () => {
    const salt = Buffer.from('0123456789abcdef');
    const hash = scryptSync('correct horse', salt, 32, { N: 1024, r: 4, p: 2 });
    const encode = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
    const stored = `$scrypt$ln=10,r=4,p=2$${encode(salt)}$${encode(hash)}`;
    expect(await passwords.verify('correct horse', stored)).toBe(true);
    expect(await passwords.verify('incorrect horse', stored)).toBe(false);
  });

  test('is the same however a keyboard writes its letters', async () => {
    const stored = await passwords.hash('caf\u00e9 au lait');
    expect(await passwords.verify('cafe\u0301 au lait', stored)).toBe(true);
  });

  test('of an unknown user is wrong, and takes the same work', async () => {
    const stored = await passwords.hash('correct horse');
    const work = async (of: string | undefined) => {
      const before = process.cpuUsage();
      expect(await passwords.verify('wrong horse', of)).toBe(false);
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    // Processor time instead of elapsed time: others use this machine.
    const known = Math.min(await work(stored), await work(stored), await work(stored));
    const unknown = Math.min(await work(undefined), await work(undefined), await work(undefined));
    expect(unknown).toBeGreaterThan(known / 2);
    expect(unknown).toBeLessThan(known * 2);
    expect(await passwords.verify('', undefined)).toBe(false);
  });

  test('that is too long is wrong without being hashed', async () => {
    const stored = await passwords.hash('');
    expect(await passwords.verify('x'.repeat(1_000_000), stored)).toBe(false);
  });

  test('keeps the event loop free', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    await Promise.all([passwords.hash('one of them'), passwords.hash('the other')]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });

  test('waits for its turn, and is refused when too many wait', async () => {
    const few = new Passwords(1);
    const attempts = await Promise.allSettled(['a', 'b', 'c', 'd'].map((word) => few.verify(word, undefined)));
    expect(attempts.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(attempts[3]).toMatchObject({ reason: { code: 'OVERLOADED' } });
    expect(await few.verify('e', undefined)).toBe(false);
  });

  test('in an unknown format is an internal error, not a wrong password', async () => {
    await expect(passwords.verify('x', 'plain')).rejects.toThrow('unknown form');
    expect(await passwords.verify('correct horse', await passwords.hash('correct horse'))).toBe(true);
  });
});
