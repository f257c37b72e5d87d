/** `npm test`: everything that can be checked without a cluster, from a fresh clone; `npm test -- --help` explains. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from './install.mjs';
import { runJest } from './jest-section.mjs';

const sections = [
  { name: 'protos', title: 'contracts: lint, no breaking change', run: () => commands(protos) },
  { name: 'types', title: 'types, and the build', run: () => commands(types) },
  { name: 'lint', title: 'format, lint, module boundaries', run: () => commands(lint) },
  { name: 'unit', title: 'unit tests of every room', run: () => runJest({ endToEnd: false }) },
  {
    name: 'e2e',
    title: 'end to end: a few steps through real processes',
    run: () => runJest({ endToEnd: true }),
  },
];

const usage = `npm test [-- --only SECTION[,SECTION...]]

Installs packages if they are not there, generates code from protos/, then checks:

${sections.map(({ name, title }) => `  ${name.padEnd(8)} ${title}`).join('\n')}

The last line counts test cases and checks: "N passed, N failed". Skipped tests are named above it.
A room alone: npm run test:unit -- --selectProjects judge`;

const protos = [
  ['buf lint', ['node_modules/.bin/buf', 'lint']],
  ['buf breaking', ['node_modules/.bin/buf', 'breaking', '--against', 'protos/released.binpb']],
];
const types = [['tsc -b', ['node_modules/.bin/tsc', '-b']]];
const lint = [
  ['prettier', ['node_modules/.bin/prettier', '--check', '--log-level=warn', '.']],
  [
    'eslint, tooling',
    ['node_modules/.bin/eslint', 'scripts', 'eslint.config.js', 'eslint.boundaries.js', 'jest.config.js'],
  ],
  ['eslint, rooms', ['node_modules/.bin/nx', 'run-many', '-t', 'lint']],
];

process.exitCode = await main();

async function main() {
  let values;
  try {
    ({ values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean' } } }));
  } catch (error) {
    say(`${error.message}\n\n${usage}`);
    return 2;
  }
  if (values.help === true) {
    say(usage);
    return 0;
  }
  const wanted = values.only?.split(',') ?? sections.map(({ name }) => name);
  const unknown = wanted.filter((name) => !sections.some((section) => section.name === name));
  if (unknown.length > 0) {
    say(`--only: there is no section "${unknown.join('", "')}".\n\n${usage}`);
    return 2;
  }
  return check(sections.filter(({ name }) => wanted.includes(name)));
}

/** Runs the sections in order, says how each went, ends with the count; returns the exit code. */
async function check(chosen) {
  try {
    await ensureInstalled({ say });
  } catch (error) {
    say(error.message);
    return report([{ passed: 0, failed: 1, skipped: [] }]);
  }
  const results = [
    timed('generated code', () => commands([['buf generate', ['npm', 'run', '--silent', 'generate']]])),
  ];
  // Nothing can be checked against code that could not be generated, and processes run what was built.
  if (results[0].failed === 0) results.push(...chosen.map(({ title, run }) => timed(title, run)));
  return report(results);
}

function report(results) {
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  const skipped = results.flatMap((result) => result.skipped);
  say('');
  for (const name of skipped) say(`skipped: ${name}`);
  say(`${sum('passed')} passed, ${sum('failed')} failed`);
  return sum('failed') === 0 ? 0 : 1;
}

function timed(title, run) {
  say(`\n== ${title}`);
  const started = performance.now();
  const result = run();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const skipped = result.skipped.length > 0 ? `, ${result.skipped.length} skipped` : '';
  say(
    `${result.failed === 0 ? 'ok' : 'FAILED'}: ${result.passed} passed, ${result.failed} failed${skipped} (${seconds} s)`,
  );
  return result;
}

/** Runs commands one after another, each a check; shows the output of those that fail. */
function commands(list) {
  const failed = list.filter(([name, [program, ...args]]) => {
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, FORCE_COLOR: '0' },
      maxBuffer: 2 ** 28,
    });
    say(`${status === 0 ? 'ok' : 'FAILED'}  ${name}`);
    if (status !== 0) say(`${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`);
    return status !== 0;
  });
  return { passed: list.length - failed.length, failed: failed.length, skipped: [] };
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
