import { FilterTrie } from './filter-trie.ts';

interface Binding<T> {
  readonly filter: string;
  readonly owner: T;
}

/**
 * Which stored topic captures a topic name: at most one, the one with the most specific binding that matches. Filters
 * are compared level by level from the left; at the first difference a literal beats `+`, `+` beats `#`, and a filter
 * that ends beats one that goes on with `#`. Equal filters: the owner whose name sorts first.
 */
export class BindingTable<T extends { readonly name: string }> {
  readonly #trie = new FilterTrie<Binding<T>>();
  readonly #byOwner = new Map<T, readonly Binding<T>[]>();

  add(owner: T, filters: readonly string[]): void {
    const bindings = filters.map((filter) => ({ filter, owner }));
    for (const binding of bindings) this.#trie.add(binding.filter, binding);
    this.#byOwner.set(owner, bindings);
  }

  remove(owner: T): void {
    for (const binding of this.#byOwner.get(owner) ?? []) this.#trie.remove(binding.filter, binding);
    this.#byOwner.delete(owner);
  }

  /** The topic that captures messages of this name. */
  capture(topic: string): T | null {
    const found: Binding<T>[] = [];
    this.#trie.match(topic, found);
    let best: Binding<T> | null = null;
    for (const binding of found) if (best === null || isBefore(binding, best)) best = binding;
    return best === null ? null : best.owner;
  }

  /** Whether the owner has a binding that matches, however specific others are. */
  matches(owner: T, topic: string): boolean {
    const found: Binding<T>[] = [];
    this.#trie.match(topic, found);
    return found.some((binding) => binding.owner === owner);
  }
}

function isBefore<T extends { readonly name: string }>(a: Binding<T>, b: Binding<T>): boolean {
  const order = compareSpecificity(a.filter, b.filter);
  return order < 0 || (order === 0 && a.owner.name < b.owner.name);
}

/** Negative when `a` is more specific than `b`; both match the same topic name. */
export function compareSpecificity(a: string, b: string): number {
  const x = a.split('/');
  const y = b.split('/');
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const order = rank(x[i]) - rank(y[i]);
    if (order !== 0) return order;
  }
  return 0;
}

function rank(level: string | undefined): number {
  if (level === '#') return 2;
  return level === '+' ? 1 : 0;
}
