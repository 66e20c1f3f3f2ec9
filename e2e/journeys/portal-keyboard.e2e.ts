import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { CloudUnderTest } from '../support/cloud.ts';
import { auditOf } from '../support/page-audit.ts';
import { eventually } from '../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
const TABS_MAX = 60;
const PHONE_WIDTH_PX = 390;
/** Each differs from the one before in one thing, so that a page changes as little as possible. */
const LOOKS = [
  [1280, 'light'],
  [1280, 'dark'],
  [PHONE_WIDTH_PX, 'dark'],
  [PHONE_WIDTH_PX, 'light'],
] as const;

describe('the portal, by keyboard alone', () => {
  let browser: Browser;
  let page: Page;
  let clusterPath = '';

  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
    page.setDefaultTimeout(60_000);
  });
  afterAll(() => browser.close());

  const focused = (target: Locator): Promise<boolean> =>
    target.evaluate((element) => element === element.ownerDocument.activeElement);

  /** Whether the focus can be seen: an outline around what has it, or around the box or label that stands for it. */
  const expectVisibleFocus = async (): Promise<void> => {
    const found = await page.evaluate(`(() => {
      const at = document.activeElement;
      const outlined = (element) => {
        if (!element) return false;
        const style = getComputedStyle(element);
        return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
      };
      const shown = [at, at.parentElement, at.nextElementSibling].some(outlined);
      return shown || at === document.body || at.tabIndex < 0 ? '' : at.outerHTML.slice(0, 200);
    })()`);
    expect(found, 'has the focus, and nothing shows it').toBe('');
  };

  const showScheme = async (colorScheme: 'light' | 'dark'): Promise<void> => {
    await page.emulateMedia({ colorScheme });
    await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor({ state: 'attached' });
  };

  /** Presses Tab until `target` has the focus; every stop on the way must show it. */
  const tabTo = async (target: Locator): Promise<void> => {
    await target.waitFor();
    for (let tabs = 0; tabs < TABS_MAX; tabs++) {
      if (await focused(target)) return;
      await page.keyboard.press('Tab');
      await expectVisibleFocus();
    }
    throw new Error(`${TABS_MAX} times Tab do not lead to ${String(target)}`);
  };
  const press = async (target: Locator, key = 'Enter'): Promise<void> => {
    await tabTo(target);
    await page.keyboard.press(key);
  };
  const type = async (target: Locator, text: string): Promise<void> => {
    await tabTo(target);
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type(text);
  };
  const openTab = async (from: string, keys: readonly string[], path: string): Promise<void> => {
    await tabTo(page.getByRole('tab', { name: from, exact: true }));
    for (const key of keys) await page.keyboard.press(key);
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/${path}`);
  };

  it('signs up and creates a cluster', async () => {
    await page.goto(`${cloud.url}/signup`);
    await type(page.getByLabel('Company or team'), 'Keyboard Test');
    await type(page.getByLabel('E-mail'), `keyboard-${Date.now()}@example.com`);
    await type(page.getByLabel('Password', { exact: true }), 'a password of some length');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/clusters$/);
    await press(page.getByRole('link', { name: /create.*cluster/i }).first());
    await page.waitForURL(/\/clusters\/new$/);
    await type(page.getByLabel('Name'), 'keys');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/clusters\/[0-9a-f-]{36}$/);
    clusterPath = new URL(page.url()).pathname;
    await page.getByText(`mqtt://localhost:${cloud.ports.mqtt}`).first().waitFor();
  });

  it('keeps the session over a reload and skips to the content', async () => {
    await page.reload();
    await page.getByRole('heading', { name: 'keys', level: 1 }).waitFor();
    expect(new URL(page.url()).pathname).toBe(clusterPath);
    const skip = page.getByRole('link', { name: 'Skip to content' });
    await tabTo(skip);
    expect((await skip.boundingBox())!.x).toBeGreaterThanOrEqual(0);
    await page.keyboard.press('Enter');
    expect(await focused(page.getByRole('main'))).toBe(true);
  });

  it('creates a credential: dialogs hold the focus and give it back', async () => {
    await openTab('Overview', ['ArrowRight', 'ArrowRight'], 'credentials');
    const open = page.getByRole('button', { name: 'Create credential' });
    await press(open);
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await eventually('the focus is back where the dialog was opened', 60_000, () => focused(open));

    await page.keyboard.press('Enter');
    await type(page.getByRole('dialog').getByLabel('Name'), 'device');
    await page.keyboard.press('Enter');
    const secret = page.getByRole('dialog').filter({ hasText: 'once' });
    const done = secret.getByRole('button', { name: 'I have saved it' });
    await eventually('the dialog has the focus', 60_000, () => focused(done));
    await page.keyboard.press('Escape');
    for (let tabs = 0; tabs < 8; tabs++) {
      await page.keyboard.press('Tab');
      await expectVisibleFocus();
      expect(await page.evaluate(`document.activeElement.closest('[role=dialog]') !== null`)).toBe(true);
    }
    await press(done);
    await secret.waitFor({ state: 'hidden' });
    await eventually('the focus is back on the page', 60_000, () => focused(open));
  });

  it('connects, subscribes and publishes in the test client', async () => {
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Control+Home');
    await openTab('Credentials', ['ArrowRight', 'ArrowRight'], 'test-client');
    await press(page.getByRole('button', { name: 'Connect', exact: true }));
    await page.getByRole('region', { name: 'Connection' }).getByText('Connected').waitFor();
    const filter = page.getByLabel('Topic filter');
    await type(filter, 'keys/#');
    await page.keyboard.press('Enter');
    await page.getByRole('list', { name: 'Subscriptions' }).getByText('keys/#').waitFor();
    await type(page.getByLabel('Message', { exact: true }), 'typed, not clicked');
    await type(page.getByLabel('Topic', { exact: true }), 'keys/1');
    await page.keyboard.press('Enter');
    await page.getByRole('list', { name: 'Received messages' }).getByText('typed, not clicked').waitFor();
  });

  it('has names, labels, landmarks and contrast on every page, wide and narrow, light and dark', async () => {
    const paths = ['', '/connect', '/credentials', '/topics', '/test-client'].map((path) => clusterPath + path);
    const others = ['/clusters', '/clusters/new', '/usage', '/billing', '/members', '/api-keys', '/audit'];
    const problems: string[] = [];
    for (const path of [...paths, ...others]) {
      await page.goto(cloud.url + path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'hidden' });
      for (const [width, colorScheme] of LOOKS) {
        await page.setViewportSize({ width, height: 900 });
        await showScheme(colorScheme);
        const found = await auditOf(page, width === PHONE_WIDTH_PX ? ['main'] : ['main', 'nav']);
        problems.push(...found.map((problem) => `${path} ${width} ${colorScheme}: ${problem}`));
      }
    }
    expect(problems).toEqual([]);
  });

  it('logs out, to pages for guests that are as good', async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await press(page.getByRole('button', { name: /^Account:/ }));
    const logOut = page.getByRole('menuitem', { name: 'Log out' });
    await logOut.waitFor();
    await eventually('the arrow keys lead to the last item', 60_000, async () => {
      await page.keyboard.press('ArrowDown');
      return focused(logOut);
    });
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/login/);
    for (const path of ['/login', '/signup', '/nowhere']) {
      await page.goto(cloud.url + path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      for (const colorScheme of ['light', 'dark'] as const) {
        await showScheme(colorScheme);
        expect(await auditOf(page, ['main']), `${path} ${colorScheme}`).toEqual([]);
      }
    }
  });
});
