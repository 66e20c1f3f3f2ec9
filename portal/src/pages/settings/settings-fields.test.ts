import { ClusterSettings } from '@robustmq/contracts';
import { describe, expect, it } from 'vitest';
import {
  changedText,
  nameOf,
  pathText,
  SECTIONS,
  settingsErrors,
  settingsPatch,
  settingsValues,
} from './settings-fields.ts';

const settings = ClusterSettings.parse({
  mqtt: {
    autoSubscribe: [{ filter: 'own/{clientId}', qos: 1, noLocal: true }],
    rewrite: [{ from: 'a/+', to: 'b/{1}' }],
  },
});
const values = settingsValues(settings);
const changed = (name: string, value: string | number | boolean) => ({
  ...values,
  fields: { ...values.fields, [name]: value },
});

describe('the settings form', () => {
  it('shows only settings there are', () => {
    for (const [name, value] of Object.entries(values.fields)) expect(value, name).toBeDefined();
  });
  it('changes nothing while it is not touched', () => {
    expect(settingsPatch(settings, values)).toEqual({});
    expect(settingsErrors(values)).toEqual({});
  });
  it('makes patches that the contract takes', () => {
    const patch = settingsPatch(settings, changed('mqtt.flapping.enabled', true));
    expect(patch).toEqual({ mqtt: { flapping: { enabled: true } } });
    expect(ClusterSettings.parse(patch).mqtt.flapping.enabled).toBe(true);
  });
  it('reads lists from lines and keeps what lines do not say', () => {
    const patch = settingsPatch(settings, {
      ...values,
      autoSubscribe: 'own/{clientId} 2\nnews/#',
      rewrite: 'publish x/# y/{1}',
    });
    expect(patch).toEqual({
      mqtt: {
        autoSubscribe: [
          { filter: 'own/{clientId}', qos: 2, noLocal: true, retainAsPublished: false, retainHandling: 0 },
          { filter: 'news/#', qos: 0 },
        ],
        rewrite: [{ on: 'publish', from: 'x/#', to: 'y/{1}' }],
      },
    });
    ClusterSettings.parse(patch);
  });
  it('says what is out of range or unreadable', () => {
    expect(settingsErrors(changed('kafka.defaultPartitions', 257))).toEqual({
      'kafka.defaultPartitions': 'Use 1 to 256',
    });
    expect(settingsErrors(changed('mqtt.inbox.messagesMax', ''))).toEqual({
      'mqtt.inbox.messagesMax': 'Use 1 or more',
    });
    expect(Object.keys(settingsErrors({ ...values, rewrite: 'a', autoSubscribe: 'a b c' }))).toEqual([
      'rewrite',
      'autoSubscribe',
    ]);
  });
  it('has the contract’s bounds', () => {
    for (const field of SECTIONS.flatMap(({ fields }) => fields)) {
      if (field.kind !== 'number') continue;
      for (const value of [field.min, ...(field.max === undefined ? [] : [field.max])])
        ClusterSettings.parse(settingsPatch(settings, changed(nameOf(field), value)));
      const outside = [field.min - 1, ...(field.max === undefined ? [] : [field.max + 1])];
      for (const value of outside)
        expect(
          () => ClusterSettings.parse(settingsPatch(settings, changed(nameOf(field), value))),
          nameOf(field),
        ).toThrow();
    }
  });
  it('tells changes in words', () => {
    expect(pathText('/kafka/defaultPartitions')).toBe('Partitions of such a topic');
    expect(pathText('/acl/rules/r1')).toBe('acl.rules.r1');
    expect(changedText({ path: '/x', to: { a: 1 } }, 'to')).toBe('{"a":1}');
    expect(changedText({ path: '/x', to: 1 }, 'from')).toBe('–');
  });
});
