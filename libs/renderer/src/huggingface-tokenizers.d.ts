/**
 * The part of @huggingface/tokenizers that the renderer uses. The package's own declarations import each other without file
 * extensions, which NodeNext resolution cannot follow, so every type of it would silently be `any`.
 */
declare module '@huggingface/tokenizers' {
  export class Tokenizer {
    /** Takes the parsed tokenizer.json and tokenizer_config.json. */
    constructor(tokenizer: object, config: object);
    /** An id is undefined when the model has neither the token nor an unknown token. */
    encode(
      text: string,
      options: { readonly add_special_tokens: boolean },
    ): { readonly ids: (number | undefined)[]; readonly tokens: string[] };
    decode(
      ids: readonly number[],
      options: { readonly skip_special_tokens: boolean; readonly clean_up_tokenization_spaces: boolean },
    ): string;
    id_to_token(id: number): string | undefined;
  }
}
