#include "mm/guest_access.h"

#include "base/bits.h"
#include "base/hw.h"
#include "base/layout.h"
#include "mm/pte.h"
#include "lib/string.h"
#include "mm/host_tables.h"

static uint64_t forbidden_base, forbidden_end, limit;
static uint64_t window_rights = PTE_P | PTE_W;

void guest_access_forbid(hpa_t base, hpa_t end, unsigned physical_bits, bool nx)
{
    limit = BIT(physical_bits);
    window_rights = PTE_P | PTE_W | (nx ? PTE_NX : 0);
    forbidden_base = base.v;
    forbidden_end = end.v;
}

void guest_access_open_windows(struct window *windows, uint32_t number)
{
    for (unsigned i = 0; i < LAYOUT_SLOT_WINDOWS; i++) {
        uint64_t address = LAYOUT_CPU_BASE + (uint64_t)number * LAYOUT_SLOT_BYTES +
                           (LAYOUT_SLOT_WINDOW + i) * PAGE_SIZE;
        windows[i] = (struct window){host_tables_entry(address), (uint8_t *)address};
    }
}

static bool allowed(uint64_t base, uint64_t bytes)
{
    uint64_t end = base + bytes;
    return end >= base && end <= limit && (end <= forbidden_base || base >= forbidden_end);
}

/* The byte at `address`, reachable to the end of its page. Write-back in the tables: the MTRRs and
 * with them the device's own type decide. */
static uint8_t *open_window(const struct window *window, uint64_t address)
{
    *window->entry = (address & PTE_ADDRESS) | window_rights;
    hw_invlpg((uint64_t)window->address);
    return window->address + (address & PAGE_MASK);
}

static void close_window(const struct window *window)
{
    *window->entry = 0;
    hw_invlpg((uint64_t)window->address);
}

static uint64_t to_page_end(uint64_t address) { return PAGE_SIZE - (address & PAGE_MASK); }

typedef volatile uint16_t __attribute__((aligned(1), may_alias)) any_u16;
typedef volatile uint32_t __attribute__((aligned(1), may_alias)) any_u32;
typedef volatile uint64_t __attribute__((aligned(1), may_alias)) any_u64;

/* What may be a device's register is touched once, in its own width: a read may change it. */
static void copy(uint8_t *to, const uint8_t *from, uint64_t bytes)
{
    switch (bytes) {
    case 1:
        *(volatile uint8_t *)to = *(const volatile uint8_t *)from;
        break;
    case 2:
        *(any_u16 *)to = *(const any_u16 *)from;
        break;
    case 4:
        *(any_u32 *)to = *(const any_u32 *)from;
        break;
    case 8:
        *(any_u64 *)to = *(const any_u64 *)from;
        break;
    default:
        memmove(to, from, bytes);
    }
}

enum error guest_read(const struct window *window, void *to, gpa_t from, uint64_t bytes)
{
    if (!allowed(from.v, bytes))
        return ERROR_RANGE;
    for (uint64_t done = 0, step; done < bytes; done += step) {
        step = min_u64(bytes - done, to_page_end(from.v + done));
        copy((uint8_t *)to + done, open_window(window, from.v + done), step);
    }
    close_window(window);
    return ERROR_NONE;
}

enum error guest_write(const struct window *window, gpa_t to, const void *from, uint64_t bytes)
{
    if (!allowed(to.v, bytes))
        return ERROR_RANGE;
    for (uint64_t done = 0, step; done < bytes; done += step) {
        step = min_u64(bytes - done, to_page_end(to.v + done));
        copy(open_window(window, to.v + done), (const uint8_t *)from + done, step);
    }
    close_window(window);
    return ERROR_NONE;
}

#define EXCHANGE(type, place, old, value)                                                          \
    __atomic_compare_exchange_n((type *)(place), &(type){(type)(old)}, (type)(value), false,       \
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

enum error guest_exchange(const struct window *window, gpa_t at, uint64_t old, uint64_t value,
                          unsigned bytes)
{
    if (!allowed(at.v, bytes))
        return ERROR_RANGE;
    void *place = open_window(window, at.v);
    bool done = bytes == 1   ? EXCHANGE(uint8_t, place, old, value)
                : bytes == 4 ? EXCHANGE(uint32_t, place, old, value)
                             : EXCHANGE(uint64_t, place, old, value);
    close_window(window);
    return done ? ERROR_NONE : ERROR_NOT_FOUND;
}

enum error guest_move(const struct window windows[2], gpa_t to, gpa_t from, uint64_t bytes)
{
    if (!allowed(to.v, bytes) || !allowed(from.v, bytes))
        return ERROR_RANGE;
    bool downwards = to.v > from.v; /* then the last bytes go first */
    for (uint64_t done = 0, step; done < bytes; done += step) {
        uint64_t left = bytes - done;
        uint64_t room_to =
            downwards ? ((to.v + left - 1) & PAGE_MASK) + 1 : to_page_end(to.v + done);
        uint64_t room_from =
            downwards ? ((from.v + left - 1) & PAGE_MASK) + 1 : to_page_end(from.v + done);
        step = min_u64(left, min_u64(room_to, room_from));
        uint64_t offset = downwards ? left - step : done;
        uint8_t *target = open_window(&windows[0], to.v + offset);
        const uint8_t *source = open_window(&windows[1], from.v + offset);
        copy(target, source, step);
    }
    close_window(&windows[0]);
    close_window(&windows[1]);
    return ERROR_NONE;
}
