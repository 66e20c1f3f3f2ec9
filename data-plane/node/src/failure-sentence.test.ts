import { expect, it } from 'vitest';
import { JournalError } from '@robustmq/journal';
import { StoreError } from '@robustmq/store';
import { explained } from './failure-sentence.ts';

const full = new StoreError('disk-full', '/d/wal');

it.each([
  [full, 'disk-full', 'no space is left for /d: free some'],
  [new JournalError('failed', 'flush', { cause: full }), 'disk-full', 'no space is left for /d'],
  [new StoreError('failed', '/d/wal', { cause: full }), 'disk-full', 'no space is left for /d'],
  [new StoreError('locked', '/d'), 'data-dir-locked', 'another node uses /d'],
  [new StoreError('io', '/d/wal'), 'data-dir-failed', '/d can be written no more'],
  [new StoreError('corrupt', 'stream s at 5'), 'data-corrupt', 'stream s at 5'],
  [Object.assign(new Error('EACCES: denied'), { code: 'EACCES' }), 'data-dir-unusable', '/d cannot be written'],
])('says %s as %s', (error, code, sentence) => {
  expect(explained(error, '/d')).toMatchObject({
    name: 'NodeError',
    code,
    message: expect.stringContaining(sentence) as string,
  });
});

it('leaves a fault of ours as it is', () => {
  const fault = new TypeError('x is undefined');
  expect(explained(fault, '/d')).toBe(fault);
});
