/** Programs in JavaScript, right and hostile. */
import { Verdict } from '@backsight/contract/judge';
import { program, type Trial } from './trial.js';

const js = (name: string, source: string, rest: Omit<Trial, 'name' | 'source' | 'language'>): Trial => ({
  name,
  source,
  language: 'javascript',
  // Node.js takes about 40 ms of CPU to start, more beside others.
  limits: { cpuMs: 1500, wallMs: 6000, memoryBytes: 128 << 20 },
  ...rest,
});
const right = (name: string, source: string, expected: string, input = ''): Trial =>
  js(name, source, { expected, input, verdict: Verdict.ACCEPTED });

export const javascriptPrograms: readonly Trial[] = [
  right(
    'readFileSync of standard input',
    "const n = require('fs').readFileSync(0, 'utf8').split(' ').map(Number);\nconsole.log(n[0] + n[1]);",
    '3',
    '1 2\n',
  ),
  right(
    'readline, line by line',
    program`
      const lines = require('readline').createInterface({ input: process.stdin });
      let sum = 0;
      lines.on('line', (line) => (sum += Number(line)));
      lines.on('close', () => console.log(sum));
    `,
    '6',
    '1\n2\n3\n',
  ),
  right(
    'an asynchronous main',
    program`
      async function main() {
        let text = '';
        for await (const piece of process.stdin) text += piece;
        await new Promise((done) => setTimeout(done, 10));
        console.log(text.trim().length);
      }
      main();
    `,
    '3',
    'abc\n',
  ),
  right(
    'require.main',
    'if (require.main === module) console.log(process.argv.length, __filename)',
    '2 /tmp/main.js',
  ),
  right(
    'process.exit() after printing',
    "console.log('x'.repeat(150_000));\nprocess.exit();",
    'x'.repeat(150_000),
  ),
  right('large whole numbers', 'console.log(String(2n ** 200n))', String(2n ** 200n)),
  right(
    'a recursion 50,000 deep',
    'const f = (n) => (n === 0 ? 0 : 1 + f(n - 1));\nconsole.log(f(50_000));',
    '50000',
  ),
  right('a comment at the end', 'console.log(1) // done', '1'),
  js('a wrong answer', 'console.log(2)', { expected: '1', verdict: Verdict.WRONG_ANSWER }),
  js('an exit code', 'process.exit(3)', { verdict: Verdict.RUNTIME_ERROR }),
  js('an uncaught exception', 'null.x', { verdict: Verdict.RUNTIME_ERROR }),
  js('a promise rejected', "Promise.reject(new Error('x'))", { verdict: Verdict.RUNTIME_ERROR }),
  js('what does not compile', 'let x = ;', { verdict: Verdict.COMPILE_ERROR }),
  js('an endless loop', 'for (;;);', {
    verdict: Verdict.TIME_LIMIT,
    limit: ['cpu'],
    limits: { cpuMs: 500, wallMs: 6000, memoryBytes: 128 << 20 },
  }),
  js('a sleeper', 'setTimeout(() => {}, 60_000)', {
    verdict: Verdict.TIME_LIMIT,
    limit: ['wall'],
    limits: { cpuMs: 1500, wallMs: 1500, memoryBytes: 128 << 20 },
  }),
  js('a memory bomb outside the heap', 'const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1));', {
    verdict: Verdict.MEMORY_LIMIT,
    // Without a control group the runtime gives up by itself, in its own way.
    orVerdict: [Verdict.RUNTIME_ERROR],
  }),
  js('a memory bomb in the heap', 'const a = []; for (;;) a.push(new Array(1000).fill(a.length));', {
    verdict: Verdict.MEMORY_LIMIT,
    orVerdict: [Verdict.RUNTIME_ERROR],
  }),
  js('endless output', "for (;;) console.log('x'.repeat(1000))", {
    verdict: Verdict.OUTPUT_LIMIT,
    limit: ['output'],
  }),
  right(
    'a file of the host, a program of the host, a socket',
    program`
      const seen = [];
      try { require('fs').readFileSync('/etc/passwd'); seen.push('file'); } catch {}
      if (require('child_process').spawnSync('/bin/sh', ['-c', 'id']).error === undefined) seen.push('shell');
      const socket = require('net').connect(22, '127.0.0.1');
      socket.on('error', () => console.log(seen));
    `,
    '[]',
  ),
  right(
    'secrets in its environment',
    'console.log(Object.keys(process.env).sort().join())',
    'HOME,LANG,PATH,PYTHONHASHSEED,TZ,UV_THREADPOOL_SIZE',
  ),
  js('a forged report and a silent exit', `require('fs').writeSync(3, '{"result":"1"}');\nprocess.exit(0);`, {
    expected: '1',
    verdict: Verdict.WRONG_ANSWER,
  }),
  right(
    'killing its parent',
    "try { process.kill(1, 'SIGKILL'); } catch {}\ntry { process.kill(-1, 'SIGTERM'); } catch {}\nconsole.log('alive');",
    'alive',
  ),
];
