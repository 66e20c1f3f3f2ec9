import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { logIn, newTab, openBrowser, openOperator } from '../support/browser.ts';
import { CloudUnderTest, unique, type TestCluster } from '../support/cloud.ts';
import { eventually, run, start } from '../support/process.ts';
import { newClusterOf, newPerson, operatorToken, rest, type Person } from '../support/rest.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
const SNIPPET_MS = 20_000;

/** A new person's first hour: the mail, a session that ends, the back button, and programs pasted from the page. */
describe('the first run, in a browser', () => {
  let browser: Browser;
  let page: Page;
  let person: Person;
  let cluster: TestCluster;
  const problems: string[] = [];

  beforeAll(async () => {
    person = await newPerson(cloud, 'first');
    cluster = await newClusterOf(cloud, person, ['readings']);
    browser = await openBrowser();
    page = await newTab(browser, problems);
    await page.goto(`${cloud.url}/login`);
    await logIn(page, person);
    await page.waitForURL(/\/clusters$/);
  });
  afterAll(() => browser?.close());

  it('proves an address by the mail in the operator’s outbox', async () => {
    const email = `fresh-${unique()}@example.com`;
    const fresh = await newTab(browser, problems);
    await fresh.goto(`${cloud.url}/signup`);
    await fresh.getByLabel('Company or team').fill('Fresh');
    await fresh.getByLabel('E-mail').fill(email);
    await fresh.getByLabel('Password', { exact: true }).fill(person.password);
    await fresh.getByRole('button', { name: /sign up|create/i }).click();
    await fresh.waitForURL(/\/clusters$/);
    await fresh.goto(`${cloud.url}/account`);
    await fresh.getByText('Your e-mail address is not verified').waitFor();

    const operator = await newTab(browser, problems);
    await openOperator(operator, cloud.url, operatorToken(cloud));
    await operator.getByRole('tab', { name: 'Mails' }).click();
    await operator.getByRole('row').filter({ hasText: email }).first().getByRole('button', { name: /^Read/ }).click();
    const mail = await operator
      .getByRole('dialog')
      .getByText(/verify-email/)
      .innerText();
    const link = /https?:\/\/\S+\/verify-email\?token=\S+/.exec(mail)![0];

    await fresh.goto(link);
    await fresh.getByRole('button', { name: 'Verify' }).click();
    await fresh.getByText('Your address is verified.').waitFor();
    await fresh.goto(`${cloud.url}/account`);
    await fresh.getByRole('heading', { name: 'Sessions' }).waitFor();
    expect(await fresh.getByText('Your e-mail address is not verified').count()).toBe(0);
    await Promise.all([fresh.context().close(), operator.context().close()]);
  });

  it('leads from a session that was ended elsewhere to the login, and back to the page', async () => {
    await page.goto(`${cloud.url}/clusters`);
    await page.getByRole('link', { name: 'Members' }).click();
    await page.getByRole('heading', { level: 1, name: 'Members' }).waitFor();
    const used = await page.evaluate('sessionStorage.getItem("robustmq.accessToken")');
    const { items } = await rest<{ items: { id: string; userAgent: string | null }[] }>(
      ...([cloud, 'GET', '/v1/me/sessions', person.token] as const),
    );
    for (const { id } of items.filter(({ userAgent }) => userAgent?.includes('Chrome')))
      await rest(cloud, 'DELETE', `/v1/me/sessions/${id}`, person.token);
    await eventually('the browser’s token is refused', 60_000, async () => {
      const headers = { authorization: `Bearer ${String(used)}` };
      return (await fetch(`${cloud.url}/v1/me`, { headers })).status === 401;
    });
    await page.getByRole('link', { name: 'Audit log' }).click();
    await page.waitForURL(/\/login\?next=/);
    await logIn(page, person);
    await page.waitForURL(/\/audit$/);
    await page.getByRole('heading', { level: 1, name: 'Audit log' }).waitFor();
    // neither the login nor a page of nobody is on the way back
    await page.goBack();
    await page.waitForURL(/\/members$/);
    await page.getByRole('heading', { level: 1, name: 'Members' }).waitFor();
    await page.goForward();
    await page.getByRole('heading', { level: 1, name: 'Audit log' }).waitFor();
    // the refused requests are in the console
    problems.splice(0, problems.length, ...problems.filter((text) => !text.includes('401')));
  });

  it('goes back from a topic through the tabs of its cluster to the list', async () => {
    await page.goto(`${cloud.url}/clusters`);
    if (page.url().includes('/login')) await logIn(page, person);
    await page.getByRole('link', { name: cluster.name }).click();
    await page.getByRole('tab', { name: 'Topics' }).click();
    await page.getByRole('link', { name: 'readings', exact: true }).click();
    await page.waitForURL(/\/topics\/readings$/);
    await page.goBack();
    await page.waitForURL(/\/topics$/);
    await page.getByRole('link', { name: 'readings', exact: true }).waitFor();
    await page.goBack();
    await page.waitForURL(new RegExp(`/clusters/${cluster.id}$`));
    await page.goBack();
    await page.waitForURL(/\/clusters$/);
    await page.getByRole('link', { name: cluster.name }).waitFor();
  });

  /** The text of a program on the page, with the password where its place is. */
  const snippet = async (protocol: 'MQTT' | 'Kafka', tool: string): Promise<string> => {
    await page.goto(`${cloud.url}/clusters/${cluster.id}/connect`);
    if (page.url().includes('/login')) await logIn(page, person);
    await page.getByText(protocol, { exact: true }).click();
    await page.getByRole('tab', { name: tool, exact: true }).click();
    const text = await page.getByLabel(`${tool} code`, { exact: true }).innerText();
    expect(text).toContain('PASSWORD');
    return text.replaceAll('PASSWORD', cluster.password);
  };

  it('shows mosquitto commands that work as they are pasted', async () => {
    const [receive, send] = (await snippet('MQTT', 'mosquitto')).split(/\n(?=# send)/);
    let received = '';
    const listening = start('sh', ['-c', receive!.replace('mosquitto_sub', 'exec mosquitto_sub')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    listening.stdout!.on('data', (bytes: Buffer) => (received += bytes.toString()));
    try {
      await eventually('what was sent is received', 60_000, async () => {
        const sent = await run('sh', ['-c', send!], { timeoutMs: SNIPPET_MS });
        expect(sent).toMatchObject({ code: 0, stderr: '' });
        return received.includes('readings/1 hello');
      });
    } finally {
      listening.kill('SIGTERM');
    }
  });

  it('shows kcat commands that work as they are pasted', async () => {
    const text = await snippet('Kafka', 'kcat');
    await eventually('the record is read', 60_000, async () => {
      const finished = await run('sh', ['-ec', text], { timeoutMs: SNIPPET_MS });
      return finished.code === 0 && finished.stdout.includes('hello');
    });
  });

  it('had no script error on the way', () => {
    expect(problems).toEqual([]);
  });
});
