/** Token ids and logprobs as little-endian bytes, four to a number, and back. */
export function packUint32(values: readonly number[]): Uint8Array {
  return pack(values, (view, offset, value) => {
    view.setUint32(offset, value, true);
  });
}

export function packFloat32(values: readonly number[]): Uint8Array {
  return pack(values, (view, offset, value) => {
    view.setFloat32(offset, value, true);
  });
}

export function unpackUint32(bytes: Bytes): number[] {
  return unpack(bytes, (view, offset) => view.getUint32(offset, true));
}

export function unpackFloat32(bytes: Bytes): number[] {
  return unpack(bytes, (view, offset) => view.getFloat32(offset, true));
}

/** Databases hand out bytes as they like. */
type Bytes = Uint8Array | ArrayBuffer;

function pack(
  values: readonly number[],
  set: (view: DataView, offset: number, value: number) => void,
): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    set(view, index * 4, value);
  });
  return bytes;
}

function unpack(bytes: Bytes, get: (view: DataView, offset: number) => number): number[] {
  const view = ArrayBuffer.isView(bytes)
    ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new DataView(bytes);
  return Array.from({ length: view.byteLength / 4 }, (_, index) => get(view, index * 4));
}
