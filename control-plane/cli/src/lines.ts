import type { Terminal } from './terminal.ts';

const LINE_BYTES_MAX = 64 * 2 ** 20;

/** Lines of stdin without their ends; a last line without one counts too. Throws RangeError at an endless line. */
export async function* linesOf(stdin: Terminal['stdin']): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stdin) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_BYTES_MAX) throw new RangeError(`a line of input is longer than ${LINE_BYTES_MAX} bytes`);
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

/** What to send: every `-m`, else the lines of stdin. */
export async function* messagesOf(
  given: readonly string[] | undefined,
  stdin: Terminal['stdin'],
): AsyncGenerator<string> {
  if (given) yield* given;
  else yield* linesOf(stdin);
}

/** Gathers a repeatable option. */
export const collect = (value: string, earlier: string[] | undefined): string[] => [...(earlier ?? []), value];
