const { TestEnvironment } = require('jest-environment-node');

/**
 * Node's jest environment with the host's typed arrays: each test file runs in its own realm, and native modules
 * such as onnxruntime-node accept only arrays of the realm that loaded them.
 */
module.exports = class HostEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    for (const name of [
      'ArrayBuffer',
      'SharedArrayBuffer',
      'DataView',
      'Int8Array',
      'Uint8Array',
      'Uint8ClampedArray',
      'Int16Array',
      'Uint16Array',
      'Int32Array',
      'Uint32Array',
      'Float32Array',
      'Float64Array',
      'BigInt64Array',
      'BigUint64Array',
    ]) {
      this.global[name] = globalThis[name];
    }
  }
};
