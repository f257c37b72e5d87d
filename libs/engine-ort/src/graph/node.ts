import type { Value } from './value.js';

/** A setting of a node that is fixed when the graph is built. */
export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'ints'; readonly value: readonly number[] };

export type Attributes = Readonly<Record<string, Attribute>>;

/** Where an operator is defined: '' is ONNX itself. */
export type Domain = '' | 'com.microsoft';

/** One application of an operator. */
export interface Node {
  readonly name: string;
  /** ONNX operator type, for example `MatMul`. */
  readonly op: string;
  readonly domain: Domain;
  /** `undefined` is an optional input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** `undefined` is an optional output that is left out. */
  readonly outputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** Absent: the operator is not differentiable, or nothing differentiates it. */
  readonly derivative?: Derivative;
  /** False: its outputs are computed by other nodes; it is there to be differentiated. Absent: it is part of the model. */
  readonly isWritten?: false;
}

/** Gradients of a node's inputs, in their order; `undefined` where none is asked for or it is zero. */
export type Derivative = (adjoint: Adjoint) => readonly (Value | undefined)[];

/** What the derivative of an operator is given; it adds its nodes to the graph its operator is in. */
export interface Adjoint {
  /** The gradient of an output, or `undefined` where it is zero. */
  readonly gradient: (index: number) => Value | undefined;
  /** Whether the gradient of an input is asked for. */
  readonly needs: (index: number) => boolean;
}

export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
