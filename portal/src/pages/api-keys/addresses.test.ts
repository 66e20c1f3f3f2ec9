import { describe, expect, it } from 'vitest';
import { addressesOf, addressFault } from './addresses.ts';

describe('the addresses a key may be used from', () => {
  it('are split at whatever people put between them', () => {
    expect(addressesOf(' 10.0.0.0/8,\n192.0.2.1\t2001:db8::/32 ')).toEqual([
      '10.0.0.0/8',
      '192.0.2.1',
      '2001:db8::/32',
    ]);
    expect(addressesOf(' \n')).toEqual([]);
  });

  it.each(['', '192.0.2.1', '10.0.0.0/8\n2001:db8::1'])('%j is right', (text) => {
    expect(addressFault(text)).toBeUndefined();
  });

  it.each(['10.0.0.0/33', 'example.com', '256.1.1.1'])('%j is named', (text) => {
    expect(addressFault(`192.0.2.1\n${text}`)).toContain(text);
  });

  it('are at most a hundred', () => {
    expect(addressFault(new Array(101).fill('192.0.2.1').join('\n'))).toMatch(/too many/);
  });
});
