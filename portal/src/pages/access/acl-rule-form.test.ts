import { AclRule } from '@robustmq/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NEW_RULE, ruleOf, ruleText, valuesOf } from './acl-rule-form.ts';

const rules = fc.record(
  {
    id: fc.constant('r1'),
    effect: fc.constantFrom('allow' as const, 'deny' as const),
    principal: fc.stringMatching(/^[a-z]{1,9}$/),
    resource: fc.constantFrom('topic' as const, 'group' as const, 'transactional-id' as const, 'cluster' as const),
    pattern: fc.stringMatching(/^[a-z./#+]{1,20}$/),
    patternType: fc.constantFrom('literal' as const, 'prefix' as const, 'filter' as const),
    actions: fc.uniqueArray(fc.constantFrom('read' as const, 'write' as const, 'describe' as const), { minLength: 1 }),
    protocols: fc.uniqueArray(fc.constantFrom('mqtt' as const, 'kafka' as const), { minLength: 1 }),
    addresses: fc.array(fc.constantFrom('10.0.0.0/8', '::1'), { minLength: 1 }),
  },
  { requiredKeys: ['id', 'effect', 'principal', 'resource', 'pattern', 'patternType', 'actions'] },
);

describe('the form of an ACL rule', () => {
  it('takes every rule and gives it back', () => {
    fc.assert(
      fc.property(rules, (rule) => {
        expect({ id: rule.id, ...ruleOf(valuesOf(rule)) }).toEqual(rule);
      }),
    );
  });
  it('makes rules the contract takes', () => {
    const rule = ruleOf({
      ...NEW_RULE,
      principal: ' ',
      pattern: ' orders ',
      actions: ['read', 'all'],
      addresses: '10.0.0.0/8, ::1\n',
    });
    expect(AclRule.omit({ id: true }).parse(rule)).toEqual(rule);
    expect(rule).toMatchObject({
      principal: '*',
      pattern: 'orders',
      actions: ['all'],
      addresses: ['10.0.0.0/8', '::1'],
    });
  });
  it('is told as a sentence', () => {
    expect(ruleText(ruleOf({ ...NEW_RULE, pattern: 'orders' }))).toBe(
      'Everybody may read topics beginning with orders.',
    );
    expect(
      ruleText({
        ...ruleOf(NEW_RULE),
        effect: 'deny',
        principal: 'bob',
        pattern: '*',
        patternType: 'literal',
        actions: ['all'],
        protocols: ['kafka'],
      }),
    ).toBe('bob may not do anything with all topics over KAFKA.');
  });
});
