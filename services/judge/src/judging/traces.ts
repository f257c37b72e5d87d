/**
 * Reads what a compiled program's runtime wrote to standard error at its end: the error, and the program's lines on the
 * way to it. The program could write the same; it words feedback, and decides nothing but which failure it was.
 */
import type { ProgramError } from './submission.js';

/** An error a program died of. */
export interface Trace extends ProgramError {
  /** Whether it was short of memory. */
  readonly memory: boolean;
}

/** A runtime speaks last, after whatever the program wrote. */
const lastBytes = 1 << 17;
const mostLines = 3;

/** What the runtime of a language says of a program's death; undefined when it says nothing. */
export function readTrace(language: string, stderr: Uint8Array): Trace | undefined {
  const reader = readers[language];
  if (reader === undefined) return undefined;
  return reader(new TextDecoder().decode(stderr.subarray(-lastBytes)));
}

const readers: Readonly<Record<string, (text: string) => Trace | undefined>> = {
  cpp: readCpp,
  java: readJava,
  rust: readRust,
  go: readGo,
};

/** libstdc++ of an exception that nobody catches, or assert(3). */
function readCpp(text: string): Trace | undefined {
  const assertion = last(text, /^[^\n:]*: main\.cpp:(\d+): (?:[^\n]*: )?(Assertion [^\n]*)$/gm);
  if (assertion !== undefined) return trace('', assertion[2] ?? '', [Number(assertion[1])]);
  const thrown = last(
    text,
    /^terminate called after throwing an instance of '([^\n]*)'(?:\n {2}what\(\): {2}(.*))?$/gm,
  );
  if (thrown === undefined) return undefined;
  const [, type = '', message = ''] = thrown;
  return trace(type, message, [], type === 'std::bad_alloc');
}

/** `Exception in thread "main" Type: message`, then frames, innermost first. Those of the platform name its module. */
function readJava(text: string): Trace | undefined {
  const header = last(text, /^Exception in thread "[^\n"]*" ([\w.$]+)(?:: (.*))?$/gm);
  if (header === undefined) return undefined;
  const [, type = '', first = ''] = header;
  const rest = text
    .slice(header.index + header[0].length)
    .split('\n')
    .slice(1);
  const end = rest.findIndex((line) => /^(?:\tat |Caused by: |\t\.\.\. )/.test(line));
  const message = [first, ...rest.slice(0, Math.max(end, 0))].join('\n');
  const frames = rest.flatMap((line) => /^\tat [^/\s]+\(\w+\.java:(\d+)\)$/.exec(line)?.[1] ?? []);
  return trace(type, message, innermostLast(frames), type === 'java.lang.OutOfMemoryError');
}

/** `thread 'main' (id) panicked at main.rs:3:5:` and its message; or the Err that main returned. */
function readRust(text: string): Trace | undefined {
  const panic = last(text, /^thread '[^\n]*' (?:\(\d+\) )?panicked at (?:main\.rs:(\d+):)?[^\n]*:\n/gm);
  if (panic !== undefined) {
    const said = text.slice(panic.index + panic[0].length);
    const message = said.split(/\n(?:note: |stack backtrace:)/)[0] ?? '';
    return trace('panic', message, panic[1] === undefined ? [] : [Number(panic[1])]);
  }
  if (/^thread '[^\n]*' (?:\(\d+\) )?has overflowed its stack$/m.test(text))
    return trace('', 'stack overflow', []);
  const short = last(text, /^memory allocation of \d+ bytes failed/gm);
  if (short !== undefined) return trace('', short[0], [], true);
  const returned = last(text, /^Error: .*$/gm);
  return returned === undefined ? undefined : trace('', returned[0], []);
}

/** `panic: message` or `fatal error: message`, then goroutines with their frames, innermost first. */
function readGo(text: string): Trace | undefined {
  const header = first(text, /^(panic|fatal error): (.*)$/gm);
  if (header === undefined) return undefined;
  const [, type = '', message = ''] = header;
  const after = text.slice(header.index);
  const goroutine = /^goroutine \d+ [^\n]*:\n(?:(?!\n)[^\n]*\n?)*/m.exec(after)?.[0] ?? '';
  const frames = [...goroutine.matchAll(/^\t(?:[^\n:]*\/)?main\.go:(\d+)/gm)].map(([, line = '']) => line);
  const memory = type === 'fatal error' && message.includes('out of memory');
  return trace(type, message.replace(/ \[recovered.*\]$/, ''), innermostLast(frames), memory);
}

function trace(type: string, message: string, lines: readonly number[], memory = false): Trace {
  return { type, message: message.trimEnd(), lines, memory };
}

function innermostLast(frames: readonly string[]): readonly number[] {
  return frames.slice(0, mostLines).map(Number).reverse();
}

function first(text: string, pattern: RegExp): RegExpExecArray | undefined {
  return text.matchAll(pattern).next().value;
}

function last(text: string, pattern: RegExp): RegExpExecArray | undefined {
  return [...text.matchAll(pattern)].at(-1);
}
