import { byteLevel, byteLevelTokenizerJson } from '../byte-level-tokenizer.js';
import type { JsonObject } from '../json.js';
import type { GgufMetadata } from './gguf-metadata.js';

/**
 * The tokenizer.json and tokenizer_config.json that a GGUF file's vocabulary and merges stand for.
 *
 * Byte-level BPE (`tokenizer.ggml.model` "gpt2") with the pre-tokenizer of SmolLM is rebuilt; others are refused by name.
 */
export function tokenizerFiles(metadata: GgufMetadata): Readonly<Record<string, string>> {
  const model = metadata.text('tokenizer.ggml.model');
  if (model !== 'gpt2') throw metadata.fail('tokenizer.ggml.model', `"${model}" is not supported; "gpt2" is`);
  const kind = metadata.text('tokenizer.ggml.pre');
  const preTokenizer = preTokenizers.get(kind);
  if (preTokenizer === undefined) {
    const known = [...preTokenizers.keys()].map((name) => `"${name}"`).join(', ');
    throw metadata.fail('tokenizer.ggml.pre', `"${kind}" is not supported; ${known} is`);
  }
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  const types = metadata.numbers('tokenizer.ggml.token_type');
  return {
    'tokenizer.json': text(
      byteLevelTokenizerJson({
        tokens,
        merges: metadata.texts('tokenizer.ggml.merges').map((merge) => pairOf(merge, metadata)),
        special: tokens.flatMap((content, id) => (types[id] === controlToken ? [{ content, id }] : [])),
        preTokenizer,
        ignoreMerges: false,
        decoder: { ...byteLevel, add_prefix_space: true, use_regex: true },
      }),
    ),
    'tokenizer_config.json': text(tokenizerConfig(metadata, tokens)),
  };
}

/** How text is cut before merging, by llama.cpp's name for it. */
const preTokenizers: ReadonlyMap<string, JsonObject> = new Map([
  [
    'smollm',
    {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Digits', individual_digits: true },
        { ...byteLevel, use_regex: true },
      ],
    },
  ],
]);

/** llama.cpp's LLAMA_TOKEN_TYPE_CONTROL. */
const controlToken = 3;

function tokenizerConfig(metadata: GgufMetadata, tokens: readonly string[]): JsonObject {
  const special = (name: string, key: string): JsonObject => {
    const id = metadata.optionalNumber(`tokenizer.ggml.${key}_token_id`);
    const token = id === undefined ? undefined : tokens[id];
    return token === undefined ? {} : { [name]: token };
  };
  const template = metadata.optionalText('tokenizer.chat_template');
  return {
    add_bos_token: metadata.flag('tokenizer.ggml.add_bos_token', false),
    add_prefix_space: metadata.flag('tokenizer.ggml.add_space_prefix', false),
    ...special('bos_token', 'bos'),
    ...special('eos_token', 'eos'),
    ...special('unk_token', 'unknown'),
    ...special('pad_token', 'padding'),
    ...(template !== undefined && { chat_template: template }),
    clean_up_tokenization_spaces: false,
    model_max_length: metadata.number(`${metadata.text('general.architecture')}.context_length`),
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
}

function pairOf(merge: string, metadata: GgufMetadata): readonly [string, string] {
  const [left, right, ...more] = merge.split(' ');
  if (left === undefined || right === undefined || more.length > 0)
    throw metadata.fail('tokenizer.ggml.merges', `holds ${JSON.stringify(merge)}, which is not two tokens`);
  return [left, right];
}

function text(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
