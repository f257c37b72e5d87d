/** The quickstart: starts the house, trains SDPO and GRPO from the same start on the same tasks, and compares them. */
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CoordinatorServiceDefinition, type CoordinatorServiceClient } from '@backsight/contract/coordinator';
import { connect } from '@backsight/rpc';
import { quickstartTasks } from '@backsight/tiny';
import type { Screen } from '../progress/screen.js';
import { makeDataFolder } from '../data-folder.js';
import { readRecipe, type Override } from '../recipe-file.js';
import { startHouse } from '../rooms/house.js';
import type { Addresses } from '../rooms/house-options.js';
import { UserError } from '../user-error.js';
import { followRun } from '../watch-run.js';
import { drawChart } from '../curves/chart.js';
import { curvesSvg } from '../curves/curves-svg.js';
import { closingLine, curveOf, resultTable, summarise, type Method, type RunResult } from './results.js';

export interface QuickstartOptions {
  /** Each seed draws hidden meanings, questions and sampling anew. */
  readonly seeds: readonly number[];
  readonly steps: number | undefined;
  readonly port: number;
  readonly threads: number | undefined;
  readonly sandbox: string | undefined;
  /** Folder under which the run's folder is made. */
  readonly runsFolder: string;
}

const METHODS: readonly Method[] = ['SDPO', 'GRPO'];
const NEEDED_BYTES = 200e6;

const root = (path: string): string => fileURLToPath(new URL(`../../../../${path}`, import.meta.url));

/** Returns every run's result; prints the comparison through the screen. */
export async function quickstart(
  options: QuickstartOptions,
  screen: Screen,
  signal: AbortSignal,
  environment: NodeJS.ProcessEnv,
): Promise<readonly RunResult[]> {
  const startedAt = Date.now();
  const folder = await makeRunFolder(options.runsFolder);
  const tasksFile = join(folder, 'tasks.jsonl');
  const rows = options.seeds.flatMap((seed) =>
    quickstartTasks(seed, { prefix: `seed-${seed}/` }).map((row) => ({
      ...row,
      split: `seed-${seed}/${row.split}`,
    })),
  );
  await writeFile(tasksFile, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const house = await startHouse(
    {
      model: root('models/tiny/weights'),
      tasks: [tasksFile],
      toolTasks: [],
      scienceTasks: [],
      dataFolder: folder,
      port: options.port,
      ...(options.threads === undefined ? {} : { threads: options.threads }),
      ...(options.sandbox === undefined ? {} : { sandbox: options.sandbox }),
      settings: {
        judge: { BACKSIGHT_FEEDBACK_WRONG_ANSWERS: '1', BACKSIGHT_FEEDBACK_SELECTION: 'random' },
      },
    },
    environment,
    signal,
  );
  const channel = connect(CoordinatorServiceDefinition, house.addresses.coordinator);
  try {
    screen.say(
      `rooms: coordinator ${house.addresses.coordinator}, policy ${house.addresses.policy}, judge ${house.addresses.judge}`,
    );
    const results: RunResult[] = [];
    for (const seed of options.seeds) {
      for (const method of METHODS) {
        const run = trainOnce(channel.client, method, seed, house.addresses, options, screen, signal);
        results.push(await Promise.race([run, house.broken.then(roomEnded)]));
      }
    }
    screen.close();
    await report(folder, results, options.seeds, (Date.now() - startedAt) / 1000, screen);
    return results;
  } finally {
    screen.close();
    channel.close();
    await house.stop();
  }
}

function roomEnded(words: string): never {
  throw new UserError(words);
}

async function trainOnce(
  client: CoordinatorServiceClient,
  method: Method,
  seed: number,
  addresses: Addresses,
  options: QuickstartOptions,
  screen: Screen,
  signal: AbortSignal,
): Promise<RunResult> {
  const overrides: Override[] = [
    [['name'], `quickstart-${method.toLowerCase()}-${seed}`],
    [['seed'], seed],
    [['policy', 'address'], addresses.policy],
    [['environment', 'address'], addresses.judge],
    [['environment', 'split'], `seed-${seed}/train`],
    [['evaluation', 'split'], `seed-${seed}/held-out`],
    ...(options.steps === undefined ? [] : [[['steps'], options.steps] as const]),
  ];
  const recipe = await readRecipe(root(`recipes/quickstart-${method.toLowerCase()}.yaml`), overrides);
  const startedAt = Date.now();
  const { run } = await client.createRun({ recipeYaml: recipe.yaml }, { signal });
  if (run === undefined) throw new Error('The coordinator returned no run.');
  const title = options.seeds.length > 1 ? `${method} seed ${seed}` : method;
  const progress = await followRun(
    client,
    run,
    {
      onProgress: (now) => {
        screen.show(title, now);
      },
      onAway: (words) => {
        screen.say(words);
      },
    },
    signal,
  );
  if (progress.state !== 'RUN_STATE_SUCCEEDED') {
    throw new UserError(
      `The ${title} run ended as ${progress.state.replace('RUN_STATE_', '').toLowerCase()}: ${progress.failure}`,
    );
  }
  return {
    method,
    seed,
    runId: run.runId,
    rollouts: progress.rollouts,
    seconds: (Date.now() - startedAt) / 1000,
    heldOut: progress.evaluations,
  };
}

async function report(
  folder: string,
  results: readonly RunResult[],
  seeds: readonly number[],
  seconds: number,
  screen: Screen,
): Promise<void> {
  const curves = [curveOf('SDPO', '●', results), curveOf('GRPO', '○', results)];
  const title = seeds.length > 1 ? `held-out pass@1, mean of ${seeds.length} seeds` : 'held-out pass@1';
  const picture = join(folder, 'curves.svg');
  await writeFile(picture, curvesSvg('SDPO and GRPO from the same start', 'rollouts', title, curves));
  await writeFile(join(folder, 'results.json'), `${JSON.stringify({ seeds, seconds, results }, null, 2)}\n`);
  const summaries = METHODS.map((method) => summarise(method, results));
  screen.say('');
  screen.say(drawChart(title, 'rollouts', curves));
  screen.say('');
  screen.say(`curves: ${relative(process.cwd(), picture)}`);
  screen.say('');
  screen.say(resultTable(summaries, seeds.length));
  screen.say('');
  screen.say(closingLine(summaries, seeds.length, seconds));
}

async function makeRunFolder(runsFolder: string): Promise<string> {
  const stamp = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  const folder = join(runsFolder, `quickstart-${stamp}`);
  await makeDataFolder(folder, NEEDED_BYTES, '--runs');
  return folder;
}
