/** The adapter that the settings ask for. */
import { adapterTargets as allTargets } from '@backsight/engine';
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
  const ofNew = [
    ...(adapterAlpha === undefined ? [] : ['BACKSIGHT_ADAPTER_ALPHA']),
    ...(adapterTargets === undefined ? [] : ['BACKSIGHT_ADAPTER_TARGETS']),
  ];
  if (adapterFolder === undefined && adapterRank === undefined) {
    if (ofNew.length === 0) return undefined;
    throw new SettingsError(ofNew.map((variable) => `${variable} needs BACKSIGHT_ADAPTER_RANK`));
  }
  if (follow !== undefined)
    throw new SettingsError([
      'a policy that follows takes whole weights: BACKSIGHT_POLICY_FOLLOW excludes an adapter',
    ]);
  if (adapterFolder === undefined) {
    const rank = adapterRank ?? 1;
    const targets = adapterTargets?.split(',').map((target) => target.trim()) ?? allTargets;
    return { kind: 'fresh', rank, alpha: adapterAlpha ?? 2 * rank, targets, seed: adapterSeed };
  }
  if (adapterRank !== undefined || ofNew.length > 0)
    throw new SettingsError([
      'BACKSIGHT_ADAPTER has a rank, an alpha and targets of its own: leave the settings for a new one out',
    ]);
  return { kind: 'folder', folder: adapterFolder };
}
