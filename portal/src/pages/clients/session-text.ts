/** MQTT 5.0 §3.1.2.11.2: this expiry means never. */
const NEVER_SECONDS = 0xff_ff_ff_ff;
const STEPS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;

/** A span of seconds in its largest whole unit: `7 days`, `90 seconds`. */
export function spanText(seconds: number): string {
  for (const [unit, size] of STEPS) {
    if (seconds >= size && seconds % size === 0) return `${seconds / size} ${unit}${seconds === size ? '' : 's'}`;
  }
  return `${seconds} second${seconds === 1 ? '' : 's'}`;
}

/** How long a session is kept after its client left. */
export function expiryText(seconds: number): string {
  if (seconds >= NEVER_SECONDS) return 'Never';
  return seconds === 0 ? 'With the connection' : spanText(seconds);
}
