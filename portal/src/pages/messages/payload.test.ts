import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64OfText, bytesOfBase64, formatOf, payloadText, previewOf } from './payload.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a payload for people', () => {
  it('is JSON, text or hex, whichever tells most', () => {
    expect(formatOf(utf8('{"a":1}'), false)).toBe('json');
    expect(formatOf(utf8('21.5'), false)).toBe('text');
    expect(formatOf(utf8('{"a":'), true)).toBe('text');
    expect(formatOf(Uint8Array.of(0xff, 0xfe), false)).toBe('hex');
    expect(formatOf(utf8('a\u0000b'), false)).toBe('hex');
    expect(formatOf(utf8('tab\tand\r\nlines'), false)).toBe('text');
  });
  it('stays text when it was cut within a character', () => {
    const bytes = utf8('Grüße').subarray(0, 3);
    expect(formatOf(bytes, true)).toBe('text');
    expect(formatOf(bytes, false)).toBe('hex');
  });
  it('is indented as JSON and dumped as hex', () => {
    expect(payloadText(utf8('{"a":[1]}'), 'json')).toBe('{\n  "a": [\n    1\n  ]\n}');
    expect(payloadText(utf8('not json'), 'json')).toBe('not json');
    expect(payloadText(utf8('hi\n'), 'hex')).toBe(`000000  68 69 0a${' '.repeat(39)}  hi.`);
  });
  it('has a preview of one bounded line', () => {
    expect(previewOf(null, 0)).toBe('');
    expect(previewOf(btoa('a\n  b'), 6)).toBe('a b');
    expect(previewOf(btoa('x'.repeat(200)), 200)).toHaveLength(81);
    expect(previewOf('/w8=', 2)).toBe('ff 0f');
  });
  it('takes any text to base64 and back, and any answer without throwing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(payloadText(bytesOfBase64(base64OfText(text)), 'text')).toBe(text.replace(/^\ufeff/, ''));
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), fc.string(), (bytes, cut, other) => {
        payloadText(bytes, formatOf(bytes, cut));
        bytesOfBase64(other);
      }),
    );
  });
});
