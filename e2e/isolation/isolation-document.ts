import { ROUTES, type Route } from '@robustmq/contracts';

const BEGIN = '<!-- result -->';
const END = '<!-- /result -->';

/** One attempt over a protocol to reach another tenant's things, by its words in the document. */
export interface Attempt {
  readonly what: string;
  readonly outcome: string;
}

/** The document with its tables made anew: every route that has a tenant, and every attempt that was made. */
export function isolationOf(document: string, routes: readonly string[], attempts: readonly Attempt[]): string {
  const byTag = new Map<string, number>();
  for (const name of routes) {
    const { tag }: Route = ROUTES[name as keyof typeof ROUTES];
    byTag.set(tag, (byTag.get(tag) ?? 0) + 1);
  }
  const tables = [
    ['| Area of the API | Routes tried |', '| --- | --- |'],
    [...byTag].sort(([a], [b]) => (a < b ? -1 : 1)).map(([tag, count]) => `| ${tag} | ${count} |`),
    ['', '| Attempt over a protocol | Outcome |', '| --- | --- |'],
    attempts.map(({ what, outcome }) => `| ${what} | ${outcome} |`),
  ].flat();
  const from = document.indexOf(BEGIN) + BEGIN.length;
  return `${document.slice(0, from)}\n\n${tables.join('\n')}\n\n${document.slice(document.indexOf(END))}`;
}
