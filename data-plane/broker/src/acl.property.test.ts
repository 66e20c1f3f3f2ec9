import { DEFAULT_SETTINGS, type AclRule, type AclSettings } from '@robustmq/meta';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompiledAcl, covers, type AclSubject } from './acl.ts';
import { capture, TopicRewriter } from './topic-rewrite.ts';

const subject: AclSubject = { protocol: 'mqtt', principal: 'ann', clientId: 'c1', remoteAddress: '10.1.2.3' };
const rule = (change: Partial<AclRule>): AclRule => ({
  id: 'r',
  effect: 'deny',
  principal: '*',
  resource: 'topic',
  pattern: '*',
  patternType: 'literal',
  actions: ['all'],
  ...change,
});
const acl = (rules: readonly Partial<AclRule>[], whenNoRuleMatches: AclSettings['whenNoRuleMatches'] = 'allow') =>
  new CompiledAcl({ whenNoRuleMatches, rules: rules.map((one, i) => rule({ id: `r${i}`, ...one })) });

const level = fc.constantFrom('a', 'b', 'c', '');
const name = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, hash]) => [...levels, ...(hash ? ['#'] : [])].join('/'));
const pattern = fc.oneof(
  fc.record({ patternType: fc.constant('filter' as const), pattern: filter }),
  fc.record({ patternType: fc.constant('prefix' as const), pattern: name.filter((text) => text.length > 0) }),
  fc.record({ patternType: fc.constant('literal' as const), pattern: fc.oneof(name, fc.constant('*')) }),
);
const rules = fc.array(
  fc.tuple(
    pattern,
    fc.record({
      effect: fc.constantFrom('allow' as const, 'deny' as const),
      principal: fc.constantFrom('*', 'ann', 'bob'),
      actions: fc.constantFrom(['read'] as const, ['write'] as const, ['all'] as const),
    }),
  ),
  { maxLength: 12 },
);

/** Looks at every rule; knows nothing of indexes. */
function naive(given: readonly AclRule[], fallback: boolean, topic: string): boolean {
  const dots = (text: string): string => text.replaceAll('/', '.');
  const hits = given.filter(({ principal, actions, pattern: text, patternType }) => {
    if (principal !== '*' && principal !== 'ann') return false;
    if (!actions.includes('all') && !actions.includes('read')) return false;
    if (patternType === 'filter') return covers(text, topic);
    if (patternType === 'prefix') return dots(topic).startsWith(dots(text));
    return text === '*' || dots(text) === dots(topic);
  });
  if (hits.some(({ effect }) => effect === 'deny')) return false;
  return hits.some(({ effect }) => effect === 'allow') || fallback;
}

