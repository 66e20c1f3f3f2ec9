import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import type { z } from 'zod';
import { NodeError } from './node-error.ts';
import { keysAt } from './known-keys.ts';

/** Keys whose values never appear in an error. */
const SECRET_KEY = /password|token|secret/i;
const VALUE_TEXT_MAX = 60;
const ISSUES_SHOWN_MAX = 10;

/** Reads and checks a YAML or JSON file. Throws NodeError `config-unreadable` or `config-invalid`. */
export function loadConfig<S extends z.ZodType>(file: string, schema: S): z.output<S> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NodeError('config-unreadable', `the configuration file ${file} cannot be read: ${reason}`, { cause });
  }
  return parseConfig(text, file, schema);
}

/** As `loadConfig`, for text that is already there; `file` only names it in errors. */
export function parseConfig<S extends z.ZodType>(text: string, file: string, schema: S): z.output<S> {
  const value = isJson(file) ? parseJson(text, file) : parseYaml(text, file);
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const { issues } = result.error;
  const lines = issues.slice(0, ISSUES_SHOWN_MAX).flatMap((issue) => describeIssue(issue, value, schema));
  if (issues.length > ISSUES_SHOWN_MAX) lines.push(`and ${issues.length - ISSUES_SHOWN_MAX} more`);
  const problems = lines.length === 1 ? lines[0] : `${lines.length} problems\n${lines.map((l) => `  ${l}`).join('\n')}`;
  throw new NodeError('config-invalid', `${file}: ${problems}`);
}

const isJson = (file: string): boolean => file.endsWith('.json');

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NodeError('config-invalid', `${file}: ${reason}`, { cause });
  }
}
/** The library is loaded where somebody writes YAML: the nodes of an agent do without. */
function parseYaml(text: string, file: string): unknown {
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof Yaml;
  const document = parseDocument(text);
  const fault = document.errors[0];
  if (fault !== undefined) throw new NodeError('config-invalid', `${file}: ${fault.message.split('\n')[0]}`);
  return document.toJS();
}

/** One line per fault: where, what stands there, what to write instead. */
function describeIssue(issue: z.core.$ZodIssue, root: unknown, schema: z.ZodType): string[] {
  const path = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path);
    const advice = known.length > 0 ? `: remove it or use one of ${known.join(', ')}` : ': remove it';
    return issue.keys.map((key) => `${pathText([...issue.path, key])} is not a known key${advice}`);
  }
  const value = valueAt(root, issue.path);
  if (value === undefined) return [`${path} is missing: ${issue.message}`];
  return [`${path} is ${valueText(issue.path, value)}: ${issue.message}`];
}

function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the file';
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`)).join('');
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function valueText(path: readonly PropertyKey[], value: unknown): string {
  if (path.some((key) => SECRET_KEY.test(String(key)))) return '(hidden)';
  const json = JSON.stringify(value, (key, inner: unknown) => (SECRET_KEY.test(key) ? '(hidden)' : inner));
  return json.length > VALUE_TEXT_MAX ? `${json.slice(0, VALUE_TEXT_MAX)}…` : json;
}
