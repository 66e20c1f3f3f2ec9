import type { AclAction, AclRule } from '@robustmq/contracts';
import type { Sent } from '../../api/sent.ts';

/** What a rule can be about, and what the actions on it are called. */
export const ACTIONS: Record<AclAction, string> = {
  all: 'Everything',
  read: 'Read (subscribe, fetch)',
  write: 'Write (publish, produce)',
  create: 'Create',
  delete: 'Delete',
  alter: 'Alter',
  describe: 'Describe',
};
export const RESOURCES: Record<AclRule['resource'], string> = {
  topic: 'Topic',
  group: 'Consumer group',
  'transactional-id': 'Transactional id',
  cluster: 'Cluster',
};
export const PATTERNS: Record<AclRule['patternType'], string> = {
  literal: 'Exactly',
  prefix: 'Begins with',
  filter: 'MQTT filter',
};
export const PROTOCOLS = [
  { value: 'mqtt', label: 'MQTT' },
  { value: 'kafka', label: 'Kafka' },
  { value: 'amqp', label: 'AMQP' },
] as const;

/** A rule as its form holds it: lists as text, no protocol = all of them. */
export interface RuleValues {
  effect: AclRule['effect'];
  principal: string;
  resource: AclRule['resource'];
  patternType: AclRule['patternType'];
  pattern: string;
  actions: AclAction[];
  protocols: NonNullable<AclRule['protocols']>;
  addresses: string;
}

export const NEW_RULE: RuleValues = {
  effect: 'allow',
  principal: '*',
  resource: 'topic',
  patternType: 'prefix',
  pattern: '',
  actions: ['read'],
  protocols: [],
  addresses: '',
};

/** A rule's form. */
export const valuesOf = (rule: AclRule): RuleValues => ({
  effect: rule.effect,
  principal: rule.principal,
  resource: rule.resource,
  patternType: rule.patternType,
  pattern: rule.pattern,
  actions: [...rule.actions],
  protocols: [...(rule.protocols ?? [])],
  addresses: (rule.addresses ?? []).join('\n'),
});

/** The rule of a form, without its id. What is not limited is left out. */
export function ruleOf(values: RuleValues): Sent<Omit<AclRule, 'id'>> {
  const addresses = values.addresses.split(/[\s,]+/).filter((address) => address !== '');
  return {
    effect: values.effect,
    principal: values.principal.trim() === '' ? '*' : values.principal.trim(),
    resource: values.resource,
    pattern: values.pattern.trim(),
    patternType: values.patternType,
    actions: values.actions.includes('all') ? ['all'] : values.actions,
    ...(values.protocols.length === 0 ? {} : { protocols: values.protocols }),
    ...(addresses.length === 0 ? {} : { addresses }),
  };
}

/** A rule as a sentence: "checkout may write topics that begin with orders." */
export function ruleText(rule: Omit<AclRule, 'id'>): string {
  const who = rule.principal === '*' ? 'Everybody' : rule.principal;
  const anything = rule.effect === 'deny' ? 'do anything with' : 'do everything with';
  const actions = rule.actions.includes('all') ? anything : rule.actions.join(', ');
  const everyName = rule.pattern === '*' && rule.patternType === 'literal';
  const which = { literal: 'named', prefix: 'beginning with', filter: 'matching' }[rule.patternType];
  const noun = { topic: 'topics', group: 'groups', 'transactional-id': 'transactional ids', cluster: 'clusters' };
  const what = everyName ? `all ${noun[rule.resource]}` : `${noun[rule.resource]} ${which} ${rule.pattern}`;
  const over = rule.protocols ? ` over ${rule.protocols.map((protocol) => protocol.toUpperCase()).join(', ')}` : '';
  const from = rule.addresses ? ` from ${rule.addresses.join(', ')}` : '';
  return `${who} may ${rule.effect === 'deny' ? 'not ' : ''}${actions} ${what}${over}${from}.`;
}
