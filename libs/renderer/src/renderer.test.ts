import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { createRenderer, type Message, type Renderer, type Tool } from './renderer.js';
import { RendererError } from './renderer-error.js';

/** What the Python implementations make of the same tokenizers and templates; see fixtures/make_fixtures.py. */
interface Reference {
  readonly templates: Readonly<Record<string, string>>;
  readonly tokenizers: readonly {
    readonly name: string;
    readonly tokenizer: object;
    readonly cases: readonly { text: string; ids: number[]; decoded: string; with_special: string }[];
    readonly prompts: readonly {
      template: string;
      conversation: { messages: Message[]; tools?: Tool[] };
      text: string;
      ids: number[];
    }[];
  }[];
}

const reference = JSON.parse(
  readFileSync(new URL('../fixtures/reference.json', import.meta.url), 'utf8'),
) as Reference;
const CONFIG = JSON.stringify({ bos_token: '<bos>', eos_token: { content: '<eos>', special: true } });

const rendererFor = (tokenizer: number, chatTemplate: string, more: object = {}): Renderer =>
  createRenderer({
    tokenizerJson: JSON.stringify(reference.tokenizers[tokenizer]!.tokenizer),
    tokenizerConfigJson: CONFIG,
    chatTemplate,
    ...more,
  });

describe.each(reference.tokenizers.map((entry, index) => ({ ...entry, index })))(
  'createRenderer, $name',
  ({ index, cases, prompts }) => {
    const renderer = rendererFor(index, reference.templates['plain']!);

    it.each(cases)('encodes $text as the reference does', ({ text, ids }) => {
      expect(renderer.encodeText(text)).toEqual(ids);
    });

    it.each(cases)('decodes $text as the reference does, spaces before punctuation included', (example) => {
      expect(renderer.decode(example.ids)).toBe(example.decoded);
      expect(renderer.decodeWithSpecial(example.ids)).toBe(example.with_special);
    });

    it.each(prompts)('writes $conversation.messages with the $template template', (example) => {
      const { template, conversation, text, ids } = example;
      const encoded = rendererFor(index, reference.templates[template]!).encodePrompt(conversation.messages, {
        tools: conversation.tools ?? [],
      });
      expect(encoded).toEqual(ids);
      expect(encoded).toEqual(renderer.encodeText(text));
    });
  },
);

describe('encodePrompt', () => {
  const plain = reference.templates['plain']!;
  const question: Message[] = [{ role: 'user', content: 'prune then hop' }];

  it('writes <bos> once, although the post-processor would add one', () => {
    const renderer = rendererFor(0, plain);
    const ids = renderer.encodePrompt(question);
    const [bos] = renderer.encodeText('<bos>');
    expect(ids.filter((id) => id === bos)).toEqual([bos]);
    expect(ids[0]).toBe(bos);
  });

  it('passes template arguments on', () => {
    const renderer = rendererFor(0, reference.templates['blocks']!, {
      templateArguments: { enable_thinking: false },
    });
    expect(renderer.decodeWithSpecial(renderer.encodePrompt(question))).toMatch(/<assistant>directly: $/);
  });

  it('takes other arguments for one conversation, and keeps its own for the next', () => {
    const renderer = rendererFor(0, "{{ a }} {{ b }} {{ messages[0]['content'] }}", {
      templateArguments: { a: 'own', b: 'own' },
    });
    const templateArguments = { b: 'other', messages: [] };
    const other = renderer.encodePrompt(question, { templateArguments });
    expect(renderer.decode(other)).toBe('own other prune then hop');
    expect(renderer.decode(renderer.encodePrompt(question))).toBe('own own prune then hop');
  });

  it('tells a template the same day at every call', () => {
    const renderer = rendererFor(1, "{{ strftime_now('%d %B %Y, %a') }}");
    expect(renderer.decode(renderer.encodePrompt(question))).toBe('26 July 2024, Fri');
  });

  it('takes the template from tokenizer_config.json when none is given', () => {
    const config = JSON.stringify({
      chat_template: [
        { name: 'rag', template: 'no' },
        { name: 'default', template: 'yes' },
      ],
    });
    const renderer = rendererFor(1, ' ', { tokenizerConfigJson: config });
    expect(renderer.decode(renderer.encodePrompt(question))).toBe('yes');
  });

  it('repeats what the template raises', () => {
    const renderer = rendererFor(0, reference.templates['blocks']!);
    const greet: Message[] = [{ role: 'assistant', content: 'hello' }];
    expect(() => renderer.encodePrompt(greet)).toThrow(
      'The chat template refuses a conversation of roles [assistant]: a conversation begins with the user',
    );
  });
});

describe('extendPrompt', () => {
  const followUp: Message[] = [{ role: 'user', content: 'lift then snip' }];

  it.each(['plain', 'blocks'])('equals rendering the whole conversation with the %s template', (name) => {
    const renderer = rendererFor(1, reference.templates[name]!);
    const first: Message[] = [{ role: 'user', content: 'prune then hop' }];
    const prompt = renderer.encodePrompt(first);
    const completion = renderer.encodeText('print(x)<eos>');
    const whole = renderer.encodePrompt([...first, { role: 'assistant', content: 'print(x)' }, ...followUp]);
    expect(renderer.extendPrompt(prompt, completion, followUp)).toEqual(whole);
  });

  it('closes a completion that ran out of tokens', () => {
    const renderer = rendererFor(1, reference.templates['plain']!);
    const extended = renderer.extendPrompt([7], renderer.encodeText('print('), followUp);
    expect(renderer.decodeWithSpecial(extended.slice(1))).toBe('print(<eos><user>lift then snip<assistant>');
  });

  it('keeps ids that the tokenizer would never choose', () => {
    const renderer = rendererFor(1, reference.templates['plain']!);
    const spelled = Array.from('print').flatMap((letter) => renderer.encodeText(letter));
    expect(spelled).not.toEqual(renderer.encodeText('print'));
    expect(renderer.extendPrompt([1, 2], spelled, followUp).slice(0, 7)).toEqual([1, 2, ...spelled]);
  });

  it('says so when the template hides assistant turns', () => {
    const renderer = rendererFor(1, "{{ messages[0]['content'] }}");
    expect(() => renderer.extendPrompt([1], [2], followUp)).toThrow(/leaves out the assistant's last turn/);
  });
});

describe('createRenderer', () => {
  it.each([
    ['no chat template', { chatTemplate: '', tokenizerConfigJson: '' }, /has no chat template/],
    ['a template that is not Jinja', { chatTemplate: '{% if %}' }, /is not valid Jinja/],
    ['a tokenizer that is not JSON', { tokenizerJson: '{' }, /tokenizer\.json is not valid JSON/],
    ['a tokenizer that is no object', { tokenizerJson: '[]' }, /tokenizer\.json holds no JSON object/],
    ['a tokenizer without a model', { tokenizerJson: '{}' }, /tokenizer\.json cannot be used/],
    [
      'a configuration that is not JSON',
      { tokenizerConfigJson: '?' },
      /tokenizer_config\.json is not valid JSON/,
    ],
  ])('refuses %s', (_, options, message) => {
    expect(() => rendererFor(0, 'x', options)).toThrow(RendererError);
    expect(() => rendererFor(0, 'x', options)).toThrow(message);
  });

  it('decodes ids of a padded vocabulary to nothing', () => {
    const renderer = rendererFor(0, 'x');
    expect(renderer.decode([100_000])).toBe('');
    expect(renderer.decode([])).toBe('');
  });
});
