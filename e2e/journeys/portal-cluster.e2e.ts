import type { MqttClient } from 'mqtt';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { kafkaOf, mosquittoPub, mqttOf } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, type TestCluster } from '../support/cloud.ts';
import { auditOf } from '../support/page-audit.ts';
import { eventually } from '../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
const PHONE_WIDTH_PX = 390;
const PAGES = [
  ...['/clients', '/clients/sessions', '/clients/sessions/scanner', '/messages', '/messages/delayed', '/groups'],
  ...[
    '/groups/readers',
    '/access',
    '/access/blacklist',
    '/access/bans',
    '/access/addresses',
    '/access/explain',
    '/events',
    '/events/slow-subscribers',
  ],
  ...[
    '/topics',
    '/topics/orders',
    '/topics/orders/records',
    '/settings',
    '/settings/authentication',
    '/settings/limits',
    '/settings/revisions',
    '/settings/cluster',
  ],
];

describe('the pages below a cluster, over what stock clients did', () => {
  let browser: Browser;
  let page: Page;
  let cluster: TestCluster;
  let gateway: MqttClient;
  const problems: string[] = [];

  /** What MQTT and Kafka clients leave behind for the pages to show. */
  const produce = async (): Promise<void> => {
    const lasting = { clean: false, properties: { sessionExpiryInterval: 3_600 } };
    const scanner = await mqttOf(cluster, { clientId: 'scanner', ...lasting });
    await scanner.subscribeAsync('stock/#', { qos: 1 });
    await scanner.endAsync();
    gateway = await mqttOf(cluster, { clientId: 'gateway-1' });
    await gateway.publishAsync('stock/7', '{"left":3}', { qos: 1 });
    await gateway.publishAsync('state/7', 'on', { qos: 1, retain: true });
    await gateway.publishAsync('$delayed/3600/later/7', 'hello', { qos: 1 });
    const refused = await mosquittoPub({ ...cluster, password: 'wrong' }, ['-i', 'intruder', '-t', 'a', '-m', 'b']);
    expect(refused.code).not.toBe(0);
    const kafka = kafkaOf(cluster);
    const producer = kafka.producer();
    await producer.connect();
    const headers = { trace: 'abc-123' };
    await producer.send({ topic: 'orders', messages: [{ key: 'k1', value: '{"total":42}', headers }] });
    await producer.disconnect();
    const admin = kafka.admin();
    await admin.connect();
    await admin.setOffsets({ groupId: 'readers', topic: 'orders', partitions: [{ partition: 0, offset: '0' }] });
    await admin.disconnect();
  };

  beforeAll(async () => {
    const profile = await newTenant(cloud, 'pages');
    cluster = await newCluster(cloud, profile);
    await cloud.ctl('topic', 'create', 'orders', '--cluster', cluster.name, '--profile', profile);
    await produce();
    browser = await openBrowser();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    await page.goto(`${cloud.url}/login`);
    await page.getByLabel('E-mail').fill(`${profile}@example.com`);
    await page.getByLabel('Password', { exact: true }).fill(`correct-horse-${profile}`);
    await page.getByRole('button', { name: /log in/i }).click();
    await page.waitForURL(/\/clusters$/);
  });
  afterAll(async () => {
    gateway?.end(true);
    await browser?.close();
  });

  const open = async (path: string): Promise<void> => {
    await page.goto(`${cloud.url}/clusters/${cluster.id}${path}`);
    await page.getByRole('heading', { level: 1, name: cluster.name }).waitFor();
  };
  const row = (table: string, text: string | RegExp): Locator =>
    page.getByRole('table', { name: table }).getByRole('row').filter({ hasText: text });
  const confirm = async (action: string): Promise<void> => {
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: action }).click();
    await dialog.waitFor({ state: 'hidden' });
  };

  it('lists clients and disconnects one', async () => {
    await open('/clients');
    await page.getByLabel('Client id starts with').fill('gate');
    const gone = new Promise((resolve) => gateway.once('close', () => resolve(true)));
    await page.getByRole('button', { name: 'Disconnect gateway-1' }).click();
    await confirm('Disconnect');
    expect(await gone).toBe(true);
    await page.getByRole('button', { name: 'Disconnect gateway-1' }).waitFor({ state: 'hidden' });
  });

  it('opens a session, reads its inbox, clears it and ends it', async () => {
    await open('/clients');
    await page.getByRole('link', { name: 'MQTT sessions' }).click();
    await page.getByRole('link', { name: 'scanner' }).click();
    await row('Subscriptions', 'stock/#').waitFor();
    await page.getByRole('button', { name: 'View message of stock/7' }).click();
    await page.getByRole('dialog').getByText('"left": 3').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Clear inbox' }).click();
    await confirm('Clear inbox');
    await page.getByText('The inbox is empty').waitFor();
  });

  it('deletes a retained message and cancels a delayed one', async () => {
    await open('/messages');
    await row('Retained messages', 'state/7').waitFor();
    await page.getByRole('button', { name: 'Delete retained message of state/7' }).click();
    await confirm('Delete message');
    await page.getByText('No retained messages').waitFor();
    await page.getByRole('link', { name: 'Delayed' }).click();
    await page.getByRole('button', { name: 'Cancel message to later/7' }).click();
    await confirm('Cancel message');
    await page.getByText('Nothing is waiting').waitFor();
    await open('/events');
    await row('Client events', /intruder.*wrong/)
      .first()
      .waitFor();
  });

  it('shows a topic, changes it, and finds a record with its headers', async () => {
    await open('/topics');
    await page.getByRole('link', { name: 'orders' }).click();
    await page.getByRole('table', { name: 'Partitions' }).getByRole('cell').first().waitFor();
    await page.getByRole('button', { name: 'Change topic' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Partitions').fill('2');
    await dialog.getByRole('button', { name: 'Save changes' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('link', { name: 'Browse messages' }).click();
    await page.getByRole('button', { name: 'View record 0' }).click();
    await page.getByRole('dialog').getByText('"total": 42').waitFor();
    await page.getByRole('dialog').getByText('abc-123').waitFor();
    await page.getByRole('dialog').getByText('Hex').nth(1).click();
    await page.getByRole('dialog').getByText('7b 22 74 6f 74 61 6c').waitFor();
    await page.keyboard.press('Escape');
  });

  it('produces a test record, and finds it by offset and by time', async () => {
    await page.getByRole('button', { name: 'Produce test record' }).click();
    const dialog = page.getByRole('dialog', { name: 'Produce a test record to orders' });
    await dialog.getByRole('textbox', { name: 'Key' }).fill('k2');
    await dialog.getByRole('textbox', { name: 'Value' }).fill('{"total":43}');
    await dialog.getByRole('textbox', { name: 'Headers' }).fill('trace: def-456');
    await dialog.getByRole('combobox', { name: 'Partition' }).click();
    await page.getByRole('option', { name: '0', exact: true }).click();
    await dialog.getByRole('button', { name: 'Produce record' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await row('Records', 'k2').waitFor();
    const beginAt = async (kind: string): Promise<void> => {
      await page.getByRole('combobox', { name: 'Begin at' }).click();
      await page.getByRole('option', { name: kind }).click();
    };
    const show = (): Promise<void> => page.getByRole('button', { name: 'Show', exact: true }).click();
    await beginAt('An offset');
    await page.getByLabel('Offset', { exact: true }).fill('1');
    await show();
    await row('Records', 'k1').waitFor({ state: 'hidden' });
    await row('Records', 'k2').waitFor();
    await beginAt('A time');
    await page.getByLabel('Time', { exact: true }).fill('2026-01-01T00:00');
    await show();
    await row('Records', 'k1').waitFor();
  });

  it('tells a group’s lag and moves its offsets', async () => {
    await open('/groups');
    await page.getByRole('link', { name: 'readers' }).click();
    await page.getByText('2 records behind in all.').waitFor();
    await page.getByRole('button', { name: 'Reset offsets' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('combobox', { name: 'Go on at' }).click();
    await page.getByRole('option', { name: /^The end/ }).click();
    await confirm('Reset offsets');
    await page.getByText('0 records behind in all.').waitFor();
  });

  it('adds an ACL rule and keeps a client out', async () => {
    await open('/access');
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).fill('orders');
    await page.getByRole('dialog').getByText('Everybody may read topics beginning with orders.').waitFor();
    await confirm('Add rule');
    await row('ACL rules', 'Begins with orders').waitFor();
    await page.getByRole('link', { name: 'Explain' }).click();
    await page.getByLabel('May credential').fill('app');
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('orders/7');
    await eventually('the node decides by the rule', 60_000, async () => {
      await page.getByRole('button', { name: 'Ask the node' }).click();
      await page.getByText('It may', { exact: true }).waitFor();
      return page.getByText('The rule that decides: Everybody may read topics beginning with orders.').isVisible();
    });
    await page.getByRole('link', { name: 'Blacklist' }).click();
    await page.getByRole('button', { name: 'Keep somebody out' }).click();
    await page.getByRole('dialog').getByRole('textbox', { name: 'Who' }).fill('intruder');
    await confirm('Keep out');
    await row('Blacklist', 'intruder').waitFor();
    await eventually('the node keeps it out', 60_000, async () => {
      const asked = await mosquittoPub(cluster, ['-i', 'intruder', '-t', 'a', '-m', 'b']);
      return asked.code !== 0;
    });
  });

  it('changes settings after a dry run, and goes back', async () => {
    await open('/settings');
    await page.getByLabel('Partitions of such a topic').fill('5');
    await page.getByRole('button', { name: 'Review changes' }).click();
    await row('Changes', 'Partitions of such a topic').waitFor();
    await confirm('Apply changes');
    await page.getByRole('link', { name: 'Revisions' }).click();
    await row('Revisions', 'settings.patch').waitFor();
    await page.getByRole('button', { name: 'Go back to revision 2' }).click();
    await row('Changes', 'Partitions of such a topic').waitFor();
    await confirm('Go back');
    await row('Revisions', /rollback/).waitFor();
  });

  it('has names, labels, landmarks and contrast on each of them, wide and narrow, light and dark', async () => {
    const found: string[] = [];
    for (const path of PAGES) {
      await open(path);
      const loading = page.getByRole('status', { name: 'Loading' });
      await eventually(`${path} has loaded`, 60_000, async () => (await loading.count()) === 0);
      for (const [width, scheme] of [
        [1280, 'light'],
        [PHONE_WIDTH_PX, 'dark'],
      ] as const) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme: scheme });
        await page.locator(`html[data-mantine-color-scheme=${scheme}]`).waitFor({ state: 'attached' });
        const audit = await auditOf(page, width === PHONE_WIDTH_PX ? ['main'] : ['main', 'nav']);
        found.push(...audit.map((problem) => `${path} ${width} ${scheme}: ${problem}`));
      }
    }
    expect(found).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  it('pauses and resumes the cluster, deletes it by its typed name, and restores it', async () => {
    await open('/settings/cluster');
    await page.getByRole('button', { name: 'Pause cluster' }).click();
    await confirm('Pause cluster');
    await page.getByRole('button', { name: 'Resume cluster' }).click();
    await page.getByRole('button', { name: 'Pause cluster' }).waitFor();
    await page.getByText('Ready', { exact: true }).first().waitFor();
    // from the deletion on, whoever still asks for the cluster is told 404
    expect(problems).toEqual([]);
    await page.getByRole('button', { name: 'Delete cluster' }).click();
    await page.getByLabel(`Type ${cluster.name} to confirm`).fill(cluster.name);
    await page.getByRole('dialog').getByRole('button', { name: 'Delete cluster' }).click();
    await page.waitForURL(/\/clusters$/);
    await page.getByRole('button', { name: `Restore cluster ${cluster.name}` }).click();
    await page.getByRole('link', { name: cluster.name }).waitFor();
  });
});
