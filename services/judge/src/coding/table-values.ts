/** Values of a parquet table as those of JSON, so that a row of a table reads like a line of a file. */

/** The value has no counterpart in JSON; the message names its field. */
export class NotInJson extends Error {
  override readonly name = 'NotInJson';
}

/**
 * A cell as a JSON value. `field` is where it stands, for example `tests[0].input`.
 *
 * A null in a struct counts as left out: columns have all the fields that any row has. Times become ISO 8601 texts.
 * Throws NotInJson for whole numbers beyond 2^53, which would lose digits, and for bytes that are no text.
 */
export function asJson(value: unknown, field: string): unknown {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'bigint') return wholeNumber(value, field);
  if (typeof value !== 'object') return value;
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) throw new NotInJson(`${field}: holds bytes that are no text`);
  if (Array.isArray(value)) {
    const elements: readonly unknown[] = value;
    return elements.map((each, at) => asJson(each, `${field}[${at}]`) ?? null);
  }
  const entries = Object.entries(value).map(
    ([name, each]: [string, unknown]) =>
      [name, asJson(each, field === '' ? name : `${field}.${name}`)] as const,
  );
  return Object.fromEntries(entries.filter(([, each]) => each !== undefined));
}

function wholeNumber(value: bigint, field: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new NotInJson(
    `${field}: ${value} is more than a JSON number keeps; arguments_json and expected_json take its text`,
  );
}
