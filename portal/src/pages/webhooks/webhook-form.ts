/** A webhook as its form holds it: events one a line. */
export interface WebhookValues {
  readonly url: string;
  readonly events: string;
}

const EVENT = /^(\*|[a-z][a-z-]*\.(\*|[a-z][a-z-]*))$/;

/** The events of a form, each once; none given = all of them. */
export function eventsOf(text: string): string[] {
  const events = [...new Set(text.split(/[\s,]+/).filter((event) => event !== ''))];
  return events.length === 0 ? ['*'] : events;
}

/** What is wrong with the events, in words; undefined when nothing is. */
export const eventsFault = (text: string): string | undefined => {
  const wrong = eventsOf(text).find((event) => !EVENT.test(event));
  return wrong === undefined ? undefined : `${wrong} is no event: write *, cluster.* or cluster.create`;
};

/** What is wrong with the address, in words; undefined when nothing is. The API looks further: it must be a public one. */
export function urlFault(text: string): string | undefined {
  if (!URL.canParse(text.trim())) return 'Enter an address like https://example.com/robustmq';
  const { protocol } = new URL(text.trim());
  return protocol === 'https:' || protocol === 'http:' ? undefined : 'The address must begin with https://';
}

/** The events of a webhook in words. */
export const eventsText = (events: readonly string[]): string =>
  events.includes('*') ? 'Everything' : events.join(', ');
