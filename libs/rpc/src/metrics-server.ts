/** A small HTTP server for scrapers and probes: GET /metrics and GET /healthz. */
import { createServer } from 'node:http';
import type { Registry } from 'prom-client';
import { formatAddress, parseAddress } from './address.js';
import { listenProblem } from './listen-problem.js';

/** A running metrics server. */
export interface MetricsServer {
  /** Where it listens. */
  readonly address: string;
  close(): Promise<void>;
}

/** Serves the registry, and whether the room serves (200) or drains (503). Port 0 picks a free port. */
export async function serveMetrics(
  address: string,
  registry: Registry,
  isServing: () => boolean,
): Promise<MetricsServer> {
  const { host, port } = parseAddress(address);
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0];
    if (path === '/healthz') {
      response.writeHead(isServing() ? 200 : 503, { 'content-type': 'text/plain' });
      response.end(isServing() ? 'serving\n' : 'not serving\n');
    } else if (path === '/metrics') {
      registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    } else {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('try /metrics or /healthz\n');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(listenProblem(address, error));
    });
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  return {
    address: formatAddress(host, typeof bound === 'object' && bound !== null ? bound.port : port),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}
