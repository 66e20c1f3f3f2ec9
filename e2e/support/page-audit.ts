/// <reference lib="dom" />
import type { Page } from 'playwright-core';

/** What is wrong with the page that is shown, one sentence each: names, labels, landmarks, ids, contrast, width. */
export async function auditOf(page: Page, landmarks: readonly string[]): Promise<string[]> {
  // colours on their way from one scheme to the other are nobody's
  await page.evaluate(async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    await frame();
    await frame();
    const changes = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    await Promise.allSettled(changes.map((change) => change.finished));
  });
  return page.evaluate(audit, landmarks);
}

/** Runs in the browser, so it uses nothing from outside of itself. */
function audit(landmarks: readonly string[]): string[] {
  const problems: string[] = [];
  const seen = (element: Element): boolean =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const all = (selector: string): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(selector)].filter(seen);
  const told = (element: Element): string => element.outerHTML.replaceAll(/\s+/g, ' ').slice(0, 120);

  const textOf = (ids: string | null): string =>
    (ids ?? '')
      .split(' ')
      .map((id) => document.getElementById(id)?.textContent ?? '')
      .join('');
  const nameOf = (element: Element): string =>
    (
      element.getAttribute('aria-label') ??
      (textOf(element.getAttribute('aria-labelledby')) ||
        ('labels' in element && element.labels instanceof NodeList
          ? [...element.labels].map((label) => label.textContent ?? '').join('')
          : ''))
    ).trim();
  for (const field of all('input:not([type=hidden]), select, textarea')) {
    if (nameOf(field) === '') problems.push(`no label: ${told(field)}`);
  }
  for (const control of all('button, a[href], [role=button], [role=tab], [role=menuitem]')) {
    const pictures = [...control.querySelectorAll('img[alt]')].map((image) => image.getAttribute('alt')).join('');
    if ((nameOf(control) || (control.textContent ?? '').trim() || pictures) === '')
      problems.push(`no name: ${told(control)}`);
  }
  if (all('h1').length !== 1) problems.push(`${all('h1').length} first headings`);
  for (const landmark of landmarks) if (all(landmark).length === 0) problems.push(`no ${landmark} landmark`);
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  for (const id of new Set(ids.filter((each, index) => ids.indexOf(each) !== index))) problems.push(`id twice: ${id}`);
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) problems.push(`${scrollWidth - clientWidth} px wider than the window`);

  const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })!;
  /** The colour that is seen where `colours` lie on one another, the lowest first. */
  const blended = (colours: readonly string[]): number[] => {
    for (const colour of ['#fff', ...colours]) {
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
    }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  // WCAG 2.2, relative luminance
  const luminance = (rgb: number[]): number => {
    const [r, g, b] = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  for (const element of all('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && (node.textContent ?? '').trim() !== '');
    const disabled = element.closest(
      ':disabled, [data-disabled=true], [aria-disabled=true], .u-legend, [aria-hidden=true]',
    );
    const { width, height } = element.getBoundingClientRect();
    if (!own || disabled || width <= 1 || height <= 1) continue;
    const below: string[] = [];
    for (let at: Element | null = element; at; at = at.parentElement)
      below.unshift(getComputedStyle(at).backgroundColor);
    const style = getComputedStyle(element);
    const [text, ground] = [luminance(blended([...below, style.color])), luminance(blended(below))];
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    if (ratio < 4.5)
      problems.push(`contrast ${ratio.toFixed(2)}: ${element.textContent!.trim().slice(0, 40)} ${told(element)}`);
  }
  return problems;
}
