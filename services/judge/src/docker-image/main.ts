/** `npm run judge:image`: makes the docker sandbox's image from this machine's Python, Node.js and g++. */
import { Command, Option } from 'commander';
import { endWithReader, readSettings } from '@backsight/rpc';
import { clientOf, greet, reasonOf } from '../sandbox/docker/daemon.js';
import { imageLanguages } from '../sandbox/docker/image.js';
import { daemonOf, dockerSettings } from '../sandbox/docker/settings.js';
import { findToolchains } from '../sandbox/find-toolchains.js';
import { makeImage } from './make-image.js';

const settings = daemonOf(readSettings(process.env, dockerSettings));
const { socket, image } = new Command('judge:image')
  .description(
    'Makes the image of the docker sandbox from files of this machine, and gives it to the daemon.',
  )
  .addOption(
    new Option('--socket <path>', 'the daemon: /path, unix:///path or tcp://host:port').default(
      settings.socket,
    ),
  )
  .addOption(new Option('--image <name>', 'its name, repository:tag').default(settings.image))
  .showHelpAfterError('(add -- --help for the options)')
  .parse()
  .opts<{ readonly socket: string; readonly image: string }>();
endWithReader();

try {
  const docker = clientOf(socket);
  const { silence } = await greet(socket, docker);
  if (silence !== undefined)
    throw new Error(`The daemon at ${socket} ${silence}. Start it, or name another with -- --socket.`);
  const found = await findToolchains(undefined, undefined);
  const toolchains = found.filter(({ name }) => imageLanguages.includes(name));
  const started = performance.now();
  await makeImage(docker, image, toolchains);
  const held = toolchains.map(({ name, version }) => `${name} ${version}`).join(', ');
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${image} holds ${held}; made in ${seconds} s\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : reasonOf(error)}\n`);
  process.exitCode = 1;
}
