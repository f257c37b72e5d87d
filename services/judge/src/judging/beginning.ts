/** The beginning of a text, no character of it cut in two. */

/** At most `length` UTF-16 units of it. */
export function beginning(text: string, length: number): string {
  const cut = text.slice(0, length);
  return text.length > length && /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut;
}
