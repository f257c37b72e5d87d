/** Checks the container files against the repository: what they copy is there, and the one of the rooms knows every room. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { statement, type Check } from './check.js';

/** The container file of the TypeScript rooms, one check per claim. `root` is the repository. */
export function containerFileChecks(text: string, root: string): Check[] {
  const instructions = parse(text);
  const stages = stagesOf(instructions);
  const last = lastStage(instructions);
  const served = rooms(root);
  const bases = stages.flatMap((stage) => (stage.startsWith('base-') ? [stage.slice('base-'.length)] : []));
  return [
    ...everyFileChecks(instructions, root),
    {
      name: `it has a base for every room: ${served.join(', ')}`,
      problems: [
        ...served.filter((room) => !bases.includes(room)).map((room) => `no stage base-${room}`),
        ...bases
          .filter((room) => !served.includes(room))
          .map((room) => `base-${room}: no such folder in services/`),
      ],
    },
    {
      name: 'no room has npm at run time',
      problems: [
        ...bases
          .filter(
            (room) =>
              !instructions.some(({ name, rest }) => name === 'FROM' && rest === `runtime AS base-${room}`),
          )
          .map((room) => `base-${room} is not made from the stage runtime`),
        ...(removesNpm(instructions) ? [] : ['the stage runtime does not remove npm']),
      ],
    },
    statement('nothing of npm runs in the last stage', !last.some(({ rest }) => /\b(npm|npx)\b/.test(rest))),
    statement(
      'the Python of a room is compiled',
      last.some(
        ({ name, rest }) => name === 'RUN' && /-m compileall .*"services\/\$\{ROOM\}\/python"/.test(rest),
      ),
    ),
    {
      name: 'the policy has the large pages that `backsight up` gives it',
      problems: largePages(root)
        .filter((variable) => !stage(instructions, 'base-policy').some(isSetting(variable)))
        .map((variable) => `base-policy does not say ENV ${variable}`),
    },
  ];
}

/** The container file of the policy on PyTorch. */
export function torchFileChecks(text: string, root: string): Check[] {
  const instructions = parse(text);
  const has = (name: string, pattern: RegExp): boolean =>
    instructions.some((each) => each.name === name && pattern.test(each.rest));
  return [
    ...everyFileChecks(instructions, root),
    statement(
      'its base and its build of PyTorch are arguments',
      has('ARG', /^PYTHON_IMAGE=/) && has('ARG', /^TORCH=(?:gpu|cpu)$/),
    ),
    statement('the argument chooses the build', has('RUN', /setup_environment\.py --torch "\$\{TORCH\}"/)),
    statement('what checks the room is not in it', has('RUN', /pip uninstall .*dev\.lock/)),
    statement('what it ignores lets in all that it copies', ignoresNone(instructions, root)),
  ];
}

/** What holds for every container file. */
function everyFileChecks(instructions: readonly Instruction[], root: string): Check[] {
  const stages = stagesOf(instructions);
  const last = lastStage(instructions);
  const missing = copied(instructions).filter((source) => !existsSync(join(root, source)));
  const unknown = instructions
    .flatMap(({ name, rest }) => (name === 'COPY' ? (/^--from=(\S+)/.exec(rest)?.slice(1) ?? []) : []))
    .filter((stage) => !stages.includes(stage));
  const user = last.findLast(({ name }) => name === 'USER')?.rest ?? '';
  return [
    {
      name: 'all that it copies is there',
      problems: missing.map((source) => `COPY ${source}: no such file`),
    },
    {
      name: 'it copies from stages that it has',
      problems: unknown.map((stage) => `there is no stage ${stage}`),
    },
    statement('it runs as a numbered user that is not root', /^[1-9]\d*(:[1-9]\d*)?$/.test(user)),
    statement(
      'the room is the process itself, without a shell',
      last.some(({ name, rest }) => name === 'ENTRYPOINT' && /^\["(?:node|[^"]*\/python)"/.test(rest)),
    ),
  ];
}

/** Whether the file beside it that lists what a build may see names each source that is copied. */
function ignoresNone(instructions: readonly Instruction[], root: string): boolean {
  const listed = readFileSync(join(root, 'deploy/docker/policy-torch.Dockerfile.dockerignore'), 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
  return copied(instructions).every((source) => listed.includes(source));
}

const stagesOf = (instructions: readonly Instruction[]): readonly string[] =>
  instructions.flatMap(({ name, rest }) => (name === 'FROM' ? [stageOf(rest)] : []));

const lastStage = (instructions: readonly Instruction[]): readonly Instruction[] =>
  instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));

/** The instructions of one stage, its FROM among them. */
const stage = (instructions: readonly Instruction[], wanted: string): readonly Instruction[] => {
  const start = instructions.findIndex(({ name, rest }) => name === 'FROM' && stageOf(rest) === wanted);
  const after = instructions.slice(start + 1).findIndex(({ name }) => name === 'FROM');
  return start < 0 ? [] : instructions.slice(start, after < 0 ? undefined : start + 1 + after);
};

const isSetting =
  (variable: string) =>
  ({ name, rest }: Instruction): boolean =>
    name === 'ENV' && rest === variable;

/** What a process that holds weights is started with, as `VARIABLE=value`, from the engine's source. */
function largePages(root: string): string[] {
  const source = readFileSync(join(root, 'libs/engine/src/large-pages.ts'), 'utf8');
  const variables = [...source.matchAll(/\b([A-Z_]+): '([^']+)'/g)].map(
    ([, name = '', value = '']) => `${name}=${value}`,
  );
  if (variables.length === 0) throw new Error('libs/engine/src/large-pages.ts: holds no variable');
  return variables;
}

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** The instructions, with continued lines joined and comments left out. */
function parse(text: string): Instruction[] {
  return text
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => /^(?<name>[A-Z]+)\s+(?<rest>.+)$/.exec(line.trim())?.groups)
    .flatMap((groups) =>
      groups === undefined ? [] : [{ name: groups['name'] ?? '', rest: groups['rest'] ?? '' }],
    );
}

const stageOf = (rest: string): string => / AS (\S+)$/i.exec(rest)?.[1] ?? '';

/** Whether the stage `runtime` removes the packages that Node's image brings, npm among them. */
function removesNpm(instructions: readonly Instruction[]): boolean {
  const start = instructions.findIndex(({ name, rest }) => name === 'FROM' && stageOf(rest) === 'runtime');
  return (
    start >= 0 && /^rm -rf .*\/usr\/local\/lib\/node_modules\b/.test(instructions[start + 1]?.rest ?? '')
  );
}

/** What is copied from the repository itself. */
const copied = (instructions: readonly Instruction[]): string[] =>
  instructions
    .filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from='))
    .flatMap(({ rest }) => rest.split(/\s+/).slice(0, -1));

/** The services that are TypeScript rooms. */
const rooms = (root: string): string[] =>
  readdirSync(join(root, 'services'))
    .filter((name) => name !== 'cli' && existsSync(join(root, 'services', name, 'tsconfig.json')))
    .sort();
