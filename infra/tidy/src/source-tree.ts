import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');

/** Files git knows or would take, relative to the root, that exist in the working tree. */
export function sourceFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return listed.split('\0').filter((path) => path !== '' && existsSync(join(ROOT, path)));
}

export const isCode = (path: string): boolean =>
  /\.(ts|tsx)$/.test(path) && !path.endsWith('.d.ts') && !path.includes('/generated/');
export const isTest = (path: string): boolean =>
  /\.test\.tsx?$/.test(path) || path.includes('/testing/') || path.startsWith('e2e/');

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

export interface Project {
  readonly dir: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly exports: Record<string, unknown>;
  /** Everything the package declares that it may import. */
  readonly declared: ReadonlySet<string>;
}

/** The Nx projects: every package.json below the root. */
export function projects(files: readonly string[]): Project[] {
  return files
    .filter((path) => path.endsWith('/package.json'))
    .map((path) => {
      const json = JSON.parse(read(path)) as Record<string, Record<string, unknown>>;
      return {
        dir: dirname(path),
        name: String(json['name']),
        tags: (json['nx']?.['tags'] as string[] | undefined) ?? [],
        exports: json['exports'] ?? {},
        declared: new Set(
          ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'].flatMap((kind) =>
            Object.keys(json[kind] ?? {}),
          ),
        ),
      };
    });
}

/** Module specifiers of all imports, exports-from and dynamic imports with a literal. */
export function importsOf(text: string): string[] {
  const found = [...text.matchAll(/(?:^|[\s;}])(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]/g)];
  found.push(
    ...text.matchAll(/(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g),
    ...text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g),
  );
  return found.map((match) => match[1]!);
}
