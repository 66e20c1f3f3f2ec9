const FULL = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });
const SHORT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

/** An instant in the reader's zone; the exact one on hover. */
export function Time({ iso, dateOnly = false }: { iso: string; dateOnly?: boolean }) {
  const time = new Date(iso);
  return (
    <time dateTime={iso} title={FULL.format(time)} style={{ whiteSpace: 'nowrap' }}>
      {(dateOnly ? DATE : SHORT).format(time)}
    </time>
  );
}
