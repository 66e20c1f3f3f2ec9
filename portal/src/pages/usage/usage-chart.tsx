import { useComputedColorScheme, useMantineTheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import UPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Series } from './series.ts';

const HEIGHT = 300;
const COLOR: Record<string, string> = { mqtt: 'indigo', kafka: 'teal', amqp: 'orange', storage: 'grape' };
const LABEL: Record<string, string> = { mqtt: 'MQTT', kafka: 'Kafka', amqp: 'AMQP', storage: 'Storage' };

/** Steps of the value axis: whole numbers, for half a message is none. */
const STEPS = Array.from({ length: 19 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const FULL = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const DAY_SECONDS = 86_400;

/** Marks of the time axis: days where they are a day apart, else the clock, with the day at midnight. */
function timeMarks(seconds: readonly number[], stepSeconds: number): string[] {
  return seconds.map((second) => {
    const time = new Date(second * 1000);
    const midnight = time.getHours() === 0 && time.getMinutes() === 0;
    return stepSeconds >= DAY_SECONDS || midnight ? DAY.format(time) : CLOCK.format(time);
  });
}

interface UsageChartProps {
  readonly series: Series;
  /** What the chart shows, for those who do not see it. */
  readonly label: string;
  /** Writes a value with its unit. */
  readonly format: (value: number) => string;
}

/** A line for each protocol over time. The table beside it says the same in numbers. */
export function UsageChart({ series, label, format }: UsageChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  const { colors } = useMantineTheme();
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const ink = scheme === 'dark' ? colors.dark[1] : colors.gray[7];
    const grid = { stroke: scheme === 'dark' ? colors.dark[5] : colors.gray[2], width: 1 };
    const axis = { stroke: ink, grid, ticks: grid };
    const chart = new UPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        cursor: { drag: { x: false, y: false } },
        scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
        axes: [
          { ...axis, values: (_plot, seconds, _axis, _space, step) => timeMarks(seconds, step) },
          { ...axis, size: 84, incrs: STEPS, values: (_plot, values) => values.map(format) },
        ],
        series: [
          {
            label: 'Time',
            value: (_plot, second: number | null) => (second === null ? '–' : FULL.format(second * 1000)),
          },
          ...series.lines.map(({ protocol }) => {
            const shade = colors[COLOR[protocol] ?? 'gray']!;
            const stroke = scheme === 'dark' ? shade[4] : shade[7];
            return {
              label: LABEL[protocol] ?? protocol,
              stroke,
              width: 2,
              fill: `${stroke}1f`,
              points: { show: series.times.length < 40 },
              value: (_plot: UPlot, value: number | null) => (value === null ? '–' : format(value)),
            };
          }),
        ],
      },
      [series.times, ...series.lines.map(({ values }) => values)],
      element,
    );
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [series, scheme, colors, format]);
  return <div ref={holder} role="img" aria-label={label} style={{ minHeight: HEIGHT + 40, overflow: 'hidden' }} />;
}
