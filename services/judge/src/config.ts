/** The room's settings, from environment variables and the one flag that has to be said in so many words. */
import { availableParallelism } from 'node:os';
import { readSettings, roomSettings, setting, SettingsError, type SettingValues } from '@backsight/rpc';
import { dockerSettings } from './sandbox/docker/settings.js';
import { type LanguageName, languageNames } from './sandbox/find-toolchains.js';
import { kubernetesSettings } from './sandbox/kubernetes/settings.js';
import { sandboxChoices } from './sandbox/open-sandbox.js';

const settings = {
  ...roomSettings('judge', '127.0.0.1:7102'),
  tasks: setting.maybe(setting.paths('BACKSIGHT_TASKS', 'task files, separated by commas')),
  sandbox: setting.choice('BACKSIGHT_SANDBOX', sandboxChoices, 'auto'),
  python: setting.maybe(setting.path('BACKSIGHT_PYTHON', 'the path of a CPython 3.10 or newer')),
  languages: setting.maybe(languageList('BACKSIGHT_JUDGE_LANGUAGES')),
  java: setting.maybe(setting.path('BACKSIGHT_JUDGE_JAVA', 'the path of the javac of a JDK 11 or newer')),
  rust: setting.maybe(setting.path('BACKSIGHT_JUDGE_RUST', 'the path of rustc')),
  go: setting.maybe(setting.path('BACKSIGHT_JUDGE_GO', 'the path of go')),
  store: setting.maybe(setting.path('BACKSIGHT_JUDGE_STORE', 'a folder for what compilers need made ready')),
  searchPath: setting.text('PATH', 'folders of programs, separated by colons', ''),
  ...dockerSettings,
  ...kubernetesSettings,
  // One more than there are cores: a slot that waits for its own processes leaves its core to another.
  slots: setting.integer('BACKSIGHT_JUDGE_SLOTS', 1, 256, availableParallelism() + 1),
  maxQueued: setting.integer('BACKSIGHT_JUDGE_MAX_QUEUED', 0, 1_000_000, 4096),
  cacheEntries: setting.integer('BACKSIGHT_JUDGE_CACHE_ENTRIES', 0, 10_000_000, 20_000),
  feedbackWrongAnswers: setting.integer('BACKSIGHT_FEEDBACK_WRONG_ANSWERS', 0, 100, 2),
  feedbackSelection: setting.choice('BACKSIGHT_FEEDBACK_SELECTION', ['shortest', 'random'], 'shortest'),
  feedbackCharacters: setting.integer('BACKSIGHT_FEEDBACK_CHARACTERS', 0, 1_000_000, 2000),
  maxTurns: setting.integer('BACKSIGHT_MAX_TURNS', 1, 1000, 1),
  maxEpisodes: setting.integer('BACKSIGHT_MAX_EPISODES', 1, 1_000_000, 4096),
};

export type JudgeConfig = SettingValues<typeof settings>;

/** Reads and checks everything; throws SettingsError with one line per problem. `--sandbox=X` overrides BACKSIGHT_SANDBOX. */
export function readConfig(environment: NodeJS.ProcessEnv, flags: readonly string[] = []): JudgeConfig {
  const unknown = flags.filter((flag) => !flag.startsWith(sandboxFlag));
  if (unknown.length > 0) {
    throw new SettingsError(
      unknown.map((flag) => `${flag} is no flag of this room; --sandbox=${sandboxChoices.join('|')} is`),
    );
  }
  const chosen = flags.at(-1)?.slice(sandboxFlag.length);
  const variables = chosen === undefined ? environment : { ...environment, BACKSIGHT_SANDBOX: chosen };
  return readSettings(variables, settings, { prefix: 'BACKSIGHT_JUDGE_' });
}

const sandboxFlag = '--sandbox=';

/** Names separated by commas. */
function languageList(variable: string): setting.Setting<readonly LanguageName[]> {
  return {
    variable,
    expected: `a list of ${languageNames.join(', ')}`,
    parse: (text) => {
      const names = text.split(',').map((name) => languageNames.find((each) => each === name.trim()));
      return names.includes(undefined) ? undefined : names.filter((name) => name !== undefined);
    },
  };
}
