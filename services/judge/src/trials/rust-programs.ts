/** Programs in Rust, right and hostile. */
import { Verdict } from '@backsight/contract/judge';
import { program, type Trial } from './trial.js';

const rust = (name: string, source: string, rest: Omit<Trial, 'name' | 'source' | 'language'>): Trial => ({
  name,
  source,
  language: 'rust',
  ...rest,
});
const main = (...statements: readonly string[]): string => `fn main() {\n  ${statements.join('\n  ')}\n}\n`;

export const rustPrograms: readonly Trial[] = [
  rust(
    'a sum over lines, a map, a thread, a recursion',
    program`
      use std::collections::HashMap;
      use std::io::{self, BufRead, Write};

      fn depth(n: u64) -> u64 { if n == 0 { 0 } else { 1 + std::hint::black_box(depth(n - 1)) } }

      fn main() {
          let mut counts: HashMap<i64, usize> = HashMap::new();
          let sum: i64 = io::stdin().lock().lines().map_while(Result::ok)
              .flat_map(|line| line.split_whitespace().map(|word| word.parse::<i64>().unwrap()).collect::<Vec<_>>())
              .inspect(|n| *counts.entry(*n).or_default() += 1)
              .sum();
          let other = std::thread::spawn(move || sum * 2).join().unwrap();
          writeln!(io::stdout().lock(), "{} {} {} {}", sum, other, counts.len(), depth(100_000)).unwrap();
      }
    `,
    {
      input: '1 2\n3 3\n4000000000\n',
      expected: '4000000009 8000000018 4 100000',
      verdict: Verdict.ACCEPTED,
    },
  ),
  rust('a wrong answer', main('println!("2");'), { expected: '1', verdict: Verdict.WRONG_ANSWER }),
  rust('an exit code', main('std::process::exit(3);'), { verdict: Verdict.RUNTIME_ERROR }),
  rust('a panic', main('let v: Vec<i32> = Vec::new(); println!("{}", v[std::env::args().count()]);'), {
    verdict: Verdict.RUNTIME_ERROR,
  }),
  rust('what does not compile', main('let x: i32 = "a";'), { verdict: Verdict.COMPILE_ERROR }),
  rust('a file of the host while it compiles', main('print!("{}", include_str!("/etc/passwd"));'), {
    verdict: Verdict.COMPILE_ERROR,
  }),
  rust('an endless loop', main('let mut n: u64 = 0; loop { n = std::hint::black_box(n + 1); }'), {
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu'],
  }),
  rust(
    'a memory bomb',
    main('let mut all: Vec<Vec<u8>> = Vec::new(); loop { all.push(vec![1u8; 1 << 20]); }'),
    {
      verdict: Verdict.MEMORY_LIMIT,
      orVerdict: [Verdict.RUNTIME_ERROR],
    },
  ),
  // In long lines, since Rust writes each line by itself: in short ones the CPU limit may fire first.
  rust('endless output', main('loop { println!("{}", "x".repeat(1000)); }'), {
    verdict: Verdict.OUTPUT_LIMIT,
    limit: ['output'],
  }),
  rust(
    'a file of the host, a program of the host, a socket',
    main(
      'let mut seen: Vec<&str> = Vec::new();',
      'if std::fs::read("/etc/passwd").is_ok() { seen.push("file"); }',
      'if std::path::Path::new("/root").exists() { seen.push("home"); }',
      'if std::net::TcpStream::connect("127.0.0.1:22").err().map(|e| e.kind()) != Some(std::io::ErrorKind::PermissionDenied) { seen.push("socket"); }',
      'if std::fs::write("/toolchain/bin/rustc", "").is_ok() { seen.push("toolchain"); }',
      'println!("{:?}", seen);',
    ),
    { expected: '[]', verdict: Verdict.ACCEPTED },
  ),
];
