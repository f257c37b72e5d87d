import { describe, expect, it } from '@jest/globals';
import type { Confinement } from './confinement.js';
import { hindrances, shortcomings } from './hindrances.js';

const free = { unprivileged: true, restrictedByAppArmor: false, atMost: 1000 };
const ordinary: Confinement = {
  user: 1000,
  administers: false,
  filtered: false,
  userNamespaces: free,
  maskedProc: [],
  controlGroups: 'v2',
};

describe('hindrances', () => {
  it('finds none for an ordinary user who may make user namespaces, nor for who administers the machine', () => {
    expect(hindrances(ordinary)).toEqual([]);
    const locked = { unprivileged: false, restrictedByAppArmor: true, atMost: 0 };
    expect(
      hindrances({ ...ordinary, user: 0, administers: true, filtered: true, userNamespaces: locked }),
    ).toEqual([]);
  });

  it.each<[string, Partial<Confinement>, RegExp]>([
    [
      "Debian's switch",
      { userNamespaces: { ...free, unprivileged: false } },
      /^kernel\.unprivileged_userns_clone is 0.* set it to 1/,
    ],
    [
      "Ubuntu's AppArmor",
      { userNamespaces: { ...free, restrictedByAppArmor: true } },
      /^kernel\.apparmor_restrict_unprivileged_userns is 1.* set it to 0/,
    ],
    [
      'a bound of none',
      { userNamespaces: { ...free, atMost: 0 } },
      /^user\.max_user_namespaces is 0.* raise it/,
    ],
    ["a container's seccomp profile", { filtered: true }, /seccomp=unconfined \(Kubernetes: seccompProfile/],
    [
      'root without its capability',
      { user: 0 },
      /^the judge is root without CAP_SYS_ADMIN.*--cap-add SYS_ADMIN/,
    ],
  ])('names %s, and what to do', (_name, facts, sentence) => {
    const found = hindrances({ ...ordinary, ...facts });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(sentence);
  });

  it('has nothing to say of switches that this kernel does not have', () => {
    const none = { unprivileged: undefined, restrictedByAppArmor: undefined, atMost: undefined };
    expect(hindrances({ ...ordinary, userNamespaces: none })).toEqual([]);
  });
});

describe('shortcomings', () => {
  it('tells of a masked /proc, with three of its mounts', () => {
    const maskedProc = ['/proc/kcore', '/proc/keys', '/proc/sys', '/proc/irq'];
    expect(shortcomings({ ...ordinary, maskedProc }, 'control_groups')).toEqual([
      expect.stringMatching(
        /^\/proc is masked \(\/proc\/kcore, \/proc\/keys, \/proc\/sys, \.\.\.\).*procMount/,
      ),
    ]);
  });

  it('tells what is missing for control groups: the mount, or the right', () => {
    expect(shortcomings({ ...ordinary, controlGroups: 'none' }, 'namespaces')[0]).toMatch(
      /mount \/sys\/fs\/cgroup/,
    );
    expect(shortcomings(ordinary, 'namespaces')[0]).toMatch(/Delegate=yes/);
    expect(shortcomings(ordinary, 'control_groups')).toEqual([]);
  });
});
