import { describe, expect, it } from 'vitest';
import { ConnectGate } from './connect-gate.ts';
import { MQTT_LIMITS } from './limits.ts';
import { FakeRuntime } from './testing/fake-runtime.ts';
import { setUp } from './testing/set-up.ts';

const gateWith = (limits: object) => {
  const runtime = new FakeRuntime();
  return { runtime, gate: new ConnectGate(runtime, { ...MQTT_LIMITS, ...limits }) };
};

describe('ConnectGate', () => {
  it('lets an address open as many connections a second as it may, after a burst of two seconds', () => {
    const { runtime, gate } = gateWith({ connectsPerAddressPerSecondMax: 10 });
    const count = (address: string) => Array.from({ length: 100 }, () => gate.opened(address)).filter(Boolean).length;
    expect(count('a')).toBe(20);
    expect(count('b')).toBe(20);
    runtime.advance(500);
    expect(count('a')).toBe(5);
    runtime.advance(60_000);
    expect(count('a')).toBe(20);
  });
  it('bounds what is open without having been admitted', () => {
    const { gate } = gateWith({ connectsPerAddressPerSecondMax: 0, pendingConnectsPerAddressMax: 3 });
    expect([1, 2, 3, 4].map(() => gate.opened('a'))).toEqual([true, true, true, false]);
    gate.settled('a');
    expect([gate.opened('a'), gate.opened('a'), gate.opened('b')]).toEqual([true, false, true]);
  });
  it('forgets who is gone', () => {
    const { runtime, gate } = gateWith({});
    for (let i = 0; i < 50; i++) gate.opened(`${i}`);
    for (let i = 0; i < 40; i++) gate.settled(`${i}`);
    gate.sweep();
    expect(gate.size).toBe(50);
    runtime.advance(3_000);
    gate.sweep();
    expect(gate.size).toBe(10);
  });
});

describe('an address that opens too many connections', () => {
  it('has them closed at once and told to nobody, until those that are open are admitted or gone', () => {
    const { runtime, server, dial, join } = setUp({ pendingConnectsPerAddressMax: 2 });
    const [first, second, third] = [dial(), dial(), dial()];
    runtime.turn();
    expect([first.closed, second.closed, third.closed]).toEqual([null, null, 'destroy']);
    expect(server.connectionCount).toBe(2);
    expect(server.refusedConnections).toBe(1);
    first.cut();
    join();
    join();
    expect(server.refusedConnections).toBe(1);
    second.cut();
  });
});
