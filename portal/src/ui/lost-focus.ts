/**
 * After a dialog closed: when what had the focus before is gone (a row that was deleted, the button of an empty list), the
 * page's main action takes it, or else its heading. Keyboard users would start at the top of the document.
 */
export function catchLostFocus(): void {
  if (document.activeElement !== null && document.activeElement !== document.body) return;
  const main = document.querySelector('main');
  const next = main?.querySelector<HTMLElement>('[data-main-action]') ?? main?.querySelector('h1');
  next?.focus({ preventScroll: true });
}

/** How long after its last frame a dialog may still give the focus back itself, in milliseconds. */
export const FOCUS_RETURN_MS = 30;
