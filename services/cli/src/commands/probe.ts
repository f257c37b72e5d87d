/** `backsight probe` */
import type { CoordinatorServiceClient, ProbeResult } from '@backsight/contract/coordinator';
import type { Command } from 'commander';
import { barUntilResult } from '../progress/bar.js';
import { parseOverride, readRecipe, type RecipeFile, recipeProblem } from '../recipe-file.js';
import { printJson, type Context } from './context.js';
import { collect, integer } from './options.js';
import { type CoordinatorFlags, coordinatorOption, withCoordinator } from './with-coordinator.js';

interface Flags extends CoordinatorFlags {
  readonly tasks: number;
  readonly set: readonly string[];
  readonly json: boolean;
}

export function addProbe(program: Command, context: Context): void {
  coordinatorOption(program.command('probe <recipe>'))
    .description('ask, before training, whether hindsight helps this policy on these tasks')
    .option('--tasks <n>', 'how many tasks to probe; 0 takes the whole split', integer(0, 1_000_000), 32)
    .option('--set <key=value>', 'change a key of the recipe; repeatable', collect, [])
    .option('--json', 'print the result as JSON', false)
    .action(async (path: string, flags: Flags) => {
      const recipe = await readRecipe(path, flags.set.map(parseOverride));
      const result = await withCoordinator(flags, (client) => probe(client, recipe, flags, context));
      if (flags.json) printJson(context, result);
      else context.output.write(`${told(result)}\n`);
    });
}

function probe(
  client: CoordinatorServiceClient,
  recipe: RecipeFile,
  flags: Flags,
  context: Context,
): Promise<ProbeResult> {
  const request = { recipeYaml: recipe.yaml, maxTasks: flags.tasks };
  const updates = client.probe(request, { signal: context.signal });
  return barUntilResult('probe', updates, context, flags.json).catch((error: unknown) => {
    throw recipeProblem(error, recipe);
  });
}

/** What a probe found, in three lines. */
export function told({ studentPassRate, teacherPassRate, hindsightFraction }: ProbeResult): string {
  const share = `${Math.round(hindsightFraction * 100)} % of the attempts`;
  const gain = teacherPassRate - studentPassRate;
  return [
    `plain attempts      pass@1 ${studentPassRate.toFixed(3)}`,
    `told in hindsight   pass@1 ${teacherPassRate.toFixed(3)}   there is hindsight for ${share}`,
    verdict(studentPassRate, gain),
  ].join('\n');
}

function verdict(studentPassRate: number, gain: number): string {
  if (gain > 0)
    return `Hindsight helps this policy here, by ${gain.toFixed(3)}: training has something to distil.`;
  return studentPassRate === 1
    ? 'This policy solves every task here as it is: there is nothing to learn. Probe harder tasks.'
    : 'Hindsight does not help this policy here: SDPO has little to distil. Try other feedback, demonstrations or a larger policy.';
}
