/** `backsight fork` */
import type { Command } from 'commander';
import { parseOverride, recipeChanges, recipeProblem } from '../recipe-file.js';
import { printJson, type Context } from './context.js';
import { collect, integer } from './options.js';
import { showRun } from './show-run.js';
import { type CoordinatorFlags, coordinatorOption, withCoordinator } from './with-coordinator.js';

interface Flags extends CoordinatorFlags {
  readonly step: number;
  readonly set: readonly string[];
  readonly detach: boolean;
  readonly json: boolean;
}

export function addFork(program: Command, context: Context): void {
  coordinatorOption(program.command('fork <run>'))
    .description('start a run that goes on from a step of another, and watch it to its end')
    .requiredOption('--step <n>', 'the step to go on from; it must have a checkpoint', integer(0, 2 ** 31))
    .option(
      '--set <key=value>',
      'change a key of the recipe, for example --set steps=64; repeatable',
      collect,
      [],
    )
    .option('--detach', 'start the run and return', false)
    .option('--json', 'print the run as JSON', false)
    .action(async (runId: string, flags: Flags) => {
      const changes = recipeChanges(flags.set.map(parseOverride));
      await withCoordinator(flags, async (client) => {
        const request = { runId, step: flags.step, recipeOverridesYaml: changes.yaml };
        const { run } = await client.forkRun(request, { signal: context.signal }).catch((error: unknown) => {
          throw recipeProblem(error, changes);
        });
        if (run === undefined) throw new Error('The coordinator returned no run.');
        if (!flags.json) context.output.write(`run ${run.runId}\n`);
        if (!flags.detach) await showRun(client, run, flags.json, context);
        else if (flags.json) printJson(context, run);
      });
    });
}
