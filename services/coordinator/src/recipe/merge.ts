/** Settings changed by settings, which is how presets, defaults and forks become recipes. */
import { isMap, type Json } from './json.js';

/**
 * Settings changed by settings, as in a JSON merge patch (RFC 7386): maps are merged key by key, null takes a key away,
 * anything else replaces. A map whose `kind` changes is replaced whole: its other keys belonged to the other kind.
 *
 * With nulls `kept` a key that is taken away stays as null, so that a later merge takes it away from its own base, too.
 */
export function merge(base: Json, change: Json, nulls: 'removed' | 'kept' = 'removed'): Json {
  if (!isMap(change)) return change;
  const merged: Record<string, Json> = isMap(base) && sameKind(base, change) ? { ...base } : {};
  for (const [key, value] of Object.entries(change)) {
    if (value === null && nulls === 'removed') Reflect.deleteProperty(merged, key);
    else merged[key] = merge(merged[key] ?? null, value, nulls);
  }
  return merged;
}

const sameKind = (
  base: { readonly [key: string]: Json },
  change: { readonly [key: string]: Json },
): boolean => change['kind'] === undefined || base['kind'] === undefined || change['kind'] === base['kind'];
