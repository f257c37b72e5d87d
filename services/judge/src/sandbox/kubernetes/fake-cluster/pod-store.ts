/** The pods of the fake cluster, every change of which has a version and is told to whoever watches. */
import type { ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { podSchema } from '../pod-seen.js';
import type { PodManifest } from './admission.js';

/** The status of a pod, as it is written by kubelets and schedulers. */
export type PodStatus = NonNullable<z.input<typeof podSchema>['status']>;

/** A pod as the API shows it, and the manifest that it came from. */
export interface StoredPod {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly metadata: PodManifest['metadata'] & { readonly uid: string; readonly resourceVersion: string };
  readonly spec: PodManifest['spec'];
  readonly status: PodStatus;
  readonly manifest: PodManifest;
}

interface Change {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: StoredPod;
}

/** In memory. */
export class PodStore {
  private readonly pods = new Map<string, StoredPod>();
  private history: Change[] = [];
  private readonly watchers = new Map<ServerResponse, string>();
  private version = 1;
  private forgotten = 0;

  /** The names of all pods. */
  get names(): readonly string[] {
    return [...this.pods.keys()];
  }

  get(name: string): StoredPod | undefined {
    return this.pods.get(name);
  }

  add(manifest: PodManifest): StoredPod {
    const { metadata, spec } = manifest;
    const uid = `uid-of-${metadata.name}`;
    return this.change('ADDED', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, uid, resourceVersion: '' },
      spec,
      status: { phase: 'Pending' },
      manifest,
    });
  }

  update(name: string, status: PodStatus): void {
    const pod = this.pods.get(name);
    if (pod !== undefined) this.change('MODIFIED', { ...pod, status });
  }

  remove(name: string): StoredPod | undefined {
    const pod = this.pods.get(name);
    if (pod === undefined) return undefined;
    const removed = this.change('DELETED', pod);
    this.pods.delete(name);
    return removed;
  }

  /** Those that have the labels of a selector such as `a=b,c=d`. */
  list(selector: string): readonly StoredPod[] {
    const wanted = selector.split(',').map((each) => each.split('='));
    return [...this.pods.values()].filter(({ metadata }) =>
      wanted.every(([key = '', value]) => metadata.labels[key] === value),
    );
  }

  /** Answers with the changes of a pod since a version, as they come. */
  watch(name: string, since: number, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    if (since < this.forgotten) {
      const message = `too old resource version: ${since} (${this.forgotten})`;
      write(response, { type: 'ERROR', object: { kind: 'Status', code: 410, message } });
      response.end();
      return;
    }
    for (const change of this.history)
      if (change.version > since && change.object.metadata.name === name) write(response, change);
    response.flushHeaders();
    this.watchers.set(response, name);
    response.once('close', () => this.watchers.delete(response));
  }

  /** Forgets what happened so far, as servers do after some minutes, and ends all watches. */
  forget(): void {
    this.history = [];
    this.forgotten = this.version;
    this.close();
  }

  /** Ends all watches. */
  close(): void {
    for (const response of this.watchers.keys()) response.destroy();
  }

  private change(type: Change['type'], pod: StoredPod): StoredPod {
    const version = ++this.version;
    const object = { ...pod, metadata: { ...pod.metadata, resourceVersion: String(version) } };
    this.pods.set(object.metadata.name, object);
    const change = { version, type, object };
    this.history.push(change);
    for (const [response, name] of this.watchers) if (name === object.metadata.name) write(response, change);
    return object;
  }
}

function write(response: ServerResponse, value: object): void {
  response.write(`${JSON.stringify(value)}\n`);
}
