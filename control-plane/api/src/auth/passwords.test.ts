import { describe, expect, it } from 'vitest';
import { hashPassword, NOBODY, passwordMatches } from './passwords.ts';

describe('stored passwords', () => {
  it('match their password alone, and are salted', async () => {
    const [one, two] = [await hashPassword('pässwörd'), await hashPassword('pässwörd')];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=47104,t=1,p=1\$/);
    expect(one).not.toBe(two);
    expect(await passwordMatches('pässwörd', one)).toBe(true);
    expect(await passwordMatches('passwörd', one)).toBe(false);
    expect(await passwordMatches('', NOBODY)).toBe(false);
    expect(await passwordMatches('x', 'not a hash')).toBe(false);
  });

  it('are worked on in turns, and a flood is refused instead of queued without end', async () => {
    const cheap = NOBODY.replace('m=47104', 'm=64');
    const results = await Promise.allSettled(Array.from({ length: 230 }, () => passwordMatches('x', cheap)));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(28);
    expect(refused[0]!.reason).toMatchObject({ code: 'unavailable' });
    expect(await passwordMatches('x', cheap)).toBe(false);
  });
});
