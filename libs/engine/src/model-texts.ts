import { join } from 'node:path';
import { CheckpointError } from './errors.js';
import { isJsonObject, parseJsonObject, readOptionalText, type JsonObject } from './json.js';

/** What a model folder says in text: tokenizer, chat template and settings. */
export interface ModelTexts {
  /** Text of tokenizer.json. */
  readonly tokenizerJson: string;
  /** Text of tokenizer_config.json; `{}` when there is none. */
  readonly tokenizerConfigJson: string;
  /** The chat template in Jinja; empty when the model has none. */
  readonly chatTemplate: string;
  /** Every text file of the folder that an export copies, verbatim, by file name. */
  readonly files: Readonly<Record<string, string>>;
}

/** The text files that belong to a model, by their Hugging Face names. */
export const modelTextFiles = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
] as const;

/** Reads the texts of a Hugging Face folder; throws `CheckpointError` for one that is missing or no JSON. */
export async function readModelTexts(folder: string): Promise<ModelTexts> {
  const files: Record<string, string> = {};
  for (const name of modelTextFiles) {
    const text = await readOptionalText(join(folder, name));
    if (text !== undefined) files[name] = text;
  }
  for (const [name, problem] of Object.entries(required))
    if (files[name] === undefined)
      throw new CheckpointError({ reason: 'missing', file: join(folder, name), problem });
  const tokenizerJson = files['tokenizer.json'] ?? '';
  parseJsonObject(tokenizerJson, join(folder, 'tokenizer.json'));
  const tokenizerConfigJson = files['tokenizer_config.json'] ?? '{}';
  const settings = parseJsonObject(tokenizerConfigJson, join(folder, 'tokenizer_config.json'));
  return {
    tokenizerJson,
    tokenizerConfigJson,
    chatTemplate: files['chat_template.jinja'] ?? templateOf(settings),
    files,
  };
}

/** Texts that a model cannot do without, and what is said where one is not there. */
const required = {
  'config.json': 'does not exist',
  'tokenizer.json':
    'does not exist; other forms of a tokenizer are not read: save it with transformers as a fast one',
};

/** `chat_template` is one template, or a list of named ones of which `default` is taken. */
function templateOf(settings: JsonObject): string {
  const template = settings['chat_template'];
  if (typeof template === 'string') return template;
  if (!Array.isArray(template)) return '';
  const named: readonly unknown[] = template;
  const chosen = named.filter(isJsonObject).find(({ name }) => name === 'default');
  return typeof chosen?.['template'] === 'string' ? chosen['template'] : '';
}
