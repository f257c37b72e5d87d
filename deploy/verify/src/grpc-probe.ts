/** Asks a server what a kubelet asks: grpc.health.v1.Health/Check over a connection of its own, in plain HTTP/2. */
import { connect, type IncomingHttpHeaders } from 'node:http2';

/** A probe's `grpc` block, as Kubernetes reads it: no service asks for the server as a whole. */
export interface GrpcProbe {
  readonly port: number;
  readonly service?: string | undefined;
}

/** `serving` is the one answer that Kubernetes takes for a yes. */
export type ProbeResult = 'serving' | 'not serving' | 'unknown service' | 'no answer';

/** Resolves within `timeoutMs`, whatever the server does. */
export function grpcProbe(host: string, probe: GrpcProbe, timeoutMs = 1000): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const session = connect(`http://${host}:${probe.port}`);
    const end = (result: ProbeResult): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(result);
    };
    const timer = setTimeout(end, timeoutMs, 'no answer');
    session.once('error', () => {
      end('no answer');
    });
    const call = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: unknown;
    const body: Buffer[] = [];
    // An answer of nothing but a status comes in the headers.
    call.once('response', (headers) => (status = headers['grpc-status']));
    call.once('trailers', (trailers: IncomingHttpHeaders) => (status = trailers['grpc-status']));
    call.on('data', (chunk: Buffer) => body.push(chunk));
    call.once('error', () => {
      end('no answer');
    });
    call.once('end', () => {
      end(resultOf(String(status), Buffer.concat(body)));
    });
    call.end(frame(field(1, Buffer.from(probe.service ?? ''))));
  });
}

/** HealthCheckResponse has one field, status: 1 is SERVING; 5 is the code NOT_FOUND. */
function resultOf(status: string, body: Buffer): ProbeResult {
  if (status === '5') return 'unknown service';
  if (status !== '0') return 'no answer';
  return body.subarray(5).equals(Buffer.from([0x08, 1])) ? 'serving' : 'not serving';
}

/** A message as gRPC sends it: not compressed, its length in four bytes. */
export function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A length-delimited field of protobuf, shorter than 128 bytes. */
export function field(number: number, value: Buffer): Buffer {
  if (value.length > 127) throw new RangeError(`field ${number} is longer than 127 bytes`);
  return Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value]);
}
