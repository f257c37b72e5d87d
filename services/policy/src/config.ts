/** The room's settings, from environment variables. */
import { availableParallelism } from 'node:os';
import { adapterTargets } from '@backsight/engine';
import { type Environment, readSettings, roomSettings, setting, type SettingValues } from '@backsight/rpc';

/** What the room reads, and what `--help` says of it. */
export const settings = {
  ...roomSettings('policy', '127.0.0.1:7101'),
  openAiAddress: setting.maybe(
    setting.address('BACKSIGHT_POLICY_OPENAI_ADDRESS', 'HTTP address of the OpenAI-compatible face'),
  ),
  model: setting.path('BACKSIGHT_MODEL', 'the Hugging Face folder of the model'),
  checkpoints: setting.path('BACKSIGHT_CHECKPOINTS', 'a folder to keep checkpoints in', 'checkpoints'),
  keepLast: setting.maybe(
    setting.integer(
      'BACKSIGHT_CHECKPOINTS_KEEP_LAST',
      'newest checkpoints that stay when another is saved',
      1,
      1_000_000,
    ),
  ),
  keepBest: setting.maybe(
    setting.integer(
      'BACKSIGHT_CHECKPOINTS_KEEP_BEST',
      'beside them, those saved with the highest score',
      1,
      1_000_000,
    ),
  ),
  executionProvider: setting.choice(
    'BACKSIGHT_EXECUTION_PROVIDER',
    'where it computes',
    ['cpu', 'cuda'],
    'cpu',
  ),
  adapterFolder: setting.maybe(
    setting.path('BACKSIGHT_ADAPTER', 'folder of an adapter in PEFT layout to go on with'),
  ),
  adapterRank: setting.maybe(
    setting.integer(
      'BACKSIGHT_ADAPTER_RANK',
      'trains a new adapter of this rank instead of all weights',
      1,
      4096,
    ),
  ),
  adapterAlpha: setting.maybe(
    setting.decimal('BACKSIGHT_ADAPTER_ALPHA', 'the adapter’s alpha, else twice its rank', 1e-6, 1e6),
  ),
  adapterTargets: setting.maybe(
    setting.text(
      'BACKSIGHT_ADAPTER_TARGETS',
      `the matrices that the adapter targets, else ${adapterTargets.join(',')}`,
    ),
  ),
  adapterSeed: setting.integer(
    'BACKSIGHT_ADAPTER_SEED',
    'draws the adapter’s first factors',
    0,
    2 ** 31 - 1,
    0,
  ),
  threads: setting.integer(
    'BACKSIGHT_THREADS',
    'threads of one operator',
    1,
    256,
    Math.min(availableParallelism(), 16),
  ),
  generationSlots: setting.integer(
    'BACKSIGHT_GENERATION_SLOTS',
    'completions sampled side by side',
    1,
    4096,
    96,
  ),
  microBatchTokens: setting.integer(
    'BACKSIGHT_MICRO_BATCH_TOKENS',
    'tokens in one forward and backward pass; bounds memory',
    8,
    4_194_304,
    4096,
  ),
  maxExamples: setting.integer('BACKSIGHT_MAX_EXAMPLES', 'examples in one transaction', 1, 1_000_000, 16_384),
  maxPendingCompletions: setting.integer(
    'BACKSIGHT_MAX_PENDING_COMPLETIONS',
    'completions being sampled or waiting, over all calls',
    1,
    1_000_000,
    16_384,
  ),
  follow: setting.maybe(
    setting.address('BACKSIGHT_POLICY_FOLLOW', 'trainer whose weights it follows; it then samples only'),
  ),
  followIntervalMs: setting.integer(
    'BACKSIGHT_POLICY_FOLLOW_INTERVAL_MS',
    'how often a follower asks for new weights',
    10,
    3_600_000,
    500,
  ),
  followStaleAfterMs: setting.integer(
    'BACKSIGHT_POLICY_FOLLOW_STALE_AFTER_MS',
    'without an answer for so long, its weights count as stale',
    100,
    86_400_000,
    30_000,
  ),
  followType: setting.choice(
    'BACKSIGHT_POLICY_FOLLOW_TYPE',
    'bfloat16 takes half the bytes and rounds the weights',
    ['float32', 'bfloat16'],
    'float32',
  ),
};

export type PolicyConfig = SettingValues<typeof settings>;

/** Reads and checks every variable; throws `SettingsError` with one line per problem. */
export function readConfig(environment: Environment): PolicyConfig {
  return readSettings(environment, settings);
}
