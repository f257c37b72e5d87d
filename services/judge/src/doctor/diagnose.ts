/** Finds out what sandboxes this machine has, attacks the one that the judge would take, and says what came of it. */
import { arch, availableParallelism, release } from 'node:os';
import type { IsolationTier } from '@backsight/contract/judge';
import { describeError } from '@backsight/rpc';
import { defaultLimits, maxLimits } from '../judging/limits.js';
import { attacks, examine } from '../sandbox/doctor.js';
import { kindsToTry, type SandboxChoice, type SandboxKind, sandboxKinds } from '../sandbox/open-sandbox.js';
import { NoSandbox, type RunLimits, type Sandbox, SandboxFailure } from '../sandbox/sandbox.js';
import { type Confinement, readConfinement } from './confinement.js';
import { hindrances, shortcomings } from './hindrances.js';

/** All that the doctor found. */
export interface Diagnosis {
  readonly machine: {
    readonly kernel: string;
    readonly architecture: string;
    readonly cores: number;
  } & Confinement;
  readonly sandboxes: readonly SandboxFinding[];
  /** Which of them the judge takes; undefined where there is none to take. */
  readonly chosen: SandboxKind | undefined;
  /** Those that it runs. */
  readonly languages: readonly { readonly name: string; readonly version: string }[];
  readonly limits: { readonly usual: RunLimits; readonly atMost: RunLimits };
  /** What became of every attack, beside what the programs of each language see. */
  readonly attacks: readonly {
    readonly language: string;
    readonly attack: string;
    readonly result: string;
  }[];
  /** What stands in the way, and what to do about it. */
  readonly advice: readonly string[];
  /** Whether programs are isolated, and every attack was held. */
  readonly holds: boolean;
}

/** One kind of sandbox: there, or why not. */
export interface SandboxFinding {
  readonly kind: SandboxKind;
  readonly available: boolean;
  /** For example `control_groups`; empty where it is not available. */
  readonly tier: string;
  /** One sentence where it is not available; empty otherwise. */
  readonly why: string;
}

/** How to diagnose. */
export interface DiagnoseOptions {
  readonly choice: SandboxChoice;
  /** Whether the settings name a Docker daemon. Default: false. */
  readonly daemonIsNamed?: boolean;
  /** Opens a sandbox that nobody has examined. Throws NoSandbox where there is none. */
  readonly open: (kind: SandboxKind) => Promise<Sandbox>;
  readonly confinement?: Confinement;
  readonly signal: AbortSignal;
}

/** Diagnoses this machine. */
export async function diagnose(options: DiagnoseOptions): Promise<Diagnosis> {
  const { choice, daemonIsNamed = false, open, confinement, signal } = options;
  const facts = confinement ?? (await readConfinement());
  const sandboxes: SandboxFinding[] = [];
  for (const kind of sandboxKinds)
    sandboxes.push(kind === 'none' ? noSandbox(choice) : await look(kind, open));
  const takes = kindsToTry(choice, daemonIsNamed);
  const chosen = takes.find((kind) => sandboxes.some((each) => each.kind === kind && each.available));
  const tier = sandboxes.find(({ kind }) => kind === chosen)?.tier ?? '';
  const isolates = chosen !== undefined && chosen !== 'none';
  const tried = isolates ? await attack(await open(chosen), signal) : { languages: [], attacks: [] };
  return {
    machine: { kernel: release(), architecture: arch(), cores: availableParallelism(), ...facts },
    sandboxes,
    chosen,
    ...tried,
    limits: { usual: defaultLimits, atMost: maxLimits },
    advice: isolates ? shortcomings(facts, tier) : hindrances(facts),
    holds: isolates && tried.attacks.every(({ result }) => result === 'held'),
  };
}

function noSandbox(choice: SandboxChoice): SandboxFinding {
  const why = 'It runs programs as the judge itself, and is taken only where --sandbox=none asks for it.';
  const asked = choice === 'none';
  return { kind: 'none', available: asked, tier: asked ? 'none' : '', why: asked ? '' : why };
}

/** What the judge itself ends with where nothing isolates. */
const ownAdvice = / npm run doctor:judge tells more\.$/;

async function look(kind: SandboxKind, open: DiagnoseOptions['open']): Promise<SandboxFinding> {
  try {
    const sandbox = await open(kind);
    await sandbox.close();
    return { kind, available: true, tier: tierName(sandbox.tier), why: '' };
  } catch (error) {
    if (!(error instanceof NoSandbox) && !(error instanceof SandboxFailure)) throw error;
    return { kind, available: false, tier: '', why: describeError(error).replace(ownAdvice, '') };
  }
}

async function attack(
  sandbox: Sandbox,
  signal: AbortSignal,
): Promise<Pick<Diagnosis, 'languages' | 'attacks'>> {
  try {
    const languages = sandbox.languages.map(({ name, version }) => ({ name, version }));
    const results: Diagnosis['attacks'][number][] = [];
    for (const { name: language } of languages)
      results.push(...(await attackBeside(sandbox, language, signal)));
    return { languages, attacks: results };
  } finally {
    await sandbox.close();
  }
}

/** A sandbox that fails under attack has not held. */
async function attackBeside(
  sandbox: Sandbox,
  language: string,
  signal: AbortSignal,
): Promise<Diagnosis['attacks']> {
  try {
    return (await examine(sandbox, language, signal)).map((finding) => ({ language, ...finding }));
  } catch (error) {
    if (!(error instanceof SandboxFailure)) throw error;
    return attacks.map((attack) => ({ language, attack, result: `the sandbox failed: ${error.message}` }));
  }
}

function tierName(tier: IsolationTier): string {
  return tier.replace('ISOLATION_TIER_', '').toLowerCase();
}
