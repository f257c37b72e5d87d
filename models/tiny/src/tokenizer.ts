/** The tiny policy's tokenizer files: a token for each phrase of its world, and one for each byte of any other text. */

import { byteCharacters, byteLevel, byteLevelTokenizerJson } from '@backsight/engine';
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
  return byteLevelTokenizerJson({
    tokens: [...specialTokens, ...bytes, ...phrases.map(asByteCharacters)],
    merges: [],
    special: specialTokens.map((content, id) => ({ content, id })),
    preTokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: phrases.map(asPattern).join('|') },
          behavior: 'Isolated',
          invert: false,
        },
        byteLevel,
      ],
    },
    ignoreMerges: true,
  });
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
  return specialTokens.length + bytes.length + worldPhrases().length;
}

const bytes = byteCharacters();

function asByteCharacters(phrase: string): string {
  return [...new TextEncoder().encode(phrase)].map((byte) => bytes[byte] ?? '').join('');
}

/** The phrase itself as a regular expression that both Oniguruma and JavaScript's `u` flag read. */
function asPattern(phrase: string): string {
  return phrase.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`).replaceAll('\n', String.raw`\n`);
}
