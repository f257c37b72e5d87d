/** Finds the field that keeps an encoded request from being read, by walking its bytes along the descriptors. */
import {
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  ScalarType,
} from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { readDescriptors } from './descriptors.js';

/** A field and what is wrong with it. */
export interface UnreadableField {
  /** Its path as the proto spells it, for example `plan.objective.distillation.support.kind`. */
  readonly field: string;
  readonly description: string;
}

/**
 * The first field of a method's request, `/package.Service/Method`, that generated code refuses: an enumeration's unknown
 * number, or a 64-bit number that no double holds exactly. Undefined when the bytes are no such message at all.
 */
export function unreadableField(method: string, request: Uint8Array): UnreadableField | undefined {
  const message = requestOf(method);
  try {
    return message === undefined ? undefined : inMessage(message, request, '');
  } catch {
    return undefined;
  }
}

let registry: FileRegistry | undefined;

function requestOf(path: string): DescMessage | undefined {
  registry ??= createFileRegistry(fromBinary(FileDescriptorSetSchema, readDescriptors()));
  const [, service = '', method = ''] = path.split('/');
  return registry.getService(service)?.methods.find(({ name }) => name === method)?.input;
}

function inMessage(message: DescMessage, bytes: Uint8Array, path: string): UnreadableField | undefined {
  const reader = new BinaryReader(bytes);
  const counts = new Map<number, number>();
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const field = message.fields.find((each) => each.number === number);
    const index = counts.get(number) ?? 0;
    counts.set(number, index + 1);
    const check = field === undefined ? undefined : checkOf(field, wireType);
    if (field === undefined || check === undefined) {
      reader.skip(wireType, number);
      continue;
    }
    const name = field.fieldKind === 'list' ? `${field.name}[${index}]` : field.name;
    const found = check(reader, path === '' ? name : `${path}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Reads one value and says what is wrong with it. */
type Check = (reader: BinaryReader, path: string) => UnreadableField | undefined;

/** Undefined for a field that holds nothing to check, or that the bytes hold in another form than the contract's. */
function checkOf(field: DescField, wireType: WireType): Check | undefined {
  const { message, enum: enumeration, scalar } = field;
  if (field.fieldKind === 'map') return undefined;
  if (message !== undefined) {
    return wireType === WireType.LengthDelimited
      ? (reader, path) => inMessage(message, reader.bytes(), path)
      : undefined;
  }
  const check = enumeration === undefined ? checkOfScalar(scalar) : enumCheck(enumeration);
  if (check === undefined) return undefined;
  if (wireType === check.wireType) return check.read;
  return wireType === WireType.LengthDelimited && field.fieldKind === 'list'
    ? (reader, path) => inPacked(reader.bytes(), check.read, path)
    : undefined;
}

function inPacked(bytes: Uint8Array, check: Check, path: string): UnreadableField | undefined {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const found = check(reader, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

interface ScalarCheck {
  readonly wireType: WireType;
  readonly read: Check;
}

function enumCheck({ name, values }: DescEnum): ScalarCheck {
  const known = values.map(({ number, name: value }) => `${number} ${value}`).join(', ');
  return {
    wireType: WireType.Varint,
    read: (reader, field) => {
      const number = reader.int32();
      return values.some((value) => value.number === number)
        ? undefined
        : { field, description: `is ${number}, which ${name} does not know; it knows ${known}` };
    },
  };
}

/** 64-bit numbers are read as JavaScript's, so they must be safe integers. */
function checkOfScalar(scalar: ScalarType | undefined): ScalarCheck | undefined {
  switch (scalar) {
    case ScalarType.INT64:
      return { wireType: WireType.Varint, read: (reader, field) => unsafe(field, reader.int64()) };
    case ScalarType.UINT64:
      return { wireType: WireType.Varint, read: (reader, field) => unsafe(field, reader.uint64()) };
    default:
      return undefined;
  }
}

function unsafe(field: string, value: bigint | string): UnreadableField | undefined {
  return Number.isSafeInteger(Number(value))
    ? undefined
    : { field, description: `must be in [-(2^53 - 1), 2^53 - 1], is ${value}` };
}
