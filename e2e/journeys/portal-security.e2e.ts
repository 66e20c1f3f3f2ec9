import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { logIn, newTab, openBrowser, openOperator } from '../support/browser.ts';
import { mosquittoPub } from '../support/clients.ts';
import { CloudUnderTest, unique, type TestCluster } from '../support/cloud.ts';
import { eventually } from '../support/process.ts';
import { newClusterOf, newPerson, operatorToken, rest, type Person } from '../support/rest.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
const DAY_MS = 86_400_000;

/** Each test opens its pages itself and makes what it needs: any of them runs alone, and again. */
describe('security, limits and the fleet in a browser', () => {
  let browser: Browser;
  let page: Page;
  let operator: Page;
  let owner: Person;
  let cluster: TestCluster;
  const problems: string[] = [];

  const own = (path: string): string => `/v1/tenants/${owner.tenantId}/clusters/${cluster.id}${path}`;
  const asOwner = <T>(method: string, path: string, body?: object): Promise<T> =>
    rest<T>(cloud, method, own(path), owner.token, body);
  const publishes = async (): Promise<boolean> =>
    (await mosquittoPub(cluster, ['-V', '5', '-q', '1', '-t', 'orders/1', '-m', 'x'.repeat(2_000)])).code === 0;

  beforeAll(async () => {
    owner = await newPerson(cloud, 'guarded');
    cluster = await newClusterOf(cloud, owner, ['orders', 'empty']);
    await eventually('the credential is served', 60_000, publishes);
    browser = await openBrowser();
    [page, operator] = [await newTab(browser, problems), await newTab(browser, problems)];
    await page.goto(`${cloud.url}/login`);
    await logIn(page, owner);
    await page.waitForURL(/\/clusters$/);
    await openOperator(operator, cloud.url, operatorToken(cloud));
  });
  afterAll(() => browser?.close());

  const open = async (path: string): Promise<void> => {
    await page.goto(`${cloud.url}/clusters/${cluster.id}${path}`);
    await page.getByRole('heading', { level: 1, name: cluster.name }).waitFor();
  };
  const room = (name: string): Promise<void> => operator.getByRole('tab', { name, exact: true }).click();
  const row = (table: string, text: string | RegExp, at = page): Locator =>
    at.getByRole('table', { name: table, exact: true }).getByRole('row').filter({ hasText: text });
  /** Presses a button of the dialog that is open, and waits until it is gone. */
  const press = async (action: string, at = page): Promise<void> => {
    const dialog = at.getByRole('dialog');
    await dialog.getByRole('button', { name: action, exact: true }).click();
    await dialog.waitFor({ state: 'hidden' });
  };

  it('makes a webhook, shows its secret once, tells that a message does not arrive, and deletes it', async () => {
    const url = `https://${unique()}.invalid/robustmq`;
    await page.goto(`${cloud.url}/webhooks`);
    await page.getByRole('button', { name: 'Create webhook' }).click();
    const dialog = page.getByRole('dialog', { name: 'Create webhook' });
    await dialog.getByLabel('Address').fill('https://127.0.0.1/inside');
    await dialog.getByRole('button', { name: 'Create webhook' }).click();
    await dialog
      .getByText(/is not a public address/)
      .first()
      .waitFor();
    await dialog.getByLabel('Address').fill(url);
    await dialog.getByRole('button', { name: 'Create webhook' }).click();
    const shown = page.getByRole('dialog', { name: 'Webhook created' });
    const secret = (await shown.getByRole('group', { name: 'Signing secret' }).locator('pre').innerText()).trim();
    expect(secret).toMatch(/^whsec_/);
    await shown.getByRole('button', { name: 'I have saved it' }).click();
    await shown.waitFor({ state: 'hidden' });
    expect(await page.content()).not.toContain(secret);
    await page.getByRole('link', { name: url }).click();
    await page.getByRole('button', { name: 'Send test message' }).click();
    await row('Deliveries', /cannot be reached/)
      .first()
      .waitFor();
    await page.getByText('Messages do not arrive').waitFor();
    await page.getByRole('button', { name: 'Delete webhook' }).click();
    await press('Delete webhook');
    await page.waitForURL(/\/webhooks$/);
    await page.getByRole('link', { name: url }).waitFor({ state: 'hidden' });
    problems.splice(0, problems.length, ...problems.filter((text) => !text.includes('400')));
  });

  it('makes a certificate authority, issues a certificate whose key is given once, and revokes it', async () => {
    const name = `device-${unique()}`;
    await open('/credentials/certificates');
    const make = page.getByRole('button', { name: 'Make a certificate authority' });
    const issue = page.getByRole('button', { name: 'Issue certificate' });
    await make.or(issue).first().waitFor();
    if (await make.isVisible()) await make.click();
    await issue.click();
    const dialog = page.getByRole('dialog', { name: 'Issue certificate' });
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByRole('button', { name: 'Issue certificate' }).click();
    const shown = page.getByRole('dialog', { name: `Certificate of ${name}` });
    await shown.getByText(/The private key is given this once/).waitFor();
    const downloading = page.waitForEvent('download');
    await shown.getByRole('button', { name: 'Private key' }).click();
    expect((await downloading).suggestedFilename()).toBe(`${name}.key.pem`);
    await shown.getByRole('button', { name: 'I have saved it' }).click();
    await row('Certificates', name).getByText('Good', { exact: true }).waitFor();
    await row('Certificates', name)
      .getByRole('button', { name: /^Revoke certificate/ })
      .click();
    await press('Revoke certificate');
    await row('Certificates', name).getByText('Revoked', { exact: true }).waitFor();
    // whoever has no authority yet is answered 404, which the console notes
    problems.splice(0, problems.length, ...problems.filter((text) => !text.includes('404')));
  });

  it('takes a deleted topic back from the notice', async () => {
    const name = `spare-${unique()}`;
    await asOwner('POST', '/topics', { name });
    await open('/topics');
    await page.getByRole('button', { name: `Delete topic ${name}` }).click();
    await page.getByLabel(`Type ${name} to confirm`).fill(name);
    await press('Delete topic');
    await page.getByRole('link', { name, exact: true }).waitFor({ state: 'hidden' });
    await page.getByRole('status').filter({ hasText: name }).getByRole('button', { name: 'Undo' }).click();
    await page.getByText('Taken back', { exact: true }).waitFor();
    await page.getByRole('link', { name, exact: true }).waitFor();
    // at once there is nothing to take back
    await page.getByRole('button', { name: `Delete topic ${name}` }).click();
    await page.getByLabel('Delete its data at once').click();
    await page.getByLabel(`Type ${name} to confirm`).fill(name);
    await press('Delete topic');
    await page.getByRole('link', { name, exact: true }).waitFor({ state: 'hidden' });
    await page.getByText(`Deleted topic ${name}`, { exact: true }).last().waitFor();
    expect(await page.getByRole('button', { name: 'Undo' }).count()).toBe(0);
  });

  it('warns from where one wants to be warned', async () => {
    await open('/settings/limits');
    await page.getByRole('button', { name: 'When to warn' }).click();
    await page.getByRole('dialog').getByLabel('Connections', { exact: true }).fill('123');
    await press('Save');
    await row('Limits', /^Connections/)
      .getByRole('cell', { name: '123', exact: true })
      .waitFor();
  });

  it('lists what does not fit another plan before anything changes', async () => {
    await open('/settings/cluster');
    await eventually('what is stored is known', 60_000, async () => {
      await page.getByRole('button', { name: 'Change to dedicated' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('table', { name: 'Limits now and after' }).waitFor();
      const refused = await dialog
        .getByRole('alert')
        .getByText(/stored bytes would stay/)
        .isVisible();
      expect(await dialog.getByRole('button', { name: 'Change plan' }).isDisabled()).toBe(refused);
      await press('Cancel');
      return refused;
    });
  });

  it('grants a tenant another limit, which the tenant sees', async () => {
    await room('Limits');
    const form = operator.getByRole('region', { name: 'Limits', exact: true });
    await form.getByLabel('Tenant id').fill(owner.tenantId);
    await form.getByLabel('Topics', { exact: true }).fill('1234');
    await form.getByLabel('Reason').fill('agreed in a call');
    await form.getByRole('button', { name: 'Set limits' }).click();
    await operator.getByText('The limits are on their way to the nodes').waitFor();
    await eventually('the tenant sees it', 60_000, async () => {
      await open('/settings/limits');
      const topics = row('Limits', /^Topics/);
      await topics.waitFor();
      return /1,234[\s\S]*Agreed for your tenant/.test(await topics.innerText());
    });
  });

  it('cordons an agent and lets it in again', async () => {
    await room('Fleet');
    const menu = operator.getByRole('button', { name: /^Actions of agent / }).first();
    const id = (await menu.getAttribute('aria-label'))!.replace('Actions of agent ', '');
    try {
      await operator.getByRole('button', { name: `Actions of agent ${id}` }).click();
      await operator.getByRole('menuitem', { name: 'Cordon' }).click();
      await operator.getByRole('dialog').getByLabel('Reason').fill('a new disk');
      await press('Cordon', operator);
      await row('Agents', id, operator).getByText('a new disk').waitFor();
      await operator.getByRole('button', { name: `Actions of agent ${id}` }).click();
      await operator.getByRole('menuitem', { name: 'Uncordon' }).click();
      await row('Agents', id, operator).getByText('Cordoned').waitFor({ state: 'hidden' });
    } finally {
      await rest(cloud, 'POST', `/v1/operator/agents/${id}/uncordon`, operatorToken(cloud), {});
    }
  });

  it('tells why a cluster with data is not moved', async () => {
    await room('Fleet');
    const form = operator.getByRole('region', { name: 'Move a cluster' });
    await form.getByLabel('Tenant id').fill(owner.tenantId);
    await form.getByRole('combobox', { name: 'Cluster' }).click();
    await operator.getByRole('option', { name: new RegExp(`^${cluster.name} `) }).click();
    await form.getByRole('combobox', { name: 'To agent' }).click();
    await operator.getByRole('option').first().click();
    await form.getByRole('button', { name: 'Move the cluster' }).click();
    await form.getByRole('alert').filter({ hasText: 'is not copied' }).waitFor();
    problems.splice(0, problems.length, ...problems.filter((text) => !text.includes('409')));
  });

  it('lets clients in from allowed addresses alone, and names what is no address', async () => {
    const form = page.getByRole('region', { name: 'Allowed addresses' });
    const field = form.getByLabel('Addresses and blocks');
    const apply = async (text: string): Promise<void> => {
      await field.fill(text);
      await form.getByRole('button', { name: 'Review changes' }).click();
      await row('Changes', 'Allowed addresses').waitFor();
      await press('Apply changes');
    };
    try {
      await open('/access/addresses');
      await form.getByText('Clients may come from anywhere.').waitFor();
      await field.fill('198.51.100.0/24\n192.0.2.0/33');
      await form.getByRole('button', { name: 'Review changes' }).click();
      await form.getByText(/192\.0\.2\.0\/33: an address or a block/).waitFor();
      await apply('198.51.100.0/24, 2001:db8::/32');
      await form.getByText(/Clients come in from these addresses alone/).waitFor();
      await eventually('the node lets nobody else in', 60_000, async () => !(await publishes()));
      await apply('');
      await eventually('the node lets everybody in again', 60_000, publishes);
    } finally {
      await asOwner('PATCH', '/settings', { network: { allowedAddresses: [] } });
    }
    problems.splice(0, problems.length, ...problems.filter((text) => !text.includes('400')));
  });

  it('foresees what keeping a topic costs', async () => {
    await open('/topics/orders');
    const options = ['As it is now', 'All on disk', 'Cold after 1 day', 'Cold after 7 days', 'Cold after 30 days'];
    for (const option of options) await row('Storage forecast', option).getByText(/^\$\d/).waitFor();
    await page.getByLabel('Cold after days').fill('3');
    await page.getByRole('button', { name: 'Foresee' }).click();
    await row('Storage forecast', 'Cold after 3 days').waitFor();
    await row('Storage forecast', 'Cold after 7 days').waitFor({ state: 'hidden' });
    await page
      .getByRole('list', { name: 'What the forecast rests on' })
      .getByText(/List prices/)
      .waitFor();
    await open('/topics/empty');
    await page.getByText('Nothing to foresee yet').waitFor();
  });

  it('tells why the bill moves, over two months of a sandbox', async () => {
    const person = await newPerson(cloud, 'moved');
    const at = `/v1/tenants/${person.tenantId}`;
    const clock = (to: number) =>
      rest(cloud, 'POST', '/v1/operator/billing/set-clock', operatorToken(cloud), {
        ...{ tenantId: person.tenantId, at: new Date(to).toISOString() },
      });
    const now = new Date();
    await clock(now.getTime());
    await rest(cloud, 'PATCH', `${at}/subscription`, person.token, { support: 'standard' });
    await clock(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1) + 10 * DAY_MS);
    await rest(cloud, 'PATCH', `${at}/subscription`, person.token, { support: 'business' });
    const theirs = await newTab(browser, problems);
    await theirs.goto(`${cloud.url}/login?next=/usage`);
    await logIn(theirs, person);
    const reasons = theirs.getByRole('region', { name: 'Why the bill moves' }).getByRole('listitem');
    await reasons.first().waitFor();
    expect(await reasons.allInnerTexts()).toEqual([
      expect.stringMatching(/^Fees and discounts \(\$\d+\.\d\d last month, \$\d+\.\d\d in this one\)$/),
    ]);
    await theirs.context().close();
  });

  it('had no script error on the way', () => {
    expect(problems).toEqual([]);
  });
});
