#include "loader/linux_params.h"

#include "base/bits.h"
#include "boot/multiboot2.h"
#include "lib/string.h"

#define LOADER_UNKNOWN  0xFFu /* no number was assigned to us */
#define VID_MODE_NORMAL 0xFFFFu
#define SCREEN_VGA      1u    /* orig_video_isVGA: a VGA card in text mode ... */
#define SCREEN_LFB      0x23u /* ... or a linear framebuffer */
#define TEXT_MODE       3u
#define TEXT_COLUMNS    80u
#define TEXT_LINES      25u
#define TEXT_POINTS     16u
#define TEXT_EGA_BX     3u /* as INT 10h AH = 12h says of a VGA: colour, 256 KiB */
#define LFB_UNIT        KIB(64)
#define LFB_64_BIT_BASE BIT(1)
#define EXT_MEM_K_MAX   0xFC00u /* 63 MiB, what INT 15h AH = 88h says at most */

/* "screen_info" at offset 0. */
struct screen_info {
    uint8_t cursor_column, cursor_row;
    uint16_t ext_mem_k;
    uint16_t page;
    uint8_t mode, columns;
    uint16_t unused_1;
    uint16_t ega_bx;
    uint16_t unused_2;
    uint8_t lines, is_vga;
    uint16_t points;
    uint16_t lfb_width, lfb_height, lfb_depth;
    uint32_t lfb_base, lfb_size; /* in LFB_UNIT */
    uint32_t unused_3;
    uint16_t lfb_linelength;
    struct {
        uint8_t bits, position;
    } red, green, blue, reserved;
    uint16_t vesapm_seg, vesapm_off, pages, vesa_attributes;
    uint32_t capabilities, ext_lfb_base;
    uint16_t unused_4;
} __attribute__((packed));
_Static_assert(sizeof(struct screen_info) == 0x40, "screen_info");

struct e820_entry {
    uint64_t base, bytes;
    uint32_t type;
} __attribute__((packed));

struct zero_page {
    struct screen_info screen;
    uint8_t unused_1[0x30];
    uint64_t rsdp; /* at 0x70 */
    uint8_t unused_2[0x168];
    uint32_t alt_mem_k; /* at 0x1E0 */
    uint32_t unused_3;
    uint8_t e820_entries; /* at 0x1E8 */
    uint8_t unused_4[LINUX_HEADER_OFFSET - 0x1E9];
    struct linux_header header;
    uint8_t unused_5[0x2D0 - LINUX_HEADER_OFFSET - sizeof(struct linux_header)];
    struct e820_entry e820[128];
    uint8_t unused_6[PAGE_SIZE - 0xCD0];
} __attribute__((packed));
_Static_assert(sizeof(struct zero_page) == PAGE_SIZE, "the zero page");
_Static_assert(offsetof(struct zero_page, rsdp) == 0x70, "acpi_rsdp_addr");
_Static_assert(offsetof(struct zero_page, e820_entries) == 0x1E8, "e820_entries");
_Static_assert(offsetof(struct zero_page, e820) == 0x2D0, "e820_table");
_Static_assert(MEMORY_MAP_MAX <= ARRAY_SIZE(((struct zero_page *)0)->e820),
               "the map fits, so that no SETUP_E820_EXT is needed");

/* SDM vol. 3A, 3.4.5 "Segment Descriptors": 4 GiB, 32-bit, present, ring 0, accessed. */
const uint64_t linux_gdt[LINUX_GDT_BYTES / 8] = {0, 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF};

static void fill_text(const struct linux_screen *from, struct screen_info *screen)
{
    screen->cursor_column = from->cursor_column;
    screen->cursor_row = from->cursor_row;
    screen->mode = TEXT_MODE;
    screen->columns = TEXT_COLUMNS;
    screen->ega_bx = TEXT_EGA_BX;
    screen->lines = TEXT_LINES;
    screen->is_vga = SCREEN_VGA;
    screen->points = TEXT_POINTS;
}

static void fill_framebuffer(const struct bootinfo_framebuffer *from, struct screen_info *screen)
{
    uint64_t bytes = (uint64_t)from->pitch_bytes * from->height;
    if (from->type != MULTIBOOT2_FRAMEBUFFER_RGB || from->red.bits == 0 ||
        from->pitch_bytes > UINT16_MAX || from->width > UINT16_MAX || from->height > UINT16_MAX)
        return;
    screen->is_vga = SCREEN_LFB;
    screen->lfb_width = (uint16_t)from->width;
    screen->lfb_height = (uint16_t)from->height;
    screen->lfb_depth = from->bits_per_pixel;
    screen->lfb_base = (uint32_t)from->address;
    screen->ext_lfb_base = (uint32_t)(from->address >> 32);
    screen->capabilities = screen->ext_lfb_base ? LFB_64_BIT_BASE : 0;
    screen->lfb_size = (uint32_t)(ALIGN_UP(bytes, LFB_UNIT) / LFB_UNIT);
    screen->lfb_linelength = (uint16_t)from->pitch_bytes;
    memcpy(&screen->red, &from->red, 3 * sizeof(from->red));
}

static void fill_memory(const struct memory_map *map, struct zero_page *page)
{
    for (uint32_t i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->ranges[i];
        page->e820[i] = (struct e820_entry){range->base, range->end - range->base, range->type};
        if (range->type != MEMORY_USABLE || range->base > MIB(1) || range->end <= MIB(1))
            continue;
        page->alt_mem_k = (uint32_t)min_u64((range->end - MIB(1)) / KIB(1), UINT32_MAX);
        page->screen.ext_mem_k = (uint16_t)min_u64(page->alt_mem_k, EXT_MEM_K_MAX);
    }
    page->e820_entries = (uint8_t)map->count;
}

static void fill_header(const struct linux_image *image, const struct linux_plan *plan,
                        struct zero_page *page)
{
    struct linux_header *header = &page->header;
    memcpy(header, image->header, image->header_bytes);
    header->vid_mode = VID_MODE_NORMAL;
    header->type_of_loader = LOADER_UNKNOWN;
    header->loadflags &= (uint8_t)~LINUX_LOAD_USE_HEAP;
    header->code32_start = (uint32_t)plan->kernel_at;
    header->ramdisk_image = (uint32_t)plan->initrd_at;
    header->ramdisk_size = (uint32_t)plan->initrd_bytes;
    header->cmd_line_ptr = (uint32_t)plan->command_line_at;
    header->hardware_subarch = 0; /* a PC */
    header->setup_data = 0;
    if (image->relocatable)
        header->kernel_alignment = plan->kernel_alignment;
}

void linux_params_build(const struct linux_image *image, const struct linux_plan *plan,
                        const struct memory_map *map, const struct linux_screen *screen,
                        uint64_t rsdp, uint8_t page[PAGE_SIZE])
{
    const struct bootinfo_framebuffer *framebuffer = &screen->framebuffer;
    struct zero_page *out = (struct zero_page *)page;
    memset(page, 0, PAGE_SIZE);
    if (framebuffer->present && framebuffer->type != MULTIBOOT2_FRAMEBUFFER_TEXT)
        fill_framebuffer(framebuffer, &out->screen);
    else
        fill_text(screen, &out->screen);
    fill_memory(map, out);
    fill_header(image, plan, out);
    out->rsdp = rsdp;
}
