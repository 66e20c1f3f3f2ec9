import { WebhookEvent } from '@robustmq/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventsFault, eventsOf, eventsText, urlFault } from './webhook-form.ts';

describe('a webhook’s form', () => {
  it('reads events by line, space or comma, each once, and takes nothing for everything', () => {
    expect(eventsOf('cluster.create\n cluster.delete, cluster.create')).toEqual(['cluster.create', 'cluster.delete']);
    expect(eventsOf('  ')).toEqual(['*']);
    expect(eventsText(['*'])).toBe('Everything');
  });

  it('refuses just the events that the API refuses', () => {
    expect(eventsFault('cluster')).toMatch(/^cluster is no event/);
    const name = fc.stringMatching(/^[a-z*.-]{1,12}$/);
    fc.assert(
      fc.property(name, (event) => (eventsFault(event) === undefined) === WebhookEvent.safeParse(event).success),
    );
  });

  it('refuses what is no web address', () => {
    expect(urlFault('https://example.com/hook')).toBeUndefined();
    expect(urlFault('example.com')).toMatch(/^Enter an address/);
    expect(urlFault('ftp://example.com')).toMatch(/https/);
  });
});
