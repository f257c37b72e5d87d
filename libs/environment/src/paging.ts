/** Pages through a list that never changes order, with a token that says where to go on. */

/** A page and the token of the next; the token is empty after the last page. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string;
}

/** Most items of a page. */
const largestPage = 1000;

/**
 * The page after the token. Undefined when the token is not one of this list: it was made for another `list` name or
 * another length, so that a list that changed between two pages is noticed.
 */
export function pageOf<T>(
  items: readonly T[],
  list: string,
  pageSize: number,
  pageToken: string,
): Page<T> | undefined {
  const start = pageToken === '' ? 0 : startOf(pageToken, list, items.length);
  if (start === undefined) return undefined;
  const end = start + Math.min(pageSize === 0 ? largestPage : pageSize, largestPage);
  return {
    items: items.slice(start, end),
    nextPageToken: end < items.length ? tokenOf(list, items.length, end) : '',
  };
}

function tokenOf(list: string, length: number, start: number): string {
  return Buffer.from(`${start}/${length}/${list}`).toString('base64url');
}

function startOf(token: string, list: string, length: number): number | undefined {
  const text = Buffer.from(token, 'base64url').toString();
  const start = Number.parseInt(text, 10);
  const intact = start > 0 && start < length && tokenOf(list, length, start) === token;
  return intact ? start : undefined;
}
