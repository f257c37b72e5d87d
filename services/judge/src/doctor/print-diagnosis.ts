/** A diagnosis for people: what there is, what the judge takes, and what became of the attacks. */
import type { RunLimits } from '../sandbox/sandbox.js';
import type { Diagnosis } from './diagnose.js';

/** Its lines. */
export function printDiagnosis(diagnosis: Diagnosis): readonly string[] {
  const { machine, sandboxes, chosen, languages, limits, advice, holds } = diagnosis;
  const { kernel, architecture, cores, user, administers, controlGroups } = machine;
  return [
    `machine    Linux ${kernel} ${architecture}, ${cores} cores, control groups ${controlGroups}`,
    `judge      ${user === 0 ? 'root' : `user ${user}`}, ${administers ? 'with' : 'without'} CAP_SYS_ADMIN`,
    '',
    ...columns([
      ['sandbox', 'available', 'tier', ''],
      ...sandboxes.map(({ kind, available, tier, why }) => [
        kind,
        available ? 'yes' : 'no',
        available ? tier : '-',
        kind === chosen ? 'the judge takes this one' : why,
      ]),
    ]),
    ...(languages.length === 0
      ? []
      : [
          '',
          `languages  ${languages.map(({ name, version }) => `${name} ${version}`).join(', ')}`,
          `limits     ${wordLimits(limits.usual)}`,
          `at most    ${wordLimits(limits.atMost)}`,
          '',
          ...attackTable(diagnosis),
        ]),
    '',
    ...advice.map((sentence) => `- ${sentence}`),
    ...(advice.length === 0 ? [] : ['']),
    conclusion(diagnosis, holds),
  ];
}

/** A row for each attack, a column for each language beside which it was tried. */
function attackTable({ attacks, languages }: Diagnosis): readonly string[] {
  const names = [...new Set(attacks.map(({ attack }) => attack))];
  const resultOf = (attack: string, language: string): string =>
    attacks.find((each) => each.attack === attack && each.language === language)?.result ?? '-';
  return columns([
    ['attack', ...languages.map(({ name }) => `beside ${name}`)],
    ...names.map((attack) => [attack, ...languages.map(({ name }) => resultOf(attack, name))]),
  ]);
}

function conclusion({ attacks, chosen }: Diagnosis, holds: boolean): string {
  if (holds) return `All ${attacks.length} attacks were held: the judge serves.`;
  if (attacks.length === 0)
    return chosen === 'none'
      ? 'Nothing is isolated: programs run as the judge itself.'
      : 'Nothing isolates programs here: the judge does not serve.';
  const through = attacks.filter(({ result }) => result !== 'held').length;
  return `${through} of ${attacks.length} attacks got through: the judge does not serve.`;
}

function wordLimits({ cpuMs, wallMs, memoryBytes, outputBytes, processes }: RunLimits): string {
  return (
    `${cpuMs / 1000} s of CPU, ${wallMs / 1000} s of wall time, ${mebibytes(memoryBytes)} MiB of memory, ` +
    `${mebibytes(outputBytes)} MiB of output, ${processes} processes`
  );
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / (1 << 20));
}

/** Rows as lines, their cells below each other. */
function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
