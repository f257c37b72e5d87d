/** Renders a kustomization to the objects that would be applied. */
import { spawnSync } from 'node:child_process';
import { parseAllDocuments } from 'yaml';
import { manifestSchema, type Manifest } from './manifest.js';

/** Throws what kubectl says when the folder does not render. */
export function render(kubectl: string, folder: string): Manifest[] {
  const { status, stdout, stderr } = spawnSync(kubectl, ['kustomize', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${folder} does not render: ${stderr.trim()}`);
  return parseManifests(stdout);
}

/** The objects of a YAML stream. Throws when one is no Kubernetes object, or a key stands twice. */
export function parseManifests(yaml: string): Manifest[] {
  return parseAllDocuments(yaml).map((document) => {
    const [problem] = document.errors;
    if (problem !== undefined) throw new Error(problem.message);
    return manifestSchema.parse(document.toJS());
  });
}
