/**
 * Keeps onnxruntime from reporting to its maker: unless told not to, it writes an identity of this device under the home folder, logs into the
 * temporary folder, and sends events. Imported before onnxruntime-node wherever that is, and by whoever starts a thread that
 * imports it: a thread has a copy of the environment, which native code does not see. `ORT_DISABLE_TELEMETRY=0` lets it report.
 */

// eslint-disable-next-line no-restricted-properties -- onnxruntime can be told in no other way before its first session
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
