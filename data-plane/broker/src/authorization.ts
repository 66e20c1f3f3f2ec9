import { DEFAULT_SETTINGS, type AclAction, type AclResource, type AclSettings } from '@robustmq/meta';
import { CompiledAcl, type AclDecision, type AclSubject } from './acl.ts';
import { slashName } from './topic-name.ts';

/** Decisions one connection remembers per kind; more begin anew. */
const DECISIONS_MAX = 1_024;

/** The ACL of one namespace and its version: what was decided under another version does not count. */
export class Authorization {
  #settings: AclSettings = DEFAULT_SETTINGS.acl;
  #acl = new CompiledAcl(DEFAULT_SETTINGS.acl);
  #isOpen = true;
  #version = 1;

  /** True while nobody can be refused anything: callers need not ask. */
  get isOpen(): boolean {
    return this.#isOpen;
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
  /** Topics or bindings changed: which topic captures a name is part of what was decided. */
  forget(): void {
    this.#version++;
  }
  decide(subject: AclSubject, action: AclAction, resource: AclResource, name: string): AclDecision {
    return this.#acl.decide(subject, action, resource, name);
  }
  /** Whether a message may be published under the name: not denied, nor writing the topic that captures it. */
  decidePublish(subject: AclSubject, name: string, captured: string | null): boolean {
    if (!this.#acl.decide(subject, 'write', 'topic', name).allowed) return false;
    // the stored topic's own name needs no allow of its own, but a rule that denies it holds for every protocol
    if (captured === null) return true;
    const stored = subject.protocol === 'mqtt' ? slashName(captured) : captured;
    return !this.#acl.denies(subject, 'write', 'topic', stored);
  }
}

/** What one connection was told before: one map lookup per question, none while nothing can be refused. */
export class ConnectionDecisions {
  readonly #authorization: Authorization;
  readonly #subject: AclSubject;
  #version = 0;
  readonly #reads = new Map<string, boolean>();
  readonly #publishes = new Map<string, boolean>();
  readonly #others = new Map<string, boolean>();

  constructor(authorization: Authorization, subject: AclSubject) {
    this.#authorization = authorization;
    this.#subject = subject;
  }

  allows(action: AclAction, resource: AclResource, name: string): boolean {
    this.#refresh();
    const isRead = resource === 'topic' && action === 'read';
    const cache = isRead ? this.#reads : this.#others;
    const key = isRead ? name : `${resource} ${action} ${name}`;
    const known = cache.get(key);
    if (known !== undefined) return known;
    return remember(cache, key, this.#authorization.decide(this.#subject, action, resource, name).allowed);
  }
  /** As `Authorization.decidePublish`. */
  allowsPublish(name: string, captured: string | null): boolean {
    this.#refresh();
    const known = this.#publishes.get(name);
    if (known !== undefined) return known;
    return remember(this.#publishes, name, this.#authorization.decidePublish(this.#subject, name, captured));
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
