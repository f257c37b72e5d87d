/** The descriptors of all the promises, as `npm run generate` leaves them, for gRPC reflection. */
import { readFileSync } from 'node:fs';

/** An encoded google.protobuf.FileDescriptorSet. */
export function readDescriptors(): Uint8Array {
  const file = new URL('../descriptors.binpb', import.meta.url);
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new Error(`${file.pathname} is missing: run "npm run generate"`, { cause });
  }
}
