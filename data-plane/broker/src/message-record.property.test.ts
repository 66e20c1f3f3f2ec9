import { BatchBuilder, decodeRecords } from '@robustmq/journal';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toHeaders, toMessage } from './message-record.ts';
import type { Message, MessageProperties } from './message.ts';

const text = fc.string({ unit: 'grapheme' });
const name = fc.oneof(
  text,
  fc.constantFrom('content-type', 'user.content-type', 'user.user.message-expiry', 'response-topic', 'payload-is-text'),
);
const properties: fc.Arbitrary<MessageProperties> = fc.record(
  {
    contentType: text,
    responseTopic: text,
    correlationData: fc.uint8Array().map((b) => Buffer.from(b)),
    expirySeconds: fc.nat(0xffffffff),
    payloadIsText: fc.constant(true),
    headers: fc.array(fc.tuple(name, text), { minLength: 1 }),
  },
  { requiredKeys: [] },
);

it('a message survives its record', () => {
  fc.assert(
    fc.property(fc.uint8Array(), properties, fc.nat(), (payload, p, timestampMs) => {
      const builder = new BatchBuilder();
      builder.add(Buffer.from('a/b'), Buffer.from(payload), toHeaders(p), timestampMs);
      const found: Message[] = [];
      decodeRecords(builder.build(), (record) => void found.push(toMessage(record, 'a/b', 1, false)));
      expect(found[0]!.payload.equals(Buffer.from(payload))).toBe(true);
      expect(found[0]!.timestampMs).toBe(timestampMs);
      expect(found[0]!.properties ?? {}).toEqual(p);
    }),
  );
});
