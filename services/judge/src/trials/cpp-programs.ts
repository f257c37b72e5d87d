/** Programs in C++, right and hostile. */
import { Verdict } from '@backsight/contract/judge';
import { program, type Trial } from './trial.js';

const cpp = (name: string, source: string, rest: Omit<Trial, 'name' | 'source' | 'language'>): Trial => ({
  name,
  source,
  language: 'cpp',
  ...rest,
});

export const cppPrograms: readonly Trial[] = [
  cpp(
    'a sum over streams',
    program`
      #include <iostream>
      #include <numeric>
      #include <vector>
      int main() {
        std::vector<long long> v;
        for (long long x; std::cin >> x;) v.push_back(x);
        std::cout << std::accumulate(v.begin(), v.end(), 0LL) << "\n";
      }
    `,
    { input: '1 2 3\n4000000000\n', expected: '4000000006', verdict: Verdict.ACCEPTED },
  ),
  cpp(
    'its input, opened anew by name',
    program`
      #include <cstdio>
      #include <iostream>
      int main() {
        int a = -1, b = -1;
        if (!std::freopen("/dev/stdin", "r", stdin)) return 3;
        std::scanf("%d", &a);
        std::cin >> b;
        std::printf("%d\n", a + b);
      }
    `,
    { input: '3\n4\n', expected: '7', verdict: Verdict.ACCEPTED },
  ),
  cpp(
    'a recursion a million deep',
    program`
      #include <cstdio>
      __attribute__((noinline)) int depth(volatile int n) { return n == 0 ? 0 : 1 + depth(n - 1); }
      int main() { std::printf("%d\n", depth(1000000)); }
    `,
    { expected: '1000000', verdict: Verdict.ACCEPTED },
  ),
  cpp('a wrong answer', '#include <cstdio>\nint main() { std::puts("2"); }', {
    expected: '1',
    verdict: Verdict.WRONG_ANSWER,
  }),
  cpp('an exit code', 'int main() { return 3; }', { verdict: Verdict.RUNTIME_ERROR }),
  cpp('a crash', 'int main() { volatile int *p = 0; return *p; }', { verdict: Verdict.RUNTIME_ERROR }),
  cpp('an uncaught exception', '#include <stdexcept>\nint main() { throw std::runtime_error("x"); }', {
    verdict: Verdict.RUNTIME_ERROR,
  }),
  cpp('an endless loop', 'int main() { for (volatile int i = 0;; i = i + 1) {} }', {
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu'],
  }),
  cpp(
    'a memory bomb',
    '#include <cstdlib>\n#include <cstring>\nint main() { for (;;) std::memset(std::malloc(1 << 20), 1, 1 << 20); }',
    // Without a control group malloc returns null, which the program writes to.
    { verdict: Verdict.MEMORY_LIMIT, orVerdict: [Verdict.RUNTIME_ERROR] },
  ),
  cpp('endless output', '#include <cstdio>\nint main() { for (;;) std::puts("x"); }', {
    verdict: Verdict.OUTPUT_LIMIT,
    limit: ['output'],
  }),
  cpp('a fork bomb', '#include <unistd.h>\nint main() { for (;;) fork(); }', {
    verdict: Verdict.TIME_LIMIT,
    // What forks that fail have taken counts as memory until the kernel gets round to freeing it.
    orVerdict: [Verdict.MEMORY_LIMIT],
    limit: ['cpu', 'wall', 'memory'],
  }),
  cpp(
    'a socket, a file of the host, another user',
    program`
      #include <cstdio>
      #include <sys/socket.h>
      #include <unistd.h>
      int main() {
        std::printf("%d %d %d\n", socket(AF_INET, SOCK_STREAM, 0), std::fopen("/etc/passwd", "r") != 0, setuid(0));
      }
    `,
    { expected: '-1 0 -1', verdict: Verdict.ACCEPTED },
  ),
  cpp(
    'changing its own artefact for the next test',
    program`
      #include <cstdio>
      #include <fcntl.h>
      int main() { std::printf("%d\n", open("/proc/self/exe", O_RDWR)); }
    `,
    { expected: '-1', verdict: Verdict.ACCEPTED },
  ),
  cpp('what does not compile', 'int main() {\n  return x;\n}', { verdict: Verdict.COMPILE_ERROR }),
  cpp('what does not link', 'int f() { return 1; }', { verdict: Verdict.COMPILE_ERROR }),
  cpp('a file of the host, included', '#include "/etc/passwd"\nint main() {}', {
    verdict: Verdict.COMPILE_ERROR,
  }),
  cpp('an artefact without bounds', 'char c[1u << 31] = {1};\nint main() {}', {
    verdict: Verdict.COMPILE_ERROR,
  }),
  cpp('an inclusion of itself', '#include __FILE__\nint main() {}', { verdict: Verdict.COMPILE_ERROR }),
];
