/** The room's settings, from environment variables. */
import { availableParallelism } from 'node:os';
import { adapterTargets } from '@backsight/engine';
import { readSettings, roomSettings, setting, type SettingValues } from '@backsight/rpc';

const settings = {
  ...roomSettings('policy', '127.0.0.1:7101'),
  openAiAddress: setting.maybe(setting.address('BACKSIGHT_POLICY_OPENAI_ADDRESS')),
  model: setting.path('BACKSIGHT_MODEL', 'the Hugging Face folder of the model'),
  checkpoints: setting.path('BACKSIGHT_CHECKPOINTS', 'a folder to keep checkpoints in', 'checkpoints'),
  keepLast: setting.maybe(setting.integer('BACKSIGHT_CHECKPOINTS_KEEP_LAST', 1, 1_000_000)),
  keepBest: setting.maybe(setting.integer('BACKSIGHT_CHECKPOINTS_KEEP_BEST', 1, 1_000_000)),
  executionProvider: setting.choice('BACKSIGHT_EXECUTION_PROVIDER', ['cpu', 'cuda'], 'cpu'),
  adapterFolder: setting.maybe(setting.path('BACKSIGHT_ADAPTER', 'a folder in PEFT layout')),
  adapterRank: setting.maybe(setting.integer('BACKSIGHT_ADAPTER_RANK', 1, 4096)),
  adapterAlpha: setting.maybe(setting.decimal('BACKSIGHT_ADAPTER_ALPHA', 1e-6, 1e6)),
  adapterTargets: setting.text(
    'BACKSIGHT_ADAPTER_TARGETS',
    'names of matrices separated by commas',
    adapterTargets.join(','),
  ),
  adapterSeed: setting.integer('BACKSIGHT_ADAPTER_SEED', 0, 2 ** 31 - 1, 0),
  threads: setting.integer('BACKSIGHT_THREADS', 1, 256, Math.min(availableParallelism(), 16)),
  generationSlots: setting.integer('BACKSIGHT_GENERATION_SLOTS', 1, 4096, 96),
  microBatchTokens: setting.integer('BACKSIGHT_MICRO_BATCH_TOKENS', 8, 4_194_304, 4096),
  maxExamples: setting.integer('BACKSIGHT_MAX_EXAMPLES', 1, 1_000_000, 16_384),
  maxPendingCompletions: setting.integer('BACKSIGHT_MAX_PENDING_COMPLETIONS', 1, 1_000_000, 16_384),
  follow: setting.maybe(setting.address('BACKSIGHT_POLICY_FOLLOW')),
  followIntervalMs: setting.integer('BACKSIGHT_POLICY_FOLLOW_INTERVAL_MS', 10, 3_600_000, 500),
  followStaleAfterMs: setting.integer('BACKSIGHT_POLICY_FOLLOW_STALE_AFTER_MS', 100, 86_400_000, 30_000),
  followType: setting.choice('BACKSIGHT_POLICY_FOLLOW_TYPE', ['float32', 'bfloat16'], 'float32'),
};

export type PolicyConfig = SettingValues<typeof settings>;

/** Reads and checks every variable; throws `SettingsError` with one line per problem. */
export function readConfig(environment: NodeJS.ProcessEnv): PolicyConfig {
  return readSettings(environment, settings);
}
