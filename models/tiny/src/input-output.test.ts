import { describe, expect, it } from '@jest/globals';
import { drawTest } from './input-output.js';
import { runProgram, type Program } from './program.js';
import { createRandom } from './random.js';

describe('drawTest', () => {
  const random = createRandom(1);

  it('draws seven different digits and what the program makes of them', () => {
    const program: Program = [{ operation: 'add', operand: 3 }];
    for (let draw = 0; draw < 50; draw += 1) {
      const { input, output } = drawTest(random, program);
      expect(new Set(input).size).toBe(7);
      expect(output).toEqual(runProgram(program, input));
    }
  });

  it('finds the rare inputs that leave something', () => {
    const rarely: Program = [
      { operation: 'keep-above', operand: 4 },
      { operation: 'drop-first', operand: 4 },
    ];
    expect(drawTest(random, rarely).output).toHaveLength(1);
  });

  it('gives up on programs that leave nothing', () => {
    const never: Program = [{ operation: 'keep-above', operand: 9 }];
    expect(drawTest(random, never).output).toEqual([]);
  });
});
