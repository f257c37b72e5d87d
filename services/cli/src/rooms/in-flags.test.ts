import { describe, expect, it } from '@jest/globals';
import { inFlags } from './in-flags.js';

describe('inFlags', () => {
  it('names the flag of a setting that a flag gave', () => {
    expect(inFlags('leave the choice to BACKSIGHT_SANDBOX=auto', { BACKSIGHT_SANDBOX: 'bubblewrap' })).toBe(
      'leave the choice to --sandbox=auto',
    );
  });

  it('leaves a setting by its name that the environment gave, and one whose name begins like it', () => {
    const words = 'BACKSIGHT_SANDBOX must be one of a, b; BACKSIGHT_TASKS_FOLDER is no setting';
    expect(inFlags(words, { BACKSIGHT_TASKS: 'a.jsonl' })).toBe(words);
  });

  it('names the flag that moves every room to another address', () => {
    expect(inFlags('stop that process or choose another address', {})).toBe(
      'stop that process or choose other ports with --port',
    );
  });
});
