import { join } from 'node:path';
import type { ModelConfig } from '@backsight/engine';
import type { ExecutionProvider } from '../execution-provider.js';
import type { Graph } from '../graph/graph.js';
import { Session } from '../session.js';
import type { TrunkAttention } from './attention.js';
import { decodingGraph, type DecodingGraphOptions } from './decoding-graph.js';
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

  hidden(): Promise<Session> {
    return this.load('hidden', () => hiddenGraph(this.config, this.trunk));
  }

  scoring(options: ScoringGraphOptions): Promise<Session> {
    return this.load(`scoring ${JSON.stringify(options)}`, () =>
      scoringGraph(this.config, options, this.trunk),
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

  /** The CUDA provider has the fused operator for half precision only, and would send float32 to the CPU. */
  private get trunk(): TrunkAttention {
    return this.provider === 'cpu' ? 'fused' : 'differentiable';
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
