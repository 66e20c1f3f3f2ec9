import { describe, expect, it } from 'vitest';
import { MessageBuffer } from './message-buffer.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('MessageBuffer', () => {
  it('keeps the newest, newest first, and counts the rest', () => {
    const buffer = new MessageBuffer(3);
    for (let n = 1; n <= 10; n++) buffer.add('a', bytes(String(n)), 0, false, n);
    expect(buffer.newestFirst().map((message) => message.text)).toEqual(['10', '9', '8']);
    expect(buffer.newestFirst()[0]).toMatchObject({ number: 10, topic: 'a', sizeBytes: 2 });
    expect([buffer.count, buffer.dropped]).toEqual([10, 7]);
    buffer.clear();
    expect([buffer.count, buffer.dropped, buffer.newestFirst().length]).toEqual([0, 0, 0]);
  });

  it('shows text as text, also when the cut goes through a character', () => {
    const buffer = new MessageBuffer(3);
    buffer.add('a', bytes('é'.repeat(3_000)), 1, true, 0);
    buffer.add('a', bytes(`x${'é'.repeat(3_000)}`), 1, true, 0);
    const [odd, even] = buffer.newestFirst();
    expect(even).toMatchObject({ binary: false, cut: true, sizeBytes: 6_000, text: 'é'.repeat(2_048) });
    expect(odd?.text).toBe(`x${'é'.repeat(2_047)}`);
  });

  it('shows other bytes as hexadecimal', () => {
    const buffer = new MessageBuffer(3);
    buffer.add('a', new Uint8Array([0xff, 0, 0x1a]), 0, false, 0);
    buffer.add('a', new Uint8Array(1_000).fill(0xfe), 0, false, 0);
    const [long, short] = buffer.newestFirst();
    expect(short).toMatchObject({ text: 'ff 00 1a', binary: true, cut: false });
    expect(long).toMatchObject({ binary: true, cut: true });
  });
});
