/** Longest pattern, characters. */
const PATTERN_LENGTH_MAX = 1_024;
/** Instructions a pattern may become: counted repetitions are written out. */
const INSTRUCTIONS_MAX = 2_000;
const REPETITIONS_MAX = 1_000;
/** Groups within groups. */
const DEPTH_MAX = 50;
/** Sets of places a pattern remembers while it is matched; beyond, it forgets them and begins anew. */
const STATES_MAX = 1_000;

/** A pattern that is none, or has what is not served; the message says which. */
export class PatternError extends Error {}

type CharTest = (code: number) => boolean;
type Node =
  | { readonly kind: 'char'; readonly test: CharTest }
  | { readonly kind: 'start' | 'end' | 'nothing' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly least: number; readonly most: number };

type Instruction =
  | { readonly op: 'char'; readonly test: CharTest }
  | { readonly op: 'split'; one: number; other: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'start' | 'end' | 'match' };

interface State {
  readonly places: readonly number[];
  readonly next: Map<number, State>;
}

/**
 * A pattern of topic names (KIP-848): RE2's syntax without back references, looking around, word boundaries, Unicode and
 * POSIX classes; the whole name must match. Matched by following all possibilities at once, so the time is linear in the
 * name's length whatever the pattern.
 */
export class TopicPattern {
  readonly #program: readonly Instruction[];
  #states = new Map<string, State>();
  #first: State | null = null;

  /** Throws PatternError. */
  constructor(pattern: string) {
    if (pattern.length > PATTERN_LENGTH_MAX)
      throw new PatternError(`a pattern has at most ${PATTERN_LENGTH_MAX} characters`);
    this.#program = compile(new Parser(pattern).parse());
  }

  matches(name: string): boolean {
    let state = (this.#first ??= this.#state(this.#closure([0], true, name.length === 0)));
    // what `^` and `$` let through depends on the place, so an empty name is looked at by itself
    if (name.length === 0) return this.#accepts(this.#closure([0], true, true));
    for (let i = 0; i < name.length && state.places.length > 0; i++) {
      state = this.#step(state, name.charCodeAt(i));
    }
    return this.#accepts(this.#closure(state.places, false, true));
  }

  #accepts(places: readonly number[]): boolean {
    return places.some((place) => this.#program[place]!.op === 'match');
  }

  #step(state: State, code: number): State {
    const known = state.next.get(code);
    if (known !== undefined) return known;
    const moved: number[] = [];
    for (const place of state.places) {
      const instruction = this.#program[place]!;
      if (instruction.op === 'char' && instruction.test(code)) moved.push(place + 1);
    }
    const next = this.#state(this.#closure(moved, false, false));
    state.next.set(code, next);
    return next;
  }

  #state(places: readonly number[]): State {
    const key = places.join();
    let state = this.#states.get(key);
    if (state !== undefined) return state;
    if (this.#states.size >= STATES_MAX) {
      this.#states = new Map();
      this.#first = null;
    }
    state = { places, next: new Map() };
    this.#states.set(key, state);
    return state;
  }

  /** Where one can be without a character: characters, the match, and an end that was not reached yet. In order. */
  #closure(from: readonly number[], atStart: boolean, atEnd: boolean): readonly number[] {
    const seen = new Set<number>();
    const kept: number[] = [];
    const open = [...from];
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      if (seen.has(place)) continue;
      seen.add(place);
      const instruction = this.#program[place]!;
      if (instruction.op === 'jump') open.push(instruction.to);
      else if (instruction.op === 'split') open.push(instruction.other, instruction.one);
      else if (instruction.op === 'start') {
        if (atStart) open.push(place + 1);
      } else if (instruction.op === 'end' && atEnd) open.push(place + 1);
      else kept.push(place);
    }
    return kept.sort((a, b) => a - b);
  }
}

