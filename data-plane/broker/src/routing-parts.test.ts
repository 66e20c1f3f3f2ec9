import { expect, it } from 'vitest';
import { BindingTable, compareSpecificity } from './binding-table.ts';
import { murmur2, partitionOf } from './murmur2.ts';
import { defaultBindings } from './topic-name.ts';

it('murmur2 gives the values of the Java client', () => {
  // org.apache.kafka.common.utils.UtilsTest#testMurmur2
  const cases: readonly (readonly [string, number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [key, hash] of cases) expect(murmur2(Buffer.from(key))).toBe(hash);
  expect(partitionOf(Buffer.from('21'), 7)).toBe((-973932308 & 0x7fffffff) % 7);
});

it('the most specific binding captures, and at most one topic does', () => {
  const table = new BindingTable<{ name: string }>();
  const sensors = { name: 'sensors' };
  const kitchen = { name: 'sensors.kitchen' };
  const all = { name: 'all' };
  const temperatures = { name: 'temperatures' };
  table.add(sensors, defaultBindings(sensors.name));
  table.add(kitchen, defaultBindings(kitchen.name));
  table.add(all, ['#']);
  table.add(temperatures, ['sensors/+/temp']);
  expect(table.capture('sensors')).toBe(sensors);
  expect(table.capture('sensors/1/hum')).toBe(sensors);
  expect(table.capture('sensors/1/temp')).toBe(temperatures);
  expect(table.capture('sensors/kitchen/temp')).toBe(kitchen);
  expect(table.capture('doors/1')).toBe(all);
  expect(table.capture('$SYS/x')).toBeNull();
  expect(table.matches(all, 'sensors/1')).toBe(true);
  table.remove(temperatures);
  expect(table.capture('sensors/1/temp')).toBe(sensors);
});

it('specificity is decided at the first level that differs', () => {
  const order = ['a/b', 'a/b/#', 'a/+', 'a/+/#', 'a/#', '+/b', '#'];
  for (let i = 1; i < order.length; i++) expect(compareSpecificity(order[i - 1]!, order[i]!)).toBeLessThan(0);
});
