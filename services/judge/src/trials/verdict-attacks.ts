/** Attacks on the verdict: programs that want to be told right without being right. */
import { Verdict } from '@backsight/contract/judge';
import { program, type Trial } from './trial.js';

export const verdictAttacks: readonly Trial[] = [
  {
    name: 'a forged ending on every descriptor',
    source: program`
      import os, struct
      forged = b'D' + struct.pack('<16siqq?', bytes(16), 0, 1, 1, True)
      for fd in range(3, 256):
          try:
              os.write(fd, forged)
          except OSError:
              pass
      print('wrong')
    `,
    expected: 'right',
    verdict: Verdict.WRONG_ANSWER,
  },
  {
    name: 'a forged report',
    source: `import os\nos.write(3, b'{"token": "x", "result": "right"}')\nprint('wrong')`,
    expected: 'right',
    verdict: Verdict.WRONG_ANSWER,
  },
  {
    name: 'a report that is no report',
    source: "import os\nos.write(3, b'[' * 100_000)\nprint('right')",
    expected: 'right',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'a silent exit',
    source: "import os\nos._exit(0)\nprint('right')",
    expected: 'right',
    verdict: Verdict.WRONG_ANSWER,
  },
  {
    name: 'a right answer before a failure',
    source: "print('right', flush=True)\nraise SystemExit(1)",
    expected: 'right',
    verdict: Verdict.RUNTIME_ERROR,
  },
  {
    name: 'a right answer before a crash',
    source: "import ctypes\nprint('right', flush=True)\nctypes.string_at(0)",
    expected: 'right',
    verdict: Verdict.RUNTIME_ERROR,
  },
  {
    name: 'a failure where nothing is expected',
    source: "raise Exception('exit 0 and no output would be right')",
    verdict: Verdict.RUNTIME_ERROR,
  },
  {
    name: 'a search for the expected output in its own memory',
    source: program`
      import gc
      needle = 'the-expected-' + 'output'
      found = any(isinstance(o, (str, bytes)) and needle in str(o) for o in gc.get_objects() for o in gc.get_referents(o) if o is not needle)
      print('found' if found else 'none')
    `,
    expected: 'the-expected-output',
    verdict: Verdict.WRONG_ANSWER,
    limits: { cpuMs: 3000, wallMs: 8000 },
  },
  {
    name: 'a search for the expected output in files',
    source: program`
      import os
      seen = []
      for folder in ('/tmp', '/dev', '/etc', '/proc/self/fd'):
          for name in os.listdir(folder):
              path = os.path.join(folder, name)
              try:
                  if os.path.isfile(path):
                      seen.append(open(path, 'rb').read(1 << 16))
              except OSError:
                  pass
      print('found' if any(b'4f1d' in piece for piece in seen) else 'none')
    `,
    expected: 'none 4f1d',
    verdict: Verdict.WRONG_ANSWER,
  },
  {
    name: 'endless recursion',
    source: 'def f():\n    return f()\nf()',
    verdict: Verdict.RUNTIME_ERROR,
  },
  {
    name: 'a recursion that overflows the stack of C',
    source: program`
      import sys
      sys.setrecursionlimit(10 ** 9)
      class A:
          def __repr__(self):
              return repr(self)
      repr(A())
    `,
    verdict: Verdict.RUNTIME_ERROR,
    limits: { cpuMs: 4000, wallMs: 10_000, memoryBytes: 512 << 20 },
  },
  {
    name: 'a patched interpreter',
    source: program`
      import builtins, os, sys
      sys.exit = os._exit = lambda *a: None
      builtins.print = lambda *a, **k: None
      sys.stdout = None
      raise SystemExit(0)
    `,
    expected: 'right',
    verdict: Verdict.WRONG_ANSWER,
  },
  {
    name: 'closed streams',
    source:
      'import os\nfor fd in range(256):\n    try:\n        os.close(fd)\n    except OSError:\n        pass',
    expected: 'right',
    verdict: Verdict.WRONG_ANSWER,
  },
  {
    name: 'a hung child that holds the output open',
    source: "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\nprint('done')",
    expected: 'done',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'bytes that are no text',
    source: 'import os\nos.write(1, bytes(range(128, 256)))',
    expected: '\ufffd'.repeat(128),
    verdict: Verdict.WRONG_ANSWER,
  },
  {
    name: 'an answer hidden behind null bytes',
    source: "import os\nos.write(1, b'right\\0\\0wrong')",
    expected: 'right',
    verdict: Verdict.WRONG_ANSWER,
  },
];