const LETTERS: Readonly<Record<string, CharTest>> = {
  d: (code) => code >= 48 && code <= 57,
  w: (code) => (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95,
  s: (code) => code === 32 || (code >= 9 && code <= 13 && code !== 11),
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, f: 12, v: 11, a: 7 };
const NEWLINE = 10;

/** Recursive descent over RE2's grammar. */
class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #ignoresCase = false;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Node {
    if (this.#text.startsWith('(?i)')) {
      this.#ignoresCase = true;
      this.#at = 4;
    }
    const node = this.#choice();
    if (this.#at < this.#text.length) throw new PatternError('a ) without its (');
    return node;
  }

  #choice(): Node {
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0]! : { kind: 'choice', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#text.length && this.#text[this.#at] !== '|' && this.#text[this.#at] !== ')') {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: 'sequence', parts };
  }

  #repeated(part: Node): Node {
    const range = this.#range();
    if (range === null) return part;
    const [least, most] = range;
    if (part.kind === 'start' || part.kind === 'end') throw new PatternError('^ and $ cannot be repeated');
    // lazy or not makes no difference to whether a whole name matches
    this.#take('?');
    if (/^[*+?]/.test(this.#text.slice(this.#at))) throw new PatternError('a repetition of a repetition');
    return { kind: 'repeat', part, least, most };
  }

  #range(): readonly [number, number] | null {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    const counted = /^\{(\d+)(,(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 16));
    if (counted === null) return null;
    this.#at += counted[0].length;
    const least = Number(counted[1]);
    const most = counted[2] === undefined ? least : counted[3] === '' ? Infinity : Number(counted[3]);
    if (least > REPETITIONS_MAX || (most !== Infinity && most > REPETITIONS_MAX) || most < least) {
      throw new PatternError(`${counted[0]}: at most ${REPETITIONS_MAX}, and the smaller number first`);
    }
    return [least, most];
  }

  #atom(): Node {
    const char = this.#text[this.#at++]!;
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'char', test: this.#class() };
      case '.':
        return { kind: 'char', test: (code) => code !== NEWLINE };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '*':
      case '+':
      case '?':
        throw new PatternError(`${char} with nothing to repeat`);
      case '\\':
        return this.#escaped();
      default:
        return { kind: 'char', test: this.#is(char.charCodeAt(0)) };
    }
  }

  #group(): Node {
    if (++this.#depth > DEPTH_MAX) throw new PatternError(`more than ${DEPTH_MAX} groups within each other`);
    const named = /^\?(?:P?<[A-Za-z_]\w{0,63}>|:)/.exec(this.#text.slice(this.#at, this.#at + 80));
    if (named !== null) this.#at += named[0].length;
    else if (this.#text[this.#at] === '?')
      throw new PatternError('looking around and flags are not supported; (?i) only at the beginning');
    const node = this.#choice();
    if (!this.#take(')')) throw new PatternError('a ( without its )');
    this.#depth--;
    return node;
  }

  #escaped(): Node {
    const char = this.#escapedChar();
    if (char === 'A') return { kind: 'start' };
    if (char === 'z') return { kind: 'end' };
    return { kind: 'char', test: this.#classOfEscape(char) ?? this.#is(this.#codeOfEscape(char)) };
  }
  #escapedChar(): string {
    const char = this.#text[this.#at++];
    if (char === undefined) throw new PatternError('a \\ at the end');
    return char;
  }
  #classOfEscape(char: string): CharTest | null {
    const positive = LETTERS[char.toLowerCase()];
    if (positive === undefined) return null;
    return char === char.toLowerCase() ? positive : (code) => !positive(code);
  }
  #codeOfEscape(char: string): number {
    if (char === 'x') {
      const hex = /^[0-9A-Fa-f]{2}/.exec(this.#text.slice(this.#at, this.#at + 2));
      if (hex === null) throw new PatternError('\\x takes two hexadecimal digits');
      this.#at += 2;
      return parseInt(hex[0], 16);
    }
    const control = CONTROLS[char];
    if (control !== undefined) return control;
    // back references, word boundaries and classes of Unicode are letters and digits
    if (/[A-Za-z0-9]/.test(char)) throw new PatternError(`\\${char} is not supported`);
    return char.charCodeAt(0);
  }

  #class(): CharTest {
    const negated = this.#take('^');
    const tests: CharTest[] = [];
    for (let first = true; ; first = false) {
      const char = this.#text[this.#at++];
      if (char === undefined) throw new PatternError('a [ without its ]');
      if (char === ']' && !first) break;
      if (char === '[' && this.#text[this.#at] === ':')
        throw new PatternError('classes like [:alpha:] are not supported');
      const low = this.#classMember(char);
      if (typeof low !== 'number') tests.push(low);
      else tests.push(this.#classRange(low));
    }
    return (code) => tests.some((test) => test(code)) !== negated;
  }
  #classMember(char: string): number | CharTest {
    if (char !== '\\') return char.charCodeAt(0);
    const escaped = this.#escapedChar();
    return this.#classOfEscape(escaped) ?? this.#codeOfEscape(escaped);
  }
  #classRange(low: number): CharTest {
    if (this.#text[this.#at] !== '-' || this.#text[this.#at + 1] === ']' || this.#text[this.#at + 1] === undefined) {
      return this.#is(low);
    }
    this.#at++;
    const high = this.#classMember(this.#text[this.#at++]!);
    if (typeof high !== 'number' || high < low) throw new PatternError('a range of characters that goes down');
    const within: CharTest = (code) => code >= low && code <= high;
    return this.#ignoresCase ? (code) => within(code) || within(otherCase(code)) : within;
  }

  #is(wanted: number): CharTest {
    if (!this.#ignoresCase) return (code) => code === wanted;
    const other = otherCase(wanted);
    return (code) => code === wanted || code === other;
  }
  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
}

