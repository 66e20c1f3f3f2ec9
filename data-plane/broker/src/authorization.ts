import { DEFAULT_SETTINGS, type AclAction, type AclResource, type AclSettings } from '@robustmq/meta';
import { CompiledAcl, type AclDecision, type AclSubject } from './acl.ts';
import type { TokenAcl } from './token-acl.ts';
import { slashName } from './topic-name.ts';

const ALLOWED_BY_TOKEN: AclDecision = { allowed: true, ruleId: null };
const DENIED_BY_TOKEN: AclDecision = { allowed: false, ruleId: null };
/** Decisions one connection remembers per kind; more begin anew. */
const DECISIONS_MAX = 1_024;

/** The ACL of one namespace and its version: what was decided under another version does not count. */
export class Authorization {
  #settings: AclSettings = DEFAULT_SETTINGS.acl;
  #acl = new CompiledAcl(DEFAULT_SETTINGS.acl);
  #isOpen = true;
  /** Somebody has come with rules of their own. */
  #isRestricted = false;
  #version = 1;

  /** True while nobody can be refused anything: callers need not ask. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isRestricted;
  }
  get version(): number {
    return this.#version;
  }
  /** Takes over other rules; returns whether anything changed. */
  apply(settings: AclSettings): boolean {
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return false;
    this.#settings = settings;
    this.#acl = new CompiledAcl(settings);
    this.#isOpen = this.#acl.allowsEverything;
    this.#version++;
    return true;
  }
  /** Connections with rules of their own come: everybody is asked about from now on. Whether that is new. */
  restrict(): boolean {
    const wasOpen = this.isOpen;
    this.#isRestricted = true;
    return wasOpen;
  }
  /** Topics or bindings changed: which topic captures a name is part of what was decided. */
  forget(): void {
    this.#version++;
  }
  /** `token`: the rules the client's proof brought. They may allow what no rule of the cluster does, but not what one denies. */
  decide(
    subject: AclSubject,
    action: AclAction,
    resource: AclResource,
    name: string,
    token: TokenAcl | null = null,
  ): AclDecision {
    const own = token === null || resource !== 'topic' ? null : token.decide(subject, action, name);
    if (own === false) return DENIED_BY_TOKEN;
    const decision = this.#acl.decide(subject, action, resource, name);
    return own === true && !decision.allowed && decision.ruleId === null ? ALLOWED_BY_TOKEN : decision;
  }
  /** Whether a message may be published under the name: not denied, nor writing the topic that captures it. */
  decidePublish(subject: AclSubject, name: string, captured: string | null, token: TokenAcl | null = null): boolean {
    if (!this.decide(subject, 'write', 'topic', name, token).allowed) return false;
    // the stored topic's own name needs no allow of its own, but a rule that denies it holds for every protocol
    if (captured === null) return true;
    const stored = subject.protocol === 'mqtt' ? slashName(captured) : captured;
    if (token !== null && token.decide(subject, 'write', stored) === false) return false;
    return !this.#acl.denies(subject, 'write', 'topic', stored);
  }
}

/** What one connection was told before: one map lookup per question, none while nothing can be refused. */
export class ConnectionDecisions {
  readonly #authorization: Authorization;
  readonly #subject: AclSubject;
  readonly #token: TokenAcl | null;
  #version = 0;
  readonly #reads = new Map<string, boolean>();
  readonly #publishes = new Map<string, boolean>();
  readonly #others = new Map<string, boolean>();

  constructor(authorization: Authorization, subject: AclSubject, token: TokenAcl | null) {
    this.#authorization = authorization;
    this.#token = token;
    this.#subject = subject;
  }

  allows(action: AclAction, resource: AclResource, name: string): boolean {
    this.#refresh();
    const isRead = resource === 'topic' && action === 'read';
    const cache = isRead ? this.#reads : this.#others;
    const key = isRead ? name : `${resource} ${action} ${name}`;
    const known = cache.get(key);
    if (known !== undefined) return known;
    return remember(cache, key, this.#authorization.decide(this.#subject, action, resource, name, this.#token).allowed);
  }
  /** As `Authorization.decidePublish`. */
  allowsPublish(name: string, captured: string | null): boolean {
    this.#refresh();
    const known = this.#publishes.get(name);
    if (known !== undefined) return known;
    return remember(
      this.#publishes,
      name,
      this.#authorization.decidePublish(this.#subject, name, captured, this.#token),
    );
  }

  #refresh(): void {
    if (this.#version === this.#authorization.version) return;
    this.#version = this.#authorization.version;
    this.#reads.clear();
    this.#publishes.clear();
    this.#others.clear();
  }
}

function remember(cache: Map<string, boolean>, key: string, allowed: boolean): boolean {
  if (cache.size >= DECISIONS_MAX) cache.clear();
  cache.set(key, allowed);
  return allowed;
}
