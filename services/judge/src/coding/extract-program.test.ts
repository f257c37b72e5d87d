import { describe, expect, it } from '@jest/globals';
import { extractProgram } from './extract-program.js';

const program = (answer: string, language = 'python') => extractProgram(answer, language)?.program;

describe('extractProgram', () => {
  it('takes what stands between the fences', () => {
    expect(extractProgram('Here:\n```python\nprint(1)\n```\nDone.', 'python')).toEqual({
      program: 'print(1)',
      closed: true,
    });
  });

  it('takes the longest block of the language, whatever else is longer', () => {
    const answer =
      '```python\na\n```\n```py\nlonger\n```\n```\nmuch, much longer\n```\n```text\neven longer than that\n```';
    expect(program(answer)).toBe('longer');
  });

  it('takes an untagged block before one of another tag, and that before nothing', () => {
    expect(program('```text\nlong output here\n```\n```\ncode\n```')).toBe('code');
    expect(program('```java\ncode\n```')).toBe('code');
  });

  it.each(['c++', 'cpp', 'C++', 'cxx', 'c++17'])('knows %s for C++', (tag) => {
    const answer = `\`\`\`${tag}\nint main() {}\n\`\`\`\n\`\`\`\nan untagged one that is longer\n\`\`\``;
    expect(program(answer, 'cpp')).toBe('int main() {}');
  });

  it.each(['python', 'Python', 'py', 'python3', ' python', 'python title="a.py"', '{.python}'])(
    'knows %j for Python',
    (tag) => {
      expect(program(`\`\`\`${tag}\nshort\n\`\`\`\n\`\`\`\nuntagged and longer\n\`\`\``)).toBe('short');
    },
  );

  it('takes a block that nothing closes to the end, and says so', () => {
    expect(extractProgram('```python\nprint(1)\nprint(', 'python')).toEqual({
      program: 'print(1)\nprint(',
      closed: false,
    });
  });

  it('lets a longer fence hold shorter ones', () => {
    expect(program('````python\ns = """\n```\n"""\n````')).toBe('s = """\n```\n"""');
    expect(program('~~~python\n```\n~~~')).toBe('```');
  });

  it('looks into a block of Markdown', () => {
    expect(program('```markdown\n# Answer\n```python\nprint(1)\n```\n```')).toBe('print(1)');
  });

  it('takes the indentation of the fence off the lines', () => {
    expect(program('1. So:\n   ```python\n   if x:\n       y\n   ```')).toBe('if x:\n    y');
  });

  it('takes a block on one line', () => {
    expect(program('```python print(1)```')).toBe('print(1)');
    expect(program('```print(1)```')).toBe('print(1)');
  });

  it('reads carriage returns as line breaks', () => {
    expect(program('```python\r\nprint(1)\r\nprint(2)\r\n```\r\n')).toBe('print(1)\nprint(2)');
  });

  it.each(['', 'print(1)', '`print(1)`', '```python\n```', '```python\n  \n```', '``\nx\n``'])(
    'finds no program in %j',
    (answer) => {
      expect(extractProgram(answer, 'python')).toBeUndefined();
    },
  );

  it('is quick about long answers that are all fences', () => {
    const started = performance.now();
    extractProgram('```\n'.repeat(50_000), 'python');
    extractProgram(`\`\`\`${'a '.repeat(100_000)}`, 'python');
    extractProgram('````'.repeat(50_000), 'python');
    extractProgram(`\`\`\`a${'`'.repeat(200_000)}b`, 'python');
    extractProgram(`\`\`\`${'a'.repeat(200_000)}`, 'python');
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
