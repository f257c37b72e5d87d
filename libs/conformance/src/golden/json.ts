/** Readers: JSON turned into typed values, or an error that names the place. */

/** Reads a value found at a place such as `cases[3].loss`. */
export type Read<T> = (value: unknown, at: string) => T;

export const readNumber: Read<number> = (value, at) => {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new TypeError(`${at} must be a finite number, is ${JSON.stringify(value)}`);
};

export const readBoolean: Read<boolean> = (value, at) => {
  if (typeof value === 'boolean') return value;
  throw new TypeError(`${at} must be true or false, is ${JSON.stringify(value)}`);
};

/** Reads one of the given strings. */
export function readOneOf<T extends string>(...choices: readonly T[]): Read<T> {
  return (value, at) => {
    const choice = choices.find((each) => each === value);
    if (choice !== undefined) return choice;
    throw new TypeError(`${at} must be one of ${choices.join(', ')}, is ${JSON.stringify(value)}`);
  };
}

/** Reads null as undefined. */
export function readNullable<T>(read: Read<T>): Read<T | undefined> {
  return (value, at) => (value === null ? undefined : read(value, at));
}

/** Reads an array, of exactly `length` items when that is given. */
export function readArray<T>(read: Read<T>, length?: number): Read<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new TypeError(`${at} must be an array`);
    const items: readonly unknown[] = value;
    if (length !== undefined && items.length !== length) {
      throw new TypeError(`${at} must have ${length} items, has ${items.length}`);
    }
    return items.map((item, index) => read(item, `${at}[${index}]`));
  };
}

/** Opens an object: the returned function reads one of its fields. */
export function openObject(value: unknown, at: string): <T>(field: string, read: Read<T>) => T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${at === '' ? 'the document' : at} must be an object`);
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  return (field, read) => {
    const place = at === '' ? field : `${at}.${field}`;
    if (!fields.has(field)) throw new TypeError(`${place} is missing`);
    return read(fields.get(field), place);
  };
}
