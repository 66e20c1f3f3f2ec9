/**
 * QR code model 2 (ISO/IEC 18004:2015), byte mode, error correction level M, versions 1 to 10: enough for the address of a
 * second factor. Refuses what is longer with RangeError.
 */

/** Per version: error-correction codewords of a block, then the number of blocks and data codewords of each group (Table 9). */
const BLOCKS: readonly (readonly [ec: number, ...groups: readonly (readonly [count: number, data: number])[]])[] = [
  [10, [1, 16]],
  [16, [1, 28]],
  [26, [1, 44]],
  [18, [2, 32]],
  [24, [2, 43]],
  [16, [4, 27]],
  [18, [4, 31]],
  [22, [2, 38], [2, 39]],
  [22, [3, 36], [2, 37]],
  [26, [4, 43], [1, 44]],
];
/** Centres of the alignment patterns (Annex E). */
const ALIGNMENT: readonly (readonly number[])[] = [
  ...[[], [6, 18], [6, 22], [6, 26], [6, 30]],
  ...[
    [6, 34],
    [6, 22, 38],
    [6, 24, 42],
    [6, 26, 46],
    [6, 28, 50],
  ],
];
const MODE_BYTE = 0b0100;
const PAD = [0xec, 0x11];

const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power++) {
  EXP[power] = EXP[power + 255] = value;
  LOG[value] = power;
  value = value << 1 > 255 ? (value << 1) ^ 0x11d : value << 1;
}
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!);

/** Reed–Solomon remainder of `data` (clause 7.5). */
export function errorCorrection(data: readonly number[], length: number): number[] {
  let generator = [1];
  for (let root = 0; root < length; root++) {
    const next = [...generator, 0];
    generator.forEach((factor, index) => (next[index + 1]! ^= times(factor, EXP[root]!)));
    generator = next;
  }
  const rest = [...data, ...new Array<number>(length).fill(0)];
  for (let at = 0; at < data.length; at++) {
    const factor = rest[at]!;
    generator.forEach((part, index) => (rest[at + index]! ^= times(part, factor)));
  }
  return rest.slice(data.length);
}

const dataLength = (version: number): number =>
  (BLOCKS[version - 1]!.slice(1) as [number, number][]).reduce((sum, [count, data]) => sum + count * data, 0);

