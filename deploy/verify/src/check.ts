/** A check is a statement about deploy/ with what speaks against it. */
export interface Check {
  /** A statement, e.g. `Deployment/judge: no container may gain privileges`. */
  readonly name: string;
  /** One sentence each; none when the statement holds. */
  readonly problems: readonly string[];
}

/** Makes a check of a statement that needs no further words when it fails. */
export const statement = (name: string, holds: boolean): Check => ({
  name,
  problems: holds ? [] : ['it does not hold'],
});
