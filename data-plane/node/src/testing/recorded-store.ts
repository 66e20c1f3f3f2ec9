import { MemoryLogStore, type Chunk, type Log, type LogStore } from '@robustmq/store';

type Step =
  | { readonly kind: 'append'; readonly stream: string; readonly chunk: Chunk }
  | { readonly kind: 'trim'; readonly stream: string; readonly before: number }
  | { readonly kind: 'stable' };

/**
 * A medium that remembers every step, so that a test can ask what is left after losing the power at any of them: one
 * write-ahead log whose tail may be torn off anywhere behind the last flush that was reported.
 */
export class RecordedStore implements LogStore {
  readonly steps: Step[] = [];
  readonly #memory = new MemoryLogStore();

  async open(stream: string): Promise<Log> {
    return new RecordedLog(stream, await this.#memory.open(stream), this.steps);
  }
  list(): readonly string[] {
    return this.#memory.list();
  }
  remove(stream: string): Promise<void> {
    return this.#memory.remove(stream);
  }
  async flush(): Promise<void> {
    await this.#memory.flush();
    this.steps.push({ kind: 'stable' });
  }
  close(): Promise<void> {
    return this.#memory.close();
  }

  /** Steps that cannot be lost any more. */
  get stableSteps(): number {
    return this.steps.findLastIndex((step) => step.kind === 'stable') + 1;
  }

  /** The medium as it is found when only the first `count` steps reached it. */
  async survivors(count: number): Promise<RecordedStore> {
    const next = new RecordedStore();
    for (const step of this.steps.slice(0, count)) {
      if (step.kind === 'stable') continue;
      const log = await next.open(step.stream);
      if (step.kind === 'append') log.append(step.chunk);
      else await log.trim(step.before);
    }
    await next.flush();
    return next;
  }
}

class RecordedLog implements Log {
  readonly #stream: string;
  readonly #log: Log;
  readonly #steps: Step[];
  constructor(stream: string, log: Log, steps: Step[]) {
    this.#stream = stream;
    this.#log = log;
    this.#steps = steps;
  }
  get startOffset(): number {
    return this.#log.startOffset;
  }
  get endOffset(): number {
    return this.#log.endOffset;
  }
  get stableOffset(): number {
    return this.#log.stableOffset;
  }
  get sizeBytes(): number {
    return this.#log.sizeBytes;
  }
  append(chunk: Chunk): void {
    this.#log.append(chunk);
    this.#steps.push({ kind: 'append', stream: this.#stream, chunk });
  }
  read(from: number, bytesMax: number): Promise<readonly Chunk[]> {
    return this.#log.read(from, bytesMax);
  }
  seekTime(timestampMs: number): Promise<number> {
    return this.#log.seekTime(timestampMs);
  }
  seekSize(bytesMax: number): number {
    return this.#log.seekSize(bytesMax);
  }
  truncate(to: number): Promise<void> {
    return this.#log.truncate(to);
  }
  async trim(before: number): Promise<void> {
    await this.#log.trim(before);
    this.#steps.push({ kind: 'trim', stream: this.#stream, before });
  }
}
