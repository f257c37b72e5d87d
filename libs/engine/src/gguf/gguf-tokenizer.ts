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
  const special = tokens.flatMap((content, id) => (types[id] === controlToken ? [{ content, id }] : []));
  return {
    'tokenizer.json': text({
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: special.map(({ content, id }) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: null,
      pre_tokenizer: preTokenizer,
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: metadata.texts('tokenizer.ggml.merges').map((merge) => pairOf(merge, metadata)),
      },
    }),
    'tokenizer_config.json': text(tokenizerConfig(metadata, tokens)),
  };
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };

/** How text is cut before merging, by llama.cpp's name for it. */
const preTokenizers: ReadonlyMap<string, JsonObject> = new Map([
  ['smollm', { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel] }],
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

function text(value: JsonObject): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
