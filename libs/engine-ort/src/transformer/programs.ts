import { join } from 'node:path';
import type { ModelConfig } from '@backsight/engine';
import type { ExecutionProvider } from '../execution-provider.js';
import type { Graph } from '../graph/graph.js';
import { Session } from '../session.js';
import { decodingGraph, type DecodingGraphOptions } from './decoding-graph.js';
import type { TrunkAttention } from './forward.js';
import { promptGraph } from './prompt-graph.js';
import { hiddenGraph, scoringGraph, type ScoringGraphOptions } from './scoring-graph.js';
import { trainingGraph, type TrainingGraphOptions } from './training-graph.js';

/** The sessions of one model, each loaded when it is first needed and kept until `release`. */
export class Programs {
  private readonly sessions = new Map<string, Promise<Session>>();
  private profiles = 0;

  constructor(
    readonly config: ModelConfig,
    private readonly threads: number,
    private readonly provider: ExecutionProvider,
    /** Where each session leaves a profile, under its kind and number; absent: nowhere. */
    private readonly profileFolder?: string,
  ) {}

  /** For trunks of about this length; one serves any, but not as fast. */
  hidden(trunkLength: number): Promise<Session> {
    const trunk = this.trunkAttention(trunkLength);
    return this.load(`hidden ${trunk}`, () => hiddenGraph(this.config, trunk));
  }

  scoring(options: ScoringGraphOptions, trunkLength: number): Promise<Session> {
    const trunk = this.trunkAttention(trunkLength);
    return this.load(`scoring ${trunk} ${JSON.stringify(options)}`, () =>
      scoringGraph(this.config, options, trunk),
    );
  }

  prompts(): Promise<Session> {
    return this.load('prompts', () => promptGraph(this.config));
  }

  decoding(options: DecodingGraphOptions): Promise<Session> {
    return this.load(`decoding ${JSON.stringify(options)}`, () => decodingGraph(this.config, options));
  }

  /** One session per objective and way to use memory; beyond a few, the one loaded first is given up. */
  async training(options: TrainingGraphOptions): Promise<Session> {
    const key = `training ${JSON.stringify(options)}`;
    const objectives = [...this.sessions.keys()].filter((other) => other.startsWith('training '));
    const [oldest] = objectives;
    if (!this.sessions.has(key) && oldest !== undefined && objectives.length >= keptObjectives)
      await this.drop(oldest);
    return this.load(key, () => trainingGraph(this.config, options));
  }

  /** Frees all sessions; none may be running. */
  async release(): Promise<void> {
    for (const key of [...this.sessions.keys()]) await this.drop(key);
  }

  /**
   * Short trunks attend to themselves in one operator, long ones faster in blocks; the CUDA provider has the operator for half
   * precision only, and would send float32 to the CPU.
   */
  private trunkAttention(length: number): TrunkAttention {
    if (length >= longTrunk) return blocksOfLongTrunks;
    return this.provider === 'cpu' ? 'fused' : 1;
  }

  private load(key: string, graph: () => Graph): Promise<Session> {
    const known = this.sessions.get(key);
    if (known !== undefined) return known;
    const loading = Session.load(graph(), this.threads, this.provider, this.profileOf(key));
    this.sessions.set(key, loading);
    return loading;
  }

  private profileOf(key: string): string | undefined {
    if (this.profileFolder === undefined) return undefined;
    const [kind] = key.split(' ', 1);
    this.profiles += 1;
    return join(this.profileFolder, `${kind ?? key}-${this.profiles}`);
  }

  private async drop(key: string): Promise<void> {
    const session = this.sessions.get(key);
    this.sessions.delete(key);
    await (await session)?.release();
  }
}

const keptObjectives = 8;
const longTrunk = 256;
const blocksOfLongTrunks = 8;