/** The text as codewords, padded, in blocks and interleaved (clauses 7.4 and 7.6). */
function codewordsOf(bytes: Uint8Array, version: number): number[] {
  const bits: number[] = [];
  const put = (value: number, length: number) => {
    for (let bit = length - 1; bit >= 0; bit--) bits.push((value >> bit) & 1);
  };
  const capacity = dataLength(version);
  put(MODE_BYTE, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  put(0, Math.min(4, capacity * 8 - bits.length));
  put(0, (8 - (bits.length % 8)) % 8);
  for (let index = 0; bits.length < capacity * 8; index++) put(PAD[index % 2]!, 8);
  const data = Array.from({ length: capacity }, (_, at) =>
    bits.slice(at * 8, at * 8 + 8).reduce((value, bit) => value * 2 + bit, 0),
  );
  const [ec, ...groups] = BLOCKS[version - 1]!;
  const blocks: number[][] = [];
  for (const [count, length] of groups) for (let i = 0; i < count; i++) blocks.push(data.splice(0, length));
  const interleaved = (rows: readonly number[][]) =>
    Array.from({ length: Math.max(...rows.map((row) => row.length)) }, (_, at) =>
      rows.flatMap((row) => (at < row.length ? [row[at]!] : [])),
    ).flat();
  return [...interleaved(blocks), ...interleaved(blocks.map((block) => errorCorrection(block, ec)))];
}

type Grid = (boolean | undefined)[][];

const bchOf = (value: number, length: number, generator: number): number => {
  let rest = value << length;
  for (let bit = 31 - Math.clz32(rest); bit >= length; bit = 31 - Math.clz32(rest)) rest ^= generator << (bit - length);
  return (value << length) | rest;
};
/** Format information of level M with a mask (clause 7.9). */
export const formatBits = (mask: number): number => bchOf(mask, 10, 0x537) ^ 0x5412;
/** Version information, from version 7 on (clause 7.10). */
export const versionBits = (version: number): number => bchOf(version, 12, 0x1f25);

function drawFormat(grid: Grid, mask: number): void {
  const size = grid.length;
  const bits = formatBits(mask);
  for (let i = 0; i < 15; i++) {
    const dark = ((bits >> i) & 1) === 1;
    const [y1, x1] = i < 6 ? [i, 8] : i < 8 ? [i + 1, 8] : i === 8 ? [8, 7] : [8, 14 - i];
    grid[y1]![x1] = dark;
    const [y2, x2] = i < 8 ? [8, size - 1 - i] : [size - 15 + i, 8];
    grid[y2]![x2] = dark;
  }
  grid[size - 8]![8] = true;
}

/** Everything that is the same for every text of a version. */
function patternsOf(version: number): Grid {
  const size = version * 4 + 17;
  const grid: Grid = Array.from({ length: size }, () => new Array<boolean | undefined>(size).fill(undefined));
  for (let i = 0; i < size; i++) grid[6]![i] = grid[i]![6] = i % 2 === 0;
  const square = (y0: number, x0: number, reach: number, dark: (ring: number) => boolean) => {
    for (let y = -reach; y <= reach; y++)
      for (let x = -reach; x <= reach; x++) {
        if (grid[y0 + y]?.[x0 + x] !== undefined || (y0 + y >= 0 && y0 + y < size && x0 + x >= 0 && x0 + x < size))
          grid[y0 + y]![x0 + x] = dark(Math.max(Math.abs(y), Math.abs(x)));
      }
  };
  for (const [y, x] of [
    [3, 3],
    [3, size - 4],
    [size - 4, 3],
  ] as const)
    square(y, x, 4, (ring) => ring !== 2 && ring !== 4);
  const centres = ALIGNMENT[version - 1]!;
  const last = centres.at(-1);
  for (const y of centres)
    for (const x of centres) {
      const inFinder = (y === 6 && (x === 6 || x === last)) || (y === last && x === 6);
      if (!inFinder) square(y, x, 2, (ring) => ring !== 1);
    }
  drawFormat(grid, 0);
  if (version >= 7) {
    const bits = versionBits(version);
    for (let i = 0; i < 18; i++) {
      const [a, b] = [Math.floor(i / 3), size - 11 + (i % 3)];
      grid[a]![b] = grid[b]![a] = ((bits >> i) & 1) === 1;
    }
  }
  return grid;
}

const MASKS: readonly ((y: number, x: number) => boolean)[] = [
  (y, x) => (y + x) % 2 === 0,
  (y) => y % 2 === 0,
  (_y, x) => x % 3 === 0,
  (y, x) => (y + x) % 3 === 0,
  (y, x) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (y, x) => ((y * x) % 2) + ((y * x) % 3) === 0,
  (y, x) => (((y * x) % 2) + ((y * x) % 3)) % 2 === 0,
  (y, x) => (((y + x) % 2) + ((y * x) % 3)) % 2 === 0,
];

/** The modules of the codewords, in pairs of columns from the right, up and down in turn (clause 7.7.3). */
function* dataModules(patterns: Grid): Generator<[number, number]> {
  const size = patterns.length;
  let up = true;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const y = up ? size - 1 - step : step;
      for (const x of [right, right - 1]) if (patterns[y]![x] === undefined) yield [y, x];
    }
    up = !up;
  }
}

/** Faults of a symbol that a camera would stumble over; the mask with the fewest is taken (clause 7.8.3). */
function penaltyOf(grid: readonly (readonly boolean[])[]): number {
  const size = grid.length;
  const columns = grid.map((_, x) => grid.map((row) => row[x]!));
  let penalty = 0;
  for (const line of [...grid, ...columns]) {
    const text = line.map((dark) => (dark ? '1' : '0')).join('');
    for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) penalty += run.length - 2;
    for (const look of ['10111010000', '00001011101'])
      for (let at = text.indexOf(look); at >= 0; at = text.indexOf(look, at + 1)) penalty += 40;
  }
  for (let y = 1; y < size; y++)
    for (let x = 1; x < size; x++) {
      const dark = grid[y]![x];
      if (dark === grid[y - 1]![x] && dark === grid[y]![x - 1] && dark === grid[y - 1]![x - 1]) penalty += 3;
    }
  const share = grid.flat().filter(Boolean).length / size ** 2;
  return penalty + Math.floor(Math.abs(share * 100 - 50) / 5) * 10;
}

/** The symbol of a text, row by row; true = dark. The quiet zone is not in it. */
export function qrCodeOf(text: string): boolean[][] {
  const bytes = new TextEncoder().encode(text);
  const headBytes = (version: number) => (version < 10 ? 2 : 3);
  const version = BLOCKS.findIndex((_, at) => bytes.length + headBytes(at + 1) <= dataLength(at + 1)) + 1;
  if (version === 0) throw new RangeError(`${bytes.length} bytes do not fit a QR code of version 10`);
  const patterns = patternsOf(version);
  const bits = codewordsOf(bytes, version).flatMap((byte) =>
    Array.from({ length: 8 }, (_, i) => (byte >> (7 - i)) & 1),
  );
  const modules = [...dataModules(patterns)];
  const symbols = MASKS.map((masked, mask) => {
    const grid = patterns.map((row) => [...row]);
    modules.forEach(([y, x], at) => (grid[y]![x] = (bits[at] === 1) !== masked(y, x)));
    drawFormat(grid, mask);
    return grid as boolean[][];
  });
  return symbols.reduce((best, one) => (penaltyOf(one) < penaltyOf(best) ? one : best));
}
