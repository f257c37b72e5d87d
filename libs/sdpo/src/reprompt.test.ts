import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Hindsight } from './hindsight.js';
import { neutralWording, type RenderPrompt, reprompt, retell } from './reprompt.js';
import { type Rollout } from './rollout.js';

fc.configureGlobal({ seed: 2601 });

const system = { role: 'system', content: 'Be brief.' };
const question = { role: 'user', content: 'What is ${x} in {"a": 1}?' };
const demonstration = { rolloutId: 'sibling', text: 'reasons\nanswer' };

describe('retell', () => {
  const lastOf = (hindsight: Hindsight) => retell([system, question], hindsight, neutralWording).at(-1);

  it('lays out demonstration, feedback and closing line, byte for byte', () => {
    expect(lastOf({ demonstration, feedback: 'line 3 fails' })).toEqual({
      role: 'user',
      content: [
        'What is ${x} in {"a": 1}?',
        'Here is a solution that was verified as correct:',
        '',
        'reasons',
        'answer',
        'Feedback on an earlier, failed attempt of yours:',
        '',
        'line 3 fails',
        '',
        'Now answer the original question correctly.',
      ].join('\n'),
    });
  });
  it('leaves out the section it has nothing for', () => {
    expect(lastOf({ feedback: 'f' })?.content).toBe(
      `${question.content}\n${neutralWording.feedbackHeader}\n\nf\n\n${neutralWording.closing}`,
    );
    expect(lastOf({ demonstration })?.content).toBe(
      `${question.content}\n${neutralWording.demonstrationHeader}\n\nreasons\nanswer\n\n${neutralWording.closing}`,
    );
  });
  it('keeps all messages but the last', () => {
    const conversation = [system, question, { role: 'assistant', content: 'Why?' }, question];
    const told = retell(conversation, { feedback: 'f' }, neutralWording);
    expect(told.slice(0, -1)).toEqual(conversation.slice(0, -1));
  });
  it('inserts braces, dollar signs and patterns as they are', () => {
    const odd = '$& {0} $1 {text}';
    expect(lastOf({ feedback: odd })?.content).toContain(`\n\n${odd}\n\n`);
  });
  it('takes another wording', () => {
    const wording = { ...neutralWording, version: 'mine-1', closing: 'Again.' };
    expect(retell([question], { feedback: 'f' }, wording).at(-1)?.content).toMatch(/\n\nAgain\.$/);
  });
});

describe('reprompt', () => {
  const rollout: Rollout = {
    id: 'rollout',
    taskId: 'task',
    groupId: 'group',
    promptMessages: [system, question],
    promptIds: [1],
    completionIds: [2],
    logprobs: [-1],
    text: 'x',
    outcome: { reward: 0, solved: false, feedback: [], truncated: false },
    policyVersion: 0,
  };
  /** One token per character, and a header at the end as of a chat template. */
  const header = [1, 2, 3];
  const render: RenderPrompt = (messages) => [
    ...messages.flatMap(({ content }) => Array.from(content, (character) => character.codePointAt(0) ?? 0)),
    ...header,
  ];
  const within = (hindsight: Hindsight, maxTokens: number) =>
    reprompt(rollout, hindsight, neutralWording, render, maxTokens);
  const sizeOf = (hindsight: Hindsight) =>
    render(retell(rollout.promptMessages, hindsight, neutralWording), rollout).length;

  const long: Hindsight = {
    demonstration: { rolloutId: 'sibling', text: 'a'.repeat(500) },
    feedback: 'b'.repeat(80),
  };

  it('tells everything when it fits, to the last token', () => {
    const told = within(long, sizeOf(long));
    expect(told?.messages).toEqual(retell(rollout.promptMessages, long, neutralWording));
    expect(told?.cutTo).toBeUndefined();
  });
  it('cuts the longer text first, and as little as it must', () => {
    const told = within(long, sizeOf(long) - 100);
    // An ellipsis line costs four characters.
    expect(told?.cutTo).toBe(500 - 100 - 4);
    expect(told?.ids).toHaveLength(sizeOf(long) - 100);
    expect(told?.messages.at(-1)?.content).toContain(`${'a'.repeat(396)}\n...\n`);
    expect(told?.messages.at(-1)?.content).toContain('b'.repeat(80));
  });
  it('cuts both when it must', () => {
    const content = within(
      long,
      sizeOf({ demonstration: { rolloutId: 'sibling', text: '' }, feedback: '' }) + 60,
    )?.messages.at(-1)?.content;
    expect(content).toContain(`\n\n${'a'.repeat(26)}\n...\n`);
    expect(content).toContain(`\n\n${'b'.repeat(26)}\n...\n`);
  });
  it('keeps the question, the closing line and the header, whatever the room', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 300, unit: 'binary' }),
        fc.option(fc.string({ minLength: 1, maxLength: 300 }), { nil: undefined }),
        fc.integer({ min: 0, max: 900 }),
        (text, feedback, room) => {
          const told = within(
            { demonstration: { rolloutId: 's', text }, ...(feedback === undefined ? {} : { feedback }) },
            room,
          );
          if (told === undefined) return;
          expect(told.ids.length).toBeLessThanOrEqual(room);
          expect(told.ids.slice(-3)).toEqual(header);
          const content = told.messages.at(-1)?.content;
          expect(content?.startsWith(question.content)).toBe(true);
          expect(content?.endsWith(`\n\n${neutralWording.closing}`)).toBe(true);
        },
      ),
    );
  });
  it('has no room for less than one character of hindsight', () => {
    const short: Hindsight = { feedback: 'b'.repeat(80) };
    const bare = sizeOf({ feedback: '' });
    expect(within(short, bare + 4)).toBeUndefined();
    expect(within(short, bare + 5)?.cutTo).toBe(1);
    expect(within(short, 0)).toBeUndefined();
    expect(within(short, -50)).toBeUndefined();
  });
  it('never cuts a character in half', () => {
    const emoji: Hindsight = { feedback: '😀'.repeat(40) };
    for (let room = 0; room < sizeOf(emoji); room += 1) {
      const content = within(emoji, room)?.messages.at(-1)?.content ?? '';
      // Half a pair cannot be encoded.
      expect(() => encodeURIComponent(content)).not.toThrow();
    }
  });
  it('asks the renderer with the rollout whose prompt it is', () => {
    const asked: string[] = [];
    reprompt(rollout, { feedback: 'f' }, neutralWording, (_, { id }) => (asked.push(id), []), 10);
    expect(asked).toEqual(['rollout']);
  });
});
