import { describe, expect, it } from 'vitest';
import { missingOf, sellerOf, SellerSetting } from './seller.ts';

const FULL = '{"name":"Acme","address":["1 Street"],"taxId":"X1"}';

describe('the seller on invoices', () => {
  it('is what is set', () => {
    expect(sellerOf(FULL, { isCharging: true })).toEqual({
      name: 'Acme',
      address: ['1 Street'],
      taxId: 'X1',
      email: '',
    });
    expect(missingOf(FULL)).toEqual([]);
  });

  it('says in words what is not set, where nothing is charged', () => {
    const text = SellerSetting.parse(undefined);
    expect(missingOf(text)).toEqual(['address', 'taxId']);
    expect(sellerOf(text, { isCharging: false })).toMatchObject({
      ...{ name: 'RobustMQ Cloud', address: [expect.stringContaining('not been set')], taxId: '(not set)' },
    });
  });

  it.each([
    ['{"name":"Acme"}', true, /lacks address, taxId: .* an example: \{"name"/],
    ['Acme Ltd', false, /is not JSON, as \{"name"/],
    ['{"name":"Acme","adress":["typo"]}', false, /Unrecognized key: "adress"; an example/],
    ['{"address":"1 Street"}', false, /address: .*expected array/],
  ])('refuses %s with a sentence that helps', (text, isCharging, sentence) => {
    expect(() => sellerOf(text, { isCharging })).toThrow(sentence);
  });
});
