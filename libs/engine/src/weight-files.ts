import { basename } from 'node:path';
import { CheckpointError } from './errors.js';
import { SafetensorsFile } from './safetensors.js';
import { WeightSet, type TensorTable } from './weights.js';

const readable = new Set(['F32', 'F16', 'BF16']);

/**
 * Reads the tensors of `table` from one or more safetensors files into one weight set.
 *
 * All headers are checked before anything large is read: throws `CheckpointError` naming the tensor that is missing,
 * misshapen (with the expected and the found shape), stored twice or unknown. Tensors that `isRedundant` names are passed over.
 */
export async function readWeightFiles(
  paths: readonly string[],
  table: TensorTable,
  isRedundant: (name: string) => boolean = () => false,
): Promise<WeightSet> {
  return withFiles(paths, async (files) => {
    const places = locate(files, table, isRedundant);
    const weights = new WeightSet(table);
    for (const { name, values } of weights.tensors.values()) await places.get(name)?.read(name, values);
    return weights;
  });
}

/** Checks the headers as `readWeightFiles` does, and reads nothing else. */
export async function checkWeightFiles(
  paths: readonly string[],
  table: TensorTable,
  isRedundant: (name: string) => boolean = () => false,
): Promise<void> {
  await withFiles(paths, (files) => Promise.resolve(locate(files, table, isRedundant)));
}

async function withFiles<T>(
  paths: readonly string[],
  work: (files: readonly SafetensorsFile[]) => Promise<T>,
): Promise<T> {
  const files: SafetensorsFile[] = [];
  try {
    for (const path of paths) files.push(await SafetensorsFile.open(path));
    return await work(files);
  } finally {
    for (const file of files) await file.close();
  }
}

/** Which file holds each tensor of the table, after checking every header against it. */
function locate(
  files: readonly SafetensorsFile[],
  table: TensorTable,
  isRedundant: (name: string) => boolean,
): ReadonlyMap<string, SafetensorsFile> {
  const places = new Map<string, SafetensorsFile>();
  for (const file of files) {
    for (const { name, shape, dtype } of file.header.tensors.values()) {
      const fail = (problem: string) =>
        new CheckpointError({ reason: 'invalid', file: file.path, tensor: name, problem });
      const expected = table.get(name);
      if (expected === undefined) {
        if (isRedundant(name)) continue;
        throw fail('is not a tensor of this model');
      }
      const first = places.get(name);
      if (first !== undefined) throw fail(`is also in ${basename(first.path)}`);
      if (expected.length !== shape.length || expected.some((size, i) => size !== shape[i]))
        throw fail(`expected shape [${expected.join(', ')}], found [${shape.join(', ')}]`);
      if (!readable.has(dtype)) throw fail(`has dtype ${dtype}; F32, F16 and BF16 are read`);
      places.set(name, file);
    }
  }
  for (const [name, shape] of table) {
    if (places.has(name)) continue;
    const file = files.map(({ path }) => path).join(', ');
    const problem = `is missing; expected shape [${shape.join(', ')}]`;
    throw new CheckpointError({ reason: 'invalid', file, tensor: name, problem });
  }
  return places;
}
