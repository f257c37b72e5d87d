/** `npm run build`: generates code from protos/ and compiles every room; installs packages first where they are not there. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.mjs';
import { ensureInstalled, root } from './install.mjs';

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await ensureBuilt({ say: (line) => process.stderr.write(`${line}\n`) });
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/** Makes what is not there or older than its source; rejects with one sentence, or with what the compiler says. */
export async function ensureBuilt({ say }) {
  await ensureInstalled({ say });
  if (!existsSync(join(root, 'services/cli/dist'))) say('building (once)');
  if (!generated()) await succeed('npm', ['run', '--silent', 'generate']);
  await succeed(join(root, 'node_modules/.bin/tsc'), ['-b']);
}

/** Whether generated code is there and newer than all that it is made from; descriptors.binpb is written last. */
function generated() {
  const made = ['libs/contract/src/gen', 'libs/contract/descriptors.binpb'].map((path) => join(root, path));
  if (!made.every(existsSync)) return false;
  const protos = readdirSync(join(root, 'protos'), { recursive: true }).map((path) => `protos/${path}`);
  return ['buf.yaml', 'buf.gen.yaml', 'package-lock.json', ...protos]
    .filter((path) => !path.endsWith('.binpb'))
    .every((path) => statSync(join(root, path)).mtimeMs < statSync(made[1]).mtimeMs);
}

async function succeed(program, args) {
  const { status, output } = await runCommand(program, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (status !== 0) throw new Error(`The build failed:\n${output}`);
}
