/** The room's settings, from environment variables. */
import { type Environment, readSettings, roomSettings, setting, type SettingValues } from '@backsight/rpc';
import { followersSetting } from './follower-setting.js';

/** What the room reads, and what `--help` says of it. */
export const settings = {
  ...roomSettings('coordinator', '127.0.0.1:7100'),
  store: setting.path('BACKSIGHT_STORE', 'the SQLite file that holds runs', 'backsight.sqlite'),
  patienceSeconds: setting.integer(
    'BACKSIGHT_COORDINATOR_PATIENCE_SECONDS',
    'how long a run bears with a room that is away',
    0,
    86_400,
    600,
  ),
  followers: followersSetting,
};

export type Config = SettingValues<typeof settings>;

/** Reads the settings. Throws a SettingsError that names everything that is wrong. */
export function readConfig(environment: Environment): Config {
  return readSettings(environment, settings, { prefix: 'BACKSIGHT_COORDINATOR' });
}
