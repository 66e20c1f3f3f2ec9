import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { openBrowser } from './browser.ts';
import { auditOf } from './page-audit.ts';
import { eventually } from './process.ts';

const USAGE = `npm run screenshots -w @robustmq/e2e -- --email E --password P --cluster NAME [--out FOLDER] [--only WORD]
Takes a picture of every page of the portal of a running cloud (ROBUSTMQ_URL, else http://localhost:8080), wide and narrow,
light and dark, and tells what the audit, the console and the page's title say. Exit code 1 when there is something to mend.
`;
const WIDE_PX = 1440;
const PHONE_PX = 390;
const HEIGHT_PX = 900;
const GUEST_PAGES = [
  '/login',
  '/sso',
  '/login/sso',
  '/signup',
  '/forgot-password',
  '/reset-password',
  '/verify-email',
  '/operator',
  '/nowhere',
];
const TENANT_PAGES = [
  ...['/clusters', '/clusters/new', '/usage', '/billing', '/billing/invoices', '/billing/budgets', '/billing/plan'],
  ...[
    '/members',
    '/members/roles',
    '/members/sso',
    '/api-keys',
    '/webhooks',
    '/audit',
    '/audit/operations',
    '/account',
    '/nowhere/inside',
  ],
];
const CLUSTER_PAGES = [
  ...[
    '',
    '/connect',
    '/credentials',
    '/credentials/certificates',
    '/topics',
    '/topics/orders',
    '/topics/orders/records',
    '/test-client',
  ],
  ...['/clients', '/clients/sessions', '/messages', '/messages/delayed', '/groups', '/access', '/access/blacklist'],
  ...[
    '/access/bans',
    '/access/addresses',
    '/access/explain',
    '/events',
    '/events/slow-subscribers',
    '/settings',
    '/settings/authentication',
    '/settings/limits',
    '/settings/revisions',
  ],
  ...['/settings/cluster', '/topics/absent', '/groups/absent', '/clients/sessions/absent'],
];

/** `--name value` pairs of the command line. */
function optionsOf(args: readonly string[]): Map<string, string> {
  const options = new Map<string, string>();
  for (let at = 0; at < args.length; at += 2) options.set(args[at]!.replace(/^--/, ''), args[at + 1] ?? '');
  return options;
}

/** One page in four looks; returns what is wrong with it. */
async function shoot(page: Page, url: string, path: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  const told = (message: { type: () => string; text: () => string }) =>
    message.type() === 'error' && found.push(`${path}: console: ${message.text()}`);
  page.on('console', told);
  await page.goto(url + path);
  await page.getByRole('heading', { level: 1 }).first().waitFor();
  const loading = page.locator('[aria-busy=true]');
  await eventually(`${path} has loaded`, 20_000, async () => (await loading.count()) === 0);
  if (!/\S · RobustMQ Cloud$/.test(await page.title())) found.push(`${path}: has the title ${await page.title()}`);
  const name = path.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'x').replaceAll('/', '_') || '_';
  for (const width of [WIDE_PX, PHONE_PX]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize({ width, height: HEIGHT_PX });
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor({ state: 'attached' });
      const problems = await auditOf(page, ['main']);
      found.push(...problems.map((problem) => `${path} ${width} ${colorScheme}: ${problem}`));
      await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  page.off('console', told);
  return found;
}

/** Logs in, and goes to the cluster of that name; returns its path. */
async function logIn(page: Page, url: string, options: Map<string, string>): Promise<string> {
  await page.goto(`${url}/login`);
  await page.getByLabel('E-mail').fill(options.get('email')!);
  await page.getByLabel('Password', { exact: true }).fill(options.get('password')!);
  await page.getByRole('button', { name: /log in/i }).click();
  await page.waitForURL(/\/clusters$/);
  await page.getByRole('link', { name: options.get('cluster')!, exact: true }).click();
  await page.waitForURL(/\/clusters\/[0-9a-f-]{36}$/);
  return new URL(page.url()).pathname;
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (['email', 'password', 'cluster'].some((name) => !options.get(name))) {
    process.stderr.write(USAGE);
    return 2;
  }
  const url = process.env['ROBUSTMQ_URL'] ?? 'http://localhost:8080';
  const [folder, only] = [options.get('out') ?? 'test-results/screenshots', options.get('only') ?? ''];
  mkdirSync(folder, { recursive: true });
  const browser = await openBrowser();
  const found: string[] = [];
  try {
    const page = await browser.newPage({ viewport: { width: WIDE_PX, height: HEIGHT_PX }, reducedMotion: 'reduce' });
    page.setDefaultTimeout(20_000);
    page.on('pageerror', (error) => found.push(`script: ${error.message}`));
    const visit = async (path: string) => {
      if (!path.includes(only)) return;
      const problems = await shoot(page, url, path, folder).catch((error: unknown) => [`${path}: ${String(error)}`]);
      for (const problem of problems) process.stdout.write(`${problem}\n`);
      found.push(...problems);
    };
    for (const path of GUEST_PAGES) await visit(path);
    const cluster = await logIn(page, url, options);
    for (const path of TENANT_PAGES) await visit(path);
    for (const path of CLUSTER_PAGES) await visit(cluster + path);
    await visit('/clusters/00000000-0000-4000-8000-000000000000');
  } finally {
    await browser.close();
  }
  process.stdout.write(`${found.length} things to mend; pictures in ${folder}\n`);
  return found.length === 0 ? 0 : 1;
}

process.exitCode = await main();
