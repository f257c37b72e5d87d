/** Checks the pod that the judge asks the API for, as the judge's own tests hold it: no manifest in deploy/ has it. */
import type { Check } from './check.js';
import { programsApart } from './design.js';
import { workloadChecks } from './hardening.js';
import { podOf } from './manifest.js';
import { parseManifests } from './render.js';
import { schemaProblems } from './schema.js';

/** One check per rule that holds for the pods of the rooms as well. */
export function runnerPodChecks(yaml: string): Check[] {
  const manifests = parseManifests(yaml);
  const schema = { name: 'valid for Kubernetes, no unknown field', problems: schemaProblems(manifests) };
  return [schema, ...manifests.flatMap((manifest) => workloadChecks(podOf(manifest), runnerDesign))];
}

/** A profile of its own on the node, stricter than the runtime's. */
const runnerDesign = { ...programsApart, exceptions: { 'judge-runner': ['seccompProfile'] } };
