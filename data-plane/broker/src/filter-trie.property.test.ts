import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FilterTrie } from './filter-trie.ts';
import { parseFilter } from './special-topic.ts';
import { isFilter, isTopicName, isTopicNameBytes } from './topic-name.ts';

/** The rules of MQTT 5 §4.7 word by word. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) return false;
  const f = filter.split('/');
  const t = topic.split('/');
  for (let i = 0; i < f.length; i++) {
    if (f[i] === '#') return true;
    if (i >= t.length) return false;
    if (f[i] !== '+' && f[i] !== t[i]) return false;
  }
  return f.length === t.length;
}

const level = fc.constantFrom('a', 'b', '', '$x', 'ab');
const topic = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((l) => l.join('/'))
  .filter(isTopicName);
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 5 }), fc.boolean())
  .map(([levels, hash]) => [...levels, ...(hash ? ['#'] : [])].join('/'))
  .filter(isFilter);

it('finds what a naive matcher finds, after any adds and removes', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(filter, fc.boolean())), fc.array(topic), (changes, topics) => {
      const trie = new FilterTrie<{ readonly filter: string }>();
      const held: { readonly filter: string }[] = [];
      for (const [f, add] of changes) {
        if (add) {
          const value = { filter: f };
          trie.add(f, value);
          held.push(value);
        } else {
          const at = held.findIndex((value) => value.filter === f);
          expect(trie.remove(f, held[at] ?? { filter: f })).toBe(at >= 0);
          if (at >= 0) held.splice(at, 1);
        }
      }
      expect(trie.size).toBe(held.length);
      for (const t of topics) {
        const found: { readonly filter: string }[] = [];
        trie.match(t, found);
        const wanted = held.filter((value) => matches(value.filter, t));
        expect(found.length).toBe(wanted.length);
        expect(new Set(found)).toEqual(new Set(wanted));
        if (wanted.length > 0) expect(trie.mayMatchFirstLevel(t.split('/')[0]!)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

it('names and filters are checked for any text', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => typeof isTopicNameBytes(Buffer.from(bytes)) === 'boolean'));
  fc.assert(fc.property(fc.string(), (text) => parseFilter(text) === null || isFilter(parseFilter(text)!.filter)));
  for (const bad of [
    '',
    'a#',
    '#/a',
    'a+/b',
    'a\0',
    '$share/g',
    '$share//a',
    '$share/g+/a',
    '$share/g/',
    '/'.repeat(200),
  ]) {
    expect(parseFilter(bad)).toBeNull();
  }
  expect(parseFilter('$share/g/a/#')).toEqual({ group: 'g', filter: 'a/#', isExclusive: false });
});
