/** Checks that a pod sets only what its room reads: a misspelt variable would be silently without effect. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Check } from './check.js';
import { nameOf, type Workload, workloads, type Manifest } from './manifest.js';

const environment = z.array(z.looseObject({ name: z.string() })).default([]);

/** One check per workload. `root` is the repository, whose rooms name their settings in config.ts or config.py, in settings.ts and in files `*-setting.ts`. */
export function settingChecks(manifests: readonly Manifest[], root: string): Check[] {
  return workloads(manifests).map((workload) => {
    const room = roomOf(workload);
    const config = settingsOf(join(root, 'services', room, 'src'));
    const set = workload.spec.template.spec.containers.flatMap((container) =>
      environment.parse(container['env']).map(({ name }) => name),
    );
    return {
      name: nameOf(workload),
      problems: set
        .filter((name) => name.startsWith('BACKSIGHT_') && !everyRoomReads(room).includes(name))
        .filter((name) => ![`'${name}'`, `"${name}"`].some((quoted) => config.includes(quoted)))
        .map((name) => `services/${room} reads no ${name}`),
    };
  });
}

/** The folder of services/ that a workload's image is made of, whatever registry it is in. */
function roomOf({ metadata, spec }: Workload): string {
  const image = spec.template.spec.containers.find(({ name }) => name === metadata.name)?.image ?? '';
  return /([\w-]+)(?::[\w.-]+)?(?:@.*)?$/.exec(image)?.[1] ?? metadata.name;
}

/** The code that reads a room's settings. */
function settingsOf(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /(?:^|\/)config\.(?:ts|py)$/.test(path) || /(?:^|\/|-)settings?\.ts$/.test(path))
    .map((path) => readFileSync(join(folder, path), 'utf8'))
    .join('\n');
}

/** The settings that @backsight/rpc gives to every room. */
const everyRoomReads = (room: string): string[] =>
  ['ADDRESS', 'METRICS_ADDRESS', 'LOG_LEVEL', 'MAX_CONNECTION_AGE_MS'].map(
    (setting) => `BACKSIGHT_${room.toUpperCase().replace('-TORCH', '')}_${setting}`,
  );
