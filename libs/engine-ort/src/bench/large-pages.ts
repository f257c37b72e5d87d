/**
 * Variables that let large blocks of a process's memory lie in pages of 2 MiB, where the machine gives them to who asks
 * (`/sys/kernel/mm/transparent_hugepage/enabled` says `madvise`, as on Debian), with glibc 2.35 or newer.
 *
 * A decoding step reads all weights; in pages of 4 KiB it waits a tenth of its time for their addresses.
 */
export const largePages = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' } as const;
