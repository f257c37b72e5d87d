import { describe, expect, it } from '@jest/globals';
import { readReport } from './report.js';

const read = (text: string) => readReport(Buffer.from(text));

describe('readReport', () => {
  it('reads a result, what is no JSON value, a token, an error', () => {
    expect(read('{"result": "[1]"}')).toEqual({ result: '[1]' });
    expect(read('{"unspeakable": "<A>"}')).toEqual({ unspeakable: '<A>' });
    expect(read('{"token": "t"}')).toEqual({ token: 't' });
    const error = {
      type: 'KeyError',
      message: '1',
      lines: [3, 1],
      checkLines: [],
      stage: 'program',
      assertion: false,
      memory: false,
    };
    expect(read(JSON.stringify(error))).toEqual({ error });
  });

  it.each([
    '',
    'null',
    '{}',
    '[]',
    '{"result": 1}',
    '{"result"',
    '\ufffd',
    '{"type": "E", "message": "m", "lines": [0], "checkLines": [], "stage": "program", "assertion": false, "memory": false}',
    '{"type": "E", "message": "m", "lines": [1, 2, 3, 4], "checkLines": [], "stage": "program", "assertion": false, "memory": false}',
    '{"type": "E", "message": "m", "lines": [], "checkLines": [], "stage": "judge", "assertion": true, "memory": false}',
  ])('takes %s for no report', (text) => {
    expect(read(text)).toEqual({});
  });

  it('says one thing alone, whatever else a program adds', () => {
    expect(read('{"token": "t", "result": "1", "error": {}}')).toEqual({ result: '1' });
  });
});
