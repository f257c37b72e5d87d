import { describe, expect, it } from '@jest/globals';
import { followersSetting } from './follower-setting.js';

describe('followersSetting', () => {
  it('reads the followers of each policy', () => {
    expect(followersSetting.parse('a:1=b:2, c:3 ; d:4=e:5;')).toEqual(
      new Map([
        ['a:1', ['b:2', 'c:3']],
        ['d:4', ['e:5']],
      ]),
    );
  });
  it.each(['a:1', 'a:1=', 'a:1=b', '=b:2', 'a:1=b:2=c:3', 'a:1=b:2;a:1=c:3'])('refuses %s', (text) => {
    expect(followersSetting.parse(text)).toBeUndefined();
  });
});
