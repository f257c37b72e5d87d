/**
 * Variables that let large blocks of a process's memory lie in pages of 2 MiB, where the machine gives them to who asks
 * (`/sys/kernel/mm/transparent_hugepage/enabled` says `madvise`, as on Debian), with glibc 2.35 or newer.
 *
 * Whoever starts a process that holds weights sets them, unless its environment says otherwise: glibc reads them before
 * any code of ours runs. A decoding step reads all weights; in pages of 4 KiB it waits a tenth of its time for their
 * addresses (docs/results/engine.md).
 */
export const largePages = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' } as const;
