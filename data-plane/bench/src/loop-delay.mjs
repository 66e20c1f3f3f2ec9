import { monitorEventLoopDelay } from 'node:perf_hooks';

// Loaded into our server: answers 'loop-delay' on the IPC channel with percentiles since the question before, in milliseconds.
// The measure behind the metric robustmq_event_loop_delay_p999_seconds, without its library. JavaScript, for the first
// TypeScript file would load a type stripper into the process that is measured.
const NANOSECONDS_PER_MS = 1e6;
const RESOLUTION_MS = 10;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
process.on('message', (question) => {
  if (question !== 'loop-delay') return;
  // what is recorded is the time from one look to the next: without the wait itself it is how late the look was
  const percentile = (p) =>
    Math.max(0, delay.count === 0 ? 0 : delay.percentile(p) / NANOSECONDS_PER_MS - RESOLUTION_MS);
  process.send({ p99Ms: percentile(99), p999Ms: percentile(99.9) });
  delay.reset();
});
process.channel?.unref();
