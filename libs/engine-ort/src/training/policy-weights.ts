import {
  AdamW,
  changesNothing,
  mergeAdapter,
  moveTowards,
  type Adapter,
  type ModelConfig,
  type OptimizerOutcome,
  type OptimizerSettings,
  type WeightSet,
} from '@backsight/engine';

/**
 * The weights an engine trains: the student, its optimizer, and a teacher that shares the initial weights until it moves.
 *
 * With an adapter the optimizer moves its factors alone, and the student is the frozen base with their product merged in: so
 * sampling costs nothing extra, and a teacher that follows the student follows the product, not the factors.
 */
export class PolicyWeights {
  /** What the engine was started with: the base, with the adapter merged in. Only to be read. */
  readonly initial: WeightSet;
  /** Its factors are the live ones. */
  readonly adapter: Adapter | undefined;
  /** Optimizer steps that transactions have taken. */
  version = 0;
  private readonly initialFactors: WeightSet | undefined;
  private ownStudent: WeightSet | undefined;
  private ownTeacher: WeightSet | undefined;
  private ownOptimizer: AdamW | undefined;

  /** `base` and `adaptation` are only read. */
  constructor(
    readonly base: WeightSet,
    private readonly adaptation?: Adaptation,
  ) {
    this.initialFactors = adaptation?.adapter.factors;
    this.adapter = adaptation && { ...adaptation.adapter, factors: adaptation.adapter.factors.clone() };
    this.initial = adaptation === undefined ? base : merged(base, adaptation);
  }

  /** The weights as they are now; only to be read. Until they move they are the initial ones. */
  get student(): WeightSet {
    return this.ownStudent ?? this.initial;
  }

  /** The EMA teacher's weights; only to be read. */
  get teacher(): WeightSet {
    return this.ownTeacher ?? this.initial;
  }

  /** What the optimizer moves: the factors of the adapter, or all weights. Only to be read. */
  get trained(): WeightSet {
    return this.adapter?.factors ?? this.student;
  }

  /** Takes one optimizer step along a gradient of what is trained. */
  step(gradient: Float32Array, settings: OptimizerSettings): OptimizerOutcome {
    const moving = this.adapter?.factors ?? this.movingStudent();
    this.ownOptimizer ??= new AdamW(moving.flat.length);
    const outcome = this.ownOptimizer.step(moving.flat, gradient, settings);
    if (this.adapter !== undefined && this.adaptation !== undefined && !outcome.skipped)
      mergeAdapter(this.adaptation.config, this.base, this.adapter, this.movingStudent());
    return outcome;
  }

  /** Takes a share of the student into the teacher. */
  moveTeacher(rate: number): void {
    if (rate === 0) return;
    this.ownTeacher ??= this.initial.clone();
    moveTowards(this.ownTeacher.flat, this.student.flat, rate);
  }

  /** All that training changes, over the memory that it changes. */
  state(): Snapshot {
    const { version, student, adapter, ownTeacher: teacher, ownOptimizer: optimizer } = this;
    return { version, student, factors: adapter?.factors, teacher, optimizer };
  }

  /** A copy of all that training changes, to go back to. */
  snapshot(): Snapshot {
    const { version, student, factors, teacher, optimizer } = this.state();
    return {
      version,
      student: this.ownStudent?.clone() ?? student,
      factors: factors?.clone(),
      teacher: teacher?.clone(),
      optimizer: optimizer?.clone(),
    };
  }

  /** The state the engine was started with. */
  initialState(): Snapshot {
    const { initial: student, initialFactors: factors } = this;
    return { version: 0, student, factors, teacher: undefined, optimizer: undefined };
  }

  /** Takes over a state: copies student and factors, keeps the memory of the rest. */
  restore({ version, student, factors, teacher, optimizer }: Snapshot): void {
    if (student === this.initial) this.ownStudent = undefined;
    else this.movingStudent().copyFrom(student);
    if (factors !== undefined) this.adapter?.factors.copyFrom(factors);
    this.ownTeacher = teacher;
    this.ownOptimizer = optimizer;
    this.version = version;
  }

  /** The student's own memory, which it is given when it first moves. */
  private movingStudent(): WeightSet {
    this.ownStudent ??= this.initial.clone();
    return this.ownStudent;
  }
}

/** An adapter to begin with, and the model it adapts. */
export interface Adaptation {
  readonly config: ModelConfig;
  readonly adapter: Adapter;
}

/** A whole training state. */
export interface Snapshot {
  readonly version: number;
  readonly student: WeightSet;
  /** Those of the adapter, if the policy has one. */
  readonly factors: WeightSet | undefined;
  /** Absent: the initial weights. */
  readonly teacher: WeightSet | undefined;
  /** Absent: fresh. */
  readonly optimizer: AdamW | undefined;
}

/** The base itself where the adapter changes nothing yet, which spares a copy. */
function merged(base: WeightSet, { config, adapter }: Adaptation): WeightSet {
  if (changesNothing(config, adapter)) return base;
  const result = base.clone();
  mergeAdapter(config, base, adapter, result);
  return result;
}
