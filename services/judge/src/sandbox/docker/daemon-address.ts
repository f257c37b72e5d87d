/** Whether a daemon there can be reached: a path, `unix:///path` or `tcp://host:port`. */
export function isDaemonAddress(text: string): boolean {
  return /^(?:unix:\/\/)?\/[^\n]+$|^(?:tcp|http):\/\/(?:[^/:]+|\[[^\]]+\]):\d+\/?$/.test(text);
}
