import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { mosquittoPub } from '../support/clients.ts';
import { CloudUnderTest, type TestCluster } from '../support/cloud.ts';
import { eventually } from '../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));

describe('the portal, in a real browser', () => {
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];
  const email = `portal-${Date.now()}@example.com`;
  const password = 'a password of some length';

  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  });
  afterAll(() => browser.close());

  it('signs up and lands on an empty list that leads to a first cluster', async () => {
    await page.goto(`${cloud.url}/signup`);
    await page.getByLabel('Company or team').fill('Portal Test');
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('button', { name: /sign up|create/i }).click();
    await page.waitForURL(/\/clusters$/);
    await page
      .getByRole('link', { name: /create.*cluster/i })
      .first()
      .click();
    await page.waitForURL(/\/clusters\/new$/);
  });

  it('creates a cluster and sees it become ready', async () => {
    await page.getByLabel('Name').fill('fleet');
    await page.getByRole('button', { name: /create/i }).click();
    await page.waitForURL(/\/clusters\/[0-9a-f-]{36}/);
    await page.getByText('Ready', { exact: true }).first().waitFor();
    await page.getByText(`mqtt://localhost:${cloud.ports.mqtt}`).first().waitFor();
    await page.getByText(`kafka://localhost:${cloud.ports.kafka}`).first().waitFor();
  });

  it('shows a credential’s password once, and it works', async () => {
    await page.getByRole('tab', { name: 'Credentials' }).click();
    await page
      .getByRole('button', { name: /create credential|new credential/i })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('device');
    await dialog.getByRole('button', { name: /create/i }).click();
    const shown = page.getByRole('dialog').filter({ hasText: /once/i });
    await shown.waitFor();
    const text = await shown.innerText();
    const username = /\S+@fleet-\S+/.exec(text)![0];
    const secret = /\b[A-Za-z0-9]{32}\b/.exec(text)![0];
    await shown
      .getByRole('button', { name: /done|close|stored|saved/i })
      .last()
      .click();
    expect(await page.content()).not.toContain(secret);
    const port = cloud.ports.mqtt;
    const cluster: TestCluster = {
      name: 'fleet',
      id: '',
      username,
      password: secret,
      endpoints: { mqtt: `mqtt://localhost:${port}`, mqttWs: '', kafka: '' },
    };
    const published = await eventually('the credential is served', 60_000, async () => {
      const finished = await mosquittoPub(cluster, ['-q', '1', '-t', 'from/outside', '-m', 'hi']);
      return finished.code === 0 ? finished : null;
    });
    expect(published.stderr).toBe('');
  });

  it('creates a topic', async () => {
    await page.getByRole('tab', { name: 'Topics' }).click();
    await page
      .getByRole('button', { name: /create topic|new topic/i })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('sensors');
    await dialog.getByRole('button', { name: /create/i }).click();
    await page.getByRole('cell', { name: 'sensors', exact: true }).waitFor();
  });

  it('publishes and receives a first message in the browser', async () => {
    await page.getByRole('tab', { name: /test client/i }).click();
    await page.getByRole('button', { name: /^connect$/i }).click();
    await page
      .getByRole('region', { name: 'Connection' })
      .getByText(/^connected/i)
      .first()
      .waitFor();
    const subscribe = page.getByRole('region', { name: 'Subscribe' });
    await subscribe.getByLabel('Topic filter').fill('sensors/#');
    await subscribe
      .getByRole('button', { name: /subscribe/i })
      .first()
      .click();
    await page.getByRole('list', { name: 'Subscriptions' }).getByText('sensors/#').waitFor();
    const publish = page.getByRole('region', { name: 'Publish' });
    await publish.getByLabel('Topic', { exact: true }).fill('sensors/1/temp');
    await publish.getByLabel('Message').fill('21.5 from the browser');
    await publish.getByRole('button', { name: /publish/i }).click();
    await page.getByRole('region', { name: 'Messages' }).getByText('21.5 from the browser').waitFor();
    await page.getByRole('button', { name: /^disconnect$/i }).click();
  });

  it('shows what was used, and the bill so far', async () => {
    await page.getByRole('link', { name: 'Usage' }).click();
    await page.getByRole('heading', { name: 'Usage', exact: true }).waitFor();
    await eventually('the usage page counts messages', 90_000, async () => {
      await page.reload();
      const totals = page.getByRole('table', { name: 'Totals' });
      await totals.waitFor();
      return /Messages in[\s\S]*?[1-9]/.test(await totals.innerText());
    });
    await page.getByRole('link', { name: /bill/i }).click();
    await page.getByRole('table', { name: 'Bill preview' }).waitFor();
    expect(await page.getByRole('main').innerText()).toMatch(/\$|USD/);
  });

  it('fits a phone, logs out and back in, and refuses a wrong password in words', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${cloud.url}/clusters`);
    await page.getByText('fleet').first().waitFor();
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.getByRole('button', { name: /^Account:/ }).click();
    await page.getByRole('menuitem', { name: /log out/i }).click();
    await page.waitForURL(/\/login/);
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password', { exact: true }).fill('wrong password');
    await page.getByRole('button', { name: /log in/i }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('button', { name: /log in/i }).click();
    await page.waitForURL(/\/clusters/);
    await page.getByText('fleet').first().waitFor();
  });

  it('had no script error on the way (the refused log-in aside)', () => {
    expect(problems.filter((text) => !/401|Unauthorized/.test(text))).toEqual([]);
  });
});
