/**
 * The part of Go's standard library that programs may import, compiled once per version of Go: the compiler comes
 * without it, and making it anew for every program would take longer than any program may.
 */
import { execFile } from 'node:child_process';
import { access, copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What programs that compute have a use for; nothing of networks, processes or other machines. */
const packages = `bufio bytes cmp container/heap container/list container/ring context crypto/md5 crypto/sha1
  crypto/sha256 encoding/base64 encoding/binary encoding/hex encoding/json errors fmt hash/crc32 hash/fnv hash/maphash
  io iter log maps math math/big math/bits math/cmplx math/rand math/rand/v2 os os/signal reflect regexp runtime
  runtime/debug slices sort strconv strings sync sync/atomic text/scanner text/tabwriter text/template time unicode
  unicode/utf16 unicode/utf8`.split(/\s+/);

/** In the store: the archives by import path, and `packages`, which lists them. */
const folder = 'library';
const longestMs = 600_000;

/** Where stores are kept unless somebody says otherwise: a system's cache, or a user's. */
export function usualStore(): string {
  return process.getuid?.() === 0 ? '/var/cache/backsight-judge' : join(homedir(), '.cache/backsight-judge');
}

/** The store of a version of Go below `parent`, made if it is not there. */
export async function goStore(parent: string, version: string): Promise<string> {
  const store = join(parent, `go-${version}-${process.arch}`);
  await mkdir(store, { recursive: true, mode: 0o755 });
  return store;
}

/** Compiles the library into the store, unless it is there: some ten seconds of CPU. `go` is the path of the tool. */
export function makeGoLibrary(go: string, store: string): Promise<void> {
  const known = making.get(store);
  if (known !== undefined) return known;
  const made = make(go, store).catch((error: unknown) => {
    making.delete(store);
    throw error;
  });
  making.set(store, made);
  return made;
}

/** By store: what is made, or being made, by this process. */
const making = new Map<string, Promise<void>>();

async function make(go: string, store: string): Promise<void> {
  const made = join(store, folder);
  if (await exists(join(made, 'packages'))) return;
  // Beside its place, so that others see all of it or nothing.
  const work = await mkdtemp(join(store, 'making-'));
  try {
    const archives = await compile(go, work);
    const fresh = join(work, folder);
    for (const [name, archive] of archives) {
      const target = join(fresh, `${name}.a`);
      await mkdir(dirname(target), { recursive: true });
      await copyFile(archive, target);
    }
    await writeFile(join(fresh, 'packages'), `${[...archives.keys()].join('\n')}\n`);
    await rename(fresh, made).catch(async (error: unknown) => {
      // Another judge was faster.
      if (!(await exists(join(made, 'packages')))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The compiled packages and all that they need, by import path. Packages that this version does not know are left out. */
async function compile(go: string, work: string): Promise<ReadonlyMap<string, string>> {
  const form = '{{if .Export}}{{.ImportPath}}={{.Export}}{{end}}';
  const { stdout } = await run(go, ['list', '-e', '-export', '-deps', '-f', form, ...packages], {
    cwd: work,
    timeout: longestMs,
    maxBuffer: 1 << 24,
    env: {
      PATH: '/usr/bin:/bin',
      HOME: work,
      GOCACHE: join(work, 'cache'),
      GOFLAGS: '-trimpath',
      GOTOOLCHAIN: 'local',
      CGO_ENABLED: '0',
    },
  });
  return new Map(
    stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const at = line.indexOf('=');
        return [line.slice(0, at), line.slice(at + 1)] as const;
      }),
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
