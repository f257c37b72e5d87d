/** The room's settings, from environment variables. */
import { fileURLToPath } from 'node:url';
import { type Environment, readSettings, roomSettings, setting, type SettingValues } from '@backsight/rpc';
import { reveals } from './feedback.js';
import { pairings } from './grade.js';

/** The examples that come with the room. */
const exampleTasks = fileURLToPath(new URL('../tasks/toolalpaca.jsonl', import.meta.url));

/** What the room reads, and what `--help` says of it. */
export const settings = {
  ...roomSettings('tools', '127.0.0.1:7103'),
  tasks: setting.paths('BACKSIGHT_TOOL_TASKS', 'JSON-lines files of tasks, separated by commas', [
    exampleTasks,
  ]),
  pairing: setting.choice(
    'BACKSIGHT_TOOL_PAIRING',
    'how calls are compared with those expected',
    pairings,
    'merged',
  ),
  reveal: setting.choice('BACKSIGHT_TOOL_REVEAL', 'how much feedback says', reveals, 'hints'),
  capacity: setting.integer('BACKSIGHT_TOOL_CAPACITY', 'episodes played side by side', 1, 1_000_000, 1024),
};

export type ToolsConfig = SettingValues<typeof settings>;

/** Reads and checks every variable; throws `SettingsError` with one line per problem. */
export function readConfig(environment: Environment): ToolsConfig {
  return readSettings(environment, settings, { prefix: 'BACKSIGHT_TOOL' });
}
