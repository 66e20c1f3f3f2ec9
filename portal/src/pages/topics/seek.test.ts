import { describe, expect, it } from 'vitest';
import { olderThan, recordsFrom, type Seek } from './seek.ts';

const seek: Seek = { partition: 1, kind: 'newest', offset: '', local: '', key: '' };

describe('where to begin reading', () => {
  it('is the last page, the first, an offset, a time or a key', () => {
    expect(recordsFrom(seek, 120)).toEqual({ partition: 1, fromOffset: 70 });
    expect(recordsFrom(seek, 3)).toEqual({ partition: 1, fromOffset: 0 });
    expect(recordsFrom({ ...seek, kind: 'oldest' }, 120)).toEqual({ partition: 1 });
    expect(recordsFrom({ ...seek, kind: 'offset', offset: 7 }, 120)).toEqual({ partition: 1, fromOffset: 7 });
    expect(recordsFrom({ ...seek, kind: 'key', key: 'ü' }, 0)).toEqual({ partition: 1, key: 'w7w=' });
    const local = '2026-01-02T03:04:05';
    const fromTime = new Date(local).toISOString();
    expect(recordsFrom({ ...seek, kind: 'time', local }, 0)).toEqual({ partition: 1, fromTime });
  });
  it('is nothing while the form is not complete', () => {
    for (const kind of ['offset', 'time', 'key'] as const) expect(recordsFrom({ ...seek, kind }, 9)).toBeUndefined();
    expect(recordsFrom({ ...seek, kind: 'offset', offset: -1 }, 9)).toBeUndefined();
  });
  it('goes back page by page to where the partition starts', () => {
    expect(olderThan(0, 120, 0)).toEqual({ partition: 0, fromOffset: 70 });
    expect(olderThan(0, 60, 30)).toEqual({ partition: 0, fromOffset: 30 });
    expect(olderThan(0, 30, 30)).toBeUndefined();
  });
});
