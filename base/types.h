/* Addresses and fixed-width integers. The three kinds of address are distinct types, so that a
 * guest-physical address cannot be handed to code that wants a host-physical one. Only the EPT
 * code and guest_access turn one into another. Source: docs/design.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t v;
} hpa_t; /* host-physical */
typedef struct {
    uint64_t v;
} gpa_t; /* guest-physical */
typedef struct {
    uint64_t v;
} gva_t; /* guest-virtual (linear) */

#define HPA(x) ((hpa_t){(uint64_t)(x)})
#define GPA(x) ((gpa_t){(uint64_t)(x)})
#define GVA(x) ((gva_t){(uint64_t)(x)})

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ull
#define PAGE_MASK  (PAGE_SIZE - 1)
