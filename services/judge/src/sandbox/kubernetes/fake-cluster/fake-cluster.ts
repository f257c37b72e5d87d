/**
 * A Kubernetes API server of one namespace for tests: real sockets, real WebSockets, real processes behind them, and
 * every misfortune on demand.
 */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { descendants } from '../../leftovers.js';
import type { ClusterAccess } from '../cluster-access.js';
import { carelessness, type PodManifest, podManifest, type SecurityLevel, violations } from './admission.js';
import { serveExec } from './serve-exec.js';
import { type Misfortune, rawRefusal, refuse, reply } from './answers.js';
import { FakeKubelet } from './fake-kubelet.js';
import { readCall, type SeenCall } from './seen-call.js';
import { type PodStatus, PodStore, type StoredPod } from './pod-store.js';

/** How the cluster is. */
export interface FakeClusterOptions {
  /** Pod security of the namespace. Default: restricted. */
  readonly level?: SecurityLevel;
  /** Default: kata. */
  readonly runtimeClasses?: readonly string[];
  /** Channel protocols of exec, the preferred first. Default: v5, then v4. */
  readonly protocols?: readonly string[];
  /** A certificate and its key, PEM, to serve HTTPS with. */
  readonly certificate?: { readonly cert: string; readonly key: string };
}

export const fakeNamespace = 'judge-sandboxes';
const token = 'a-token-of-the-judge';

