import type { AclAction } from '@robustmq/meta';
import { covers, type AclSubject } from './acl.ts';
import { plainTopic } from './special-topic.ts';

/** Rules one token, or one answer, may bring. */
const RULES_MAX = 100;
/** Longest topic of a rule, in UTF-16 units. */
const TOPIC_CHARS_MAX = 1_024;
const MEMBERS = new Set(['permission', 'action', 'topic']);
const LISTS = new Set(['pub', 'sub', 'all']);
/** A topic behind it is compared as it stands: wildcards in it are no wildcards. */
const LITERAL_PREFIX = 'eq ';
const PLACEHOLDER = /\$\{(clientid|username)\}/g;
/** What a client may not bring into an allow rule through a placeholder: it would reach beyond its own level. */
const WIDENING = /[/+#]/;

type TokenAction = 'publish' | 'subscribe' | 'all';
interface TokenRule {
  readonly allow: boolean;
  readonly action: TokenAction;
  readonly topic: string;
  readonly isLiteral: boolean;
}

/**
 * What the bearer of one token may do with topics, in the two forms EMQX documents: a list of
 * `{permission, action, topic}`, where the first rule that matches decides, or `{pub, sub, all}` with lists of topics that
 * are allowed. Topics are MQTT filters with `${clientid}` and `${username}` (the principal); a Kafka topic `a.b` is matched
 * as `a/b` and as itself. What no rule matches is left to the cluster's own rules, and a deny of theirs always stands.
 */
export class TokenAcl {
  readonly #rules: readonly TokenRule[];

  private constructor(rules: readonly TokenRule[]) {
    this.#rules = rules;
  }

  /** null = not in either form, too large, or with a condition (`qos`, `retain` …) that would not be kept to. */
  static parse(claim: unknown): TokenAcl | null {
    const entries = Array.isArray(claim) ? claim : fromLists(claim);
    if (entries === null || entries.length > RULES_MAX) return null;
    const rules: TokenRule[] = [];
    for (const entry of entries) {
      const rule = ruleOf(entry);
      if (rule === null) return null;
      rules.push(rule);
    }
    return new TokenAcl(rules);
  }

  /** Whether the token allows (true) or denies (false) it; null = it says nothing about it. `name` as of `CompiledAcl.decide`. */
  decide(subject: AclSubject, action: AclAction, name: string): boolean | null {
    const slashed = subject.protocol === 'mqtt' ? plainTopic(name) : name.replaceAll('.', '/');
    for (const rule of this.#rules) {
      if (!speaksOf(rule, action) || !matches(rule, subject, slashed, name)) continue;
      // that something is there may be known to whoever may use it; a deny of one use does not hide it
      if (action === 'describe' && !rule.allow) continue;
      return rule.allow;
    }
    return null;
  }
}

/** The rules of `{pub, sub, all}`; null for anything else. */
function fromLists(claim: unknown): object[] | null {
  if (typeof claim !== 'object' || claim === null) return null;
  const actions = { pub: 'publish', sub: 'subscribe', all: 'all' } as const;
  const rules: object[] = [];
  for (const [list, topics] of Object.entries(claim) as [string, unknown][]) {
    if (!LISTS.has(list) || !Array.isArray(topics) || topics.length > RULES_MAX) return null;
    for (const topic of topics as unknown[]) {
      rules.push({ permission: 'allow', action: actions[list as keyof typeof actions], topic });
    }
  }
  return rules;
}
function ruleOf(entry: unknown): TokenRule | null {
  if (typeof entry !== 'object' || entry === null || Object.keys(entry).some((key) => !MEMBERS.has(key))) return null;
  const { permission, action, topic } = entry as Record<string, unknown>;
  if (permission !== 'allow' && permission !== 'deny') return null;
  if (action !== 'publish' && action !== 'subscribe' && action !== 'all') return null;
  if (typeof topic !== 'string' || topic === '' || topic.length > TOPIC_CHARS_MAX) return null;
  const isLiteral = topic.startsWith(LITERAL_PREFIX);
  return {
    allow: permission === 'allow',
    action,
    topic: isLiteral ? topic.slice(LITERAL_PREFIX.length) : topic,
    isLiteral,
  };
}
function speaksOf({ action }: TokenRule, asked: AclAction): boolean {
  if (asked === 'write') return action !== 'subscribe';
  if (asked === 'read') return action !== 'publish';
  return asked === 'describe';
}
function matches({ allow, topic, isLiteral }: TokenRule, subject: AclSubject, slashed: string, name: string): boolean {
  let widens = false;
  const pattern = topic.replaceAll(PLACEHOLDER, (_, field: 'clientid' | 'username') => {
    const value = field === 'clientid' ? subject.clientId : subject.principal;
    widens ||= WIDENING.test(value);
    return value;
  });
  if (widens && allow) return false;
  if (pattern === name || pattern === slashed) return true;
  return !isLiteral && covers(pattern, slashed);
}
