import { describe, expect, it } from 'vitest';
import { expiryText, spanText } from './session-text.ts';

describe('how long a session is kept', () => {
  it('is told in the largest whole unit', () => {
    expect([1, 59, 60, 90, 3_600, 7_200, 86_400, 604_800].map(spanText)).toEqual([
      '1 second',
      '59 seconds',
      '1 minute',
      '90 seconds',
      '1 hour',
      '2 hours',
      '1 day',
      '7 days',
    ]);
  });
  it('knows the two values with a meaning of their own', () => {
    expect(expiryText(0)).toBe('With the connection');
    expect(expiryText(0xff_ff_ff_ff)).toBe('Never');
    expect(expiryText(120)).toBe('2 minutes');
  });
});
