/** An address is `host:port`; the host may be a name, an IPv4 address or an IPv6 address in brackets. */

/** The two parts of an address. */
export interface Address {
  readonly host: string;
  /** In [0, 65535]; 0 asks for any free port. */
  readonly port: number;
}

/** The parts of `host:port`, or an error that says what is wrong. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[(?<bracketed>[0-9a-fA-F:.%]+)\]|(?<plain>[^\s:[\]/]+)):(?<port>\d{1,5})$/.exec(text);
  const host = match?.groups?.['bracketed'] ?? match?.groups?.['plain'];
  const port = Number(match?.groups?.['port']);
  if (host === undefined || !(port <= 65535)) {
    throw new Error(`"${text}" is not an address: write host:port, for example 127.0.0.1:7101`);
  }
  return { host, port };
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
