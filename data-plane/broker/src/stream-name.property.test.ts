import fc from 'fast-check';
import { expect, it } from 'vitest';
import { namespaceStream, parseStreamName, partitionStream } from './stream-name.ts';

const part = fc.string({ minLength: 1, maxLength: 60 });

it('names say what they were made of, whatever the parts contain', () => {
  fc.assert(
    fc.property(part, part, fc.nat(9999), (namespaceId, topicId, partition) => {
      expect(parseStreamName(partitionStream(namespaceId, topicId, partition))).toEqual({
        namespaceId,
        kind: 'partition',
        topicId,
        partition,
      });
      expect(parseStreamName(namespaceStream(namespaceId, 'retained'))).toMatchObject({
        namespaceId,
        kind: 'retained',
      });
    }),
  );
});

it('any text is read without crashing', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((s) => `ns${s}`),
      ),
      (name) => {
        const identity = parseStreamName(name);
        if (identity !== null) expect(name).toContain(identity.namespaceId);
      },
    ),
  );
});
