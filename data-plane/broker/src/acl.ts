import type { AclAction, AclResource, AclRule, AclSettings } from '@robustmq/meta';
import { AddressSet } from './address-set.ts';
import type { Protocol } from './broker-types.ts';
import { FilterTrie } from './filter-trie.ts';
import { plainTopic } from './special-topic.ts';

/** Whom a decision is about. */
export interface AclSubject {
  readonly protocol: Protocol;
  readonly principal: string;
  readonly clientId: string;
  /** Empty = not known: rules that ask for addresses do not apply. */
  readonly remoteAddress: string;
}

/** What was decided, and by which rule; `ruleId` null = by what holds where no rule matches. */
export interface AclDecision {
  readonly allowed: boolean;
  readonly ruleId: string | null;
}

interface CompiledRule {
  readonly rule: AclRule;
  readonly deny: boolean;
  readonly actions: ReadonlySet<AclAction>;
  readonly addresses: AddressSet | null;
}

/** A name in the forms patterns are matched against. */
interface Subject {
  /** Levels by `/`: what filters match. */
  readonly slashed: string;
  /** Levels by `.`: what literals and prefixes match. */
  readonly dotted: string;
}

const PLACEHOLDER = /\{(principal|clientId)\}/g;
/** What a client may not bring into an allow rule through a placeholder: it would reach beyond its own level. */
const WIDENING = /[/.+#]/;
const WIDENING_FILTER = /[/+#]/;
/** Kafka: who may do one of these may describe as well (AclEntry, implied operations). */
const IMPLIES_DESCRIBE: readonly AclAction[] = ['read', 'write', 'delete', 'alter'];

/** Rules of one kind of resource, found by name without looking at each. */
class RuleIndex {
  readonly #literals = new Map<string, CompiledRule[]>();
  readonly #prefixes = new Map<number, Map<string, CompiledRule[]>>();
  readonly #filters = new FilterTrie<CompiledRule>();
  readonly #every: CompiledRule[] = [];
  readonly #templated: CompiledRule[] = [];
  readonly #isTopic: boolean;

  constructor(isTopic: boolean) {
    this.#isTopic = isTopic;
  }
  add(compiled: CompiledRule): void {
    const { pattern, patternType } = compiled.rule;
    if (patternType === 'literal' && pattern === '*') this.#every.push(compiled);
    else if (pattern.includes('{principal}') || pattern.includes('{clientId}')) this.#templated.push(compiled);
    else if (patternType === 'filter') this.#filters.add(pattern, compiled);
    else {
      const text = this.#isTopic ? dotted(pattern) : pattern;
      if (patternType === 'literal') push(this.#literals, text, compiled);
      else {
        let byText = this.#prefixes.get(text.length);
        if (byText === undefined) this.#prefixes.set(text.length, (byText = new Map()));
        push(byText, text, compiled);
      }
    }
  }
  /** Rules whose pattern covers the name, in no order. */
  find(name: Subject, subject: AclSubject): CompiledRule[] {
    const found = [...this.#every];
    const literals = this.#literals.get(name.dotted);
    if (literals !== undefined) found.push(...literals);
    for (const [length, byText] of this.#prefixes) {
      if (length > name.dotted.length) continue;
      const prefixed = byText.get(name.dotted.slice(0, length));
      if (prefixed !== undefined) found.push(...prefixed);
    }
    this.#filters.cover(name.slashed, found);
    for (const compiled of this.#templated) if (this.#coversTemplated(compiled, name, subject)) found.push(compiled);
    return found;
  }
  #coversTemplated({ rule, deny }: CompiledRule, name: Subject, subject: AclSubject): boolean {
    const isFilter = rule.patternType === 'filter';
    const widening = isFilter ? WIDENING_FILTER : WIDENING;
    let widens = false;
    const pattern = rule.pattern.replaceAll(PLACEHOLDER, (_, field: 'principal' | 'clientId') => {
      widens ||= widening.test(subject[field]);
      return subject[field];
    });
    if (widens && !deny) return false;
    if (isFilter) return covers(pattern, name.slashed);
    const text = this.#isTopic ? dotted(pattern) : pattern;
    return rule.patternType === 'literal' ? name.dotted === text : name.dotted.startsWith(text);
  }
}

/** The rules of one namespace, compiled: a deny that matches beats every allow; order does not matter. */
export class CompiledAcl {
  readonly #settings: AclSettings;
  readonly #indexes = new Map<AclResource, RuleIndex>();

  constructor(settings: AclSettings) {
    this.#settings = settings;
    for (const rule of settings.rules) {
      let index = this.#indexes.get(rule.resource);
      if (index === undefined) this.#indexes.set(rule.resource, (index = new RuleIndex(rule.resource === 'topic')));
      index.add(compile(rule));
    }
  }

  /** No question can be answered with no. */
  get allowsEverything(): boolean {
    return (
      this.#settings.whenNoRuleMatches === 'allow' && this.#settings.rules.every(({ effect }) => effect !== 'deny')
    );
  }

  /**
   * Decides about one name. For MQTT a topic's `name` may be a filter: a rule matches it when its pattern covers all that
   * the filter matches. Not for hot paths: see Authorization.
   */
  decide(subject: AclSubject, action: AclAction, resource: AclResource, name: string): AclDecision {
    let allow: CompiledRule | null = null;
    for (const compiled of this.#indexes.get(resource)?.find(formsOf(subject, resource, name), subject) ?? []) {
      if (!applies(compiled, subject, action)) continue;
      if (compiled.deny) return { allowed: false, ruleId: compiled.rule.id };
      allow ??= compiled;
    }
    if (allow !== null) return { allowed: true, ruleId: allow.rule.id };
    return { allowed: this.#settings.whenNoRuleMatches === 'allow', ruleId: null };
  }

  /** Whether a deny rule, and not just the lack of an allow, matches. */
  denies(subject: AclSubject, action: AclAction, resource: AclResource, name: string): boolean {
    const { allowed, ruleId } = this.decide(subject, action, resource, name);
    return !allowed && ruleId !== null;
  }
}

function compile(rule: AclRule): CompiledRule {
  const actions = new Set(rule.actions);
  const deny = rule.effect === 'deny';
  if (!deny && IMPLIES_DESCRIBE.some((action) => actions.has(action))) actions.add('describe');
  return { rule, deny, actions, addresses: rule.addresses === undefined ? null : new AddressSet(rule.addresses) };
}

function applies({ rule, actions, addresses }: CompiledRule, subject: AclSubject, action: AclAction): boolean {
  if (rule.principal !== '*' && rule.principal !== subject.principal) return false;
  if (!actions.has('all') && !actions.has(action)) return false;
  if (rule.protocols !== undefined && !rule.protocols.includes(subject.protocol)) return false;
  return addresses === null || addresses.has(subject.remoteAddress);
}

function formsOf(subject: AclSubject, resource: AclResource, name: string): Subject {
  if (resource !== 'topic') return { slashed: name, dotted: name };
  if (subject.protocol !== 'mqtt') return { slashed: name.replaceAll('.', '/'), dotted: dotted(name) };
  const plain = plainTopic(name);
  return { slashed: plain, dotted: dotted(plain) };
}

/** Whether everything that `filter`, a filter or a name, matches is matched by `pattern` too. `$` is no exception here. */
export function covers(pattern: string, filter: string): boolean {
  const wanted = pattern.split('/');
  const given = filter.split('/');
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return true;
    const other = given[i];
    if (other === undefined || other === '#') return false;
    if (level !== '+' && level !== other) return false;
  }
  return wanted.length === given.length;
}

function dotted(name: string): string {
  return name.replaceAll('/', '.');
}
function push(map: Map<string, CompiledRule[]>, key: string, compiled: CompiledRule): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [compiled]);
  else list.push(compiled);
}
