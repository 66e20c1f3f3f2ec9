import { expect, it } from 'vitest';
import { agentText } from './agent-text.ts';

it.each([
  [null, 'Unknown'],
  ['robust-ctl', 'robust-ctl'],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
  ['Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0', 'Edge on Windows'],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18 Safari/605', 'Safari on macOS'],
  ['x'.repeat(60), `${'x'.repeat(40)}…`],
])('%s is %s', (userAgent, text) => {
  expect(agentText(userAgent)).toBe(text);
});