describe('the ACL', () => {
  it('decides as looking at every rule does, for names and for filters', () => {
    fc.assert(
      fc.property(rules, fc.oneof(name, filter), fc.boolean(), (given, topic, fallback) => {
        const list = given.map(([one, rest], i) => rule({ id: `r${i}`, ...one, ...rest }));
        const compiled = new CompiledAcl({ whenNoRuleMatches: fallback ? 'allow' : 'deny', rules: list });
        expect(compiled.decide(subject, 'read', 'topic', topic).allowed).toBe(naive(list, fallback, topic));
      }),
      { numRuns: 1000 },
    );
  });

  it('a pattern that covers a filter covers every name the filter matches', () => {
    fc.assert(
      fc.property(filter, filter, name, (wide, narrow, topic) => {
        if (covers(wide, narrow) && covers(narrow, topic)) expect(covers(wide, topic)).toBe(true);
        expect(covers(wide, wide)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('one rule holds for MQTT and Kafka, and the decision names it', () => {
    const one = acl([{ id: 'no', pattern: 'plant.secret', patternType: 'prefix' }]);
    const kafka = { ...subject, protocol: 'kafka' as const };
    expect(one.decide(subject, 'write', 'topic', 'plant/secret/x')).toEqual({ allowed: false, ruleId: 'no' });
    expect(one.decide(kafka, 'read', 'topic', 'plant.secret.x')).toEqual({ allowed: false, ruleId: 'no' });
    expect(one.decide(kafka, 'read', 'topic', 'plant.open')).toEqual({ allowed: true, ruleId: null });
    const filtered = acl([{ pattern: 'plant/+/x', patternType: 'filter' }]);
    expect(filtered.decide(kafka, 'read', 'topic', 'plant.a.x').allowed).toBe(false);
  });

  it('looks at what is behind $share, $queue, $exclusive and $delayed', () => {
    const one = acl([{ pattern: 'a/#', patternType: 'filter' }]);
    for (const text of ['$share/g/a/b', '$queue/a/b', '$exclusive/a/#', '$delayed/5/a/b']) {
      expect(one.decide(subject, 'read', 'topic', text).allowed).toBe(false);
    }
  });

  it('placeholders stand for the client, and cannot be widened by it', () => {
    const own = acl([{ effect: 'allow', pattern: 'dev/{clientId}/#', patternType: 'filter' }], 'deny');
    const as = (clientId: string) => ({ ...subject, clientId });
    expect(own.decide(as('c1'), 'write', 'topic', 'dev/c1/t').allowed).toBe(true);
    expect(own.decide(as('c1'), 'write', 'topic', 'dev/c2/t').allowed).toBe(false);
    for (const bad of ['+', '#', 'c2/x']) {
      expect(own.decide(as(bad), 'write', 'topic', `dev/${bad}/t`).allowed).toBe(false);
      expect(own.decide(as(bad), 'write', 'topic', 'dev/c2/t').allowed).toBe(false);
    }
  });

  it('principal, address, protocol, resource and implied describe', () => {
    const one = acl([
      { principal: 'bob' },
      { addresses: ['192.168.0.0/16'] },
      { protocols: ['kafka'], pattern: 'k' },
      { resource: 'group', pattern: 'g' },
    ]);
    expect(one.decide(subject, 'read', 'topic', 'x').allowed).toBe(true);
    expect(one.decide({ ...subject, principal: 'bob' }, 'read', 'topic', 'x').ruleId).toBe('r0');
    expect(one.decide({ ...subject, remoteAddress: '::ffff:192.168.3.4' }, 'read', 'topic', 'x').ruleId).toBe('r1');
    expect(one.decide(subject, 'read', 'topic', 'k').allowed).toBe(true);
    expect(one.decide({ ...subject, protocol: 'kafka' }, 'read', 'topic', 'k').allowed).toBe(false);
    expect(one.decide(subject, 'read', 'group', 'g').allowed).toBe(false);
    const reads = acl([{ effect: 'allow', actions: ['read'] }], 'deny');
    expect(reads.decide(subject, 'describe', 'topic', 'x').allowed).toBe(true);
    expect(reads.decide(subject, 'write', 'topic', 'x').allowed).toBe(false);
    expect(new CompiledAcl(DEFAULT_SETTINGS.acl).allowsEverything).toBe(true);
  });
});

describe('topic rewrite', () => {
  it('puts in what the wildcards matched; the first rule counts', () => {
    const rewriter = new TopicRewriter([
      { on: 'all', from: 'old/+/x/#', to: 'new/{1}/{2}' },
      { on: 'publish', from: 'old/#', to: 'never/{1}/{9}' },
      { on: 'subscribe', from: 's', to: 't' },
    ]);
    expect(rewriter.published('old/7/x/a/b')).toBe('new/7/a/b');
    expect(rewriter.subscribed('old/+/x/#')).toBe('new/+/#');
    expect(rewriter.published('old/q')).toBe('never/q/{9}');
    expect(rewriter.published('s')).toBeNull();
    expect(rewriter.subscribed('s')).toBe('t');
    expect(rewriter.published('else')).toBeNull();
  });
  it('captures exactly when the filter matches', () => {
    fc.assert(
      fc.property(filter, name, (wanted, topic) => {
        expect(capture(wanted, topic) !== null).toBe(covers(wanted, topic));
      }),
      { numRuns: 1000 },
    );
  });
});
