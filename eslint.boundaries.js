/** Who may import whom: the table of docs/architecture.md, as eslint.config.js enforces it room by room. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/**
 * What a room of each type may import from this workspace:
 * services -> platform, contract, engine, text -> algorithm; never service -> service.
 */
export const allowedTypes = {
  algorithm: [],
  contract: [],
  text: ['algorithm'],
  engine: ['engine', 'algorithm'],
  platform: ['platform', 'contract', 'algorithm'],
  service: ['platform', 'contract', 'engine', 'text', 'algorithm'],
  app: ['platform', 'contract', 'engine', 'text', 'algorithm', 'model', 'suite'],
  model: ['engine', 'text', 'algorithm'],
  suite: ['platform', 'contract', 'engine', 'text', 'algorithm'],
  testing: ['testing', 'platform', 'contract', 'engine', 'text', 'algorithm'],
  tooling: [],
};

/** Outside packages that belong to the named rooms alone. */
export const ownedPackages = [
  { rooms: ['libs/engine-ort'], packages: ['onnxruntime-node', 'onnxruntime-common'] },
  { rooms: ['services/judge'], packages: ['dockerode'] },
  { rooms: ['libs/rpc', 'libs/contract'], packages: ['@grpc/*', 'nice-grpc', 'nice-grpc-*'] },
  { rooms: ['services/coordinator'], packages: ['kysely', 'libsql', '@libsql/*', 'better-sqlite3', 'pg'] },
  { rooms: ['libs/renderer'], packages: ['@huggingface/tokenizers', '@huggingface/jinja'] },
  { rooms: ['deploy/verify'], packages: ['kubernetes-models', '@kubernetes-models/*', 'kubernetes-types'] },
];

/** Every room as `{ folder, type }`, e.g. `{ folder: 'libs/sdpo', type: 'algorithm' }`, in the workspaces' order. */
export const rooms = ['libs', 'services', 'models', 'deploy'].flatMap((floor) =>
  readdirSync(new URL(`./${floor}/`, import.meta.url))
    .map((name) => `${floor}/${name}`)
    .filter((folder) => existsSync(new URL(`./${folder}/package.json`, import.meta.url)))
    .map((folder) => ({ folder, type: typeOf(folder) })),
);

/** The `depConstraints` of @nx/enforce-module-boundaries; tests may import rooms of type `testing` and `suite` as well. */
export function depConstraints({ inTests }) {
  return Object.entries(allowedTypes).map(([type, allowed]) => ({
    sourceTag: `type:${type}`,
    onlyDependOnLibsWithTags: [...allowed, ...(inTests ? ['testing', 'suite'] : [])].map(
      (name) => `type:${name}`,
    ),
  }));
}

/** One `no-restricted-imports` setting per room, whole: of two settings for one file ESLint keeps only the later. */
export function restrictedImports() {
  return rooms.flatMap(({ folder, type }) =>
    type === 'algorithm' ? pureRoom(folder) : [imports(`${folder}/**/*.ts`, ownedByOthers(folder))],
  );
}

/** The algorithm reaches nothing outside itself: no package, no Node, no clock, no unseeded randomness. */
function pureRoom(folder) {
  const pure = 'The algorithm is pure: it imports nothing but its own files';
  return [
    {
      files: [`${folder}/**/*.ts`],
      rules: {
        'no-restricted-syntax': ['error', { selector: 'ImportExpression', message: `${pure}.` }],
        'no-restricted-globals': [
          'error',
          ...['Date', 'globalThis', 'require'].map((name) => ({ name, message: `${pure}.` })),
        ],
        'no-restricted-properties': [
          'error',
          { object: 'Math', property: 'random', message: `${pure}; take a seed.` },
        ],
      },
    },
    imports(`${folder}/**/*.ts`, [{ regex: '^[^.]', message: `${pure}.` }]),
    imports(`${folder}/**/*.test.ts`, [
      {
        regex: '^(?!\\.|@jest/globals$|fast-check$)',
        message: `${pure}; its tests add @jest/globals and fast-check.`,
      },
    ]),
  ];
}

function ownedByOthers(folder) {
  return ownedPackages
    .filter((owned) => !owned.rooms.includes(folder))
    .map((owned) => ({
      group: owned.packages,
      message: `Only ${owned.rooms.join(' and ')} may import this.`,
    }));
}

function imports(files, patterns) {
  return { files: [files], rules: { 'no-restricted-imports': ['error', { patterns }] } };
}

function typeOf(folder) {
  const { nx } = JSON.parse(readFileSync(new URL(`./${folder}/package.json`, import.meta.url), 'utf8'));
  const types = (nx?.tags ?? [])
    .filter((tag) => tag.startsWith('type:'))
    .map((tag) => tag.slice('type:'.length));
  if (types.length !== 1 || !(types[0] in allowedTypes)) {
    throw new Error(
      `${folder}/package.json: nx.tags must hold one of ${Object.keys(allowedTypes)
        .map((type) => `type:${type}`)
        .join(', ')}`,
    );
  }
  return types[0];
}
