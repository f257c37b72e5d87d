/**
 * What a policy is started with, unless the environment says otherwise: weights in pages of 2 MiB, where the machine gives
 * them to who asks. Sampling from 135 million weights takes a tenth less time (docs/results/engine.md).
 */
export const largePages = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' } as const;
