import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { ROOT, importsOf, isCode, isTest, projects, read, sourceFiles } from './source-tree.ts';

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 800;
const README_LINES_MAX = 60;
const LINE_COLUMNS_MAX = 160;
const FORBIDDEN_NAMES = /(^|\/)(utils?|helpers?|common|core|misc|manager|impl|base|types|constants|mapper)\.tsx?$/;

const files = sourceFiles();
const code = files.filter(isCode);
const rooms = projects(files);
const roomOf = (path: string) =>
  rooms.filter((room) => path.startsWith(`${room.dir}/`)).sort((a, b) => b.dir.length - a.dir.length)[0];

/** Every function-like node with a body, with its length in lines, nested functions not counted twice. */
function longFunctions(path: string): string[] {
  const source = ts.createSourceFile(
    path,
    read(path),
    ts.ScriptTarget.Latest,
    true,
    path.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
  );
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const from = source.getLineAndCharacterOfPosition(node.getStart()).line;
      const lines = source.getLineAndCharacterOfPosition(node.end).line - from + 1;
      if (lines > FUNCTION_LINES_MAX) found.push(`${path}:${from + 1} is ${lines} lines`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe('tidy', () => {
  it(`keeps functions to ${FUNCTION_LINES_MAX} lines (tests and React pages' markup aside)`, () => {
    expect(code.filter((path) => !isTest(path) && !path.endsWith('.tsx')).flatMap(longFunctions)).toEqual([]);
  });

  it(`keeps files to ${FILE_LINES_MAX} lines`, () => {
    expect(code.filter((path) => read(path).split('\n').length > FILE_LINES_MAX)).toEqual([]);
  });

  it(`keeps lines to ${LINE_COLUMNS_MAX} columns (the formatter aims at 120)`, () => {
    const long = code.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) => (line.length > LINE_COLUMNS_MAX ? [`${path}:${index + 1}`] : [])),
    );
    expect(long).toEqual([]);
  });

  it('names files for what they hold', () => {
    expect(code.filter((path) => FORBIDDEN_NAMES.test(path))).toEqual([]);
    expect(code.filter((path) => /[A-Z]/.test(path.split('/').at(-1)!))).toEqual([]);
  });

  it('has a room tag, an index and a README of its own for every project', () => {
    for (const room of rooms) {
      expect(
        room.tags.filter((tag) => tag.startsWith('room:')),
        room.dir,
      ).toHaveLength(1);
      const readme = join(room.dir, 'README.md');
      expect(existsSync(join(ROOT, readme)), `${readme} exists`).toBe(true);
      expect(read(readme).trimEnd().split('\n').length, `${readme} lines`).toBeLessThanOrEqual(README_LINES_MAX);
    }
  });

  it('imports only packages that package.json declares, and other rooms only through their front door', () => {
    const wrong: string[] = [];
    for (const path of code) {
      const room = roomOf(path);
      for (const specifier of importsOf(read(path))) {
        if (specifier.startsWith('.')) {
          const target = normalize(join(dirname(path), specifier));
          if (room && !target.startsWith(`${room.dir}/`)) wrong.push(`${path} reaches into ${target}`);
          continue;
        }
        if (specifier.startsWith('node:') || !room) continue;
        const name = specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
        const testTool = isTest(path) && ['vitest', 'fast-check', 'typescript'].includes(name);
        if (
          !testTool &&
          name !== room.name &&
          !room.declared.has(name) &&
          !(path.endsWith('.config.ts') && name.startsWith('vite'))
        ) {
          wrong.push(`${path} imports ${name}, which ${room.dir}/package.json does not declare`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('leaves no file that nobody imports', () => {
    const reached = new Set<string>();
    for (const path of files.filter((file) => /\.(ts|tsx|mjs|html|json)$/.test(file))) {
      const text = read(path);
      for (const specifier of importsOf(text)) {
        if (specifier.startsWith('.')) reached.add(normalize(join(dirname(path), specifier)));
      }
      // scripts are named by path: in package.json, in spawn calls, in new URL(...)
      for (const match of text.matchAll(/['"/ (]((?:[\w.-]+\/)*[\w.-]+\.(?:ts|tsx|mjs))['" )]/g))
        reached.add(match[1]!.split('/').at(-1)!);
    }
    const orphans = code.filter(
      (path) =>
        !isTest(path) &&
        !path.endsWith('/index.ts') &&
        !path.endsWith('.config.ts') &&
        !reached.has(path) &&
        !reached.has(path.split('/').at(-1)!),
    );
    expect(orphans).toEqual([]);
  });

  it('leaves nothing unfinished: no FIXME, TODO, focused or silently skipped test, escape hatch', () => {
    // a test that needs what may not be installed is one skip that says so
    const skips = /\b(?:it|test|describe)\.skip\(/;
    const maySkip = (path: string): boolean => /is not installed|cannot be imported/.test(read(path));
    const marks = /\b(FIXME|TODO|XXX)\b|@ts-ignore|@ts-nocheck|eslint-disable|\b(?:it|test|describe)\.(?:only|todo)\(/;
    const left = code
      .filter((path) => !path.startsWith('infra/tidy/'))
      .flatMap((path) =>
        read(path)
          .split('\n')
          .flatMap((line, index) =>
            marks.test(line) || (skips.test(line) && !maySkip(path)) ? [`${path}:${index + 1} ${line.trim()}`] : [],
          ),
      );
    expect(left).toEqual([]);
  });

  it('names in the documents only paths that exist', () => {
    const missing: string[] = [];
    for (const path of files.filter((file) => file.endsWith('.md'))) {
      const dir = dirname(path);
      for (const match of read(path).matchAll(/`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|tsx|mjs|md|yaml|proto|json|prisma))`/g)) {
        const named = match[1]!;
        if (/dist|generated|node_modules/.test(named)) continue;
        if (![named, join(dir, named), join(dir, 'src', named)].some((candidate) => existsSync(join(ROOT, candidate))))
          missing.push(`${path}: ${named}`);
      }
    }
    expect(missing).toEqual([]);
  });
});
