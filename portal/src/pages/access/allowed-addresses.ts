import { ApiError } from '@robustmq/client';

const POINTER = /^(?:\/body)?\/network\/allowedAddresses(?:\/(\d+))?$/;

/** What the API says is wrong with the addresses that were sent, named as they were typed; undefined = it is about something else. */
export function refusalOf(error: unknown, sent: readonly string[]): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const faults = error.fieldErrors.flatMap(({ pointer, detail }) => {
    const match = POINTER.exec(pointer);
    if (match === null) return [];
    const typed = match[1] === undefined ? undefined : sent[Number(match[1])];
    return [typed === undefined ? detail : `${typed}: ${detail}`];
  });
  return faults.length === 0 ? undefined : faults.join('; ');
}
