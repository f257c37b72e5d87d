/** The setting that says which followers a policy has: `policy=follower,follower; policy=follower`. */
import { parseAddress, type setting } from '@backsight/rpc';

/** Addresses of followers, by the address of the policy that they follow. */
export type KnownFollowers = ReadonlyMap<string, readonly string[]>;

export const followersSetting: setting.Setting<KnownFollowers> = {
  variable: 'BACKSIGHT_COORDINATOR_FOLLOWERS',
  about: 'followers of policies, for recipes that name none',
  expected:
    'addresses policy=follower,follower with a semicolon between policies, for example 127.0.0.1:7101=127.0.0.1:7110,127.0.0.1:7111',
  parse: (text) => {
    const known = new Map<string, readonly string[]>();
    for (const part of text.split(';').map((each) => each.trim())) {
      if (part === '') continue;
      const [policy = '', followers = '', ...rest] = part.split('=').map((each) => each.trim());
      const addresses = followers.split(',').map((each) => each.trim());
      if (rest.length > 0 || ![policy, ...addresses].every(isAddress) || known.has(policy)) return undefined;
      known.set(policy, addresses);
    }
    return known;
  },
  fallback: { value: new Map() },
};

function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}
