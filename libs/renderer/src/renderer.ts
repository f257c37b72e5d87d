import { compileChatTemplate, type Conversation } from './chat-template.js';
import { RendererError } from './renderer-error.js';
import { parseTokenizer } from './tokenizer.js';
import { parseTokenizerConfig } from './tokenizer-config.js';

/** A renderer turns messages into a policy's token ids and a policy's token ids into text. */
export interface Renderer {
  /** The conversation as the chat template writes it, up to and with the header of the assistant's turn. Shape [P]. */
  encodePrompt(messages: readonly Message[], options?: EncodePromptOptions): number[];
  /**
   * The next turn's prompt: the last prompt, the completion exactly as sampled, then the new messages and the header of
   * the assistant's turn. What came before is never rendered again, since a chat template may rewrite earlier turns and
   * a tokenizer may split the policy's text otherwise than the policy wrote it. Shape [P + T + ...].
   */
  extendPrompt(
    promptIds: readonly number[],
    completionIds: readonly number[],
    newMessages: readonly Message[],
  ): number[];
  /** The ids of a text by itself: no template, nothing added. */
  encodeText(text: string): number[];
  /** The text of token ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** The text of token ids, special tokens written out, for people. */
  decodeWithSpecial(ids: readonly number[]): string;
}

export interface Message {
  /** "system", "user", "assistant" or "tool". */
  readonly role: string;
  readonly content: string;
}

/** A function that the policy may call. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  /** A JSON Schema object. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
}

export interface EncodePromptOptions {
  readonly tools?: readonly Tool[];
  /** Variables of the template for this conversation, in place of the renderer's own of the same names. */
  readonly templateArguments?: Readonly<Record<string, unknown>> | undefined;
}

export interface RendererOptions {
  /** The text of tokenizer.json. */
  readonly tokenizerJson: string;
  /** The text of tokenizer_config.json; may be empty. */
  readonly tokenizerConfigJson: string;
  /** Jinja. Empty: the one in tokenizer_config.json. */
  readonly chatTemplate: string;
  /** Further variables of the template, for example `{ enable_thinking: false }`. */
  readonly templateArguments?: Readonly<Record<string, unknown>>;
  /** The day a template is told is today. Default 26 July 2024, the one Llama templates fall back to. */
  readonly day?: Date;
}

/** Builds a renderer from a model's tokenizer files. Throws RendererError when one of them cannot be used. */
export function createRenderer(options: RendererOptions): Renderer {
  const config = parseTokenizerConfig(options.tokenizerConfigJson);
  const tokenizer = parseTokenizer(options.tokenizerJson, config);
  const source = options.chatTemplate.trim() === '' ? config.chatTemplate : options.chatTemplate;
  const day = options.day ?? new Date('2024-07-26T00:00:00Z');
  const template = compileChatTemplate(source, config, options.templateArguments ?? {}, day);

  const encodeConversation = (conversation: Conversation): number[] => {
    const ids = tokenizer.encode(template.render(conversation));
    if (ids.length === 0) throw new RendererError('The chat template rendered an empty prompt.');
    return ids;
  };

  return {
    encodePrompt: (messages, { tools = [], templateArguments } = {}) =>
      encodeConversation({
        messages,
        tools: tools.map(toolForTemplate),
        addGenerationPrompt: true,
        templateArguments,
      }),

    extendPrompt(promptIds, completionIds, newMessages) {
      const messages = [OPENING, { role: 'assistant', content: MARK }, ...newMessages];
      const text = template.render({ messages, tools: [], addGenerationPrompt: true });
      const end = text.lastIndexOf(MARK);
      if (end < 0) {
        throw new RendererError(
          "The chat template leaves out the assistant's last turn, so a turn cannot be added to it.",
        );
      }
      const continuation = tokenizer.encode(text.slice(end + MARK.length));
      // The template closes the assistant's turn; a completion that ended by itself has already done so.
      const closed = completionIds.length > 0 && completionIds.at(-1) === continuation[0];
      return [...promptIds, ...completionIds, ...(closed ? continuation.slice(1) : continuation)];
    },

    encodeText: (text) => tokenizer.encode(text),
    decode: (ids) => tokenizer.decode(ids),
    decodeWithSpecial: (ids) => tokenizer.decodeWithSpecial(ids),
  };
}

/** Stands for everything up to the completion; what the template writes for it is thrown away. */
const OPENING: Message = { role: 'user', content: 'x' };
/** Stands for the completion; letters alone, which no template trims or escapes. */
const MARK = 'COMPLETIONEXACTLYASSAMPLED';

function toolForTemplate({ name, description, parameters }: Tool): object {
  return {
    type: 'function',
    function: { name, description, parameters: parameters ?? { type: 'object', properties: {} } },
  };
}
