/** Reads a pickled string, as LiveCodeBench publishes its private tests, and nothing else: a pickle can hold code. */

/** The bytes are no pickled string; the message says what they are. */
export class NotPickledText extends Error {
  override readonly name = 'NotPickledText';
}

/** The string. Throws NotPickledText at the first thing that is none; no pickle's code is ever run. */
export function readPickledText(pickle: Uint8Array): string {
  const bytes = Buffer.from(pickle.buffer, pickle.byteOffset, pickle.byteLength);
  let at = 0;
  let text: string | undefined;
  const take = (count: number): Buffer => {
    if (at + count > bytes.length) throw new NotPickledText('the pickle ends in the middle');
    at += count;
    return bytes.subarray(at - count, at);
  };
  for (;;) {
    const code = take(1).readUInt8();
    switch (code) {
      case opcodes.protocol:
      case opcodes.memoizeAt:
        take(1);
        break;
      case opcodes.memoizeAtLong:
        take(4);
        break;
      case opcodes.frame:
        take(8);
        break;
      case opcodes.memoize:
        break;
      case opcodes.shortText:
        text = take(take(1).readUInt8()).toString();
        break;
      case opcodes.text:
        text = take(take(4).readUInt32LE()).toString();
        break;
      case opcodes.longText:
        text = take(Number(take(8).readBigUInt64LE())).toString();
        break;
      case opcodes.stop:
        if (text === undefined) throw new NotPickledText('the pickle holds nothing');
        return text;
      default:
        throw new NotPickledText(`the pickle holds more than a string (opcode 0x${code.toString(16)})`);
    }
  }
}

/** As Python's pickletools names them: PROTO, BINPUT, LONG_BINPUT, FRAME, MEMOIZE, *BINUNICODE*, STOP. */
const opcodes = {
  protocol: 0x80,
  memoizeAt: 0x71,
  memoizeAtLong: 0x72,
  frame: 0x95,
  memoize: 0x94,
  shortText: 0x8c,
  text: 0x58,
  longText: 0x8d,
  stop: 0x2e,
} as const;
