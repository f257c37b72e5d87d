/** How far the fetching of a model is. */
export interface Progress {
  /** `copy` and `download` count bytes, `convert` tensors; `install` counts nothing. */
  readonly stage: 'copy' | 'download' | 'install' | 'convert';
  /** What is being worked on, for people. */
  readonly what: string;
  readonly done: number;
  /** 0: unknown. */
  readonly total: number;
}

export type ReportProgress = (progress: Progress) => void;
