/** The room's settings, from environment variables. */
import { fileURLToPath } from 'node:url';
import { type Environment, readSettings, roomSettings, setting, type SettingValues } from '@backsight/rpc';
import { answerForms } from './answer.js';
import { reveals } from './feedback.js';
import { gradings } from './grade.js';

/** The examples that come with the room. */
const exampleTasks = fileURLToPath(new URL('../tasks/examples.jsonl', import.meta.url));

/** What the room reads, and what `--help` says of it. */
export const settings = {
  ...roomSettings('science', '127.0.0.1:7104'),
  tasks: setting.paths('BACKSIGHT_SCIENCE_TASKS', 'JSON-lines files of tasks, separated by commas', [
    exampleTasks,
  ]),
  examples: setting.paths('BACKSIGHT_SCIENCE_EXAMPLES', 'JSON-lines files of worked examples', []),
  form: setting.choice('BACKSIGHT_SCIENCE_FORM', 'the form of a valid answer', answerForms, 'tags'),
  grading: setting.choice(
    'BACKSIGHT_SCIENCE_GRADING',
    'whether a right answer in another form is rewarded',
    gradings,
    'any-form',
  ),
  reveal: setting.choice('BACKSIGHT_SCIENCE_REVEAL', 'how much feedback says', reveals, 'hints'),
  capacity: setting.integer('BACKSIGHT_SCIENCE_CAPACITY', 'episodes played side by side', 1, 1_000_000, 1024),
};

export type ScienceConfig = SettingValues<typeof settings>;

/** Reads and checks every variable; throws `SettingsError` with one line per problem. */
export function readConfig(environment: Environment): ScienceConfig {
  return readSettings(environment, settings, { prefix: 'BACKSIGHT_SCIENCE' });
}
