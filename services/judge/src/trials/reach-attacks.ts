/** Attacks that reach for what lies outside: the host's files, its network, its kernel, other processes, secrets. */
import { Verdict } from '@backsight/contract/judge';
import { attempt, program, type Trial } from './trial.js';

const refused = (name: string, setup: string, expression: string): Trial => ({
  name,
  source: attempt(setup, expression),
  expected: 'refused',
  verdict: Verdict.ACCEPTED,
});

const libc =
  'import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nx86 = os.uname().machine == "x86_64"';
/** Calls the kernel by number (x86_64, aarch64) with null arguments; it must answer EPERM before it looks at them. */
const kernelCall = (name: string, x86: number, arm: number): Trial => ({
  name: `the system call ${name}`,
  source: `${libc}\nprint(libc.syscall(${x86} if x86 else ${arm}, 0, 0, 0, 0, 0), ctypes.get_errno())`,
  expected: '-1 1',
  verdict: Verdict.ACCEPTED,
});

export const reachAttacks: readonly Trial[] = [
  refused('a socket to the host', 'import socket', "socket.create_connection(('127.0.0.1', 22), 1)"),
  refused('a socket of the newer protocol', 'import socket', 'socket.socket(socket.AF_INET6)'),
  refused('a socket of the file system', 'import socket', 'socket.socket(socket.AF_UNIX)'),
  refused('a raw socket', 'import socket', 'socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'),
  refused('a name server', 'import socket', "socket.gethostbyname('example.org')"),
  refused('a download', 'import urllib.request', "urllib.request.urlopen('http://192.0.2.1', timeout=1)"),
  refused("reading the host's accounts", '', "open('/etc/passwd').read()"),
  refused("reading process 1's environment", '', "open('/proc/1/environ').read()"),
  refused("reading process 1's memory", '', "open('/proc/1/mem', 'rb').read(1)"),
  refused("listing process 1's descriptors", 'import os', "os.listdir('/proc/1/fd')"),
  refused("the host through process 1's root", 'import os', "os.listdir('/proc/1/root/home')"),
  refused("the kernel's messages", '', "open('/dev/kmsg').read(1)"),
  refused("the machine's memory", '', "open('/dev/mem', 'rb').read(1)"),
  refused('a terminal', '', "open('/dev/tty')"),
  refused("the kernel's settings", '', "open('/proc/sys/kernel/core_pattern', 'w')"),
  refused('control groups', 'import os', "os.listdir('/sys/fs/cgroup')"),
  refused(
    'a symbolic link out of the sandbox',
    "import os\nos.symlink('/proc/1/root/etc/shadow', '/tmp/link')",
    "open('/tmp/link').read()",
  ),
  refused('a hard link to a file of the interpreter', 'import os', "os.link(os.__file__, '/tmp/os.py')"),
  refused(
    'a device of its own',
    'import os, stat',
    "os.mknod('/tmp/disk', 0o600 | stat.S_IFBLK, os.makedev(8, 0))",
  ),
  refused('writing outside /tmp', '', "open('/usr/lib/x', 'w')"),
  refused("writing over the interpreter's modules", 'import os', "open(os.__file__, 'a')"),
  refused('becoming root', 'import os', 'os.setuid(0)'),
  refused('another group', 'import os', 'os.setgroups([0])'),
  refused('another root', 'import os', "os.chroot('/tmp')"),
  refused('a program of the host', 'import subprocess', "subprocess.run(['/bin/sh', '-c', 'id'])"),
  refused('limits of its parent', 'import resource', 'resource.prlimit(1, resource.RLIMIT_CPU, (0, 0))'),
  {
    name: 'looking for home folders and other programs',
    source: program`
      import os
      places = ('/home', '/root', '/var', '/run', '/sys', '/opt', '/boot', '/mnt', '/srv', '/usr/bin/env')
      print([place for place in places if os.path.exists(place)])
    `,
    expected: '[]',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'secrets in its own environment',
    source: 'import os\nprint(sorted(os.environ))',
    expected: "['HOME', 'LANG', 'PATH', 'PYTHONHASHSEED', 'TZ']",
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'the settings of its slot',
    source: program`
      import sys
      try:
          with open('/proc/self/cmdline') as line: said = line.read().strip('\0')
      except FileNotFoundError: said = ''
      print([said, *sys.orig_argv])
    `,
    expected: "['', 'python3', 'main.py']",
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'secrets on the command line of others',
    source: program`
      import os
      others = [p for p in os.listdir('/proc') if p.isdigit() and p not in ('1', str(os.getpid()))]
      print(others)
    `,
    expected: '[]',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'climbing out of the root',
    source: program`
      import os
      os.chdir('/')
      os.chdir('../../../..')
      print(sorted(os.listdir('.')) == sorted(os.listdir('/')))
    `,
    expected: 'True',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'set-user-id programs',
    source: program`
      import os, stat
      found = []
      for folder, _, names in os.walk('/usr/bin'):
          for name in names:
              mode = os.lstat(os.path.join(folder, name)).st_mode
              if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                  found.append(name)
      print(found)
    `,
    expected: '[]',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'killing everything it can',
    source: program`
      import os, signal
      for pid in (-1, 1):
          for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
              try:
                  os.kill(pid, number)
              except OSError:
                  pass
      print('alive')
    `,
    expected: 'alive',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'a user namespace made by clone',
    source: `${libc}\nr = libc.syscall(56 if x86 else 220, ctypes.c_ulong(0x10000011), 0, 0, 0, 0)\nif r == 0: os._exit(0)\nprint(r, ctypes.get_errno())`,
    expected: '-1 1',
    verdict: Verdict.ACCEPTED,
  },
  {
    name: 'the newer clone, whose flags no filter sees',
    source: `${libc}\nprint(libc.syscall(435, 0, 0), ctypes.get_errno())`,
    expected: '-1 38',
    verdict: Verdict.ACCEPTED,
  },
  kernelCall('ptrace', 101, 117),
  kernelCall('process_vm_readv', 310, 270),
  kernelCall('unshare', 272, 97),
  kernelCall('setns', 308, 268),
  kernelCall('mount', 165, 40),
  kernelCall('pivot_root', 155, 41),
  kernelCall('bpf', 321, 280),
  kernelCall('io_uring_setup', 425, 425),
  kernelCall('perf_event_open', 298, 241),
  kernelCall('userfaultfd', 323, 282),
  kernelCall('keyctl', 250, 219),
  kernelCall('init_module', 175, 105),
  kernelCall('kexec_load', 246, 104),
  kernelCall('shmget', 29, 194),
  kernelCall('open_by_handle_at', 304, 265),
];
