import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { logIn, newTab, openBrowser } from '../support/browser.ts';
import { CloudUnderTest } from '../support/cloud.ts';
import { auditOf } from '../support/page-audit.ts';
import { newPerson, operatorToken, rest, type Person } from '../support/rest.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
const PHONE_WIDTH_PX = 390;
const DAY_MS = 86_400_000;

describe('money and people in the portal', () => {
  let browser: Browser;
  let page: Page;
  let person: Person;
  const problems: string[] = [];

  beforeAll(async () => {
    person = await newPerson(cloud, 'money');
    const { tenantId, token } = person;
    await rest(cloud, 'PATCH', `/v1/tenants/${tenantId}/subscription`, token, { support: 'standard' });
    // a sandbox lives through months and their grace in two calls. The trial's credit pays the first invoice and is over
    // when the second comes, which nobody pays: it is past due
    const clock = (at: Date) =>
      rest(cloud, 'POST', '/v1/operator/billing/set-clock', operatorToken(cloud), { tenantId, at: at.toISOString() });
    const now = new Date();
    await clock(now);
    for (const months of [1, 2])
      await clock(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months) + 20 * DAY_MS));
    browser = await openBrowser();
    page = await newTab(browser, problems);
    await page.goto(`${cloud.url}/login`);
    await logIn(page, person);
    await page.waitForURL(/\/clusters$/);
  });
  afterAll(() => browser.close());

  it('shows that an invoice is past due, and the invoice line by line', async () => {
    await page.getByRole('link', { name: 'Billing' }).click();
    await page.getByRole('alert').filter({ hasText: 'See your invoices' }).waitFor();
    await page.getByRole('link', { name: 'See your invoices' }).click();
    await page.getByRole('table', { name: 'Invoices' }).getByRole('link').first().click();
    const lines = page.getByRole('table', { name: 'Invoice lines' });
    await lines.getByText('Standard support').waitFor();
    expect(await lines.innerText()).toMatch(/Total\s+\$\d/);
    await page.getByText(/robust-ctl invoice verify \S+-0002/).waitFor();
  });

  it('downloads the invoice as a PDF', async () => {
    await page.getByRole('button', { name: 'Download' }).click();
    const downloading = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: 'PDF, A4' }).click();
    const download = await downloading;
    expect(download.suggestedFilename()).toMatch(/\.pdf$/);
    expect(
      readFileSync(await download.path())
        .subarray(0, 5)
        .toString(),
    ).toBe('%PDF-');
  });

  it('makes a budget', async () => {
    await page.goto(`${cloud.url}/billing/budgets`);
    await page.getByRole('button', { name: 'Create budget' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Everything');
    await dialog.getByLabel(/Amount a month/).fill('12.50');
    await dialog.getByRole('button', { name: 'Create budget' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const row = page.getByRole('row').filter({ hasText: 'Everything' });
    await row.getByText('of $12.50').waitFor();
  });

  it('invites somebody, and shows what each role may do', async () => {
    await page.goto(`${cloud.url}/members`);
    await page.getByRole('button', { name: 'Invite somebody' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('E-mail').fill(`guest-${person.email}`);
    await dialog.getByRole('button', { name: 'Send invitation' }).click();
    await page.getByRole('table', { name: 'Invitations' }).getByText(`guest-${person.email}`).waitFor();
    await page.getByRole('navigation', { name: 'Members' }).getByRole('link', { name: 'Roles' }).click();
    const matrix = page.getByRole('table', { name: 'What each role may do' });
    await matrix.getByRole('columnheader', { name: 'Auditor' }).waitFor();
    await matrix.getByText('billing:write').waitFor();
  });

  it('shows an API key once and gives it another secret', async () => {
    await page.goto(`${cloud.url}/api-keys`);
    await page.getByRole('button', { name: 'Create API key' }).click();
    const dialog = page.getByRole('dialog', { name: 'Create API key' });
    await dialog.getByLabel('Name').fill('ci');
    await dialog.getByLabel('Only from').fill('192.0.2.0/24');
    await dialog.getByRole('button', { name: 'Create API key' }).click();
    const shown = page.getByRole('dialog', { name: 'API key ci', exact: true });
    const first = await shown.getByText(/^rmq_/).innerText();
    await shown.getByRole('button', { name: 'I have saved it' }).click();
    await page.getByRole('button', { name: 'Rotate API key ci' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Rotate', exact: true }).click();
    const second = await shown.getByText(/^rmq_/).innerText();
    expect(second).not.toBe(first);
    await shown.getByRole('button', { name: 'I have saved it' }).click();
    await page.getByRole('table', { name: 'API keys' }).getByText('192.0.2.0/24').waitFor();
  });

  it('passes the audit of its pages, wide and on a phone, in light and dark', async () => {
    const paths = ['/billing', '/billing/invoices', '/billing/plan', '/members', '/account', '/audit'];
    const landmarks = ['header', 'nav', 'main'];
    for (const path of paths) {
      await page.goto(`${cloud.url}${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' });
      for (const [width, colorScheme] of [
        [1280, 'light'],
        [PHONE_WIDTH_PX, 'dark'],
      ] as const) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor({ state: 'attached' });
        const found = await auditOf(page, width === PHONE_WIDTH_PX ? ['header', 'main'] : landmarks);
        expect(found, `${path} at ${width} px, ${colorScheme}`).toEqual([]);
      }
    }
  });

  it('had no script error on the way', () => {
    expect(problems).toEqual([]);
  });
});
