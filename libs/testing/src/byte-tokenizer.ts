/** A tokenizer with one token per byte, so that a test reads what a policy is told and writes what it answers. */
import { byteCharacters, byteLevel, byteLevelTokenizerJson } from '@backsight/engine';

/** The texts that a policy's model card carries, and both directions of the mapping. */
export interface ByteTokenizer {
  /** V: 256 bytes and the two marks of a message. */
  readonly vocabularySize: number;
  /** Ends a message, and with it a completion. */
  readonly stopId: number;
  readonly tokenizerJson: string;
  readonly tokenizerConfigJson: string;
  readonly chatTemplate: string;
  /** Bytes of the text; marks written out (`<|start|>`, `<|end|>`) become their ids. */
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
}

const marks = ['<|start|>', '<|end|>'] as const;
const startId = 256;
const stopId = 257;

/** Renders a message as `<|start|>role\ncontent<|end|>\n`. */
const chatTemplate =
  "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}" +
  '{% if add_generation_prompt %}<|start|>assistant\n{% endif %}';

/** The one byte-level tokenizer; its tokenizer.json is in Hugging Face's format, so that any renderer reads it. */
export function byteTokenizer(): ByteTokenizer {
  return {
    vocabularySize: 258,
    stopId,
    tokenizerJson: JSON.stringify(
      byteLevelTokenizerJson({
        tokens: byteCharacters(),
        merges: [],
        special: marks.map((content, index) => ({ content, id: startId + index })),
        preTokenizer: byteLevel,
        ignoreMerges: false,
      }),
    ),
    tokenizerConfigJson: JSON.stringify({
      tokenizer_class: 'PreTrainedTokenizerFast',
      eos_token: marks[1],
      model_max_length: 8192,
      clean_up_tokenization_spaces: false,
    }),
    chatTemplate,
    encode: (text) =>
      text
        .split(/(<\|start\|>|<\|end\|>)/)
        .flatMap((part) =>
          part === marks[0] ? [startId] : part === marks[1] ? [stopId] : [...Buffer.from(part, 'utf8')],
        ),
    decode: (ids) => {
      const pieces = ids.map((id) =>
        id === startId ? Buffer.from(marks[0]) : id === stopId ? Buffer.from(marks[1]) : Buffer.from([id]),
      );
      return Buffer.concat(pieces).toString('utf8');
    },
  };
}
