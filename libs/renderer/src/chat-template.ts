import { Template } from '@huggingface/jinja';
import { formatDate } from './date.js';
import type { TokenizerConfig } from './tokenizer-config.js';
import { RendererError } from './renderer-error.js';

/** A compiled chat template: messages in, the text that the tokenizer encodes out. */
export interface ChatTemplate {
  render(conversation: Conversation): string;
}

export interface Conversation {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  /** In the form templates expect: `{ type: 'function', function: { name, description, parameters } }`. */
  readonly tools: readonly object[];
  /** Ends with the header of the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** Further variables, in place of those the template was compiled with. */
  readonly templateArguments?: Readonly<Record<string, unknown>> | undefined;
}

/** Compiles a Jinja chat template with what Hugging Face passes to one: special tokens, tools, `strftime_now`. */
export function compileChatTemplate(
  source: string,
  config: TokenizerConfig,
  templateArguments: Readonly<Record<string, unknown>>,
  day: Date,
): ChatTemplate {
  const template = parseTemplate(source);
  const fixed = {
    ...config.specialTokens,
    ...templateArguments,
    [FIXED_STRFTIME]: (format: string) => formatDate(day, format),
  };
  return {
    render({ messages, tools, addGenerationPrompt, templateArguments }) {
      try {
        return template.render({
          ...fixed,
          ...templateArguments,
          messages,
          tools: tools.length === 0 ? null : tools,
          add_generation_prompt: addGenerationPrompt,
        });
      } catch (error) {
        const roles = messages.map((message) => message.role).join(', ');
        throw new RendererError(
          `The chat template refuses a conversation of roles [${roles}]: ${reason(error)}`,
          {
            cause: error,
          },
        );
      }
    },
  };
}

/** The package defines `strftime_now` by the wall clock and refuses a second definition, so the template itself rebinds it. */
const FIXED_STRFTIME = 'backsight_strftime_now';

function parseTemplate(source: string): Template {
  if (source.trim() === '') {
    throw new RendererError(
      'The policy has no chat template, so conversations cannot become prompts: ' +
        'add `chat_template` to its tokenizer_config.json, or a file chat_template.jinja beside it.',
    );
  }
  try {
    return new Template(`{% set strftime_now = ${FIXED_STRFTIME} %}\n${source}`);
  } catch (error) {
    throw new RendererError(`The chat template is not valid Jinja: ${reason(error)}`, { cause: error });
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
