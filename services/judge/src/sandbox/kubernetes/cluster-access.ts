/** Where the cluster's API is, and as whom the judge calls it: from inside a pod, or by a kubeconfig. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { NoSandbox } from '../sandbox.js';

/** How to reach the API server. */
export interface ClusterAccess {
  /** For example `https://10.96.0.1:443`. */
  readonly server: URL;
  /** Where objects are, unless settings say otherwise. */
  readonly namespace: string | undefined;
  readonly tls: ClusterTls;
  /** The bearer token of now: inside a pod it is replaced every hour. */
  readonly token: () => Promise<string | undefined>;
}

/** As node:tls takes them; PEM. */
export interface ClusterTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** What the environment says of a cluster. */
export interface ClusterHints {
  /** Path of a kubeconfig; it is taken first. */
  readonly kubeconfig: string | undefined;
  /** KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which every pod has. */
  readonly serviceHost: string | undefined;
  readonly servicePort: number;
  /** Where the pod's service account is mounted. */
  readonly serviceAccount?: string;
}

const usualServiceAccount = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Reads them. Throws NoSandbox, with one sentence, when there is no cluster or the file is no kubeconfig. */
export async function findCluster(hints: ClusterHints): Promise<ClusterAccess> {
  if (hints.kubeconfig !== undefined) return readKubeconfig(hints.kubeconfig);
  if (hints.serviceHost === undefined) {
    throw new NoSandbox(
      'No Kubernetes cluster to run programs in: the judge is in no pod (KUBERNETES_SERVICE_HOST is not set) and KUBECONFIG names no file.',
    );
  }
  const folder = hints.serviceAccount ?? usualServiceAccount;
  const read = async (name: string): Promise<string> => {
    try {
      return (await readFile(`${folder}/${name}`, 'utf8')).trim();
    } catch (error) {
      throw new NoSandbox(
        `The judge’s pod has no service account to call Kubernetes with (${folder}/${name} is missing): set serviceAccountName and automountServiceAccountToken: true.`,
        { cause: error },
      );
    }
  };
  await read('token');
  const host = hints.serviceHost.includes(':') ? `[${hints.serviceHost}]` : hints.serviceHost;
  return {
    server: new URL(`https://${host}:${hints.servicePort}`),
    namespace: await read('namespace'),
    tls: { ca: await read('ca.crt') },
    token: () => read('token'),
  };
}

const base64 = z.string().transform((text) => Buffer.from(text, 'base64').toString());
const kubeconfigSchema = z.object({
  'current-context': z.string().min(1),
  contexts: z.array(
    z.object({
      name: z.string(),
      context: z.object({ cluster: z.string(), user: z.string(), namespace: z.string().optional() }),
    }),
  ),
  clusters: z.array(
    z.object({
      name: z.string(),
      cluster: z.object({
        server: z.url(),
        'certificate-authority': z.string().optional(),
        'certificate-authority-data': base64.optional(),
        'tls-server-name': z.string().optional(),
        'insecure-skip-tls-verify': z.boolean().optional(),
      }),
    }),
  ),
  users: z
    .array(
      z.object({
        name: z.string(),
        user: z.object({
          token: z.string().optional(),
          tokenFile: z.string().optional(),
          'client-certificate': z.string().optional(),
          'client-certificate-data': base64.optional(),
          'client-key': z.string().optional(),
          'client-key-data': base64.optional(),
          exec: z.unknown().optional(),
          'auth-provider': z.unknown().optional(),
        }),
      }),
    )
    .default([]),
});

/** The current context of a kubeconfig; its relative paths count from the file. */
async function readKubeconfig(path: string): Promise<ClusterAccess> {
  const config = parseKubeconfig(path, await readNamed(path, 'KUBECONFIG'));
  const missing = (what: string, name: string): NoSandbox =>
    new NoSandbox(`The kubeconfig ${path} has no ${what} "${name}".`);
  const wanted = config['current-context'];
  const context = config.contexts.find(({ name }) => name === wanted)?.context;
  if (context === undefined) throw missing('context', wanted);
  const cluster = config.clusters.find(({ name }) => name === context.cluster)?.cluster;
  if (cluster === undefined) throw missing('cluster', context.cluster);
  const user = config.users.find(({ name }) => name === context.user)?.user;
  if (user === undefined) throw missing('user', context.user);
  if (user.exec !== undefined || user['auth-provider'] !== undefined) {
    throw new NoSandbox(
      `The user "${context.user}" of the kubeconfig ${path} logs in by a program, which the judge does not run: give it a token or a client certificate, for example of a service account (kubectl create token).`,
    );
  }
  const file = async (name: string | undefined, field: string): Promise<string | undefined> =>
    name === undefined ? undefined : readNamed(resolve(dirname(path), name), `${field} of ${path}`);
  const ca =
    cluster['certificate-authority-data'] ??
    (await file(cluster['certificate-authority'], 'certificate-authority'));
  const cert =
    user['client-certificate-data'] ?? (await file(user['client-certificate'], 'client-certificate'));
  const key = user['client-key-data'] ?? (await file(user['client-key'], 'client-key'));
  const servername = cluster['tls-server-name'];
  return {
    server: new URL(cluster.server),
    namespace: context.namespace,
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(servername === undefined ? {} : { servername }),
      ...(cluster['insecure-skip-tls-verify'] === true ? { rejectUnauthorized: false } : {}),
    },
    token: async () => user.token ?? (await file(user.tokenFile, 'tokenFile'))?.trim(),
  };
}

function parseKubeconfig(path: string, text: string): z.infer<typeof kubeconfigSchema> {
  try {
    return kubeconfigSchema.parse(parse(text));
  } catch (error) {
    const why =
      error instanceof z.ZodError
        ? error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
        : 'it is no YAML';
    throw new NoSandbox(`${path} is no kubeconfig: ${why}.`, { cause: error });
  }
}

async function readNamed(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new NoSandbox(`${name} names ${path}, which cannot be read.`, { cause: error });
  }
}
