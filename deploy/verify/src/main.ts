/** `npm run verify:deploy`: checks deploy/ without a cluster, and says what was checked. */
import { mkdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { Check } from './check.js';
import { containerFileChecks, torchFileChecks } from './container-file.js';
import { type Design, policyFollowed, programsApart, programsInside } from './design.js';
import { findKubectl } from './kubectl.js';
import type { Manifest } from './manifest.js';
import { render } from './render.js';
import { runnerPodChecks } from './runner-pod.js';
import { settingChecks } from './settings.js';
import { verify, type Section } from './verify.js';

new Command('verify:deploy')
  .description('Container files and manifests of deploy/, checked without a cluster.')
  .parse();

// Whoever reads may leave before the end, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(128 + constants.signals.SIGPIPE);
});

const root = join(import.meta.dirname, '../../..');
const kustomizations = [
  { folder: 'deploy/kustomize/base', design: programsInside },
  { folder: 'deploy/kustomize/overlays/laptop', design: programsInside },
  { folder: 'deploy/kustomize/overlays/judge-pods', design: programsApart },
  { folder: 'deploy/kustomize/overlays/torch-followers', design: policyFollowed },
];
const runnerPod = 'services/judge/fixtures/runner-pod.yaml';
const containerFile = 'deploy/docker/Dockerfile';
const torchFile = 'deploy/docker/policy-torch.Dockerfile';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

try {
  const cache = join(root, 'node_modules/.cache/backsight');
  mkdirSync(cache, { recursive: true });
  const kubectl = findKubectl({ cacheFolder: cache, env: process.env, say });
  const sections = [
    {
      title: containerFile,
      checks: containerFileChecks(readFileSync(join(root, containerFile), 'utf8'), root),
    },
    {
      title: torchFile,
      checks: torchFileChecks(readFileSync(join(root, torchFile), 'utf8'), root),
    },
    ...kustomizations.flatMap(({ folder, design }) => sectionsOf(kubectl, folder, design)),
    {
      title: `${runnerPod}: valid, and hardened like the rest`,
      checks: runnerPodChecks(readFileSync(join(root, runnerPod), 'utf8')),
    },
  ];
  process.exitCode = report(sections);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

function sectionsOf(kubectl: string, folder: string, design: Design): Section[] {
  let manifests: Manifest[];
  try {
    manifests = render(kubectl, join(root, folder));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return [{ title: `${folder}: renders`, checks: [{ name: 'renders', problems: [problem] }] }];
  }
  return [
    { title: `${folder}: renders, ${manifests.length} objects`, checks: [{ name: 'renders', problems: [] }] },
    ...verify(folder, manifests, design),
    { title: `${folder}: variables that the rooms read`, checks: settingChecks(manifests, root) },
  ];
}

/** Prints the sections, each failed check with its problems, and the count; returns the exit code. */
function report(sections: readonly Section[]): number {
  for (const { title, checks, listed = false } of sections) {
    const failed = checks.filter(isFailed).length;
    say(`${failed === 0 ? 'ok    ' : 'FAILED'} ${title} (${checks.length - failed}/${checks.length})`);
    for (const { name, problems } of checks) {
      if (listed && problems.length === 0) say(`         ${name}`);
      for (const problem of problems) say(`         FAILED ${name}: ${problem}`);
    }
  }
  const checks = sections.flatMap((section) => section.checks);
  const failed = checks.filter(isFailed).length;
  say(`deploy: ${checks.length - failed}/${checks.length} checks`);
  return failed === 0 ? 0 : 1;
}

function isFailed({ problems }: Check): boolean {
  return problems.length > 0;
}
