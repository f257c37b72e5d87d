/** Where the rows that are decoded sit: in as many seats before each prompt, some of which may be empty. */
export interface Seating {
  /** B. */
  readonly prompts: number;
  /** G, the most rows of one prompt. */
  readonly seatsPerPrompt: number;
  /** The row of each seat, by prompt; none: it is empty. Length B*G. */
  readonly rowsOfSeats: readonly (number | undefined)[];
  /** The prompt and the seat before it of each row. Length N. */
  readonly seatsOfRows: readonly (readonly [prompt: number, seat: number])[];
}

/** Seats rows, given the prompt of each, in [0, prompts). */
export function seatRows(promptOfRow: readonly number[], prompts: number): Seating {
  const taken = Array.from({ length: prompts }, () => 0);
  const seatsOfRows = promptOfRow.map((prompt): readonly [number, number] => {
    const seat = taken[prompt] ?? 0;
    taken[prompt] = seat + 1;
    return [prompt, seat];
  });
  const seatsPerPrompt = Math.max(1, ...taken);
  const rowsOfSeats = Array.from({ length: prompts * seatsPerPrompt }, (): number | undefined => undefined);
  seatsOfRows.forEach(([prompt, seat], row) => {
    rowsOfSeats[prompt * seatsPerPrompt + seat] = row;
  });
  return { prompts, seatsPerPrompt, rowsOfSeats, seatsOfRows };
}

/** Tokens that a row has before the new one. */
export interface RowLengths {
  readonly prompt: number;
  /** Of its own. */
  readonly own: number;
}

/**
 * What to add to the scores of each seat: 0 where its row has a token within the last `window` positions, a very low number
 * elsewhere. Columns are `promptColumns` of the prompt, `ownColumns` of the row itself, and the new token.
 */
export function sightMask(
  { rowsOfSeats }: Seating,
  lengths: readonly RowLengths[],
  promptColumns: number,
  ownColumns: number,
  window = Number.POSITIVE_INFINITY,
): Float32Array {
  const columns = promptColumns + ownColumns + 1;
  const mask = new Float32Array(rowsOfSeats.length * columns).fill(hidden);
  rowsOfSeats.forEach((row, seat) => {
    const length = row === undefined ? undefined : lengths[row];
    if (length === undefined) return;
    const begin = seat * columns;
    const first = Math.max(0, length.prompt + length.own + 1 - window);
    const own = begin + promptColumns;
    mask.fill(0, begin + Math.min(first, length.prompt), begin + length.prompt);
    mask.fill(0, own + Math.max(0, first - length.prompt), own + length.own);
    mask[begin + columns - 1] = 0;
  });
  return mask;
}

const hidden = -1e30;
