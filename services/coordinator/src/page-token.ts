/** Page tokens: where a page ended, opaque to callers. */
export class PageTokenError extends Error {
  override readonly name = 'PageTokenError';
}

export function formatPageToken(place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** Reads a token of so many parts; undefined for the first page. Throws PageTokenError for anything else. */
export function parsePageToken(token: string, parts: number): readonly (string | number)[] | undefined {
  if (token === '') return undefined;
  const place = parseJson(Buffer.from(token, 'base64url').toString());
  if (!Array.isArray(place) || place.length !== parts) throw new PageTokenError(NOT_OURS);
  return place.map((part: unknown) => {
    if (typeof part === 'string' || typeof part === 'number') return part;
    throw new PageTokenError(NOT_OURS);
  });
}

const NOT_OURS = 'is none that a page ended with; begin again without one';

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new PageTokenError(NOT_OURS);
  }
}
