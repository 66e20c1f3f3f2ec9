class TrieNode<T> {
  children: Map<string, TrieNode<T>> | null = null;
  /** Values of the filter that ends here. */
  values: Set<T> | null = null;
  /** Values of the filter `<here>/#`. */
  hashValues: Set<T> | null = null;

  get isEmpty(): boolean {
    return this.children === null && this.values === null && this.hashValues === null;
  }
}

/**
 * Values under MQTT topic filters, found by topic name. A walk visits only nodes that can still match: at most two
 * children per node (the literal level and `+`). Not used per message: routes are cached (route-cache.ts).
 */
export class FilterTrie<T> {
  readonly #root = new TrieNode<T>();
  #size = 0;

  /** Values in the trie. */
  get size(): number {
    return this.#size;
  }

  /** Adds a value under a valid filter. The same value may be added under many filters; once under each. */
  add(filter: string, value: T): void {
    const levels = filter.split('/');
    const hash = levels.at(-1) === '#';
    if (hash) levels.pop();
    let node = this.#root;
    for (const level of levels) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (child === undefined) node.children.set(level, (child = new TrieNode()));
      node = child;
    }
    if (hash) (node.hashValues ??= new Set()).add(value);
    else (node.values ??= new Set()).add(value);
    this.#size++;
  }

  /** Removes the value from under the filter; false when it is not there. */
  remove(filter: string, value: T): boolean {
    const levels = filter.split('/');
    const hash = levels.at(-1) === '#';
    if (hash) levels.pop();
    const path: TrieNode<T>[] = [this.#root];
    for (const level of levels) {
      const child = path.at(-1)!.children?.get(level);
      if (child === undefined) return false;
      path.push(child);
    }
    const last = path.at(-1)!;
    const values = hash ? last.hashValues : last.values;
    if (values === null || !values.delete(value)) return false;
    if (values.size === 0) {
      if (hash) last.hashValues = null;
      else last.values = null;
    }
    for (let depth = levels.length; depth > 0 && path[depth]!.isEmpty; depth--) {
      const parent = path[depth - 1]!;
      parent.children!.delete(levels[depth - 1]!);
      if (parent.children!.size === 0) parent.children = null;
    }
    this.#size--;
    return true;
  }

  /** Adds the values of every filter that matches the topic name to `found`, in no order. */
  match(topic: string, found: T[]): void {
    const levels = topic.split('/');
    // wildcards in the first level do not match names beginning with $ [MQTT-4.7.2-1]
    walk(this.#root, levels, 0, topic.charCodeAt(0) === 36, found);
  }

  /**
   * Adds the values of every filter that matches all that `filter`, a filter or a name, matches; names beginning with `$`
   * are no exception here. A value may be added twice.
   */
  cover(filter: string, found: T[]): void {
    walk(this.#root, filter.split('/'), 0, false, found);
  }

  /** Whether any filter could match a topic name whose first level is this one. May say yes too often, never no. */
  mayMatchFirstLevel(level: string): boolean {
    const root = this.#root;
    // wildcards in the first level do not match names beginning with $ [MQTT-4.7.2-1]
    if (level.startsWith('$')) return root.children?.has(level) ?? false;
    return root.hashValues !== null || (root.children?.has('+') ?? false) || (root.children?.has(level) ?? false);
  }
}

function walk<T>(node: TrieNode<T>, levels: readonly string[], depth: number, dollar: boolean, found: T[]): void {
  const wild = depth > 0 || !dollar;
  // `a/#` matches `a` too [MQTT-4.7.1-2]
  if (wild && node.hashValues !== null) for (const value of node.hashValues) found.push(value);
  if (depth === levels.length) {
    if (node.values !== null) for (const value of node.values) found.push(value);
    return;
  }
  // only a `#` covers a `#`
  if (node.children === null || levels[depth] === '#') return;
  const literal = node.children.get(levels[depth]!);
  if (literal !== undefined) walk(literal, levels, depth + 1, dollar, found);
  if (!wild) return;
  const plus = node.children.get('+');
  if (plus !== undefined) walk(plus, levels, depth + 1, dollar, found);
}
