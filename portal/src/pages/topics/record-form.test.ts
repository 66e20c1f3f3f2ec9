import { ROUTES } from '@robustmq/contracts';
import { describe, expect, it } from 'vitest';
import { bodyOfForm, headersOf, NEW_RECORD } from './record-form.ts';

describe('a test record’s form', () => {
  it('reads headers by line; values may hold colons', () => {
    expect(headersOf('trace: a:b\n\n empty:')).toEqual([
      { name: 'trace', value: 'a:b' },
      { name: 'empty', value: '' },
    ]);
    expect(headersOf('nothing')).toBe('Write it as name: value: nothing');
    expect(headersOf(': x')).toMatch(/^Write it/);
  });

  it('sends what the API takes', () => {
    const body = ROUTES.produceRecord.body;
    const full = bodyOfForm({ ...NEW_RECORD, key: 'k', partition: '2' }, [{ name: 'a', value: 'b' }]);
    expect(body.parse(full)).toMatchObject({ key: 'k', partition: 2, value: '{"hello":"world"}' });
    expect(bodyOfForm({ ...NEW_RECORD, tombstone: true }, [])).not.toHaveProperty('value');
    expect(bodyOfForm(NEW_RECORD, [])).not.toHaveProperty('key');
  });
});
