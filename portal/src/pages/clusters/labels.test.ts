import { describe, expect, it } from 'vitest';
import { labelsOf, labelsText } from './labels.ts';

describe('labels as lines', () => {
  it('come back as they were', () => {
    const labels = { team: 'payments', 'cost-center': '42=b', empty: '' };
    expect(labelsOf(labelsText(labels))).toEqual(labels);
  });
  it('are read leniently', () => {
    expect(labelsOf(' team = a b \n\nsolo\nteam=last')).toEqual({ team: 'last', solo: '' });
  });
});
