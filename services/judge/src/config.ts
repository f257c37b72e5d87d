/** The room's settings, from environment variables. */
import { availableParallelism } from 'node:os';
import { type Environment, readSettings, roomSettings, setting, type SettingValues } from '@backsight/rpc';
import { dockerSettings } from './sandbox/docker/settings.js';
import { type LanguageName, languageNames } from './sandbox/find-toolchains.js';
import { kubernetesSettings } from './sandbox/kubernetes/settings.js';
import { sandboxChoices } from './sandbox/open-sandbox.js';

/** What the room reads, and what `--help` says of it. */
export const settings = {
  ...roomSettings('judge', '127.0.0.1:7102'),
  tasks: setting.maybe(
    setting.paths(
      'BACKSIGHT_TASKS',
      'task files, separated by commas; without any only JudgeService is served',
    ),
  ),
  sandbox: setting.choice('BACKSIGHT_SANDBOX', 'what isolates programs', sandboxChoices, 'auto'),
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
  slots: setting.integer(
    'BACKSIGHT_JUDGE_SLOTS',
    'programs run side by side',
    1,
    256,
    availableParallelism() + 1,
  ),
  maxQueued: setting.integer('BACKSIGHT_JUDGE_MAX_QUEUED', 'submissions that may wait', 0, 1_000_000, 4096),
  cacheEntries: setting.integer(
    'BACKSIGHT_JUDGE_CACHE_ENTRIES',
    'judgements kept for identical submissions',
    0,
    10_000_000,
    20_000,
  ),
  feedbackWrongAnswers: setting.integer(
    'BACKSIGHT_FEEDBACK_WRONG_ANSWERS',
    'wrong answers shown in feedback',
    0,
    100,
    2,
  ),
  feedbackSelection: setting.choice(
    'BACKSIGHT_FEEDBACK_SELECTION',
    'which wrong answers',
    ['shortest', 'random'],
    'shortest',
  ),
  feedbackCharacters: setting.integer(
    'BACKSIGHT_FEEDBACK_CHARACTERS',
    'longest feedback',
    0,
    1_000_000,
    2000,
  ),
  maxTurns: setting.integer('BACKSIGHT_MAX_TURNS', 'actions an episode takes', 1, 1000, 1),
  maxEpisodes: setting.integer('BACKSIGHT_MAX_EPISODES', 'episodes open side by side', 1, 1_000_000, 4096),
};

export type JudgeConfig = SettingValues<typeof settings>;

/** Reads and checks everything; throws SettingsError with one line per problem. */
export function readConfig(environment: Environment): JudgeConfig {
  return readSettings(environment, settings, { prefix: 'BACKSIGHT_JUDGE_' });
}

/** Names separated by commas. */
function languageList(variable: string): setting.Setting<readonly LanguageName[]> {
  return {
    variable,
    about: 'languages that must be there; else those found',
    expected: `a list of ${languageNames.join(', ')}`,
    parse: (text) => {
      const names = text.split(',').map((name) => languageNames.find((each) => each === name.trim()));
      return names.includes(undefined) ? undefined : names.filter((name) => name !== undefined);
    },
  };
}
