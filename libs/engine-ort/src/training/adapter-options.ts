import {
  adapterTargets,
  freshAdapter,
  isAdapterTarget,
  loadPeftFolder,
  type Adapter,
  type FieldViolation,
  type ModelConfig,
} from '@backsight/engine';
import { numberProblems } from '@backsight/sdpo';

/** The adapter that an engine trains in place of all weights. */
export type AdapterOptions =
  /** A new one, which changes nothing yet; `targets` are PEFT's names. */
  | {
      readonly kind: 'fresh';
      readonly rank: number;
      readonly alpha: number;
      readonly targets: readonly string[];
      readonly seed: number;
    }
  /** One in a folder in PEFT layout. */
  | { readonly kind: 'folder'; readonly folder: string };

/** What is wrong with the options, field by field. */
export function adapterViolations(options: AdapterOptions): readonly FieldViolation[] {
  if (options.kind === 'folder') return [];
  const unknown = options.targets.filter((target) => !isAdapterTarget(target));
  const targets =
    options.targets.length === 0 || unknown.length > 0
      ? [`must be among ${adapterTargets.join(', ')}, are ${options.targets.join(', ') || 'none'}`]
      : [];
  return [
    ...numberProblems('adapter.rank', options.rank, { atLeast: 1, whole: true }),
    ...numberProblems('adapter.alpha', options.alpha, { above: 0 }),
    ...numberProblems('adapter.seed', options.seed, { atLeast: 0, whole: true }),
    ...targets.map((problem) => ({ field: 'adapter.targets', problem })),
  ].map(({ field, problem }) => ({ field, description: problem }));
}

/** Makes or loads the adapter of a model. Throws `CheckpointError` for a folder. */
export async function adapterOf(options: AdapterOptions, config: ModelConfig): Promise<Adapter> {
  if (options.kind === 'folder') return loadPeftFolder(options.folder, config);
  const { rank, alpha, seed } = options;
  const targets = adapterTargets.filter((target) => options.targets.includes(target));
  return freshAdapter(config, { rank, alpha, targets }, seed);
}
