import { describe, expect, it } from '@jest/globals';
import { FeedbackKind } from '@backsight/environment';
import { readDocumentation } from './documentation.js';
import { feedbackOn, type Reveal } from './feedback.js';
import { grade, type Pairing } from './grade.js';

const prompt = `You have access to the following tools:
Name: Zoo
Documentation:
search: Search for animals.
Parameters: {"color": "Required. string. One of: [red, blue].", "size": "string. The {size}.", "page": "integer."}
Output: Successful response.
random: Any animal.
Parameters: {}
Output: Successful response.

Question: a big red one?`;
const documentation = readDocumentation(prompt);
const gold = [{ action: 'search', input: { color: 'crimson', size: 'gigantic', page: 7 }, optional: false }];

const remarks = (text: string, pairing: Pairing = 'merged', reveal: Reveal = 'hints') =>
  feedbackOn(grade({ gold }, text, pairing), documentation, reveal);
const call = (action: string, input: string) => `Action: ${action}\nAction Input: ${input}`;

describe('readDocumentation', () => {
  it('reads the tools, their arguments and which are required', () => {
    expect([...documentation.values()]).toEqual([
      { name: 'search', parameters: ['color', 'size', 'page'], required: ['color'] },
      { name: 'random', parameters: [], required: [] },
    ]);
  });

  it('finds nothing where nothing is documented', () => {
    expect(readDocumentation('Search: now.\nParameters: none').size).toBe(0);
  });
});

describe('feedbackOn', () => {
  it.each<[string, string, readonly string[]]>([
    [
      'no call',
      'Thought: hm.',
      ['The answer calls no tool: write "Action: <tool>", then "Action Input: {...}".'],
    ],
    [
      'broken JSON',
      call('search', '{"color": crimson}'),
      [
        'Call 1 (search): the Action Input is not valid JSON at character 11: expected a value, but there is "c".',
      ],
    ],
    [
      'an unknown tool',
      call('find', '{}'),
      [
        'Call 1 (find): there is no such tool; the tools are search, random.',
        'The set of tools called is wrong: 1 of 1 tool call should not be there and 1 needed tool call is missing.',
      ],
    ],
    [
      'the wrong tool',
      call('random', '{}'),
      [
        'The set of tools called is wrong: 1 of 1 tool call should not be there and 1 needed tool call is missing.',
      ],
    ],
    [
      'an argument that the tool does not take, and the lack of one that it needs',
      call('search', '{"colour": "crimson", "size": "gigantic", "page": 7}'),
      [
        'Call 1 (search): the tool takes no argument "colour".',
        'Call 1 (search): the required argument "color" is missing.',
        'The right tools are called, but these arguments are not what was asked for: "colour", and 1 argument is missing.',
      ],
    ],
    [
      'a wrong value',
      call('search', '{"color": "crimson", "size": "small", "page": 7}'),
      ['The right tools are called, but these arguments are not what was asked for: "size".'],
    ],
    [
      'arguments left out',
      call('search', '{"color": "crimson"}'),
      ['The right tools are called, but 2 arguments are missing.'],
    ],
    ['the right call', call('search', '{"color": "crimson", "size": "gigantic", "page": 7}'), []],
  ])('says what is wrong with %s', (_name, text, expected) => {
    expect(remarks(text).map((remark) => remark.text)).toEqual(expected);
  });

  it('misses an Action Input where every call is held against its own', () => {
    expect(remarks('Action: search', 'per-call')[0]?.text).toBe(
      'Call 1 (search): the Action Input is missing.',
    );
    expect(remarks('Action Input: {}', 'per-call')[0]?.text).toBe(
      'Call 1: there is an Action Input without an Action before it.',
    );
  });

  it('tells wrong form and wrong content apart', () => {
    expect(remarks(call('search', '{'))[0]?.kind).toBe(FeedbackKind.FORMAT);
    expect(remarks(call('search', '{}'))[0]?.kind).toBe(FeedbackKind.ENVIRONMENT);
  });

  it('gives nothing of the right answer away as hints', () => {
    const wrong = [
      '',
      'Action: search',
      call('search', '{}'),
      call('x', '{}'),
      call('search', '{"color": "red", "b": 1}'),
    ];
    const said = wrong
      .flatMap((text) => remarks(text))
      .map(({ text }) => text)
      .join('\n');
    for (const secret of ['crimson', 'gigantic', '7']) expect(said).not.toContain(secret);
  });

  it('shows the right calls when told to', () => {
    expect(remarks(call('random', '{}'), 'merged', 'answer').at(-1)?.text).toBe(
      'The right answer is:\nAction: search\nAction Input: {"color":"crimson","size":"gigantic","page":7}',
    );
  });

  it('trusts a right answer that uses a tool or an argument that the documentation forgot', () => {
    const odd = [{ action: 'hidden', input: { secret: 1 }, optional: false }];
    const said = feedbackOn(
      grade({ gold: odd }, call('hidden', '{"secret": 2}'), 'merged'),
      documentation,
      'hints',
    );
    expect(said.map(({ text }) => text)).toEqual([
      'The right tools are called, but these arguments are not what was asked for: "secret".',
    ]);
  });
});
