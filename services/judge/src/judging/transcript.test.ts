import { describe, expect, it } from '@jest/globals';
import { Transcript } from './transcript.js';

describe('Transcript', () => {
  const said = (...turns: readonly (readonly ['Interactor' | 'Program', string])[]): Transcript => {
    const transcript = new Transcript();
    for (const [speaker, text] of turns) transcript.add(speaker, Buffer.from(text));
    return transcript;
  };

  it('joins the pieces of a turn, and names who wrote each line', () => {
    expect(
      said(['Interactor', '1'], ['Interactor', '2\n3\n'], ['Program', 'x'], ['Interactor', '\n']).end(9),
    ).toBe('Interactor: 12\nInteractor: 3\nProgram: x\nInteractor: ');
    expect(new Transcript().end(9)).toBe('');
  });

  it('shows the end of a long talk, and the beginning of a long line', () => {
    const talk = said(...Array.from({ length: 10 }, (_, n) => ['Program', `${n}\n`] as const));
    expect(talk.end(2)).toBe('... (8 lines before)\nProgram: 8\nProgram: 9');
    expect(said(['Program', 'x'.repeat(5000)]).end(2)).toHaveLength(300);
  });

  it('keeps characters whole that came in two pieces', () => {
    const transcript = new Transcript();
    const bytes = Buffer.from('世');
    transcript.add('Program', bytes.subarray(0, 1));
    transcript.add('Program', bytes.subarray(1));
    expect(transcript.end(2)).toBe('Program: 世');
  });

  it('forgets the beginning of an endless talk, and all that comes after its end', () => {
    const transcript = said(['Interactor', 'first\n']);
    for (let n = 0; n < 5000; n++)
      transcript.add(n % 2 === 0 ? 'Program' : 'Interactor', Buffer.alloc(100, 'x'));
    transcript.add('Program', Buffer.from('last'));
    transcript.close();
    transcript.add('Interactor', Buffer.from('too late'));
    const text = transcript.end(10_000);
    expect(text).not.toContain('first');
    expect(text).not.toContain('late');
    expect(text.endsWith('Program: last')).toBe(true);
    expect(text.length).toBeLessThan(1 << 17);
  });
});
