/** The room's settings, from environment variables. */
import { readSettings, roomSettings, setting, type SettingValues } from '@backsight/rpc';
import { followersSetting } from './follower-setting.js';

const settings = {
  ...roomSettings('coordinator', '127.0.0.1:7100'),
  /** The SQLite file that holds runs. */
  store: setting.path('BACKSIGHT_STORE', 'a path of a SQLite file', 'backsight.sqlite'),
  /** How long a run bears with a room that is away, in seconds. */
  patienceSeconds: setting.integer('BACKSIGHT_COORDINATOR_PATIENCE_SECONDS', 0, 86_400, 600),
  /** Followers of policies, for recipes that name none. */
  followers: followersSetting,
};

export type Config = SettingValues<typeof settings>;

/** Reads the settings. Throws a SettingsError that names everything that is wrong. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  return readSettings(environment, settings, { prefix: 'BACKSIGHT_COORDINATOR' });
}
