/** What the bench runs: programs with inputs, run the same way bare and in the sandbox. */

/** A program and the standard inputs of its tests. */
export interface Workload {
  readonly name: string;
  readonly source: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

const numbers = Array.from({ length: 10 }, (_, index) => index);

export const workloads: readonly Workload[] = [
  {
    name: 'one line, one test',
    source: 'print(2 * int(input()))\n',
    inputs: ['21\n'],
    outputs: ['42\n'],
  },
  {
    name: 'usual imports, one test',
    source: [
      'import sys, math, heapq, re',
      'from collections import Counter, defaultdict, deque',
      'from functools import lru_cache',
      'from itertools import permutations',
      'counts = Counter(sys.stdin.read().split())',
      'print(*sorted(counts, key=lambda word: (-counts[word], word)))',
      '',
    ].join('\n'),
    inputs: ['b a b c a b\n'],
    outputs: ['b a c\n'],
  },
  {
    name: 'one line, ten tests',
    source: 'print(2 * int(input()))\n',
    inputs: numbers.map((number) => `${number}\n`),
    outputs: numbers.map((number) => `${2 * number}\n`),
  },
];
