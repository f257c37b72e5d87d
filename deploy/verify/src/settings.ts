/** Checks that a pod sets only what its room reads: a misspelt variable would be silently without effect. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Check } from './check.js';
import { nameOf, workloads, type Manifest } from './manifest.js';

const environment = z.array(z.looseObject({ name: z.string() })).default([]);

/** One check per workload. `root` is the repository, whose rooms name their settings in src/config.ts. */
export function settingChecks(manifests: readonly Manifest[], root: string): Check[] {
  return workloads(manifests).map((workload) => {
    const room = workload.metadata.name;
    const config = readFileSync(join(root, 'services', room, 'src/config.ts'), 'utf8');
    const set = workload.spec.template.spec.containers.flatMap((container) =>
      environment.parse(container['env']).map(({ name }) => name),
    );
    return {
      name: nameOf(workload),
      problems: set
        .filter((name) => !config.includes(`'${name}'`) && !everyRoomReads(room).includes(name))
        .map((name) => `services/${room}/src/config.ts reads no ${name}`),
    };
  });
}

/** The settings that @backsight/rpc gives to every room. */
const everyRoomReads = (room: string): string[] =>
  ['ADDRESS', 'METRICS_ADDRESS', 'LOG_LEVEL', 'MAX_CONNECTION_AGE_MS'].map(
    (setting) => `BACKSIGHT_${room.toUpperCase()}_${setting}`,
  );
