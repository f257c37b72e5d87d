/** Programs in Java, right and hostile. */
import { Verdict } from '@backsight/contract/judge';
import { program, type Trial } from './trial.js';

const java = (name: string, source: string, rest: Omit<Trial, 'name' | 'source' | 'language'>): Trial => ({
  name,
  source,
  language: 'java',
  // Java takes about 100 ms of CPU to start, more beside others.
  limits: { cpuMs: 3000, wallMs: 10_000, memoryBytes: 64 << 20 },
  ...rest,
});
const right = (name: string, source: string, expected: string, input = ''): Trial =>
  java(name, source, { expected, input, verdict: Verdict.ACCEPTED });
const main = (...statements: readonly string[]): string =>
  `import java.io.*; import java.util.*;\npublic class Main {\n  public static void main(String[] args) throws Exception {\n    ${statements.join('\n    ')}\n  }\n}\n`;

export const javaPrograms: readonly Trial[] = [
  right(
    'a sum, several classes, records and streams, in a class of another name',
    program`
      import java.io.*;
      import java.util.*;
      import java.util.stream.*;

      record Pair(long left, long right) {
        long sum() { return left + right; }
      }

      public class Solution {
        static int depth(int n) { return n == 0 ? 0 : 1 + depth(n - 1); }

        public static void main(String[] args) throws IOException {
          var reader = new BufferedReader(new InputStreamReader(System.in));
          var pairs = reader.lines().map(String::trim).filter(line -> !line.isEmpty()).map(line -> {
            var words = line.split(" ");
            return new Pair(Long.parseLong(words[0]), Long.parseLong(words[1]));
          }).collect(Collectors.toList());
          System.out.println(pairs.stream().mapToLong(Pair::sum).sum());
          System.out.println(depth(50_000) + " " + args.length);
        }
      }
    `,
    '4000000010\n50000 0',
    '1 2\n3 4000000004\n',
  ),
  right(
    'four threads, a large heap, exit handlers',
    main(
      'Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("bye")));',
      'int[] big = new int[10_000_000]; big[9_999_999] = 7;',
      'List<Thread> all = new ArrayList<>(); long[] sums = new long[4];',
      'for (int i = 0; i < 4; i++) { int at = i; Thread t = new Thread(() -> { for (int k = 0; k < 1000; k++) sums[at] += k; }); t.start(); all.add(t); }',
      'for (Thread t : all) t.join();',
      'System.out.println(Arrays.stream(sums).sum() + big[9_999_999]);',
    ),
    '1998007\nbye',
  ),
  java('an exit code', main('System.exit(3);'), { verdict: Verdict.RUNTIME_ERROR }),
  java('an endless loop', main('for (long i = 0; ; i++) if (i < 0) break;'), {
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu'],
    limits: { cpuMs: 600, wallMs: 10_000 },
  }),
  java('a memory bomb', main('List<byte[]> all = new ArrayList<>(); for (;;) all.add(new byte[1 << 20]);'), {
    verdict: Verdict.MEMORY_LIMIT,
  }),
  java('endless recursion', 'public class Main { public static void main(String[] a) { main(a); } }', {
    verdict: Verdict.RUNTIME_ERROR,
  }),
  java('a thread bomb', main('for (;;) new Thread(() -> { for (;;) ; }).start();'), {
    verdict: Verdict.TIME_LIMIT,
    // The runtime gives up when it gets no more threads, and says that it is short of memory.
    orVerdict: [Verdict.MEMORY_LIMIT, Verdict.RUNTIME_ERROR],
    limits: { cpuMs: 1000, wallMs: 10_000 },
  }),
  right(
    'a file of the host, a program of the host, a socket, another process',
    main(
      'List<String> seen = new ArrayList<>();',
      'if (new File("/etc/passwd").exists()) seen.add("file");',
      'if (new File("/root").exists() || new File("/home").exists()) seen.add("home");',
      'try { new ProcessBuilder("/bin/sh", "-c", "id").start(); seen.add("shell"); } catch (IOException e) { }',
      'try { new java.net.Socket("127.0.0.1", 22); seen.add("socket"); } catch (IOException e) { }',
      'try { new FileWriter("/toolchain/bin/java").close(); seen.add("toolchain"); } catch (IOException e) { }',
      'System.out.println(seen);',
    ),
    '[]',
  ),
  right(
    'secrets in its environment',
    main('System.out.println(new TreeSet<>(System.getenv().keySet()));'),
    '[HOME, LANG, PATH, PYTHONHASHSEED, TZ]',
  ),
  java('a halt before it has answered', main('Runtime.getRuntime().halt(0);'), {
    expected: '1',
    verdict: Verdict.WRONG_ANSWER,
  }),
];
