/** A test record as its form holds it. */
export interface RecordValues {
  key: string;
  value: string;
  /** One a line: `name: value`. */
  headers: string;
  /** Empty = by the key. */
  partition: string;
  encoding: 'text' | 'hex' | 'base64';
  /** Without a value it deletes its key in a compacted topic. */
  tombstone: boolean;
}

export const NEW_RECORD: RecordValues = {
  ...{ key: '', value: '{"hello":"world"}', headers: '', partition: '', encoding: 'text', tombstone: false },
};

interface Header {
  readonly name: string;
  readonly value: string;
}

/** The headers of a form; a line that is none as the words that say so. */
export function headersOf(text: string): Header[] | string {
  const headers: Header[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const at = line.indexOf(':');
    const name = line.slice(0, Math.max(at, 0)).trim();
    if (name === '') return `Write it as name: value: ${line.trim()}`;
    headers.push({ name, value: line.slice(at + 1).trim() });
  }
  return headers;
}

/** What is sent of a form whose headers are right. */
export function bodyOfForm(values: RecordValues, headers: readonly Header[]) {
  return {
    ...{ encoding: values.encoding, headers: [...headers] },
    ...(values.key === '' ? {} : { key: values.key }),
    ...(values.tombstone ? {} : { value: values.value }),
    ...(values.partition === '' ? {} : { partition: Number(values.partition) }),
  };
}
