import { ApiError } from '@robustmq/client';
import { describe, expect, it } from 'vitest';
import { refusalOf } from './allowed-addresses.ts';

const refused = (...pointers: string[]) =>
  new ApiError({
    ...{ status: 400, code: 'validation-failed', title: 'the request is not valid' },
    errors: pointers.map((pointer) => ({ pointer, detail: 'an address or a block of them' })),
  });

describe('the addresses clients may come from', () => {
  it('are named where the API refuses one', () => {
    const sent = ['192.0.2.7', '192.0.2.0/33'];
    expect(refusalOf(refused('/network/allowedAddresses/1'), sent)).toBe('192.0.2.0/33: an address or a block of them');
    expect(refusalOf(refused('/network/allowedAddresses'), sent)).toBe('an address or a block of them');
  });
  it('have nothing to do with other faults', () => {
    expect(refusalOf(refused('/network/allowedAddressesOf', '/mqtt'), [])).toBeUndefined();
    expect(refusalOf(new Error('no answer'), [])).toBeUndefined();
  });
});
