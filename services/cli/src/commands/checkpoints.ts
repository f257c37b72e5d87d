/** `backsight checkpoints`, and what can be done with one: `restore` */
import type { Checkpoint } from '@backsight/contract/policy';
import type { Command } from 'commander';
import { table } from '../table.js';
import { printJson, type Context } from './context.js';
import { minuteOf } from './minute-of.js';
import { type PolicyFlags, policyOption, withPolicy } from './with-policy.js';

interface Flags extends PolicyFlags {
  readonly json: boolean;
}

export function addCheckpoints(program: Command, context: Context): void {
  policyOption(program.command('checkpoints'))
    .description("list the policy's checkpoints, newest first; a run saves them as its recipe says")
    .option('--json', 'print the checkpoints as JSON', false)
    .action(async (flags: Flags) => {
      const { checkpoints } = await withPolicy(flags, (client) =>
        client.listCheckpoints({}, { signal: context.signal }),
      );
      if (flags.json) printJson(context, checkpoints);
      else context.output.write(`${listing(checkpoints)}\n`);
    });
}

export function addRestore(program: Command, context: Context): void {
  policyOption(program.command('restore <checkpoint>'))
    .description('put the policy back to one of its checkpoints, or to initial, as it was started')
    .option('--json', 'print the checkpoint as JSON', false)
    .action(async (name: string, flags: Flags) => {
      const { checkpoint } = await withPolicy(flags, (client) =>
        client.restoreCheckpoint({ name }, { signal: context.signal }),
      );
      if (flags.json) printJson(context, checkpoint);
      else context.output.write(`the policy is at ${name}, version ${checkpoint?.version ?? 0}\n`);
    });
}

const listing = (checkpoints: readonly Checkpoint[]): string =>
  table(
    ['checkpoint', 'version', 'score', 'size', 'saved'],
    checkpoints.map(({ name, version, score, sizeBytes, createdAtMs }) => [
      name,
      String(version),
      score?.toFixed(3) ?? '-',
      sizeBytes === 0 ? '-' : `${(sizeBytes / 1e6).toFixed(1)} MB`,
      createdAtMs === 0 ? '-' : minuteOf(createdAtMs),
    ]),
  );
