import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTopicFilter, topicNameFault } from './topic-names.ts';
import { isMqttText, toMqttText } from './utf8.ts';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
function oracle(bytes: Uint8Array): boolean {
  try {
    return !strict.decode(bytes).includes('\0');
  } catch {
    return false;
  }
}
const nearUtf8 = fc.array(
  fc.oneof(
    fc.constantFrom(0, 0x41, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xa0, 0x9f, 0xf0, 0xf4, 0x90, 0xef),
    fc.nat(255),
  ),
  { maxLength: 8 },
);

describe('[MQTT-1.5.4-1] [MQTT-1.5.4-2] UTF-8 strings', () => {
  it('are accepted exactly when a strict decoder takes them and U+0000 is not in them', () => {
    fc.assert(
      fc.property(nearUtf8, (list) => {
        const bytes = Buffer.from(list);
        expect(isMqttText(bytes, 0, bytes.length)).toBe(oracle(bytes));
      }),
      { numRuns: 3000 },
    );
  });
  it('of other protocols become acceptable ones', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const bytes = Buffer.from(toMqttText(text));
        expect(isMqttText(bytes, 0, bytes.length)).toBe(true);
      }),
    );
  });
});

describe('topic names and filters', () => {
  it.each([
    ['a', true],
    ['/', true],
    ['a//b', true],
    ['+', true],
    ['#', true],
    ['a/#', true],
    ['+/+/#', true],
    ['a/+/b', true],
    ['', false],
    ['a#', false],
    ['a/#/b', false],
    ['a+', false],
    ['+a/b', false],
    ['#/', false],
    ['$share/g/a', true],
    ['$share/g/#', true],
    ['$share/g//', true],
    ['$share', false],
    ['$share/', false],
    ['$share/g', false],
    ['$share/g/', false],
    ['$share//a', false],
    ['$share/g+/a', false],
    ['$share/#/a', false],
    ['$shared/g', true],
    ['$SYS/#', true],
  ])('[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.8.2-1] filter %j is valid: %j', (filter, valid) => {
    expect(isTopicFilter(filter)).toBe(valid);
  });
  it.each([
    ['a/b', null],
    ['a/+', 'topic-name-invalid'],
    ['#', 'topic-name-invalid'],
    ['a\0', 'malformed-packet'],
    ['é', null],
  ])('[MQTT-3.3.2-2] name %j: %j', (name, fault) => {
    const bytes = Buffer.from(name);
    expect(topicNameFault(bytes, 0, bytes.length)).toBe(fault);
  });
});
