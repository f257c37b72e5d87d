/** Attacks on what programs share: time, memory, processes, disk, output. */
import { Verdict } from '@backsight/contract/judge';
import { program, type Trial } from './trial.js';

export const resourceAttacks: readonly Trial[] = [
  {
    name: 'a fork bomb',
    source: program`
      import os
      while True:
          try:
              os.fork()
          except OSError:
              pass
    `,
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu', 'wall'],
  },
  {
    name: 'a fork bomb whose parents leave at once',
    source: program`
      import os
      while True:
          try:
              if os.fork() != 0:
                  os._exit(0)
          except OSError:
              pass
    `,
    // The first process has ended, and with it the run.
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'forks beyond the limit, counted',
    source: program`
      import os, time
      n = 0
      try:
          while n < 200:
              if os.fork() == 0:
                  time.sleep(9)
                  os._exit(0)
              n += 1
      except OSError:
          pass
      print(n < 17)
    `,
    expected: 'True',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'threads beyond the limit, counted',
    source: program`
      import threading, time
      n = 0
      try:
          while n < 200:
              threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
              n += 1
      except RuntimeError:
          pass
      print(n < 17)
    `,
    expected: 'True',
    verdict: Verdict.ACCEPTED,
  },
  { name: 'an endless loop', source: 'while True: pass', verdict: Verdict.TIME_LIMIT, limit: ['cpu'] },
  {
    name: 'an endless loop over several processes',
    source: 'import os\nfor _ in range(3): os.fork()\nwhile True: pass',
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu', 'wall'],
  },
  {
    name: 'an endless loop in a thread',
    source: program`
      import threading
      def spin():
          while True: pass
      threading.Thread(target=spin).start()
    `,
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu'],
  },
  {
    name: 'an endless loop inside one call that never returns to Python',
    source: 'print(len(str(3 ** (3 ** 18))) if pow(7, 1 << 10_000_000) else 0)',
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu'],
  },
  {
    name: 'a regular expression that never ends',
    source: "import re\nre.match('(a+)+$', 'a' * 40 + 'b')",
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu'],
  },
  {
    name: 'a sleeper',
    source: 'import time\ntime.sleep(60)',
    verdict: Verdict.TIME_LIMIT,
    limit: ['wall'],
    limits: { wallMs: 500 },
  },
  {
    name: 'a wait for input that never comes',
    source: 'import os\nr, w = os.pipe()\nos.read(r, 1)',
    verdict: Verdict.TIME_LIMIT,
    limit: ['wall'],
    limits: { wallMs: 500 },
  },
  {
    name: 'a program that stops itself',
    source: 'import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)',
    verdict: Verdict.TIME_LIMIT,
    limit: ['wall'],
    limits: { wallMs: 500 },
  },
  {
    name: 'a loop that ignores every signal it can',
    source: program`
      import signal
      for s in range(1, 65):
          try:
              signal.signal(s, signal.SIG_IGN)
          except (OSError, ValueError):
              pass
      while True: pass
    `,
    verdict: Verdict.TIME_LIMIT,
  },
  {
    name: 'a loop that swallows every exception and exits never',
    source: program`
      import sys
      while True:
          try:
              sys.exit(0)
          except BaseException:
              pass
    `,
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu'],
  },
  {
    name: 'an exit handler without end',
    source: 'import atexit\n@atexit.register\ndef stay():\n    while True: pass',
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu'],
  },
  {
    name: 'a memory bomb',
    source: 'a = []\nwhile True:\n    a.append(bytearray(1 << 20))',
    verdict: Verdict.MEMORY_LIMIT,
  },
  {
    name: 'one allocation that is too large',
    source: "a = b'x' * (1 << 33)",
    verdict: Verdict.MEMORY_LIMIT,
  },
  {
    name: 'memory eaten by a child whose parent goes on',
    source: program`
      import os
      pid = os.fork()
      if pid == 0:
          a = []
          while True:
              a.append(bytearray(1 << 20))
      os.waitpid(pid, 0)
      print('still here')
    `,
    expected: 'still here',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'memory eaten through files in /tmp',
    source: "for i in range(64):\n    open(f'/tmp/{i}', 'wb').write(bytes(1 << 20))",
    verdict: Verdict.RUNTIME_ERROR,
  },
  {
    name: 'memory eaten through files without a name',
    source: program`
      import os
      files = []
      while True:
          file = os.memfd_create('x')
          os.write(file, bytes(8 << 20))
          files.append(file)
    `,
    verdict: Verdict.RUNTIME_ERROR,
  },
  {
    name: 'a zip bomb',
    source: program`
      import zlib
      packed = zlib.compress(bytes(1 << 20), 9)
      kept = []
      while True:
          kept.append(zlib.decompress(packed))
    `,
    verdict: Verdict.MEMORY_LIMIT,
    limits: { cpuMs: 3000, wallMs: 8000 },
  },
  {
    name: 'one huge file',
    source: "f = open('/tmp/big', 'wb')\nf.truncate(1 << 40)",
    verdict: Verdict.RUNTIME_ERROR,
  },
  {
    name: 'files without number',
    source: "for i in range(100_000):\n    open(f'/tmp/{i}', 'w').close()",
    verdict: Verdict.RUNTIME_ERROR,
    // Where nothing counts files, they cost memory and time.
    orVerdict: [Verdict.MEMORY_LIMIT, Verdict.TIME_LIMIT],
  },
  {
    name: 'open files without number',
    source: "files = [open('/dev/null') for _ in range(100_000)]",
    verdict: Verdict.RUNTIME_ERROR,
  },
  {
    name: 'folders nested without end',
    source: "import os\nwhile True:\n    os.mkdir('x')\n    os.chdir('x')",
    verdict: Verdict.RUNTIME_ERROR,
    // Where nothing counts files, they cost memory and time.
    orVerdict: [Verdict.MEMORY_LIMIT, Verdict.TIME_LIMIT],
  },
  {
    name: 'endless output',
    source: "import sys\nwhile True: sys.stdout.write('x' * 65536)",
    verdict: Verdict.OUTPUT_LIMIT,
    limit: ['output'],
  },
  {
    name: 'endless output by a child',
    source: "import os\nos.fork()\nwhile True: os.write(1, b'x' * 65536)",
    verdict: Verdict.OUTPUT_LIMIT,
    limit: ['output'],
  },
  {
    name: 'one line of 100 MB',
    source: "import os\nline = b'x' * (1 << 20)\nfor _ in range(100): os.write(1, line)",
    verdict: Verdict.OUTPUT_LIMIT,
    limit: ['output'],
  },
  {
    name: 'endless complaints',
    source: "import sys\nwhile True: sys.stderr.write('x' * 65536)",
    verdict: Verdict.OUTPUT_LIMIT,
    limit: ['output'],
  },
  {
    name: 'an endless report',
    source: "import os\nwhile True: os.write(3, b'x' * 65536)",
    verdict: Verdict.OUTPUT_LIMIT,
    limit: ['output'],
  },
  {
    name: 'raising its own limits',
    source: program`
      import resource
      kinds = ('FSIZE', 'NOFILE', 'CORE', 'CPU')
      print([n for n in kinds if resource.getrlimit(getattr(resource, 'RLIMIT_' + n))[1] == resource.RLIM_INFINITY])
      try:
          resource.setrlimit(resource.RLIMIT_CPU, (1000, 1000))
      except ValueError:
          print('refused')
    `,
    expected: '[]\nrefused',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'putting itself before others',
    source: "import os\ntry:\n    os.nice(-5)\nexcept OSError:\n    print('refused')",
    expected: 'refused',
    verdict: Verdict.ACCEPTED,
  },
];
