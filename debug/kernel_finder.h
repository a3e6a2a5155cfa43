/* Where a running 64-bit Linux is, from nothing but its memory: KASLR moves the image, and a stock
 * kernel tells nobody. Pure: memory is read by a callback. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KERNEL_BANNER_BYTES 240

/* How many bytes from the first on could be read at that guest-linear address. */
struct kernel_memory {
    size_t (*read)(void *context, uint64_t address, void *to, size_t bytes);
    void *context;
};

struct found_kernel {
    uint64_t text;                    /* where the image begins */
    uint64_t offset;                  /* how far that is from where it was linked */
    char banner[KERNEL_BANNER_BYTES]; /* "Linux version ...", cut where it is longer */
};

/* False: these page tables map no kernel that says that it is Linux. */
bool kernel_find(const struct kernel_memory *memory, struct found_kernel *image);
