import { describe, expect, it } from '@jest/globals';
import { formatAddress, parseAddress } from './index.js';

describe('parseAddress', () => {
  it.each([
    ['127.0.0.1:7101', { host: '127.0.0.1', port: 7101 }],
    ['policy.backsight.svc:0', { host: 'policy.backsight.svc', port: 0 }],
    ['[::1]:65535', { host: '::1', port: 65535 }],
  ])('reads %s, and formatAddress writes it back', (text, parts) => {
    expect(parseAddress(text)).toEqual(parts);
    expect(formatAddress(parts.host, parts.port)).toBe(text);
  });

  it.each(['', 'localhost', ':7101', 'a:65536', 'a:b', '::1:7101', 'http://a:1', 'a b:1', 'a:-1'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseAddress(text)).toThrow(`"${text}" is not an address`);
    },
  );
});
