/** `backsight discover` */
import type { CoordinatorServiceClient, DiscoverResponse } from '@backsight/contract/coordinator';
import type { Command } from 'commander';
import { openBar } from '../progress/bar.js';
import { parseOverride, readRecipe, type RecipeFile, recipeProblem } from '../recipe-file.js';
import { UserError } from '../user-error.js';
import { printJson, type Context } from './context.js';
import { collect, integer } from './options.js';
import { type CoordinatorFlags, coordinatorOption, withCoordinator } from './with-coordinator.js';

interface Flags extends CoordinatorFlags {
  readonly recipe: string;
  readonly attempts: number;
  readonly set: readonly string[];
  readonly json: boolean;
}

export function addDiscover(program: Command, context: Context): void {
  coordinatorOption(program.command('discover <task>'))
    .description(
      'train on one hard task, from its feedback alone, until an attempt solves it; exit code 1 when none does, though its run succeeded: it took all its steps',
    )
    .requiredOption('--recipe <file>', 'how to distil, for example recipes/discover.yaml')
    .option('--attempts <n>', 'how many attempts may be spent', integer(1, 4_000_000_000), 512)
    .option('--set <key=value>', 'change a key of the recipe; repeatable', collect, [])
    .option('--json', 'print the last report as JSON', false)
    .action(async (taskId: string, flags: Flags) => {
      const recipe = await readRecipe(flags.recipe, flags.set.map(parseOverride));
      const last = await withCoordinator(flags, (client) => discover(client, recipe, taskId, flags, context));
      if (flags.json) printJson(context, last);
      const { attempts, solved, solution, runId } = last;
      if (!solved)
        throw new UserError(
          `${taskId} was not solved in ${attempts} attempts, which are those of run ${runId}.`,
        );
      if (!flags.json)
        context.output.write(
          `${taskId} was solved within ${attempts} attempts of run ${runId}:\n\n${solution}\n`,
        );
    });
}

async function discover(
  client: CoordinatorServiceClient,
  recipe: RecipeFile,
  taskId: string,
  flags: Flags,
  context: Context,
): Promise<DiscoverResponse> {
  const bar = openBar('attempts', context, flags.json);
  const lines = !context.output.isTTY && !flags.json;
  const request = { recipeYaml: recipe.yaml, taskId, maxAttempts: flags.attempts };
  let last: DiscoverResponse | undefined;
  try {
    for await (const answer of client.discover(request, { signal: context.signal })) {
      last = answer;
      bar.show({ done: answer.attempts, total: flags.attempts });
      if (lines)
        context.output.write(`${taskId}: ${answer.attempts} attempts, reward ${answer.reward.toFixed(2)}\n`);
    }
  } catch (error) {
    throw recipeProblem(error, recipe);
  } finally {
    bar.close();
  }
  if (last === undefined) throw new Error('The coordinator ended the discovery without a report.');
  return last;
}
