/** `backsight train` and `backsight watch` */
import type { Command } from 'commander';
import { parseOverride, readRecipe, recipeProblem } from '../recipe-file.js';
import { printJson, type Context } from './context.js';
import { collect } from './options.js';
import { showRun } from './show-run.js';
import { type CoordinatorFlags, coordinatorOption, withCoordinator } from './with-coordinator.js';

interface TrainFlags extends CoordinatorFlags {
  readonly set: readonly string[];
  readonly dryRun: boolean;
  readonly detach: boolean;
  readonly json: boolean;
}

interface WatchFlags extends CoordinatorFlags {
  readonly json: boolean;
}

export function addTrain(program: Command, context: Context): void {
  coordinatorOption(program.command('train <recipe>'))
    .description('start a run from a recipe and watch it to its end')
    .option(
      '--set <key=value>',
      'change a key of the recipe, for example --set steps=8; repeatable',
      collect,
      [],
    )
    .option('--dry-run', 'only check the recipe against the rooms', false)
    .option('--detach', 'start the run and return', false)
    .option('--json', 'print the run as JSON', false)
    .action(async (path: string, flags: TrainFlags) => {
      const recipe = await readRecipe(path, flags.set.map(parseOverride));
      await withCoordinator(flags, async (client) => {
        const request = { recipeYaml: recipe.yaml, dryRun: flags.dryRun };
        const { run } = await client
          .createRun(request, { signal: context.signal })
          .catch((error: unknown) => {
            throw recipeProblem(error, recipe);
          });
        if (run === undefined) throw new Error('The coordinator returned no run.');
        if (flags.dryRun || flags.detach) {
          if (flags.json) printJson(context, run);
          else context.output.write(flags.dryRun ? `${path}: the recipe is right\n` : `${run.runId}\n`);
          return;
        }
        if (!flags.json) context.output.write(`run ${run.runId}\n`);
        await showRun(client, run, flags.json, context);
      });
    });
}

export function addWatch(program: Command, context: Context): void {
  coordinatorOption(program.command('watch <run>'))
    .description('replay a run from its start and follow it to its end')
    .option('--json', 'print the run as JSON when it ends', false)
    .action(async (runId: string, flags: WatchFlags) => {
      await withCoordinator(flags, async (client) => {
        const { run } = await client.getRun({ runId }, { signal: context.signal });
        if (run === undefined) throw new Error('The coordinator returned no run.');
        await showRun(client, run, flags.json, context);
      });
    });
}
