/** The adapter that the settings ask for. */
import type { AdapterOptions } from '@backsight/engine-ort';
import { SettingsError } from '@backsight/rpc';
import type { PolicyConfig } from './config.js';

/**
 * Which adapter the policy trains; `undefined`: all weights.
 *
 * Throws `SettingsError` for settings that exclude each other.
 */
export function adapterOf(config: PolicyConfig): AdapterOptions | undefined {
  const { adapterFolder, adapterRank, adapterAlpha, adapterTargets, adapterSeed, follow } = config;
  if (adapterFolder === undefined && adapterRank === undefined) {
    if (adapterAlpha === undefined) return undefined;
    throw new SettingsError(['BACKSIGHT_ADAPTER_ALPHA needs BACKSIGHT_ADAPTER_RANK']);
  }
  if (follow !== undefined)
    throw new SettingsError([
      'a policy that follows takes whole weights: BACKSIGHT_POLICY_FOLLOW excludes an adapter',
    ]);
  if (adapterFolder === undefined) {
    const rank = adapterRank ?? 1;
    const targets = adapterTargets.split(',').map((target) => target.trim());
    return { kind: 'fresh', rank, alpha: adapterAlpha ?? 2 * rank, targets, seed: adapterSeed };
  }
  if (adapterRank !== undefined || adapterAlpha !== undefined)
    throw new SettingsError([
      'BACKSIGHT_ADAPTER has a rank and an alpha of its own: leave the settings for a new one out',
    ]);
  return { kind: 'folder', folder: adapterFolder };
}
