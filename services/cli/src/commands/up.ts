/** `backsight up` */
import { fileURLToPath } from 'node:url';
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { connect, describeError } from '@backsight/rpc';
import { type Command, Option } from 'commander';
import { makeDataFolder } from '../data-folder.js';
import { roomsOf, startHouse } from '../rooms/house.js';
import { type PolicyEngine, policyEngines } from '../rooms/house-options.js';
import { UserError } from '../user-error.js';
import { printJson, type Context } from './context.js';
import { collect, integer } from './options.js';

interface Flags {
  readonly model: string;
  readonly tasks: readonly string[];
  readonly toolTasks: readonly string[];
  readonly scienceTasks: readonly string[];
  readonly environment?: string;
  readonly data: string;
  readonly port: number;
  readonly threads?: number;
  readonly engine: PolicyEngine;
  readonly followers: number;
  readonly sandbox?: string;
  readonly json: boolean;
}

/** Room for the store, logs and a first checkpoint. */
const NEEDED_BYTES = 50e6;

const tinyPolicy = fileURLToPath(new URL('../../../../models/tiny/weights', import.meta.url));

export function addUp(program: Command, context: Context): void {
  program
    .command('up')
    .description(
      'start policy, coordinator and the environments that have tasks on this machine, until Ctrl-C',
    )
    .option('--tasks <file>', 'JSONL tasks of the coding environment; repeat for more files', collect, [])
    .option(
      '--tool-tasks <file>',
      'JSONL tasks of the tool-use environment; repeat for more files',
      collect,
      [],
    )
    .option(
      '--science-tasks <file>',
      'JSONL tasks of the science environment; repeat for more files',
      collect,
      [],
    )
    .option('--environment <address>', 'an environment of your own, which is served already')
    .option('--model <folder>', 'Hugging Face folder of the model', tinyPolicy)
    .option('--data <folder>', 'where checkpoints, the store and logs are kept', 'runs/up')
    .option(
      '--port <p>',
      "the coordinator's port; policy, judge, tools and science take the next four",
      integer(1024, 65_000),
      7100,
    )
    .addOption(
      new Option('--engine <name>', 'what computes the policy; torch needs npm run torch:setup')
        .choices(policyEngines)
        .default('embedded'),
    )
    .option(
      '--followers <n>',
      "followers of the policy, which sample in its place; their ports begin ten after the coordinator's",
      integer(0, 64),
      0,
    )
    .option('--threads <n>', 'threads of the policy (default: all cores)', integer(1, 256))
    .option(
      '--sandbox <kind>',
      'auto, zygote, bubblewrap, docker, kubernetes, or none, which runs programs unprotected',
    )
    .option('--json', 'print the addresses as JSON', false)
    .action(async (flags: Flags) => {
      await requireEnvironment(flags);
      await makeDataFolder(flags.data, NEEDED_BYTES, '--data');
      const house = await startHouse(
        {
          model: flags.model,
          tasks: flags.tasks,
          toolTasks: flags.toolTasks,
          scienceTasks: flags.scienceTasks,
          dataFolder: flags.data,
          port: flags.port,
          engine: flags.engine,
          followers: flags.followers,
          onRevived: (words) => {
            process.stderr.write(`${words}\n`);
          },
          ...(flags.threads === undefined ? {} : { threads: flags.threads }),
          ...(flags.sandbox === undefined ? {} : { sandbox: flags.sandbox }),
        },
        context.environment,
        context.signal,
      );
      try {
        const rooms = roomsOf(flags);
        const { environment } = flags;
        const addresses = [
          ...rooms.map((room) => [room, house.addresses[room]] as const),
          ...(environment === undefined ? [] : [['environment', environment] as const]),
        ];
        const { followers } = house;
        const named = followers.map((address, index) => [`follower-${index + 1}`, address] as const);
        if (flags.json)
          printJson(context, {
            ...Object.fromEntries(addresses),
            ...(followers.length > 0 && { followers }),
          });
        else {
          for (const [room, address] of [...addresses, ...named])
            context.output.write(`${room.padEnd(12)} ${address}\n`);
          context.output.write(`logs in ${house.logFolder}; Ctrl-C stops everything\n`);
        }
        const stopped = new Promise<undefined>((resolve) => {
          const stop = (): void => {
            resolve(undefined);
          };
          if (context.signal.aborted) stop();
          context.signal.addEventListener('abort', stop);
        });
        const words = await Promise.race([house.broken, stopped]);
        if (words !== undefined && !context.signal.aborted) throw new UserError(words);
      } finally {
        await house.stop();
      }
    });
}

/** Refuses a house in which nothing could be trained on. */
async function requireEnvironment({ tasks, toolTasks, scienceTasks, environment }: Flags): Promise<void> {
  if (environment === undefined) {
    if (tasks.length + toolTasks.length + scienceTasks.length > 0) return;
    throw new UserError(
      'There is nothing to train on: name a task file with --tasks, --tool-tasks or --science-tasks, or the address of an environment with --environment.',
    );
  }
  const name = 'environment';
  const { client, close } = connect(EnvironmentServiceDefinition, environment, { name, retry: false });
  try {
    await client.describe({});
  } catch (error) {
    throw new UserError(`${describeError(error)}. --environment is for one that is served already.`);
  } finally {
    close();
  }
}
