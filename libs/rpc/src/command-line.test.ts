import { describe, expect, it } from '@jest/globals';
import { asksForHelp, usage, withFlags } from './command-line.js';
import { SettingsError } from './settings.js';
import { setting } from './index.js';

const flags = { follow: 'X_FOLLOW' };

const problemsOf = (...args: string[]): readonly string[] => {
  try {
    withFlags({}, args, flags);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
  }
  return [];
};

describe('withFlags', () => {
  it.each([[['--follow', 'a:1']], [['--follow=a:1']], [['--follow=b:2', '--follow=a:1']]])(
    'puts %j in place of the variable',
    (args) => {
      expect(withFlags({ X_FOLLOW: 'c:3', X_OTHER: 'kept' }, args, flags)).toEqual({
        X_FOLLOW: 'a:1',
        X_OTHER: 'kept',
      });
    },
  );

  it('names every argument that it does not know, and those that it does', () => {
    expect(problemsOf('--no-follow', 'on', '-x')).toEqual([
      '--no-follow is no flag of this room; --follow=... and --help are',
      'on is no flag of this room; --follow=... and --help are',
      '-x is no flag of this room; --follow=... and --help are',
    ]);
    expect(() => withFlags({}, ['--follow=a:1'])).toThrow('--follow is no flag of this room; --help is');
  });

  it.each([['--follow'], ['--follow=']])('asks for the value of %s', (flag) => {
    expect(problemsOf(flag)).toEqual(['--follow takes a value: --follow=...']);
  });
});

describe('asksForHelp', () => {
  it('knows both of its names', () => {
    expect([['--help'], ['--follow=a:1', '-h'], ['--follow=help']].map(asksForHelp)).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe('usage', () => {
  it('says of every setting what it is for, what it must be, and what it is when unset', () => {
    const settings = {
      threads: setting.integer('X_THREADS', 'threads of one operator', 1, 64, 4),
      model: setting.path('X_MODEL', 'the model folder'),
      follow: setting.maybe(setting.address('X_FOLLOW', 'whom it follows')),
      tasks: setting.paths('X_TASKS', 'task files', ['/a', '/b']),
      note: setting.maybe(setting.text('X_NOTE', 'a note')),
    };
    expect(usage('demo', { about: 'Serves.', settings, flags })).toBe(`demo: Serves.

  --follow=...  in place of X_FOLLOW
  -h, --help    prints this

Settings, as environment variables:
  X_THREADS
      threads of one operator
      a whole number in [1, 64]; default 4
  X_MODEL
      the model folder
      required
  X_FOLLOW
      whom it follows
      an address host:port, for example 127.0.0.1:7101
  X_TASKS
      task files
      default /a,/b
  X_NOTE
      a note
`);
  });
});
