import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Graph } from './graph.js';
import { neededNodes } from './needed-nodes.js';
import type { Attribute, Node } from './node.js';
import type { Constant, DataType, Value } from './value.js';

/**
 * The bytes of an ONNX ModelProto that holds the graph.
 *
 * Field numbers and type codes are those of onnx.proto (ONNX IR version 10).
 */
export function modelBytes(graph: Graph): Uint8Array {
  const outputNames = new Map([...graph.outputs].map(([name, value]) => [value.name, name]));
  const nameOf = (value: Value) => outputNames.get(value.name) ?? value.name;
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).int64(irVersion);
  text(writer, 2, 'backsight');
  const nodes = neededNodes(graph);
  message(writer, 7, (body) => {
    for (const node of nodes)
      message(body, 1, (inner) => {
        writeNode(inner, node, nameOf);
      });
    text(body, 2, 'backsight');
    for (const constant of graph.constants)
      message(body, 5, (inner) => {
        writeConstant(inner, constant);
      });
    for (const input of graph.inputs)
      message(body, 11, (inner) => {
        writeValueInfo(inner, input.name, input);
      });
    for (const [name, value] of graph.outputs)
      message(body, 12, (inner) => {
        writeValueInfo(inner, name, value);
      });
    // Shapes of all that is in between. ONNX Runtime knows by them whose memory can be whose; without, it compares every
    // value with all that went before, which took it most of the time to load a large graph.
    for (const value of nodes.flatMap(({ outputs }) => outputs))
      if (value !== undefined && !outputNames.has(value.name))
        message(body, 13, (inner) => {
          writeValueInfo(inner, value.name, value);
        });
  });
  for (const [domain, version] of opsets)
    message(writer, 8, (opset) => {
      text(opset, 1, domain);
      opset.tag(2, WireType.Varint).int64(version);
    });
  return writer.finish();
}

const irVersion = 10;
const opsets = [
  ['', 21],
  ['com.microsoft', 1],
] as const;

/** TensorProto.DataType. */
const dataTypes: Readonly<Record<DataType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 };

/** AttributeProto.AttributeType. */
const attributeTypes: Readonly<Record<Attribute['kind'], number>> = { float: 1, int: 2, ints: 7 };

function writeNode(writer: BinaryWriter, node: Node, nameOf: (value: Value) => string): void {
  const name = (value: Value | undefined) => (value === undefined ? '' : nameOf(value));
  for (const input of node.inputs) text(writer, 1, name(input));
  for (const output of node.outputs) text(writer, 2, name(output));
  text(writer, 3, node.name);
  text(writer, 4, node.op);
  for (const [key, attribute] of Object.entries(node.attributes))
    message(writer, 5, (inner) => {
      writeAttribute(inner, key, attribute);
    });
  text(writer, 7, node.domain);
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: Attribute): void {
  text(writer, 1, name);
  switch (attribute.kind) {
    case 'float':
      writer.tag(2, WireType.Bit32).float(attribute.value);
      break;
    case 'int':
      writer.tag(3, WireType.Varint).int64(attribute.value);
      break;
    case 'ints':
      for (const value of attribute.value) writer.tag(8, WireType.Varint).int64(value);
      break;
    default:
      attribute satisfies never;
  }
  writer.tag(20, WireType.Varint).int32(attributeTypes[attribute.kind]);
}

function writeConstant(writer: BinaryWriter, { value, data }: Constant): void {
  for (const length of value.shape) writer.tag(1, WireType.Varint).int64(length);
  writer.tag(2, WireType.Varint).int32(dataTypes[value.dtype]);
  text(writer, 8, value.name);
  writer
    .tag(9, WireType.LengthDelimited)
    .bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeValueInfo(writer: BinaryWriter, name: string, value: Value): void {
  text(writer, 1, name);
  message(writer, 2, (type) => {
    message(type, 1, (tensor) => {
      tensor.tag(1, WireType.Varint).int32(dataTypes[value.dtype]);
      message(tensor, 2, (shape) => {
        for (const length of value.shape)
          message(shape, 1, (dimension) => {
            if (typeof length === 'number') dimension.tag(1, WireType.Varint).int64(length);
            else text(dimension, 2, length);
          });
      });
    });
  });
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function message(writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}
