/** The room's settings, from environment variables. */
import { fileURLToPath } from 'node:url';
import { readSettings, roomSettings, setting, type SettingValues } from '@backsight/rpc';
import { answerForms } from './answer.js';
import { reveals } from './feedback.js';
import { gradings } from './grade.js';

/** The examples that come with the room. */
const exampleTasks = fileURLToPath(new URL('../tasks/examples.jsonl', import.meta.url));

const settings = {
  ...roomSettings('science', '127.0.0.1:7104'),
  tasks: setting.paths('BACKSIGHT_SCIENCE_TASKS', 'JSON-lines files of tasks, separated by commas', [
    exampleTasks,
  ]),
  examples: setting.paths('BACKSIGHT_SCIENCE_EXAMPLES', 'JSON-lines files of worked examples', []),
  form: setting.choice('BACKSIGHT_SCIENCE_FORM', answerForms, 'tags'),
  grading: setting.choice('BACKSIGHT_SCIENCE_GRADING', gradings, 'any-form'),
  reveal: setting.choice('BACKSIGHT_SCIENCE_REVEAL', reveals, 'hints'),
  capacity: setting.integer('BACKSIGHT_SCIENCE_CAPACITY', 1, 1_000_000, 1024),
};

export type ScienceConfig = SettingValues<typeof settings>;

/** Reads and checks every variable; throws `SettingsError` with one line per problem. */
export function readConfig(environment: NodeJS.ProcessEnv): ScienceConfig {
  return readSettings(environment, settings, { prefix: 'BACKSIGHT_SCIENCE' });
}
