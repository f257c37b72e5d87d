/** A tokenizer or a chat template that cannot do what is asked; the message says which and what to change. */
export class RendererError extends Error {
  override readonly name = 'RendererError';
}
