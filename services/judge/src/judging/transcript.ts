/** What two programs said to each other, as a learner is shown it. */
import { beginning } from './beginning.js';

export type Speaker = 'Interactor' | 'Program';

/** Beyond this the beginning of a talk is forgotten, in characters; far more than any feedback shows. */
const mostCharacters = 1 << 16;

/** In characters; feedback cuts where it cuts every line. */
const longestLine = 300;

/** Records a talk. */
export class Transcript {
  private readonly turns: { readonly speaker: Speaker; text: string }[] = [];
  private characters = 0;
  private closed = false;
  private readonly decoders = {
    Interactor: new TextDecoder(),
    Program: new TextDecoder(),
  };

  /** Nobody hears what comes now. */
  close(): void {
    this.closed = true;
  }

  /** Somebody wrote something. */
  add(speaker: Speaker, piece: Uint8Array): void {
    if (this.closed) return;
    const text = this.decoders[speaker].decode(piece, { stream: true });
    const turn = this.turns.at(-1);
    if (turn?.speaker === speaker) turn.text += text;
    else this.turns.push({ speaker, text });
    this.characters += text.length;
    while (this.characters > mostCharacters && this.turns.length > 1) {
      this.characters -= this.turns.shift()?.text.length ?? 0;
    }
    const [only] = this.turns;
    if (only !== undefined && only.text.length > 2 * mostCharacters)
      only.text = only.text.slice(-mostCharacters);
  }

  /** The last lines, each with who wrote it, and how many came before. */
  end(mostLines: number): string {
    const lines = this.turns.flatMap(({ speaker, text }) =>
      text
        .replace(/\n$/, '')
        .split('\n')
        .map((line) => `${speaker}: ${line}`),
    );
    const before = lines.length - mostLines;
    const shown = lines.slice(-mostLines).map((line) => beginning(line, longestLine));
    return [...(before > 0 ? [`... (${before} lines before)`] : []), ...shown].join('\n');
  }
}
