import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csvField, csvOf } from './csv.ts';

/** A reader of RFC 4180, only for this test. */
function parse(text: string): string[][] {
  const rows: string[][] = [[]];
  let field = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (quoted) {
      if (char !== '"') field += char;
      else if (text[i + 1] === '"') {
        field += '"';
        i++;
      } else quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === ',' || char === '\r') {
      rows.at(-1)!.push(field);
      field = '';
      if (char === '\r') {
        i++;
        rows.push([]);
      }
    } else field += char;
  }
  return rows.slice(0, -1);
}

describe('csv', () => {
  it('quotes what must be quoted', () => {
    expect(
      csvOf([
        ['a', 'b,c'],
        ['d"e', 'f\ng'],
      ]),
    ).toBe('a,"b,c"\r\n"d""e","f\ng"\r\n');
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx'])('takes the force out of the formula %j', (text) => {
    expect(parse(csvOf([[text]]))).toEqual([[`'${text}`]]);
    expect(csvField(text)).toMatch(/^"?'/);
  });

  it('reads back what it wrote', () => {
    const cell = fc.string().filter((text) => !/^[=+\-@\t\r]/.test(text));
    fc.assert(
      fc.property(fc.array(fc.array(cell, { minLength: 1 }), { minLength: 1 }), (rows) => {
        expect(parse(csvOf(rows))).toEqual(rows);
      }),
    );
  });
});
