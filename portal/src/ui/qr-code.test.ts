import { describe, expect, it } from 'vitest';
import { errorCorrection, formatBits, qrCodeOf, versionBits } from './qr-code.ts';

describe('QR codes', () => {
  it('corrects errors as the example of ISO/IEC 18004 Annex I does', () => {
    const data = [0x10, 0x20, 0x0c, 0x56, 0x61, 0x80, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11];
    expect(errorCorrection(data, 10)).toEqual([0xa5, 0x24, 0xd4, 0xc1, 0xed, 0x36, 0xc7, 0x87, 0x2c, 0x55]);
  });

  it('writes format and version as the tables of Annexes C and D say', () => {
    expect(formatBits(0)).toBe(0b101010000010010);
    expect(formatBits(5)).toBe(0b100000011001110);
    expect(versionBits(7)).toBe(0b000111110010010100);
  });

  it('grows with the text, and refuses what does not fit', () => {
    expect(qrCodeOf('x')).toHaveLength(21);
    expect(qrCodeOf('x'.repeat(14))).toHaveLength(21);
    expect(qrCodeOf('x'.repeat(15))).toHaveLength(25);
    expect(qrCodeOf('x'.repeat(213))).toHaveLength(57);
    expect(() => qrCodeOf('x'.repeat(214))).toThrow(RangeError);
  });

  it('has its three finder patterns and its dark module', () => {
    const symbol = qrCodeOf('otpauth://totp/RobustMQ:ada@example.com?secret=JBSWY3DPEHPK3PXP&issuer=RobustMQ');
    const size = symbol.length;
    for (const [y, x] of [
      [0, 0],
      [0, size - 7],
      [size - 7, 0],
    ] as const)
      expect(symbol[y + 3]!.slice(x, x + 7)).toEqual([true, false, true, true, true, false, true]);
    expect(symbol[size - 8]![8]).toBe(true);
  });
});