/** Topic names are ASCII. */
function otherCase(code: number): number {
  if (code >= 65 && code <= 90) return code + 32;
  return code >= 97 && code <= 122 ? code - 32 : code;
}

function compile(node: Node): readonly Instruction[] {
  const program: Instruction[] = [];
  const add = <I extends Instruction>(instruction: I): I => {
    if (program.length >= INSTRUCTIONS_MAX) throw new PatternError('the pattern is too large');
    program.push(instruction);
    return instruction;
  };
  const emit = (one: Node): void => {
    switch (one.kind) {
      case 'char':
        add({ op: 'char', test: one.test });
        return;
      case 'start':
      case 'end':
        add({ op: one.kind });
        return;
      case 'nothing':
        return;
      case 'sequence':
        for (const part of one.parts) emit(part);
        return;
      case 'choice':
        emitChoice(one.parts);
        return;
      case 'repeat':
        emitRepeat(one.part, one.least, one.most);
    }
  };
  const emitChoice = (parts: readonly Node[]): void => {
    const ends: { op: 'jump'; to: number }[] = [];
    parts.forEach((part, i) => {
      if (i === parts.length - 1) return emit(part);
      const split = add({ op: 'split', one: program.length + 1, other: 0 });
      emit(part);
      ends.push(add({ op: 'jump', to: 0 }));
      split.other = program.length;
    });
    for (const end of ends) end.to = program.length;
  };
  const emitRepeat = (part: Node, least: number, most: number): void => {
    for (let i = 0; i < least; i++) emit(part);
    if (most === Infinity) {
      const at = program.length;
      const split = add({ op: 'split', one: at + 1, other: 0 });
      emit(part);
      add({ op: 'jump', to: at });
      split.other = program.length;
      return;
    }
    const splits: { op: 'split'; one: number; other: number }[] = [];
    for (let i = least; i < most; i++) {
      splits.push(add({ op: 'split', one: program.length + 1, other: 0 }));
      emit(part);
    }
    for (const split of splits) split.other = program.length;
  };
  emit(node);
  add({ op: 'match' });
  return program;
}
