/** Right programs that simpler judges fail. */
import { Verdict } from '@backsight/contract/judge';
import { program, type Trial } from './trial.js';

const right = (name: string, source: string, expected: string, rest: Partial<Trial> = {}): Trial => ({
  name,
  source,
  expected,
  verdict: Verdict.ACCEPTED,
  ...rest,
});

export const honestPrograms: readonly Trial[] = [
  right('sys.exit() after printing', 'import sys\nprint(1)\nsys.exit()', '1'),
  right('exit(0)', 'print(1)\nexit(0)', '1'),
  right('quit()', 'print(1)\nquit()', '1'),
  right('os._exit(0) after flushing', 'import os\nprint(1, flush=True)\nos._exit(0)', '1'),
  right('sys.stdin.buffer', 'import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))', '6', {
    input: '1 2\n3\n',
  }),
  right('open(0)', 'print(open(0).read())', 'abc', { input: 'abc' }),
  right('/dev/stdin', "print(open('/dev/stdin').read())", 'abc', { input: 'abc' }),
  right('os.read(0)', 'import os\nprint(os.read(0, 100).decode())', 'abc', { input: 'abc' }),
  right(
    'input() until the end',
    'try:\n    while True: print(input())\nexcept EOFError: print("end")',
    'a\nb\nend',
    {
      input: 'a\nb\n',
    },
  ),
  right('fileinput', 'import fileinput\nprint(sum(int(line) for line in fileinput.input()))', '3', {
    input: '1\n2\n',
  }),
  right('other alphabets', "print(input()[::-1], 'Grüße, 世界 🙂')", '界世 Grüße, 世界 🙂', {
    input: '世界\n',
  }),
  right('150 KB of output', "print('x' * 150_000)", 'x'.repeat(150_000)),
  right(
    '1 MB of output in lines',
    "for _ in range(10_000): print('y' * 99)",
    `${'y'.repeat(99)}\n`.repeat(10_000),
  ),
  right('1 MB of input left unread', "print('ok')", 'ok', { input: 'z'.repeat(1_000_000) }),
  right('1 MB of input read by lines', 'import sys\nprint(sum(1 for _ in sys.stdin))', '100000', {
    input: `${'z'.repeat(9)}\n`.repeat(100_000),
  }),
  right(
    'output and complaints at once',
    "import sys\nfor _ in range(200):\n    print('o' * 500)\n    print('e' * 500, file=sys.stderr)",
    `${'o'.repeat(500)}\n`.repeat(200),
  ),
  right(
    'deep recursion that was asked for',
    program`
      import sys
      sys.setrecursionlimit(60_000)
      def f(n):
          return 0 if n == 0 else 1 + f(n - 1)
      print(f(50_000))
    `,
    '50000',
  ),
  right(
    'exception classes, divmod, super, properties and class methods',
    program`
      class Odd(ValueError):
          pass
      class Base:
          @property
          def half(self):
              return divmod(self.n, 2)
          @classmethod
          def of(cls, n):
              made = cls()
              made.n = n
              return made
      class Even(Base):
          @staticmethod
          def check(n):
              if n % 2:
                  raise Odd(n)
          @classmethod
          def of(cls, n):
              cls.check(n)
              return super().of(n)
      try:
          Even.of(3)
      except Odd as odd:
          print('odd', odd, Even.of(8).half, bin(5), type(odd).__name__)
    `,
    'odd 3 (4, 0) 0b101 Odd',
  ),
  right(
    'imports of every kind',
    program`
      import copy, os, threading, collections.abc, heapq as h
      from functools import lru_cache
      from bisect import *
      exec('import math')
      print(copy.copy([1]), os.sep, h.nsmallest(1, [2, 1]), bisect([1, 2], 1), eval('math.gcd(4, 6)'))
    `,
    '[1] / [1] 1 2',
  ),
  right(
    'threads',
    program`
      import threading
      out = []
      ts = [threading.Thread(target=out.append, args=(i,)) for i in range(4)]
      for t in ts: t.start()
      for t in ts: t.join()
      print(sorted(out))
    `,
    '[0, 1, 2, 3]',
  ),
  right(
    'a large stack in a thread',
    program`
    import sys, threading
    threading.stack_size(32 << 20)
    sys.setrecursionlimit(20_000)
    def f(n):
        return 0 if n == 0 else 1 + f(n - 1)
    t = threading.Thread(target=lambda: print(f(15_000)))
    t.start()
    t.join()
  `,
    '15000',
  ),
  right(
    'asyncio',
    'import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    print("async")\nasyncio.run(main())',
    'async',
  ),
  right(
    'multiprocessing',
    program`
      import multiprocessing as mp
      def f(x):
          return x * x
      if __name__ == "__main__":
          with mp.Pool(2) as p:
              print(p.map(f, [1, 2, 3]))
    `,
    '[1, 4, 9]',
    { limits: { cpuMs: 2000, wallMs: 5000 } },
  ),
  right(
    'an exit handler that prints',
    "import atexit\natexit.register(print, 'bye')\nprint('hi')",
    'hi\nbye',
  ),
  right(
    'a dataclass of a script, its module being __main__',
    program`
      from dataclasses import dataclass
      import pickle
      @dataclass
      class P:
          x: int
      print(__name__, pickle.loads(pickle.dumps(P(3))))
    `,
    '__main__ P(x=3)',
  ),
  right('files in its own folder', "open('note', 'w').write('x')\nprint(open('note').read())", 'x'),
  right(
    'temporary files',
    "import tempfile\nwith tempfile.TemporaryFile() as f: print(f.write(b'abc'))",
    '3',
  ),
  right(
    'whole numbers of 5,000 digits',
    'import sys\nsys.set_int_max_str_digits(0)\nprint(10 ** 5000)',
    `1${'0'.repeat(5000)}`,
  ),
  right('a warning while it compiles', 'print("\\d", 1 is 1)', '\\d True'),
  right('tabs, carriage returns and no line break at the end', 'if True:\r\n\tprint(1)', '1'),
  right('a coding line and a byte order mark', '\ufeff# -*- coding: utf-8 -*-\nprint("ä")', 'ä'),
];
