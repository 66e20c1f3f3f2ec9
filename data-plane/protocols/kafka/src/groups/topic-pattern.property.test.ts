import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PatternError, TopicPattern } from './topic-pattern.ts';

/** What JavaScript says, whose expressions mean the same where both know them. */
const expected = (pattern: string, name: string): boolean => new RegExp(`^(?:${pattern})$`).test(name);

/** Patterns of what both know, over few letters, so that they match something. */
const pattern: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(
      'a',
      'b',
      'c',
      '\\.',
      '.',
      '[ab]',
      '[^a]',
      '[a-c]',
      '\\d',
      '\\w',
      '\\D',
      '\\x61',
      '^',
      '$',
      '-',
      '_',
    ),
    fc.tuple(tie('node'), tie('node')).map(([x, y]) => x + y),
    fc.tuple(tie('node'), tie('node')).map(([x, y]) => `(${x}|${y})`),
    fc
      .tuple(tie('node'), fc.constantFrom('*', '+', '?', '*?', '{2}', '{0,2}', '{1,}'))
      .map(([x, times]) => `(?:${x})${times}`),
  ),
})).node;
const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '.', '1', '-', '_'), maxLength: 8 });

describe('patterns of topic names (KIP-848)', () => {
  it('match what JavaScript matches, and nothing else', () => {
    fc.assert(
      fc.property(pattern, fc.array(name, { minLength: 1, maxLength: 6 }), (text, names) => {
        const compiled = new TopicPattern(text);
        for (const one of names) expect(compiled.matches(one), `${text} on ${one}`).toBe(expected(text, one));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['', '', true],
    ['', 'a', false],
    ['orders-.*', 'orders-eu', true],
    ['orders-.*', 'my-orders-eu', false],
    ['^orders$', 'orders', true],
    ['\\Aorders\\z', 'orders', true],
    ['(?i)ORDERS[a-c]', 'ordersB', true],
    ['(?P<region>eu|us)\\.t', 'us.t', true],
    ['a|b|', '', true],
    ['[]a]+', ']a]', true],
    ['[a-]', '-', true],
    ['x{3}', 'xxx', true],
    ['x{', 'x{', true],
    ['x{2,3}', 'xxxx', false],
  ])('%s on %s: %s', (text, one, matches) => {
    expect(new TopicPattern(text).matches(one)).toBe(matches);
  });

  it.each([
    '(',
    ')',
    'a)',
    '[a',
    '*',
    'a**',
    '^*',
    '\\',
    '(?=a)',
    '(?!a)',
    '(?<=a)b',
    '(a)\\1',
    '\\bword',
    '\\p{L}',
    '[[:alpha:]]',
    '[c-a]',
    'a{2,1}',
    'a{1001}',
    '(a{1000}){3}',
    `${'('.repeat(60)}a${')'.repeat(60)}`,
    'a'.repeat(1025),
    '\\xZZ',
    'a(?i)b',
  ])('%s is refused with a sentence', (text) => {
    expect(() => new TopicPattern(text)).toThrow(PatternError);
  });

  it('anything at all is a pattern or a PatternError', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), name, (text, one) => {
        try {
          new TopicPattern(text).matches(one);
        } catch (error) {
          expect(error).toBeInstanceOf(PatternError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  // with a backtracking matcher the first of these alone would not end in the life of the universe
  it.each(['(a+)+b', '(a|a)*b', '(a|aa)+b', '(.*)*x', '((a{0,20}){0,20})b', '(a?){200}a{200}b'])(
    '%s takes no longer for a name made for it',
    (text) => {
      const compiled = new TopicPattern(text);
      for (let i = 0; i < 50; i++) expect(compiled.matches('a'.repeat(249 - i))).toBe(false);
    },
  );
});
