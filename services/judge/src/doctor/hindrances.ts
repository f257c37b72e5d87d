/** Why programs are not isolated here, or less well than they could be, and what to do about it: one sentence each. */
import type { Confinement } from './confinement.js';

/** What stands in the way of user namespaces, which isolate where the judge does not administer the machine. */
export function hindrances({ user, administers, filtered, userNamespaces }: Confinement): readonly string[] {
  if (administers) return [];
  const { unprivileged, restrictedByAppArmor, atMost } = userNamespaces;
  const found: string[] = [];
  if (unprivileged === false)
    found.push(
      'kernel.unprivileged_userns_clone is 0, so that only root makes user namespaces: set it to 1 with sysctl, or run the judge as root.',
    );
  if (restrictedByAppArmor === true)
    found.push(
      'kernel.apparmor_restrict_unprivileged_userns is 1, as on Ubuntu, so that user namespaces come without rights: ' +
        'set it to 0 with sysctl, give bwrap an AppArmor profile that allows userns, or run the judge as root.',
    );
  if (atMost === 0)
    found.push('user.max_user_namespaces is 0, so that nobody makes user namespaces: raise it with sysctl.');
  if (filtered)
    found.push(
      "a system-call filter is on the judge, such as a container runtime's, which may refuse it unshare and mount: " +
        'run its container with --security-opt seccomp=unconfined (Kubernetes: seccompProfile type Unconfined); ' +
        "programs are under the judge's own filter in any case.",
    );
  if (user === 0)
    found.push(
      'the judge is root without CAP_SYS_ADMIN, as in most containers: add it (--cap-add SYS_ADMIN), or allow user namespaces.',
    );
  return found;
}

/** What its sandboxes lack although they isolate. */
export function shortcomings({ maskedProc, controlGroups }: Confinement, tier: string): readonly string[] {
  const found: string[] = [];
  if (maskedProc.length > 0)
    found.push(
      `/proc is masked (${maskedProc.slice(0, 3).join(', ')}${maskedProc.length > 3 ? ', ...' : ''}), so that programs ` +
        'may have none, and no /dev/stdin: unmask it (Docker: --security-opt systempaths=unconfined; ' +
        'Kubernetes: procMount Unmasked) if they need one.',
    );
  if (tier === 'namespaces')
    found.push(
      'memory is limited per process and not per program, because ' +
        (controlGroups === 'none'
          ? 'no control groups are mounted: mount /sys/fs/cgroup, writable.'
          : 'the judge may not make control groups: run it as root, or hand it a group of its own (systemd: Delegate=yes).'),
    );
  return found;
}
