/** All checks of one kustomization. */
import type { Check } from './check.js';
import { type Design, programsInside } from './design.js';
import { edgeChecks } from './edges.js';
import { hardeningChecks } from './hardening.js';
import { nameOf, type Manifest } from './manifest.js';
import { roomChecks } from './rooms.js';
import { runnerChecks } from './runners.js';
import { schemaProblems } from './schema.js';

/** A heading and the checks below it. */
export interface Section {
  readonly title: string;
  readonly checks: readonly Check[];
  /** Whether each check is worth a line of its own also when it holds. */
  readonly listed?: boolean;
}

/** Invalid objects are not looked into further: what they mean is unknown. */
export function verify(
  name: string,
  manifests: readonly Manifest[],
  design: Design = programsInside,
): Section[] {
  const schema = schemaChecks(manifests);
  const sections = [{ title: `${name}: valid for Kubernetes, no unknown field`, checks: schema }];
  if (schema.some(({ problems }) => problems.length > 0)) return sections;
  return [
    ...sections,
    { title: `${name}: rooms whole`, checks: roomChecks(manifests, design) },
    { title: `${name}: pods hardened`, checks: hardeningChecks(manifests, design) },
    ...(design.runners === undefined
      ? []
      : [{ title: `${name}: runner pods apart`, checks: runnerChecks(manifests, design.runners) }]),
    {
      title: `${name}: policy edges equal to the design’s`,
      checks: edgeChecks(manifests, design),
      listed: true,
    },
  ];
}

function schemaChecks(manifests: readonly Manifest[]): Check[] {
  const problems = schemaProblems(manifests);
  return manifests.map((manifest) => {
    const name = nameOf(manifest);
    return {
      name,
      problems: problems.filter(
        (problem) => problem.startsWith(`${name}:`) || problem.startsWith(`${name} `),
      ),
    };
  });
}
