import { AdamW, moveTowards, type WeightSet } from '@backsight/engine';

/** The weights an engine trains: the student, its optimizer, and a teacher that shares the initial weights until it moves. */
export class PolicyWeights {
  readonly student: WeightSet;
  /** Optimizer steps that transactions have taken. */
  version = 0;
  private ownTeacher: WeightSet | undefined;
  private ownOptimizer: AdamW | undefined;

  /** `initial` is only read. */
  constructor(readonly initial: WeightSet) {
    this.student = initial.clone();
  }

  /** The EMA teacher's weights; only to be read. */
  get teacher(): WeightSet {
    return this.ownTeacher ?? this.initial;
  }

  get optimizer(): AdamW {
    this.ownOptimizer ??= new AdamW(this.student.flat.length);
    return this.ownOptimizer;
  }

  /** Takes a share of the student into the teacher. */
  moveTeacher(rate: number): void {
    if (rate === 0) return;
    this.ownTeacher ??= this.initial.clone();
    moveTowards(this.ownTeacher.flat, this.student.flat, rate);
  }

  /** All that training changes, over the memory that it changes. */
  state(): Snapshot {
    const { version, student, ownTeacher: teacher, ownOptimizer: optimizer } = this;
    return { version, student, teacher, optimizer };
  }

  /** A copy of all that training changes, to go back to. */
  snapshot(): Snapshot {
    const { version, student, teacher, optimizer } = this.state();
    return { version, student: student.clone(), teacher: teacher?.clone(), optimizer: optimizer?.clone() };
  }

  /** Takes over a state: copies the student, keeps the memory of the rest. */
  restore({ version, student, teacher, optimizer }: Snapshot): void {
    this.student.copyFrom(student);
    this.ownTeacher = teacher;
    this.ownOptimizer = optimizer;
    this.version = version;
  }
}

/** A whole training state. */
export interface Snapshot {
  readonly version: number;
  readonly student: WeightSet;
  /** Absent: the initial weights. */
  readonly teacher: WeightSet | undefined;
  /** Absent: fresh. */
  readonly optimizer: AdamW | undefined;
}
