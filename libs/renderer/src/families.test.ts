/** Every model family's kind of tokenizer and template against Python; see fixtures/families/make_fixtures.py. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { createRenderer, type Message, type Tool } from './renderer.js';
import { RendererError } from './renderer-error.js';

interface Family {
  readonly template: string;
  readonly tokenizerConfig: { readonly eos_token: string };
  /** `decoded` and `withSpecial` where they differ from the string. */
  readonly strings: readonly { ids: string; decoded?: string; withSpecial?: string }[];
  readonly prompts: readonly ({ text: string; ids: string } | { error: string })[];
  readonly tokenizer: string;
}

interface Conversation {
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[];
  readonly arguments?: Readonly<Record<string, unknown>>;
}

const read = (name: string): string =>
  readFileSync(new URL(`../fixtures/families/${name}`, import.meta.url), 'utf8');
const strings = JSON.parse(read('strings.json')) as readonly string[];
const conversations = JSON.parse(read('conversations.json')) as readonly Conversation[];
const numbers = (ids: string): number[] => (ids === '' ? [] : ids.split(' ').map(Number));

describe.each(['llama3', 'smollm2', 'qwen', 'mistral', 'mistral-tekken', 'olmo'])(
  'createRenderer, %s',
  (name) => {
    const family = JSON.parse(read(`${name}.json`)) as Family;
    const rendererWith = (templateArguments: Readonly<Record<string, unknown>> = {}) =>
      createRenderer({
        tokenizerJson: family.tokenizer,
        tokenizerConfigJson: JSON.stringify(family.tokenizerConfig),
        chatTemplate: read(`templates/${family.template}.jinja`),
        templateArguments,
      });
    const renderer = rendererWith();

    it('encodes 200 strings as tokenizers does', () => {
      expect(strings).toHaveLength(200);
      const wrong = strings.flatMap((text, i) => {
        const [ids, expected] = [renderer.encodeText(text), numbers(family.strings[i]!.ids)];
        return ids.join() === expected.join() ? [] : [{ text, ids, expected }];
      });
      expect(wrong).toEqual([]);
    });

    it('decodes them as tokenizers does', () => {
      const wrong = strings.flatMap((text, i) => {
        const { ids, decoded = text, withSpecial = text } = family.strings[i]!;
        const found = [renderer.decode(numbers(ids)), renderer.decodeWithSpecial(numbers(ids))];
        return found[0] === decoded && found[1] === withSpecial
          ? []
          : [{ found, expected: [decoded, withSpecial] }];
      });
      expect(wrong).toEqual([]);
    });

    it('writes 20 conversations as transformers does', () => {
      expect(conversations).toHaveLength(20);
      conversations.forEach(({ messages, tools = [], arguments: given }, i) => {
        const expected = family.prompts[i]!;
        const encode = () => rendererWith(given).encodePrompt(messages, { tools });
        if ('error' in expected) {
          expect(encode).toThrow(RendererError);
          expect(encode).toThrow(expected.error);
        } else {
          expect({ i, ids: encode() }).toEqual({ i, ids: numbers(expected.ids) });
        }
      });
    });

    it('adds a turn to sampled ids as transformers writes the whole conversation', () => {
      const [first, answer, ...followUp] = conversations[3]!.messages;
      const expected = family.prompts[3]!;
      // Mistral's template writes a space before an answer, which SentencePiece puts there by itself.
      const space = name === 'mistral-tekken' ? ' ' : '';
      const completion = renderer.encodeText(space + answer!.content + family.tokenizerConfig.eos_token);
      const extended = renderer.extendPrompt(renderer.encodePrompt([first!]), completion, followUp);
      expect(extended).toEqual('ids' in expected && numbers(expected.ids));
    });
  },
);
