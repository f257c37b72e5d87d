import { describe, expect, it } from '@jest/globals';
import { readTrace } from './traces.js';

const read = (language: string, ...lines: readonly string[]) =>
  readTrace(language, Buffer.from(`${lines.join('\n')}\n`));

describe('readTrace', () => {
  it('reads an exception of Java, its frames innermost last, the platform left out', () => {
    expect(
      read(
        'java',
        'debug output',
        'Exception in thread "main" java.util.InputMismatchException: For input string: "x"',
        '\tat java.base/java.util.Scanner.throwFor(Scanner.java:939)',
        '\tat Main$Reader.next(Main.java:4)',
        '\tat Main.lambda$solve$0(Main.java:9)',
        '\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)',
        '\tat Main.solve(Main.java:8)',
        '\tat Main.main(Main.java:20)',
      ),
    ).toEqual({
      type: 'java.util.InputMismatchException',
      message: 'For input string: "x"',
      lines: [8, 9, 4],
      memory: false,
    });
  });

  it('reads messages of several lines, causes, and exceptions without a message', () => {
    expect(
      read('java', 'Exception in thread "main" E: one', 'two', '\tat Main.main(Main.java:1)'),
    ).toMatchObject({ message: 'one\ntwo', lines: [1] });
    expect(
      read(
        'java',
        'Exception in thread "main" java.lang.ExceptionInInitializerError',
        'Caused by: java.lang.ArithmeticException: / by zero',
        '\tat Main.<clinit>(Main.java:2)',
      ),
    ).toMatchObject({ type: 'java.lang.ExceptionInInitializerError', message: '', lines: [2] });
  });

  it('reads a panic of Rust, of old versions and new', () => {
    expect(
      read(
        'rust',
        '',
        "thread 'main' (4357) panicked at main.rs:2:32:",
        'index out of bounds: the len is 2 but the index is 5',
        'note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace',
      ),
    ).toEqual({
      type: 'panic',
      message: 'index out of bounds: the len is 2 but the index is 5',
      lines: [2],
      memory: false,
    });
    expect(read('rust', "thread 'main' panicked at library/core/src/x.rs:9:5:", 'oh')).toMatchObject({
      message: 'oh',
      lines: [],
    });
    expect(read('rust', 'Error: ParseIntError { kind: Empty }')).toMatchObject({
      message: 'Error: ParseIntError { kind: Empty }',
    });
    expect(
      read('rust', '', "thread 'main' (1) has overflowed its stack", 'fatal runtime error'),
    ).toMatchObject({
      message: 'stack overflow',
    });
  });

  it('reads a panic of Go, and the frames of the goroutine that panicked', () => {
    expect(
      read(
        'go',
        'panic: runtime error: index out of range [12] with length 1',
        '',
        'goroutine 1 [running]:',
        'main.f(...)',
        '\tmain.go:3',
        'slices.SortFunc[...](...)',
        '\tslices/sort.go:23',
        'main.main()',
        '\tmain.go:4 +0x22c',
        '',
        'goroutine 7 [chan receive]:',
        'main.other()',
        '\tmain.go:90 +0x1',
        'exit status 2',
      ),
    ).toEqual({
      type: 'panic',
      message: 'runtime error: index out of range [12] with length 1',
      lines: [4, 3],
      memory: false,
    });
    expect(
      read(
        'go',
        'fatal error: all goroutines are asleep - deadlock!',
        '',
        'goroutine 1 [chan receive]:',
        'main.main()',
        '\tmain.go:5',
      ),
    ).toMatchObject({ type: 'fatal error', message: 'all goroutines are asleep - deadlock!', lines: [5] });
  });

  it('reads what libstdc++ and assert say', () => {
    expect(
      read(
        'cpp',
        "terminate called after throwing an instance of 'std::out_of_range'",
        '  what():  vector::at',
      ),
    ).toEqual({ type: 'std::out_of_range', message: 'vector::at', lines: [], memory: false });
    expect(read('cpp', "terminate called after throwing an instance of 'int'")).toMatchObject({
      type: 'int',
    });
    expect(read('cpp', "main: main.cpp:5: int main(): Assertion `x == 1' failed.")).toMatchObject({
      message: "Assertion `x == 1' failed.",
      lines: [5],
    });
  });

  it('tells who was short of memory', () => {
    for (const [language, line] of [
      ['java', 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space'],
      ['rust', 'memory allocation of 800000000 bytes failed'],
      ['go', 'fatal error: runtime: out of memory'],
      ['cpp', "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"],
    ] as const)
      expect(read(language, line)).toMatchObject({ memory: true });
  });

  it('says nothing where nothing was said, or in a language whose programs report themselves', () => {
    for (const language of ['java', 'rust', 'go', 'cpp']) expect(read(language, 'bye')).toBeUndefined();
    expect(read('python', 'panic: no')).toBeUndefined();
  });

  it('is quick with a megabyte of anything', () => {
    const started = process.cpuUsage();
    for (const piece of [
      'panic: x [',
      '\tat Main.f(Main.java:1)\n',
      "thread '",
      ' what():  ',
      ': main.cpp:1: ',
    ])
      for (const language of ['java', 'rust', 'go', 'cpp'])
        read(language, piece.repeat((1 << 20) / piece.length));
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(2000);
  });
});
