/** Reads one JSON object at a place in a text, and says where it stops being one. */

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** The object and where it ends, or what is wrong and where. Places count characters from the start of the text. */
export type ObjectReading =
  | { readonly kind: 'object'; readonly value: JsonObject; readonly end: number }
  | { readonly kind: 'broken'; readonly problem: string; readonly at: number };

/** Deeper nesting is refused: no tool takes it, and a hostile answer must not exhaust the stack. */
const deepest = 64;

/** Reads the object whose opening brace is at `from`. What follows its closing brace is not looked at. */
export function readObject(text: string, from: number): ObjectReading {
  const reader = new Reader(text, from);
  try {
    const value = reader.object(1);
    return { kind: 'object', value, end: reader.at };
  } catch (error) {
    if (error instanceof NotJson) return { kind: 'broken', problem: error.message, at: error.at };
    throw error;
  }
}

class NotJson extends Error {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message);
  }
}

/** A recursive descent over RFC 8259; `at` is the next character. */
class Reader {
  constructor(
    readonly text: string,
    public at: number,
  ) {}

  object(depth: number): JsonObject {
    this.expect('{', '"{"');
    const members: [string, Json][] = [];
    if (!this.take('}')) {
      do {
        this.skipSpace();
        if (this.text[this.at] !== '"') this.fail('a name in double quotes');
        const name = this.string();
        this.expect(':', '":"');
        members.push([name, this.value(depth + 1)]);
      } while (this.take(','));
      this.expect('}', '"," or "}"');
    }
    return Object.fromEntries(members);
  }

  value(depth: number): Json {
    this.skipSpace();
    if (depth > deepest) throw new NotJson(`nested deeper than ${deepest}`, this.at);
    const first = this.text[this.at];
    if (first === '{') return this.object(depth);
    if (first === '[') return this.array(depth);
    if (first === '"') return this.string();
    const scalar = this.match(/true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (scalar === undefined) return this.fail('a value');
    if (scalar === 'null') return null;
    return scalar === 'true' || (scalar === 'false' ? false : Number(scalar));
  }

  array(depth: number): readonly Json[] {
    this.expect('[', '"["');
    const items: Json[] = [];
    if (!this.take(']')) {
      do items.push(this.value(depth + 1));
      while (this.take(','));
      this.expect(']', '"," or "]"');
    }
    return items;
  }

  string(): string {
    const begin = this.at;
    // eslint-disable-next-line no-control-regex -- control characters are what JSON forbids in strings
    const quoted = this.match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y);
    if (quoted === undefined)
      throw new NotJson('a text that does not end, or holds a character it must not', begin);
    return String(JSON.parse(quoted));
  }

  skipSpace(): void {
    this.match(/[ \t\r\n]*/y);
  }

  /** Takes the character if it is next. */
  take(character: string): boolean {
    this.skipSpace();
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  expect(character: string, expected: string): void {
    if (!this.take(character)) this.fail(expected);
  }

  fail(expected: string): never {
    const found = this.text[this.at];
    const instead = found === undefined ? 'the answer ends' : `there is ${JSON.stringify(found)}`;
    throw new NotJson(`expected ${expected}, but ${instead}`, this.at);
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }
}
