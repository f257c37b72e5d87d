import { describe, expect, it } from '@jest/globals';
import type { RunEnding, SandboxRun } from './sandbox.js';
import { trialLimits } from '../trials/trial.js';
import { findBubblewrap } from './find-bubblewrap.js';
import { findToolchains } from './find-toolchains.js';
import { itIn, testUsers } from './real-sandbox.js';
import { ownPythonFolder, slotCommand, spawnSlot } from './slot-channel.js';
import { SlotProcess } from './slot-process.js';

const user = testUsers.first + testUsers.count - 1;
/** A mount namespace in which, as in a container, a part of /proc is covered; then an ordinary user. */
const confined = [
  ...['unshare', '--mount', 'sh', '-c'],
  'mount --bind /dev/null /proc/timer_list && user=$1 && shift && ' +
    'exec setpriv --reuid="$user" --regid="$user" --clear-groups -- "$@"',
  'sh',
];
const root = process.getuid?.() === 0;
const bubblewrap = await findBubblewrap().catch(() => undefined);

async function run(
  isolation: 'zygote' | 'bubblewrap',
  source: string,
  inputs: readonly string[],
  language = 'python',
): Promise<readonly RunEnding[]> {
  const toolchains = await findToolchains(undefined, undefined);
  const settings = {
    isolation,
    user,
    language,
    toolchains: Object.fromEntries(toolchains.map(({ name, path }) => [name, path])),
    bubblewrap: bubblewrap ?? '',
  };
  const command = slotCommand('/usr/bin/python3', ownPythonFolder, settings);
  const complaints: string[] = [];
  const slot = await SlotProcess.greet(
    spawnSlot([...confined, String(user), ...command], (line) => complaints.push(line)),
  );
  try {
    expect(slot.tier).toBe('namespaces');
    const runs = inputs.map((input): SandboxRun => ({ kind: 'stdio', input: Buffer.from(input) }));
    const job = { language, source, files: [], runs, limits: trialLimits };
    const endings: RunEnding[] = [];
    const artefact = { known: undefined, keep: () => undefined };
    for await (const event of slot.execute(job, new AbortController().signal, artefact))
      if (event.kind === 'ran') endings.push(event.ending);
    return endings;
  } finally {
    await slot.close();
  }
}

const kinds = ['zygote', ...(bubblewrap === undefined ? [] : ['bubblewrap'])] as const;
(root ? describe : describe.skip)('a sandbox under a masked /proc (needs root)', () => {
  it.each(kinds)('%s lets every run of a program open its input as /dev/stdin', async (kind) => {
    const source = [
      'import os, sys',
      "print(os.path.exists('/proc/1'), os.listdir('/tmp'))",
      "print(open('/dev/stdin').read() == sys.stdin.read(), open('/dev/stdin').read())",
    ].join('\n');
    const endings = await run(kind as 'zygote', source, ['one', 'two', '']);
    expect(endings.map(({ stdout }) => Buffer.from(stdout).toString())).toEqual(
      ['one', 'two', ''].map((input) => `False ['.stdin']\nTrue ${input}\n`),
    );
  });

  itIn('cpp').each(kinds)('%s lets C++ open its input anew by name, in every run', async (kind) => {
    const source = [
      '#include <cstdio>',
      'int main() {',
      '  int number = -1;',
      '  if (!std::freopen("/dev/stdin", "r", stdin)) return 3;',
      '  std::scanf("%d", &number);',
      '  std::printf("%d\\n", number);',
      '}',
    ].join('\n');
    const endings = await run(kind as 'zygote', source, ['1', '2', ''], 'cpp');
    expect(endings.map(({ stdout }) => Buffer.from(stdout).toString())).toEqual(['1\n', '2\n', '-1\n']);
  });

  it.each(kinds)('%s lets no run find what another made of its input', async (kind) => {
    const source = [
      "print(open('/dev/stdin').read())",
      'import os',
      "os.remove('/tmp/.stdin')",
      "open('/tmp/.stdin', 'w').write('forged')",
    ].join('\n');
    const endings = await run(kind as 'zygote', source, ['one', 'two']);
    expect(endings.map(({ stdout }) => Buffer.from(stdout).toString())).toEqual(['one\n', 'two\n']);
  });

  it.each(kinds)('%s runs programs whose input has no room there', async (kind) => {
    const source = "import os, sys\nprint(len(sys.stdin.read()), os.path.exists('/dev/stdin'))";
    const [ending] = await run(kind as 'zygote', source, ['x'.repeat(20 << 20)]);
    expect(Buffer.from(ending?.stdout ?? []).toString()).toBe(`${20 << 20} False\n`);
  });
});
