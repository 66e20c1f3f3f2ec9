import { useComputedColorScheme, useMantineTheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import UPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Series } from './series.ts';

const HEIGHT = 300;
const COLOR: Record<string, string> = { mqtt: 'indigo', kafka: 'teal', amqp: 'orange', storage: 'grape' };
const LABEL: Record<string, string> = { mqtt: 'MQTT', kafka: 'Kafka', amqp: 'AMQP', storage: 'Storage' };

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
        axes: [axis, { ...axis, size: 84, values: (_plot, values) => values.map(format) }],
        series: [
          { label: 'Time' },
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
