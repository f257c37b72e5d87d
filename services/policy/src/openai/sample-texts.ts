/** Samples choices as text, telling a listener every piece as it is written. */
import type { Engine, SampledCompletion, Sampling } from '@backsight/engine';
import type { Renderer } from '@backsight/renderer';
import { TextStream, type TextPiece, type TextToken } from './text-stream.js';

/** What to write. Choice c is sample c % n of prompt floor(c / n). */
export interface TextJob {
  readonly prompts: readonly (readonly number[])[];
  /** Choices per prompt. */
  readonly n: number;
  readonly sampling: Sampling;
  readonly stopStrings: readonly string[];
  /** Most likely tokens to tell beside every token. */
  readonly topTokens: number;
  /** Texts that stand before the choices of each prompt; absent: nothing. */
  readonly echoes?: readonly TextPiece[];
}

/** One finished choice. */
export interface TextChoice extends TextPiece {
  readonly finishReason: SampledCompletion['finishReason'];
  /** Version of the weights that sampled it. */
  readonly policyVersion: number;
  /** Tokens that were sampled, those of a stop string included. */
  readonly sampledTokens: number;
}

/** Who hears of pieces and ends as they come, each choice's in order. */
export interface TextListener {
  piece(choice: number, piece: TextPiece, policyVersion: number): void;
  end(choice: number, ended: TextChoice): void;
}

/** All choices, in order. Aborting, or a stop string, frees the engine's slots before the next token. */
export async function sampleTexts(
  engine: Engine,
  renderer: Renderer,
  job: TextJob,
  signal: AbortSignal,
  listener?: TextListener,
): Promise<readonly TextChoice[]> {
  const { prompts, n, sampling, stopStrings, topTokens, echoes = [] } = job;
  const writings = Array.from({ length: prompts.length * n }, (_, choice) => {
    const echo = echoes[Math.floor(choice / n)];
    const stream = new TextStream((ids) => renderer.decode(ids), stopStrings, echo?.text.length);
    return new Writing(
      stream,
      (piece, version) => listener?.piece(choice, piece, version),
      echo,
      engine.version,
    );
  });
  const writingOf = (of: { readonly promptIndex: number; readonly sampleIndex: number }): Writing => {
    const writing = writings[of.promptIndex * n + of.sampleIndex];
    if (writing === undefined) throw new RangeError('The engine sampled what nobody asked for.');
    return writing;
  };
  const done = new Map<Writing, TextChoice>();
  const finish = (writing: Writing, choice: TextChoice) => {
    done.set(writing, choice);
    listener?.end(writings.indexOf(writing), choice);
  };
  if (sampling.maxTokens === 0)
    for (const writing of writings) finish(writing, writing.end('length', 0, engine.version));
  else {
    const request = {
      prompts,
      groupSize: n,
      sampling,
      topTokens,
      onToken: (token: Parameters<Writing['take']>[0] & { promptIndex: number; sampleIndex: number }) =>
        writingOf(token).take(token),
    };
    for await (const completion of engine.generate(request, signal)) {
      const { finishReason, tokenIds, policyVersion } = completion;
      const writing = writingOf(completion);
      finish(writing, writing.end(finishReason, tokenIds.length, policyVersion));
    }
  }
  return writings.flatMap((writing) => done.get(writing) ?? []);
}

/** A choice in the making. */
class Writing {
  private readonly pieces: TextPiece[] = [];
  private stopped = false;

  constructor(
    private readonly stream: TextStream,
    private readonly tell: (piece: TextPiece, policyVersion: number) => void,
    echo: TextPiece | undefined,
    policyVersion: number,
  ) {
    if (echo !== undefined) this.write(echo, policyVersion);
  }

  take(token: Omit<TextToken, 'offset'> & { readonly policyVersion: number }): 'go-on' | 'end' {
    const { tokenId, logprob, top, policyVersion } = token;
    const { stopped, ...piece } = this.stream.push({ tokenId, logprob, top });
    this.write(piece, policyVersion);
    this.stopped = stopped;
    return stopped ? 'end' : 'go-on';
  }

  end(finishReason: TextChoice['finishReason'], sampledTokens: number, policyVersion: number): TextChoice {
    if (!this.stopped) this.write(this.stream.flush(), policyVersion);
    return {
      text: this.pieces.map(({ text }) => text).join(''),
      tokens: this.pieces.flatMap(({ tokens }) => tokens),
      finishReason,
      policyVersion,
      sampledTokens,
    };
  }

  private write(piece: TextPiece, policyVersion: number): void {
    if (piece.text === '' && piece.tokens.length === 0) return;
    this.pieces.push(piece);
    this.tell(piece, policyVersion);
  }
}
