/** The text of a completion as it grows, cut at stop strings. */
import type { TokenLogprob } from '@backsight/engine';

/** A token of the text. */
export interface TextToken {
  readonly tokenId: number;
  /** Absent for the first token of a prompt, which nothing predicts. */
  readonly logprob: number | undefined;
  readonly top: readonly TokenLogprob[];
  /** Where its text begins in the choice's text, in UTF-16 units. */
  readonly offset: number;
}

/** A stretch of the text that will not change any more, with the tokens that end in it. */
export interface TextPiece {
  readonly text: string;
  readonly tokens: readonly TextToken[];
}

interface Pending {
  readonly token: TextToken;
  /** Where its text ends. */
  readonly end: number;
}

/**
 * Turns tokens into text piece by piece. Held back is what may still change: bytes of an unfinished character, and the
 * beginning of what may become a stop string. All offsets count from the beginning of the choice.
 */
export class TextStream {
  private readonly ids: number[] = [];
  /** Decoding starts at `from`, lest the whole be decoded at every token; what ids before `to` say is known. */
  private from = 0;
  private to = 0;
  private held = '';
  private heldAt: number;
  private pending: Pending[] = [];

  constructor(
    private readonly decode: (ids: readonly number[]) => string,
    private readonly stops: readonly string[],
    /** Length of the text before it, an echoed prompt's. */
    start = 0,
  ) {
    this.heldAt = start;
  }

  /** Takes a token; `stopped` says that a stop string is complete: the text ends before it. */
  push(token: Omit<TextToken, 'offset'>): TextPiece & { readonly stopped: boolean } {
    const offset = this.heldAt + this.held.length;
    this.held += this.grow(token.tokenId);
    this.pending.push({ token: { ...token, offset }, end: this.heldAt + this.held.length });
    const stop = firstOf(this.stops, this.held);
    if (stop !== undefined) return { ...this.cut(stop), stopped: true };
    return { ...this.release(this.held.length - unfinished(this.stops, this.held)), stopped: false };
  }

  /** Everything held back, once no more tokens come. */
  flush(): TextPiece {
    this.held += this.decode(this.ids.slice(this.from)).slice(this.known().length);
    return this.cut(this.held.length);
  }

  /** The text that one more id adds; nothing while it ends inside a character. */
  private grow(id: number): string {
    this.ids.push(id);
    const text = this.decode(this.ids.slice(this.from));
    const known = this.known();
    if (text.length <= known.length || text.endsWith('\uFFFD')) return '';
    this.from = this.to;
    this.to = this.ids.length;
    return text.slice(known.length);
  }

  private known(): string {
    return this.decode(this.ids.slice(this.from, this.to));
  }

  private release(length: number): TextPiece {
    const end = this.heldAt + length;
    const tokens = this.pending.filter((pending) => pending.end <= end).map(({ token }) => token);
    this.pending = this.pending.filter((pending) => pending.end > end);
    return this.take(length, tokens);
  }

  /** The last piece: tokens that begin in it or write nothing belong to it, even if they end beyond. */
  private cut(length: number): TextPiece {
    const end = this.heldAt + length;
    const last = length === this.held.length;
    const tokens = this.pending.map(({ token }) => token).filter(({ offset }) => last || offset < end);
    this.pending = [];
    return this.take(length, tokens);
  }

  private take(length: number, tokens: readonly TextToken[]): TextPiece {
    const text = this.held.slice(0, length);
    this.held = this.held.slice(length);
    this.heldAt += length;
    return { text, tokens };
  }
}

/** Where the first complete stop string begins. */
function firstOf(stops: readonly string[], text: string): number | undefined {
  const found = stops.map((stop) => text.indexOf(stop)).filter((index) => index >= 0);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** Length of the longest end of the text that a stop string begins with. */
function unfinished(stops: readonly string[], text: string): number {
  return Math.max(
    0,
    ...stops.map((stop) => {
      let length = Math.min(stop.length - 1, text.length);
      while (length > 0 && !text.endsWith(stop.slice(0, length))) length -= 1;
      return length;
    }),
  );
}
