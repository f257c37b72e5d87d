/** Finds the program in an answer written in Markdown. */

/** A fenced code block. */
interface Block {
  /** The first word after the fence, in lower case; empty for none. */
  readonly tag: string;
  readonly body: string;
  readonly closed: boolean;
}

/** The program of an answer. */
export interface Extracted {
  readonly program: string;
  /** False when the answer ended inside the block. */
  readonly closed: boolean;
}

/** How people tag a language. */
const tagsOf: Readonly<Record<string, readonly string[]>> = {
  python: ['python', 'python3', 'py', 'py3', 'python2'],
  cpp: ['cpp', 'c++', 'cxx', 'cc', 'c++17', 'c++20'],
  javascript: ['javascript', 'js', 'node', 'nodejs', 'mjs'],
  java: ['java', 'java8', 'java11', 'java17', 'java21'],
  rust: ['rust', 'rs'],
  go: ['go', 'golang'],
};
/** Tags of text that holds blocks of its own. */
const containers = ['markdown', 'md'];

/**
 * The longest block tagged with the language, else the longest untagged one, else the longest of any tag; blank ones
 * do not count. Undefined when there is none.
 */
export function extractProgram(answer: string, language: string): Extracted | undefined {
  const blocks = fencedBlocks(answer).filter(({ body }) => body.trim() !== '');
  const tags = tagsOf[language] ?? [language];
  const best =
    longest(blocks.filter(({ tag }) => tags.includes(tag))) ??
    longest(blocks.filter(({ tag }) => tag === '')) ??
    longest(blocks.filter(({ tag }) => !containers.includes(tag)));
  return best === undefined ? undefined : { program: best.body, closed: best.closed };
}

/**
 * The blocks of a text, by the rules of CommonMark but for two: a fence with a tag inside a Markdown block opens an
 * inner block, and a block may open and close on one line.
 */
function fencedBlocks(text: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: {
    readonly fence: string;
    readonly tag: string;
    readonly indent: number;
    readonly lines: string[];
  }[] = [];
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    const inner = open.at(-1);
    const [, space = '', fence, info = ''] = /^([ \t]*)(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (fence === undefined) {
      inner?.lines.push(line.slice(leading(line, inner.indent)));
      continue;
    }
    const closes = inner !== undefined && info.trim() === '' && fence.startsWith(inner.fence);
    if (closes) {
      open = open.slice(0, -1);
      blocks.push({ tag: inner.tag, body: inner.lines.join('\n'), closed: true });
    } else if (inner === undefined || containers.includes(inner.tag)) {
      const oneLine = programOnOneLine(info);
      if (oneLine !== '') blocks.push({ tag: tagOf(info), body: oneLine, closed: true });
      else open = [...open, { fence, tag: tagOf(info), indent: space.length, lines: [] }];
    } else {
      inner.lines.push(line.slice(leading(line, inner.indent)));
    }
  }
  return [...blocks, ...open.map(({ tag, lines }) => ({ tag, body: lines.join('\n'), closed: false }))];
}

/** What stands between an opening fence, with its tag or without, and a closing one on the same line; empty for none. */
function programOnOneLine(info: string): string {
  const text = info.trimEnd();
  let end = text.length;
  while (end > 0 && '`~'.includes(text.charAt(end - 1))) end -= 1;
  return text.length - end < 3 ? '' : text.slice(0, end).replace(/^[\w+#.-]+[ \t]+/, '');
}

/** Blanks to take off a line of an indented block. */
function leading(line: string, indent: number): number {
  return Math.min(indent, line.length - line.trimStart().length);
}

function tagOf(info: string): string {
  return (/^[ \t]*\{?\.?([\w+#.-]+)/.exec(info)?.[1] ?? '').toLowerCase();
}

function longest(blocks: readonly Block[]): Block | undefined {
  return blocks.reduce<Block | undefined>(
    (best, block) => (best === undefined || block.body.length > best.body.length ? block : best),
    undefined,
  );
}
