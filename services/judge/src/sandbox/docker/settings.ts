/** The settings of the docker sandbox, and the daemon that they name. */
import { setting, type SettingValues } from '@backsight/rpc';
import { isDaemonAddress } from './daemon-address.js';
import type { DaemonSettings } from './daemon.js';

export const dockerSettings = {
  dockerSocket: setting.maybe(daemonAddress('BACKSIGHT_DOCKER_SOCKET')),
  // Another program's setting, whose other forms are no fault as long as nobody asks for a container.
  dockerHost: setting.maybe(setting.text('DOCKER_HOST', 'where the Docker daemon is')),
  dockerImage: setting.text(
    'BACKSIGHT_DOCKER_IMAGE',
    'the name of an image made by judge:image',
    'backsight/judge-sandbox:0.1.0',
  ),
  dockerRuntime: setting.maybe(setting.text('BACKSIGHT_DOCKER_RUNTIME', 'a runtime that the daemon knows')),
};

/** Where a daemon usually is. */
const usualSocket = '/var/run/docker.sock';

/** A daemon, and whether somebody said that it is there for the judge. */
export interface NamedDaemon extends DaemonSettings {
  readonly named: boolean;
}

/** The daemon that the settings name, the environment of Docker's own client says, or is where it usually is. */
export function daemonOf(values: SettingValues<typeof dockerSettings>): NamedDaemon {
  const { dockerSocket, dockerHost, dockerImage: image, dockerRuntime: runtime } = values;
  const socket = dockerSocket ?? dockerHost ?? usualSocket;
  return { socket, image, runtime, named: dockerSocket !== undefined };
}

function daemonAddress(variable: string): setting.Setting<string> {
  return {
    variable,
    about: 'the Docker daemon',
    expected: 'a path, unix:///path or tcp://host:port',
    parse: (text) => (isDaemonAddress(text) ? text : undefined),
  };
}