/** The cluster, listening on loopback. */
export class FakeCluster {
  /** Decides on every call whether it goes wrong. */
  misfortune: (call: SeenCall) => Misfortune | undefined = () => undefined;
  /** Decides what becomes of a new pod: the status that it stays in, or undefined for one that runs. */
  fate: (pod: PodManifest) => PodStatus | undefined = () => undefined;
  /** Every call, in order. */
  readonly calls: SeenCall[] = [];
  readonly pods = new PodStore();
  private readonly execs = new Map<string, Set<WebSocket>>();
  private readonly sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => this.protocols.find((protocol) => offered.has(protocol)) ?? false,
  });

  private constructor(
    private readonly kubelet: FakeKubelet,
    private readonly options: FakeClusterOptions,
    private readonly server: http.Server,
  ) {
    server.on('request', (request, response) => {
      this.answer(request, response).catch((error: unknown) => {
        refuse(response, 500, String(error));
      });
    });
    server.on('upgrade', (request, socket, head) => {
      this.upgrade(request, socket, head);
    });
  }

  static async start(options: FakeClusterOptions = {}): Promise<FakeCluster> {
    const { certificate } = options;
    const server = certificate === undefined ? http.createServer() : https.createServer(certificate);
    const cluster = new FakeCluster(await FakeKubelet.start(), options, server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return cluster;
  }

  /** How to call it. */
  get access(): ClusterAccess {
    return {
      server: new URL(this.address),
      namespace: fakeNamespace,
      tls: this.options.certificate === undefined ? {} : { ca: this.options.certificate.cert },
      token: () => Promise.resolve(token),
    };
  }

  /** The same as a file. */
  get kubeconfig(): string {
    const cluster = { name: 'fake', cluster: { server: this.address } };
    const context = { name: 'fake', context: { cluster: 'fake', user: 'judge', namespace: fakeNamespace } };
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'fake',
      contexts: [context],
      clusters: [cluster],
      users: [{ name: 'judge', user: { token } }],
    });
  }

  /** For example `http://127.0.0.1:40123`. */
  get address(): string {
    const address: AddressInfo | string | null = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the cluster does not listen');
    return `${this.options.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`;
  }

  /** Cuts the connections into a pod, which itself goes on. */
  cut(name: string): void {
    for (const socket of this.execs.get(name) ?? []) socket.terminate();
  }

  /** Ends a pod as a node that runs short does. */
  async evict(name: string): Promise<void> {
    await this.endPod(name, {
      phase: 'Failed',
      reason: 'Evicted',
      message: 'The node was low on resource: memory.',
    });
  }

  /** Ends a pod as the kernel does when it has used up its memory. */
  async killForMemory(name: string): Promise<void> {
    const terminated = { reason: 'OOMKilled', exitCode: 137 };
    await this.endPod(name, {
      phase: 'Failed',
      containerStatuses: [{ name: 'runner', image: '', state: { terminated } }],
    });
  }

  /** Deletes a pod, as an administrator would. */
  async deletePod(name: string): Promise<void> {
    this.pods.remove(name);
    await this.kill(name);
  }

  /** Decides the fate of waiting pods anew. */
  async settle(): Promise<void> {
    for (const name of this.pods.names) {
      const pod = this.pods.get(name);
      if (pod?.status.phase === 'Pending') await this.schedule(pod.manifest);
    }
  }

  /** The pods in which a slot's sandbox runs now: a slot has its supervisor and its zygote, and more when it is at work. */
  get busy(): readonly string[] {
    return this.pods.names.filter((name) =>
      this.kubelet.processIds(name).some((pid) => descendants(pid).length > 1),
    );
  }

  /** Stops everything. */
  async stop(): Promise<void> {
    this.sockets.close();
    for (const sockets of this.execs.values()) for (const socket of sockets) socket.terminate();
    this.pods.close();
    await this.kubelet.stop();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private get protocols(): readonly string[] {
    return this.options.protocols ?? ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
  }

  private async endPod(name: string, status: PodStatus): Promise<void> {
    this.pods.update(name, status);
    await this.kill(name);
  }

  private async kill(name: string): Promise<void> {
    await this.kubelet.kill(name);
    this.cut(name);
  }

  private async answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const call = readCall(request);
    this.calls.push(call);
    const wrong = this.refusal(request, call);
    if (wrong === 'cut') {
      request.socket.destroy();
      return;
    }
    if (wrong === 'lost') response.end = () => response.destroy();
    else if (wrong !== undefined) {
      refuse(response, wrong.status, wrong.message, wrong.retryAfterSeconds);
      return;
    }
    const { searchParams } = new URL(request.url ?? '', this.address);
    switch (call.verb) {
      case 'create':
        await this.create(request, response);
        return;
      case 'list': {
        const selector = searchParams.get('labelSelector') ?? '';
        reply(response, 200, { kind: 'PodList', apiVersion: 'v1', items: this.pods.list(selector) });
        return;
      }
      case 'watch': {
        const name = /^metadata\.name=(.+)$/.exec(searchParams.get('fieldSelector') ?? '')?.[1] ?? '';
        this.pods.watch(name, Number(searchParams.get('resourceVersion')), response);
        return;
      }
      case 'get':
      case 'delete': {
        const pod = call.verb === 'get' ? this.pods.get(call.name) : this.pods.remove(call.name);
        if (pod === undefined) {
          refuse(response, 404, `pods "${call.name}" not found`);
          return;
        }
        if (call.verb === 'delete') await this.kill(call.name);
        reply(response, 200, pod);
        return;
      }
      default:
        refuse(response, 405, 'the server does not allow this method on the requested resource');
    }
  }

  private async create(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    const parsed = podManifest.safeParse(JSON.parse(Buffer.concat(chunks).toString()));
    if (!parsed.success) {
      refuse(response, 422, `Pod is invalid: ${parsed.error.message}`);
      return;
    }
    const pod = parsed.data;
    const { name } = pod.metadata;
    const broken = [...violations(pod, this.options.level ?? 'restricted'), ...carelessness(pod)];
    const runtime = pod.spec.runtimeClassName;
    if (broken.length > 0) {
      refuse(response, 403, `pods "${name}" is forbidden: violates PodSecurity: ${broken.join(', ')}`);
    } else if (runtime !== undefined && !(this.options.runtimeClasses ?? ['kata']).includes(runtime)) {
      refuse(response, 403, `pods "${name}" is forbidden: pod rejected: RuntimeClass "${runtime}" not found`);
    } else if (this.pods.get(name) !== undefined) {
      refuse(response, 409, `pods "${name}" already exists`);
    } else {
      reply(response, 201, this.pods.add(pod));
      await this.schedule(pod);
    }
  }

  private async schedule(pod: PodManifest): Promise<void> {
    const { name } = pod.metadata;
    const stays = this.fate(pod);
    if (stays !== undefined) {
      this.pods.update(name, stays);
      return;
    }
    const end = { seen: false };
    await this.kubelet.run(pod, (exitCode, why) => {
      end.seen = true;
      const reason = why === undefined ? (exitCode === 0 ? 'Completed' : 'Error') : 'StartError';
      const terminated = { reason, exitCode, ...(why === undefined ? {} : { message: why }) };
      if (this.pods.get(name)?.status.phase === 'Failed') return;
      this.pods.update(name, {
        phase: exitCode === 0 ? 'Succeeded' : 'Failed',
        containerStatuses: [{ name: 'runner', image: '', state: { terminated } }],
      });
    });
    if (end.seen) return;
    this.pods.update(name, {
      phase: 'Running',
      containerStatuses: [{ name: 'runner', image: '', state: { running: {} } }],
    });
  }

  private upgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => undefined);
    const call = readCall(request);
    this.calls.push(call);
    const pod = this.pods.get(call.name);
    const wrong = this.refusal(request, call) ?? notExecutable(call, pod);
    if (wrong !== undefined) {
      socket.end(typeof wrong === 'string' ? undefined : rawRefusal(wrong));
      return;
    }
    if (pod === undefined) return;
    const command = new URL(request.url ?? '', this.address).searchParams.getAll('command');
    this.sockets.handleUpgrade(request, socket, head, (opened) => {
      const open = this.execs.get(call.name) ?? new Set();
      this.execs.set(call.name, open.add(opened));
      opened.once('close', () => open.delete(opened));
      serveExec(opened, this.kubelet.exec(pod.manifest, command));
    });
  }

  private refusal(request: http.IncomingMessage, call: SeenCall): Misfortune | undefined {
    if (request.headers.authorization !== `Bearer ${token}`) return { status: 401, message: 'Unauthorized' };
    return this.misfortune(call);
  }
}

function notExecutable({ name }: SeenCall, pod: StoredPod | undefined): Misfortune | undefined {
  if (pod === undefined) return { status: 404, message: `pods "${name}" not found` };
  if (pod.status.phase === 'Running') return undefined;
  return {
    status: 400,
    message: `cannot exec into a container in a completed pod; current phase is ${pod.status.phase ?? ''}`,
  };
}
