import { readSettings } from '@backsight/rpc';
import { describe, expect, it } from '@jest/globals';
import { daemonOf, dockerSettings } from './settings.js';

const read = (environment: Record<string, string>) => daemonOf(readSettings(environment, dockerSettings));

describe('daemonOf', () => {
  it('is the named daemon before that of Docker’s own client before the usual one', () => {
    const elsewhere = { DOCKER_HOST: 'tcp://10.0.0.1:2375' };
    expect(read({})).toEqual({
      socket: '/var/run/docker.sock',
      image: 'backsight/judge-sandbox:0.1.0',
      runtime: undefined,
      named: false,
    });
    expect(read(elsewhere)).toMatchObject({ socket: 'tcp://10.0.0.1:2375', named: false });
    expect(read({ ...elsewhere, BACKSIGHT_DOCKER_SOCKET: '/run/d.sock' })).toMatchObject({
      socket: '/run/d.sock',
      named: true,
    });
  });

  it('minds no DOCKER_HOST that it cannot use, but a setting of its own', () => {
    expect(read({ DOCKER_HOST: 'ssh://me@there' })).toMatchObject({ socket: 'ssh://me@there' });
    expect(() => read({ BACKSIGHT_DOCKER_SOCKET: 'ssh://me@there' })).toThrow(
      'BACKSIGHT_DOCKER_SOCKET must be a path, unix:///path or tcp://host:port, not "ssh://me@there"',
    );
  });
});
