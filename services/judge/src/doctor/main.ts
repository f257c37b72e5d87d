/** `npm run doctor:judge`: what isolates programs on this machine; exit code 1 when nothing does, or not well enough. */
import { createLogger, describeError, endWithReader } from '@backsight/rpc';
import { Command, Option } from 'commander';
import { readConfig } from '../config.js';
import { opener, sandboxChoices } from '../sandbox/open-sandbox.js';
import { sandboxOptions } from '../start-judge.js';
import { diagnose } from './diagnose.js';
import { printDiagnosis } from './print-diagnosis.js';

interface Flags {
  readonly json: boolean;
  readonly sandbox?: string;
}

const { json, sandbox } = new Command('doctor:judge')
  .description(
    'What sandboxes this machine has, or why not, and what becomes of attacks on the one the judge takes. ' +
      'It reads the same settings as the judge.',
  )
  .option('--json', 'prints all of it as JSON', false)
  .addOption(new Option('--sandbox <kind>', 'attacks this one').choices(sandboxChoices))
  .showHelpAfterError('(add -- --help for the options)')
  .parse()
  .opts<Flags>();
endWithReader();
const stop = new AbortController();
process.once('SIGINT', () => {
  stop.abort();
});
try {
  const config = readConfig({ ...process.env, ...(sandbox !== undefined && { BACKSIGHT_SANDBOX: sandbox }) });
  const logger = createLogger({ name: 'doctor', level: 'silent' });
  const options = { ...sandboxOptions(config, logger), slots: 1 };
  const diagnosis = await diagnose({
    choice: config.sandbox,
    daemonIsNamed: options.docker.named,
    open: opener(options),
    signal: stop.signal,
  });
  const text = json ? JSON.stringify(diagnosis, null, 2) : printDiagnosis(diagnosis).join('\n');
  process.stdout.write(`${text}\n`);
  process.exitCode = diagnosis.holds ? 0 : 1;
} catch (error) {
  process.stderr.write(`doctor: ${describeError(error)}\n`);
  process.exitCode = 1;
}
