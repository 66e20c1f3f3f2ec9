import { existsSync } from 'node:fs';

/** A text and what it is written with: one of PDF's own fonts, or a file. */
export interface Written {
  readonly text: string;
  readonly font: string;
}

/** What PDF's own fonts can write. */
const LATIN = /^[\n\u0020-\u007e\u00a0-\u00ff\u2013\u2014\u2018\u2019\u201c\u201d\u20ac]*$/;
const EAST_ASIAN = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef]/;
/** Control and direction characters would turn a line of an invoice around, or tear it. */
const INVISIBLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Where Linux distributions and macOS keep fonts of many scripts. */
const MANY_SCRIPTS = [
  '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf',
  '/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf',
  '/usr/share/fonts/dejavu/DejaVuSans.ttf',
  '/usr/share/fonts/TTF/DejaVuSans.ttf',
  '/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf',
  '/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf',
  '/System/Library/Fonts/Supplemental/Arial Unicode.ttf',
];
const EAST_ASIAN_FONTS = [
  '/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf',
  '/usr/share/fonts/truetype/arphic-gkai00mp/gkai00mp.ttf',
  '/System/Library/Fonts/Supplemental/Arial Unicode.ttf',
];

const found = new Map<readonly string[], string | null>();
function firstOf(paths: readonly string[]): string | null {
  if (!found.has(paths)) found.set(paths, paths.find((path) => existsSync(path)) ?? null);
  return found.get(paths)!;
}

/**
 * How a text that people chose is written: Latin with PDF's own font, everything else with a font of the machine, or the one
 * file `ROBUSTMQ_INVOICE_FONT` names. Where there is none, characters that cannot be written are shown as `?`; the invoice's
 * CSV and JSON always have them.
 */
export function written(
  text: string,
  weight: '' | '-Bold' = '',
  chosen = process.env['ROBUSTMQ_INVOICE_FONT'],
): Written {
  const clean = text.replaceAll(INVISIBLE, '');
  const own = `Helvetica${weight}`;
  if (LATIN.test(clean)) return { text: clean, font: own };
  const file =
    chosen !== undefined && chosen !== '' && existsSync(chosen)
      ? chosen
      : firstOf(EAST_ASIAN.test(clean) ? EAST_ASIAN_FONTS : MANY_SCRIPTS);
  if (file !== null) return { text: clean, font: file };
  return { text: Array.from(clean, (one) => (LATIN.test(one) ? one : '?')).join(''), font: own };
}
