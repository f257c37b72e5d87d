import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readSettings, roomSettings, setting, SettingsError } from './index.js';

const spec = {
  ...roomSettings('policy-torch', '127.0.0.1:7105'),
  model: setting.path('X_MODEL', 'the model folder'),
  tasks: setting.paths('X_TASKS', 'task files', []),
  threads: setting.integer('X_THREADS', 'threads', 1, 64, 4),
  rate: setting.decimal('X_RATE', 'a rate', 0, 1, 0.5),
  pairing: setting.choice('X_PAIRING', 'a pairing', ['merged', 'per-call'], 'merged'),
  name: setting.maybe(setting.text('X_NAME', 'a name')),
};

const problemsOf = (env: Record<string, string>, prefix?: string): readonly string[] => {
  try {
    readSettings(env, spec, prefix === undefined ? {} : { prefix });
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
  }
  return [];
};

describe('readSettings', () => {
  it('reads every setting, frozen, with the rest at their defaults', () => {
    const settings = readSettings({ X_MODEL: 'a', X_TASKS: 'b.jsonl, /c.jsonl,', X_RATE: '1e-3' }, spec);
    expect(settings).toEqual({
      address: '127.0.0.1:7105',
      metricsAddress: undefined,
      logLevel: 'info',
      maxConnectionAgeMs: undefined,
      model: resolve('a'),
      tasks: [resolve('b.jsonl'), '/c.jsonl'],
      threads: 4,
      rate: 0.001,
      pairing: 'merged',
      name: undefined,
    });
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it('takes an empty variable for an unset one', () => {
    expect(readSettings({ X_MODEL: '/m', X_THREADS: '' }, spec).threads).toBe(4);
    expect(problemsOf({ X_MODEL: '' })).toEqual(['X_MODEL must be set: the model folder']);
  });

  it.each<[string, string, string]>([
    ['X_THREADS', '0', 'X_THREADS must be a whole number in [1, 64], not "0"'],
    ['X_THREADS', '1.5', 'X_THREADS must be a whole number in [1, 64], not "1.5"'],
    ['X_THREADS', '8 cores', 'X_THREADS must be a whole number in [1, 64], not "8 cores"'],
    ['X_RATE', 'NaN', 'X_RATE must be a number in [0, 1], not "NaN"'],
    ['X_PAIRING', 'both', 'X_PAIRING must be one of merged, per-call, not "both"'],
    [
      'BACKSIGHT_POLICY_TORCH_ADDRESS',
      'localhost',
      'BACKSIGHT_POLICY_TORCH_ADDRESS must be an address host:port, for example 127.0.0.1:7101, not "localhost"',
    ],
    [
      'BACKSIGHT_POLICY_TORCH_METRICS_ADDRESS',
      ':99999',
      'BACKSIGHT_POLICY_TORCH_METRICS_ADDRESS must be an address host:port, for example 127.0.0.1:7101, not ":99999"',
    ],
  ])('says what %s must be instead of "%s"', (variable, text, problem) => {
    expect(problemsOf({ X_MODEL: '/m', [variable]: text })).toEqual([problem]);
  });

  it('says everything that is wrong at once', () => {
    expect(problemsOf({ X_THREADS: 'x', X_RATE: '2' })).toHaveLength(3);
  });

  it('refuses variables of its prefix that no setting reads', () => {
    expect(problemsOf({ X_MODEL: '/m', X_THREDS: '3' }, 'X_')).toEqual([
      expect.stringMatching(/^X_THREDS is no setting of this room; it reads .*X_THREADS/),
    ]);
  });
});
