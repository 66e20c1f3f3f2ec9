import type { Stream } from '@robustmq/journal';
import { WireError, type Runtime } from '@robustmq/wire';
import * as event from './inbox-event.ts';
import type { InboxLog } from './inbox-log.ts';
import type { SessionInbox } from './inbox.ts';
import { replayRecords } from './keyed-stream.ts';
import type { RecordSource, SourceIdentity } from './record-source.ts';

export interface RecoveryOptions {
  readonly log: InboxLog;
  readonly events: Stream;
  readonly runtime: Runtime;
  /** The smallest session number meta never used. */
  readonly sessionNumberNext: number;
  /** The source of a partition that exists; null = it is gone. */
  partitionSource(identity: Exclude<SourceIdentity, null>): RecordSource | null;
}

/**
 * Rebuilds the inboxes that were created in `log` (one per session meta knows) from the event stream: from its last
 * complete snapshot, or its beginning. Events may refer to messages or sessions that a crash took (nobody was told of
 * them); as their offsets and numbers will be used again, a snapshot without them is written before anything else.
 */
export async function recoverInboxes(options: RecoveryOptions): Promise<void> {
  const { events, runtime, log } = options;
  let begin = -1;
  let snapshotAt = -1;
  await replayRecords(events, runtime, (record) => {
    const kind = record.valueEnd > record.valueStart ? record.data[record.valueStart] : undefined;
    if (kind === event.BEGIN) begin = record.offset;
    else if (kind === event.END && begin >= 0) {
      snapshotAt = begin;
      begin = -1;
    }
  });
  const replay = new InboxReplay(options, snapshotAt);
  await replayRecords(events, runtime, (record) => {
    if (record.offset < snapshotAt) return;
    const bytes = record.value();
    if (bytes === null) return;
    try {
      replay.apply(event.readEvent(bytes), record.offset);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      runtime.log.error({ stream: events.name, offset: record.offset, error }, 'an inbox event is unreadable');
    }
  });
  for (const inbox of log.inboxes.values()) inbox.makeStable(inbox.tail);
  if (replay.refersToLost) log.compact(true);
}

class InboxReplay {
  readonly #options: RecoveryOptions;
  readonly #snapshotAt: number;
  /** Inside the snapshot that counts; `session` events elsewhere belong to one that was cut off. */
  #inSnapshot = false;
  refersToLost = false;

  constructor(options: RecoveryOptions, snapshotAt: number) {
    this.#options = options;
    this.#snapshotAt = snapshotAt;
  }

  apply(one: event.InboxEvent, offset: number): void {
    switch (one.kind) {
      case event.BEGIN:
        this.#inSnapshot = offset === this.#snapshotAt;
        return;
      case event.END:
        this.#inSnapshot = false;
        return;
      case event.SESSION:
        if (this.#inSnapshot) this.#session(one);
        return;
      case event.OWED:
        this.#owed(one);
        return;
      case event.DONE: {
        const inbox = this.#inbox(one.session);
        if (inbox === undefined) return;
        const end = Math.min(one.from + one.count, inbox.tail);
        for (let sequence = Math.max(one.from, inbox.head); sequence < end; sequence++) inbox.markDone(sequence);
        inbox.restoreTaken(end);
        return;
      }
      case event.RECEIVED: {
        const inbox = this.#inbox(one.session);
        inbox?.restoreReceived(one.sequence);
        inbox?.restoreTaken(one.sequence + 1);
        return;
      }
      case event.TAKEN:
        this.#inbox(one.session)?.restoreTaken(one.below);
        return;
      case event.HELD:
      case event.RELEASED: {
        const inbox = this.#inbox(one.session);
        if (inbox === undefined) return;
        if (one.kind === event.HELD) (inbox.held ??= new Set()).add(one.packetId);
        else inbox.held?.delete(one.packetId);
      }
    }
  }

  #owed(one: event.OwedEvent): void {
    const source = this.#source(one.source);
    for (const target of one.targets) {
      const inbox = this.#inbox(target.session);
      if (inbox === undefined) continue;
      const idSet = inbox.idSetOf(target.subscriptionIds);
      for (let i = 0; i < one.count; i++) {
        const offset = one.base + i;
        if (!this.#isThere(source, offset)) inbox.skip();
        else inbox.owe(source!.index, offset, one.sizeBytes, target.qos, target.retain, idSet);
      }
    }
  }
  #session(one: event.SessionEvent): void {
    const inbox = this.#inbox(one.session);
    if (inbox === undefined) return;
    inbox.restart(one.head);
    inbox.held = one.held.length === 0 ? null : new Set(one.held);
    for (const entry of one.entries) {
      while (inbox.tail < entry.sequence) inbox.skip();
      const source = this.#source(entry.source);
      if (!entry.received && !this.#isThere(source, entry.offset)) inbox.skip();
      else {
        const idSet = inbox.idSetOf(entry.subscriptionIds);
        inbox.owe(source?.index ?? 0, entry.offset, entry.sizeBytes, entry.qos, entry.retain, idSet);
        if (entry.received) inbox.restoreReceived(entry.sequence);
      }
    }
    while (inbox.tail < one.tail) inbox.skip();
    inbox.restoreTaken(one.takenHigh);
  }

  #inbox(session: number): SessionInbox | undefined {
    if (session >= this.#options.sessionNumberNext) this.refersToLost = true;
    return this.#options.log.inboxes.get(session);
  }
  #source(identity: SourceIdentity): RecordSource | null {
    return identity === null ? this.#options.log.storeSource : this.#options.partitionSource(identity);
  }
  /** Whether the record can still be read. One beyond the end was lost with a crash, one below the start was let go. */
  #isThere(source: RecordSource | null, offset: number): boolean {
    if (source === null) return false;
    if (offset >= source.stream.endOffset) this.refersToLost = true;
    return offset >= source.stream.startOffset && offset < source.stream.endOffset;
  }
}
