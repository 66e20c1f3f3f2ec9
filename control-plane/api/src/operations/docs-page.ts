import { ROUTES, type Route } from '@robustmq/contracts';

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => ESCAPES[character]!);

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a2e}
h2{margin-top:2.5rem;border-bottom:1px solid #ddd;text-transform:capitalize}
details{border:1px solid #ddd;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}
summary code{overflow-wrap:anywhere}
h3{font-size:1rem;margin:.8rem 0 .3rem}
a{color:#2b3fb0}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{background:#f6f6fa;padding:.8rem;overflow:auto;border-radius:6px}
.m{display:inline-block;min-width:4.5rem;font-weight:700;text-transform:uppercase}
@media(prefers-color-scheme:dark){body{background:#14141c;color:#e8e8f0}
a{color:#9db0ff}
pre{background:#1e1e2a}
details,h2{border-color:#333}}`;

type Document = Record<string, unknown>;

function schemaOf(document: Document, name: string): string {
  const components = document['components'] as { schemas: Record<string, unknown> };
  const schema = components.schemas[name];
  return schema === undefined ? '' : `<pre>${escape(JSON.stringify(schema, null, 2))}</pre>`;
}

/** The route as a command to paste; `$…` are the caller's own. */
function curlOf(route: Route): string {
  const path = route.path.replaceAll(/\{(\w+)\}/g, '$$$1');
  return [
    `curl -X ${route.method.toUpperCase()} "$ROBUSTMQ_URL${path}"`,
    ...(route.access === 'public' ? [] : ['-H "Authorization: Bearer $TOKEN"']),
    ...(route.body ? ["-H 'Content-Type: application/json' -d @body.json"] : []),
  ].join(' \\\n  ');
}

function operation(document: Document, name: string, route: Route): string {
  const access = typeof route.access === 'object' ? `permission ${route.access.permission}` : route.access;
  const type = name[0]!.toUpperCase() + name.slice(1);
  const queries = Object.keys(route.query?.shape ?? {}).map((key) => `<code>${escape(key)}</code>`);
  const query = queries.length === 0 ? '' : `<p>Query: ${queries.join(', ')}.</p>`;
  const request = route.body ? `<h3>Request</h3>${schemaOf(document, `${type}Request`)}` : '';
  const answer = schemaOf(document, `${type}Response`);
  const title = `<span class="m">${route.method}</span><code>${escape(route.path)}</code><br>${escape(route.summary)}`;
  return `<details id="${name}"><summary>${title}</summary>
<p>Access: ${escape(access)}. Success: ${route.status}.</p>${query}
<pre>${escape(curlOf(route))}</pre>${request}${answer ? `<h3>Answer</h3>${answer}` : ''}</details>`;
}

/** The API's documentation as one page without scripts or anything from elsewhere. */
export function docsPage(document: Document): string {
  const byTag = Map.groupBy(Object.entries(ROUTES) as [string, Route][], ([, route]) => route.tag);
  const sections = [...byTag].map(
    ([tag, routes]) =>
      `<h2>${escape(tag)}</h2>${routes.map(([name, route]) => operation(document, name, route)).join('')}`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>RobustMQ Cloud API</title><style>${STYLE}</style></head><body><main><h1>RobustMQ Cloud API</h1>
<p>Machine-readable: <a href="/v1/openapi.json">/v1/openapi.json</a> (OpenAPI 3.1). Send <code>Authorization: Bearer …</code> with an access
token of <code>/v1/auth/login</code> or an API key. Errors are <code>application/problem+json</code>. Writes take an <code>Idempotency-Key</code>.</p>
${sections.join('\n')}</main></body></html>`;
}
