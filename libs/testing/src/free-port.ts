/** Finds a loopback port that nobody listens on. */
import { createServer } from 'node:net';

/** A free port, at the time of asking; prefer port 0 where the room says which one it got. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      server.close(() => {
        if (typeof bound === 'object' && bound !== null) resolve(bound.port);
        else reject(new Error('the operating system named no port'));
      });
    });
  });
}
