/** The thread of an engine: loads it as the first message says, then performs calls as they come. */
import { parentPort, type MessagePort } from 'node:worker_threads';
import { loadOrtEngine } from '../load-engine.js';
import { serveCall } from './engine-host.js';
import { tellVersion, type CallMessage, type FromThread, type LoadMessage } from './messages.js';
import { packError } from './packed-error.js';

if (parentPort === null) throw new Error('This is the thread of an engine; it is not run by itself.');
const port = parentPort;
port.once('message', (message: LoadMessage) => {
  void host(port, message);
});

async function host(port: MessagePort, { options, version }: LoadMessage): Promise<void> {
  const tell = (message: FromThread): void => {
    port.postMessage(message);
  };
  const log =
    (level: 'info' | 'warn') =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      tell({ kind: 'log', level, fields, message });
    };
  try {
    const engine = await loadOrtEngine({ ...options, logger: { info: log('info'), warn: log('warn') } });
    tellVersion(version, engine);
    port.on('message', (message: CallMessage) => {
      const served = serveCall(engine, message, version);
      // A thread that nobody can call any more ends.
      if (message.call.method === 'close')
        void served.finally(() => {
          port.close();
        });
    });
    tell({ kind: 'ready', card: engine.card, info: engine.info });
  } catch (error) {
    tell({ kind: 'refused', error: packError(error) });
    port.close();
  }
}
