/** The tiny policy's tokenizer files: a token for each phrase of its world, and one for each byte of any other text. */

import { worldPhrases } from './phrases.js';

/** In the order of their ids, which begin at 0. */
export const specialTokens = ['<pad>', '<bos>', '<user>', '<asst>', '<eos>'] as const;

/** A turn begins with its speaker, and the assistant's ends with `<eos>`; a system message is read as a user's. */
export const chatTemplate = [
  '<bos>',
  '{% for message in messages %}',
  "{% if message['role'] == 'assistant' %}<asst>{{ message['content'] }}<eos>",
  "{% else %}<user>{{ message['content'] }}{% endif %}",
  '{% endfor %}',
  '{% if add_generation_prompt %}<asst>{% endif %}',
].join('');

/**
 * A Hugging Face tokenizer.json: byte-pair encoding without merges, whose text is split at the world's phrases first, so that
 * a phrase is looked up whole and the rest falls to bytes.
 */
export function tokenizerJson(): object {
  const phrases = worldPhrases();
  const tokens = [...specialTokens, ...bytes.values(), ...phrases.map(asByteCharacters)];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: phrases.map(asPattern).join('|') },
          behavior: 'Isolated',
          invert: false,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: true,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [],
    },
  };
}

/** A Hugging Face tokenizer_config.json. */
export function tokenizerConfigJson(contextWindow: number): object {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<bos>',
    eos_token: '<eos>',
    pad_token: '<pad>',
    model_max_length: contextWindow,
    clean_up_tokenization_spaces: false,
    chat_template: chatTemplate,
  };
}

export function vocabularySize(): number {
  return specialTokens.length + bytes.size + worldPhrases().length;
}

/** The printable character that byte-level tokenizers write for each byte; its own where that is printable. */
const bytes: ReadonlyMap<number, string> = byteCharacters();

function byteCharacters(): ReadonlyMap<number, string> {
  const characters = new Map<number, string>();
  let replaced = 0;
  for (let byte = 0; byte < 256; byte += 1) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    characters.set(byte, String.fromCodePoint(printable ? byte : 256 + replaced));
    if (!printable) replaced += 1;
  }
  return characters;
}

function asByteCharacters(phrase: string): string {
  return [...new TextEncoder().encode(phrase)].map((byte) => bytes.get(byte) ?? '').join('');
}

/** The phrase itself as a regular expression that both Oniguruma and JavaScript's `u` flag read. */
function asPattern(phrase: string): string {
  return phrase.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`).replaceAll('\n', String.raw`\n`);
}
