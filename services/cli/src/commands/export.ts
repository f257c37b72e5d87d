/** `backsight export` */
import { ExportLayout } from '@backsight/contract/policy';
import { type Command, Option } from 'commander';
import { printJson, type Context } from './context.js';
import { type PolicyFlags, policyOption, withPolicy } from './with-policy.js';

interface Flags extends PolicyFlags {
  readonly layout: keyof typeof layouts;
  readonly json: boolean;
}

const layouts = { 'hugging-face': ExportLayout.HUGGING_FACE, peft: ExportLayout.PEFT } as const;

/** A long write on a slow disk: minutes. */
const DEADLINE_MS = 30 * 60_000;

export function addExport(program: Command, context: Context): void {
  policyOption(program.command('export <name>'))
    .description("write the policy's weights of the moment as a folder that other software reads")
    .addOption(
      new Option('--layout <name>', 'a whole Hugging Face model, or its adapter alone for PEFT')
        .choices(Object.keys(layouts))
        .default('hugging-face'),
    )
    .option('--json', 'print where the folder is as JSON', false)
    .action(async (name: string, flags: Flags) => {
      const layout = layouts[flags.layout];
      // Whoever hears that the disk is full frees some of it, and asks again.
      const options = { signal: context.signal, deadlineMs: DEADLINE_MS, retry: false } as const;
      const written = await withPolicy(flags, (client) => client.exportCheckpoint({ name, layout }, options));
      if (flags.json) printJson(context, written);
      else context.output.write(`version ${written.version} is in ${written.path}\n`);
    });
}
