/** The tokenizer.json of a byte-level BPE, as Hugging Face writes it. */

/** What tells one byte-level BPE from another. */
export interface ByteLevelBpe {
  /** In the order of their ids, special tokens included where they have a place of their own there. */
  readonly tokens: readonly string[];
  /** Pairs of tokens, the first to be merged first. */
  readonly merges: readonly (readonly [string, string])[];
  /** Recognised in any text and never cut. */
  readonly special: readonly { readonly content: string; readonly id: number }[];
  /** How text is cut before merging. */
  readonly preTokenizer: Readonly<Record<string, unknown>>;
  /** Whether a piece that is a token is looked up whole before any merge. */
  readonly ignoreMerges: boolean;
  /** How tokens become text again. Default: their byte characters alone. */
  readonly decoder?: Readonly<Record<string, unknown>>;
}

export function byteLevelTokenizerJson({
  tokens,
  merges,
  special,
  preTokenizer,
  ignoreMerges,
  decoder = byteLevel,
}: ByteLevelBpe): object {
  return {
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
    decoder,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}

/** Turns text into byte characters without cutting it; as a decoder, turns them back. */
export const byteLevel = {
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: false,
} as const;

/** The printable character that byte-level BPE writes for each byte (GPT-2): itself, or else the next one from U+0100. */
export function byteCharacters(): readonly string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(printable ? byte : next++);
  });
}
