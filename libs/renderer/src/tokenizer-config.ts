import { RendererError } from './renderer-error.js';

/** What the renderer needs of a Hugging Face tokenizer_config.json. */
export interface TokenizerConfig {
  /** The whole file, for the tokenizer. */
  readonly json: Readonly<Record<string, unknown>>;
  /** `bos_token`, `eos_token`, `pad_token`, ...: their text, under their names. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** Empty when the file has none. */
  readonly chatTemplate: string;
}

/** Parses tokenizer_config.json; an empty text is an empty configuration. */
export function parseTokenizerConfig(text: string): TokenizerConfig {
  const json = text.trim() === '' ? {} : parseObject(text, 'tokenizer_config.json');
  return { json, specialTokens: specialTokens(json), chatTemplate: chatTemplate(json['chat_template']) };
}

/** Parses the text of a JSON file whose root is an object. */
export function parseObject(text: string, file: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RendererError(
      `${file} is not valid JSON: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
  if (!isObject(value)) throw new RendererError(`${file} holds no JSON object.`);
  return value;
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A special token is written as its text, or as an object whose `content` is its text. */
function specialTokens(json: Readonly<Record<string, unknown>>): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (!name.endsWith('_token')) continue;
    const content = isObject(value) ? value['content'] : value;
    if (typeof content === 'string') tokens[name] = content;
  }
  return tokens;
}

/** A chat template is a text, or a list of named ones of which `default` is for conversations. */
function chatTemplate(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  const entries: readonly unknown[] = value;
  const byDefault = entries.find((entry) => isObject(entry) && entry['name'] === 'default');
  return isObject(byDefault) && typeof byDefault['template'] === 'string' ? byDefault['template'] : '';
}
