/**
 * Object keys as paths of a hierarchical file system. Part `a` of a key is directory `a.d`, its last part file `a.o`: so
 * `a` and `a/b` can both be keys, and no key names anything outside.
 */
export function directoryPath(parts: readonly string[]): string {
  return parts.map((part) => `${part}.d`).join('/');
}

/** The path of an object, relative to the tree's root. */
export function objectPath(key: string): string {
  const parts = key.split('/');
  return [...parts.slice(0, -1).map((part) => `${part}.d`), `${parts.at(-1)!}.o`].join('/');
}

export interface KeyQuery {
  readonly prefix: string;
  readonly after: string;
}

/**
 * What of one directory a listing has to look at, in the order of keys: names as the file system has them, `above` the
 * key part the directory stands for (empty or ending with `/`). Objects come as keys, directories as key parts with the
 * `/` that sorts them among the keys.
 */
export function nodesInOrder(names: readonly string[], above: string, { prefix, after }: KeyQuery): string[] {
  const nodes: string[] = [];
  for (const name of names) {
    const part = above + name.slice(0, -2);
    if (name.endsWith('.o')) {
      if (part.startsWith(prefix) && part > after) nodes.push(part);
    } else if (name.endsWith('.d')) {
      const node = `${part}/`;
      const within = node.startsWith(prefix) || prefix.startsWith(node);
      if (within && (node > after || after.startsWith(node))) nodes.push(node);
    }
  }
  return nodes.sort();
}
