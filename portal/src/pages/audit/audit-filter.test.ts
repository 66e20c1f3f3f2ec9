import type { AuditEvent } from '@robustmq/client';
import { describe, expect, it } from 'vitest';
import { linesOfJson, matches } from './audit-filter.ts';

const event: AuditEvent = {
  ...{ id: '1', seq: 1, at: '2026-11-22T00:00:00.000Z', requestId: 'req-7', detail: {}, result: 'denied' },
  ...{
    actor: { type: 'user', id: 'u-1', ip: '192.0.2.7' },
    action: 'topic.create',
    target: { type: 'topic', id: 'a/b' },
  },
};

describe('the audit filter', () => {
  it.each([
    ['', '', true],
    ['denied', '', true],
    ['ok', '', false],
    ['', 'TOPIC.create', true],
    ['', 'ada@', true],
    ['', '192.0.2', true],
    ['', ' req-7 ', true],
    ['', 'cluster', false],
  ] as const)('result %j, text %j: %s', (result, text, found) => {
    expect(matches(event, 'ada@example.com', { result, text })).toBe(found);
  });

  it('writes a line for each row', () => {
    expect(linesOfJson([{ seq: 1 }, { seq: 2 }])).toBe('{"seq":1}\n{"seq":2}\n');
    expect(linesOfJson([])).toBe('');
  });
});
