import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { likePython } from './pre-tokenizer.js';
import { RendererError } from './renderer-error.js';
import { parseObject, type TokenizerConfig } from './tokenizer-config.js';

/** Text to token ids and back, exactly: nothing is added and nothing is tidied up. */
export interface Tokenizer {
  /** Special tokens written out in the text become their ids; no others are added (a chat template writes its own). */
  encode(text: string): number[];
  /** Leaves special tokens out. */
  decode(ids: readonly number[]): string;
  /** Writes special tokens out. */
  decodeWithSpecial(ids: readonly number[]): string;
}

/** Reads a Hugging Face tokenizer.json. */
export function parseTokenizer(tokenizerJson: string, config: TokenizerConfig): Tokenizer {
  const tokenizer = construct(parseObject(tokenizerJson, 'tokenizer.json'), config);
  // `clean_up_tokenization_spaces` would rewrite what the policy wrote (" ," becomes ","): never for programs.
  const decode = (ids: readonly number[], skipSpecial: boolean): string => {
    // A vocabulary padded for the hardware has ids without a token; they stand for no text.
    const known = ids.filter((id) => tokenizer.id_to_token(id) !== undefined);
    if (known.length === 0) return '';
    return tokenizer.decode(known, { skip_special_tokens: skipSpecial, clean_up_tokenization_spaces: false });
  };
  return {
    encode(text) {
      const { ids, tokens } = tokenizer.encode(text, { add_special_tokens: false });
      return ids.map((id, index) => {
        if (id !== undefined) return id;
        throw new RendererError(
          `tokenizer.json has no token for "${tokens[index] ?? ''}" and no unk_token to stand for it.`,
        );
      });
    },
    decode: (ids) => decode(ids, true),
    decodeWithSpecial: (ids) => decode(ids, false),
  };
}

/** tokenizer.json without a stage means null; the package insists on the key. */
function construct(json: Readonly<Record<string, unknown>>, config: TokenizerConfig): HuggingFaceTokenizer {
  const stages = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: [],
  };
  try {
    const pre_tokenizer = likePython(json['pre_tokenizer'] ?? null);
    return new HuggingFaceTokenizer({ ...stages, ...json, pre_tokenizer }, config.json);
  } catch (error) {
    throw new RendererError(
      `tokenizer.json cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}
