import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { logIn, newTab, openBrowser } from '../support/browser.ts';
import { CloudUnderTest, unique } from '../support/cloud.ts';
import { auditOf } from '../support/page-audit.ts';
import { eventually } from '../support/process.ts';
import { newPerson, operatorToken, rest, type Person } from '../support/rest.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
const PHONE_WIDTH_PX = 390;

/** A day of a month to come, in UTC. */
const dayIn = (months: number, day: number): string => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, day)).toISOString().slice(0, 10);
};
const HOUR_MS = 3_600_000;
/** A month far off, later with each hour and each try: versions of a price are only ever added after one another. */
const farMonth = (tries: number): string => {
  const hours = Math.floor((Date.now() - Date.UTC(2026, 10)) / HOUR_MS);
  return new Date(Date.UTC(2100, hours + tries)).toISOString().slice(0, 10);
};
const LONG_DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });

describe('the operator’s pages, and what the tenant sees of them', () => {
  let browser: Browser;
  /** The operator’s tab, and the tenant’s. */
  let page: Page;
  let theirs: Page;
  let person: Person;
  const code = `LESS-${unique()}`.toUpperCase();
  const problems: string[] = [];

  beforeAll(async () => {
    person = await newPerson(cloud, 'operated');
    await rest(cloud, 'PATCH', `/v1/tenants/${person.tenantId}/subscription`, person.token, { support: 'standard' });
    browser = await openBrowser();
    [page, theirs] = [await newTab(browser, problems), await newTab(browser, problems)];
    await theirs.goto(`${cloud.url}/login`);
    await logIn(theirs, person);
    await theirs.waitForURL(/\/clusters$/);
  });
  afterAll(() => browser.close());

  const room = (name: string): Promise<void> => page.getByRole('tab', { name, exact: true }).click();
  const section = (name: string): Locator => page.getByRole('region', { name, exact: true });
  const option = async (list: Locator, name: string): Promise<void> => {
    await list.click();
    await page.getByRole('option', { name, exact: true }).click();
  };

  it('opens with the operator’s token alone', async () => {
    await page.goto(`${cloud.url}/operator`);
    await page.getByLabel('Operator token').fill('a guess');
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('alert').waitFor();
    expect(problems.splice(0).filter((text) => !text.includes('401'))).toEqual([]);
    await page.getByLabel('Operator token').fill(operatorToken(cloud));
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('tab', { name: 'Prices' }).waitFor();
  });

  it('looks at a price on last month’s usage before it is published', async ({ task }) => {
    await room('Prices');
    await page.getByRole('button', { name: 'New price' }).click();
    const dialog = page.getByRole('dialog');
    // far off, and for a plan nobody here has: other bills stay as they are
    await option(dialog.getByRole('combobox', { name: 'Plan' }), 'byoc');
    await option(dialog.getByRole('combobox', { name: 'Meter' }), 'Partition time');
    await dialog.getByLabel('Price of one unit, in USD').fill('0.0123');
    await dialog.getByLabel('From, at midnight UTC').fill(farMonth(task.result?.retryCount ?? 0));
    await dialog.getByRole('button', { name: 'Preview' }).click();
    await dialog.getByText(/^\$[\d.,]+ became \$/).waitFor();
    await dialog.getByRole('button', { name: 'Publish' }).click();
    await dialog.waitFor({ state: 'hidden' });
  });

  it('makes a coupon, which the tenant redeems', async () => {
    await room('Coupons and credit');
    const form = section('Coupon');
    await form.getByLabel('Code').fill(code);
    await form.getByLabel('Title on invoices').fill('Ten off');
    await form.getByLabel('How much').fill('10');
    await form.getByRole('button', { name: 'Create coupon' }).click();
    await page.getByText(`Coupon ${code} can be redeemed`).waitFor();
    await theirs.goto(`${cloud.url}/billing/plan`);
    await theirs.getByLabel('Coupon').fill(code);
    await theirs.getByRole('button', { name: 'Redeem' }).click();
    await theirs
      .getByText(/Ten off/)
      .first()
      .waitFor();
  });

  it('gives credit once, however often it is pressed', async () => {
    const form = section('Credit');
    for (let press = 0; press < 2; press++) {
      await form.getByLabel('Tenant id').fill(person.tenantId);
      await form.getByLabel('Title').fill('Sorry for the outage');
      await form.getByLabel('Amount in USD').fill('5');
      await form.getByRole('button', { name: 'Give credit' }).click();
      await eventually(
        'the form is empty again',
        60_000,
        async () => (await form.getByLabel('Title').inputValue()) === '',
      );
    }
    await theirs.goto(`${cloud.url}/billing/plan`);
    const credits = theirs
      .getByRole('table', { name: 'Credits' })
      .getByRole('row')
      .filter({ hasText: 'Sorry for the outage' });
    await credits.first().waitFor();
    expect(await credits.count()).toBe(1);
    expect(await credits.innerText()).toContain('$5.00');
  });

  it('moves a sandbox through its months: invoices, reminders, suspension', async () => {
    await room('Sandbox');
    const form = section('Billing sandbox');
    await form.getByLabel('Tenant id').fill(person.tenantId);
    await form.getByRole('button', { name: 'Move its time' }).click();
    await form.getByRole('status').filter({ hasText: 'Lived through 0 days' }).waitFor();
    // the trial's credit pays the first month; the second's invoice is 14 days past due and more at the end
    for (const to of [dayIn(1, 20), dayIn(3, 2)]) {
      await form.getByLabel('Time to go to').fill(to);
      await form.getByRole('button', { name: 'Move its time' }).click();
      await form
        .getByRole('status')
        .filter({ hasText: `Its time is ${LONG_DAY.format(new Date(to))}` })
        .waitFor();
    }
    await theirs.goto(`${cloud.url}/billing`);
    await theirs
      .getByText(/suspended/i)
      .first()
      .waitFor();
    await room('Mails');
    await page
      .getByRole('row')
      .filter({ hasText: person.email })
      .first()
      .getByRole('button', { name: /^Read/ })
      .click();
    await page.getByRole('dialog').getByText(`To ${person.email}`).waitFor();
    await page.keyboard.press('Escape');
  });

  it('marks the invoices paid, and the suspension goes', async () => {
    await theirs.goto(`${cloud.url}/billing/invoices`);
    const rows = theirs.getByRole('table', { name: 'Invoices' }).getByRole('row').filter({ hasText: 'Past due' });
    await rows.first().waitFor();
    const links = await rows.getByRole('link').evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
    await room('Invoices');
    const form = section('Act on an invoice');
    for (const link of links) {
      await form.getByLabel('Tenant id').fill(person.tenantId);
      await form.getByLabel('Invoice id').fill(link.split('/').at(-1)!);
      await form.getByRole('button', { name: 'Go on' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Mark paid' }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
    }
    await eventually('nothing is past due any more', 60_000, async () => {
      await theirs.goto(`${cloud.url}/billing/invoices`);
      await theirs.getByRole('table', { name: 'Invoices' }).waitFor();
      const text = await theirs.getByRole('main').innerText();
      return !/past due|suspended/i.test(text);
    });
  });

  it('tells that every count became money, and the margin at given costs', async () => {
    await room('Reconciliation and revenue');
    await section('Reconciliation').getByText('Differences', { exact: true }).first().waitFor();
    const revenue = section('Revenue');
    await revenue.getByLabel('Data out').fill('0.01');
    await revenue.getByRole('button', { name: 'Compute margin' }).click();
    await revenue.getByRole('table', { name: 'Revenue' }).getByRole('columnheader', { name: 'Margin' }).waitFor();
  });

  it('passes the audit of each of its pages, wide and narrow, in light and dark', async () => {
    const found: string[] = [];
    for (const name of await page.getByRole('tab').allInnerTexts()) {
      await room(name);
      await eventually(
        `${name} has loaded`,
        60_000,
        async () => (await page.locator('[aria-busy=true]').count()) === 0,
      );
      for (const [width, colorScheme] of [
        [1280, 'light'],
        [PHONE_WIDTH_PX, 'dark'],
      ] as const) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor({ state: 'attached' });
        found.push(...(await auditOf(page, ['main'])).map((problem) => `${name} ${width} ${colorScheme}: ${problem}`));
      }
    }
    expect(found).toEqual([]);
    expect(problems).toEqual([]);
  });
});
