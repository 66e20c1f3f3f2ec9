import { chromium, type Browser, type Page } from 'playwright-core';

/** Debian's Chromium, headless, with everything off that would call home. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A tab with a session of its own. What the page's scripts and its console complain of goes to `problems`. */
export async function newTab(browser: Browser, problems: string[]): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  return page;
}

/** Fills in the login page that is shown, or will be. */
export async function logIn(page: Page, person: { readonly email: string; readonly password: string }): Promise<void> {
  await page.getByLabel('E-mail').fill(person.email);
  await page.getByLabel('Password', { exact: true }).fill(person.password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

/** Opens the operator's pages. */
export async function openOperator(page: Page, url: string, token: string): Promise<void> {
  await page.goto(`${url}/operator`);
  await page.getByLabel('Operator token').fill(token);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('tab', { name: 'Fleet' }).waitFor();
}
