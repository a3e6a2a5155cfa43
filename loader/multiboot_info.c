#include "loader/multiboot_info.h"

#include "base/bits.h"
#include "boot/multiboot1.h"
#include "boot/multiboot2.h"
#include "lib/string.h"

/* An entry of either version's map has 24 bytes: multiboot1's begins with its size, multiboot2's
 * ends with a word that is reserved, so that the same bytes serve from 4 bytes further on. */
#define ENTRY_BYTES sizeof(struct multiboot1_memory_entry)
#define HEADS       512u /* of all tags that are written here, with their padding */
_Static_assert(BOOTINFO_STRINGS_BYTES + MULTIBOOT_LOADER_NAME_BYTES + BOOTINFO_MACHINE_BYTES +
                       (MEMORY_MAP_MAX + 1) * ENTRY_BYTES + BOOTINFO_MAX_MODULES * 32 +
                       sizeof(((struct elf_sections *)0)->headers) + HEADS <=
                   MULTIBOOT_INFO_BYTES,
               "all that can be told fits");

struct writer {
    const struct elf_sections *sections; /* NULL: the kernel is no ELF file */
    const struct multiboot_plan *plan;
    const struct multiboot_told *told;
    uint8_t *out;
    uint32_t used;
};

/* Adds bytes, and returns their physical address. */
static uint32_t add(struct writer *writer, const void *from, size_t bytes)
{
    uint32_t at = writer->used;
    memcpy(writer->out + at, from, bytes);
    writer->used += (uint32_t)bytes;
    return (uint32_t)writer->plan->info_at + at;
}

static uint32_t add_text(struct writer *writer, const char *text)
{
    return add(writer, text, strlen(text) + 1);
}

static void align(struct writer *writer)
{
    writer->used = (uint32_t)ALIGN_UP(writer->used, MULTIBOOT2_TAG_ALIGN_BYTES);
}

static const char *module_text(const struct writer *writer, unsigned index)
{
    return writer->told->info->modules[writer->told->modules[index]].string;
}

/* `before`: what stands before each entry. Returns where the first one is. */
static uint32_t add_map(struct writer *writer, uint32_t before)
{
    const struct memory_map *map = writer->told->map;
    uint32_t at = (uint32_t)writer->plan->info_at + writer->used;
    for (uint32_t i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->ranges[i];
        const struct multiboot1_memory_entry entry = {before, range->base, range->end - range->base,
                                                      range->type};
        add(writer, &entry, sizeof(entry));
    }
    return at;
}

static struct multiboot2_basic_memory basic_memory(const struct writer *writer)
{
    const struct memory_map *map = writer->told->map;
    return (struct multiboot2_basic_memory){
        (uint32_t)(memory_map_run(map, 0, UINT64_MAX) / KIB(1)),
        (uint32_t)(memory_map_run(map, MIB(1), UINT64_MAX) / KIB(1)),
    };
}

/* --- version 1 --- */

/* What multiboot2 tells of the machine, in version 1's words. */
static void take_machine(const struct bootinfo *info, struct multiboot1_information *head)
{
    struct multiboot2_tag tag;
    for (uint32_t at = 0; at < info->machine_bytes;
         at += (uint32_t)ALIGN_UP(tag.bytes, MULTIBOOT2_TAG_ALIGN_BYTES)) {
        const uint8_t *body = info->machine + at + sizeof(tag);
        memcpy(&tag, info->machine + at, sizeof(tag));
        if (tag.type == MULTIBOOT2_TAG_BOOT_DEVICE && tag.bytes >= sizeof(tag) + 12) {
            head->flags |= MULTIBOOT1_BOOT_DEVICE;
            head->boot_device =
                (uint32_t)body[0] << 24 | (uint32_t)(body[4] << 16 | body[8] << 8 | 0xFF);
        }
        if (tag.type == MULTIBOOT2_TAG_FRAMEBUFFER &&
            info->framebuffer.type !=
                MULTIBOOT2_FRAMEBUFFER_INDEXED) { /* whose palette lies apart */
            head->flags |= MULTIBOOT1_FRAMEBUFFER;
            memcpy(head->framebuffer, body, 22);
            if (tag.bytes >= sizeof(tag) + 30) /* behind two bytes that are reserved */
                memcpy(head->framebuffer + 22, body + 24, 6);
        }
    }
}

static uint32_t add_modules(struct writer *writer)
{
    struct multiboot1_module modules[BOOTINFO_MAX_MODULES] = {{0}};
    for (unsigned i = 0; i < writer->told->module_count; i++) {
        modules[i].start = (uint32_t)writer->plan->modules[i].base;
        modules[i].end = (uint32_t)writer->plan->modules[i].end;
        modules[i].string = add_text(writer, module_text(writer, i));
    }
    align(writer);
    return add(writer, modules, sizeof(modules));
}

static uint32_t headers_bytes(const struct elf_sections *sections)
{
    return sections->count * sections->header_bytes;
}

static void add_sections_1(struct writer *writer, struct multiboot1_information *head)
{
    const struct elf_sections *sections = writer->sections;
    if (!sections)
        return;
    head->flags |= MULTIBOOT1_ELF_SECTIONS;
    align(writer);
    head->symbols[0] = sections->count;
    head->symbols[1] = sections->header_bytes;
    head->symbols[2] = add(writer, sections->headers, headers_bytes(sections));
    head->symbols[3] = sections->names;
}

static void build_1(struct writer *writer)
{
    const struct multiboot_told *told = writer->told;
    const struct multiboot2_basic_memory memory = basic_memory(writer);
    struct multiboot1_information head = {
        .flags = MULTIBOOT1_BASIC_MEMORY | MULTIBOOT1_COMMAND_LINE | MULTIBOOT1_MODULES |
                 MULTIBOOT1_MEMORY_MAP | MULTIBOOT1_LOADER_NAME,
        .lower_kib = memory.lower_kib,
        .upper_kib = memory.upper_kib,
        .module_count = told->module_count,
        .memory_map_bytes = told->map->count * (uint32_t)ENTRY_BYTES,
    };
    writer->used = sizeof(head);
    head.command_line = add_text(writer, told->command_line);
    head.loader_name = add_text(writer, told->loader_name);
    head.modules = add_modules(writer);
    head.memory_map = add_map(writer, ENTRY_BYTES - sizeof(uint32_t));
    add_sections_1(writer, &head);
    take_machine(told->info, &head);
    memcpy(writer->out, &head, sizeof(head));
}

/* --- version 2 --- */

/* A tag's head, and what its body begins with; the caller adds `rest_bytes`. */
static void add_tag(struct writer *writer, uint32_t type, const void *body, size_t bytes,
                    size_t rest_bytes)
{
    const struct multiboot2_tag tag = {type, (uint32_t)(sizeof(tag) + bytes + rest_bytes)};
    align(writer);
    add(writer, &tag, sizeof(tag));
    add(writer, body, bytes);
}

static void add_text_tag(struct writer *writer, uint32_t type, const void *body, size_t bytes,
                         const char *text)
{
    add_tag(writer, type, body, bytes, strlen(text) + 1);
    add_text(writer, text);
}

static void add_sections_2(struct writer *writer)
{
    const struct elf_sections *sections = writer->sections;
    if (!sections)
        return;
    const uint32_t head[] = {sections->count, sections->header_bytes, sections->names};
    add_tag(writer, MULTIBOOT2_TAG_ELF_SECTIONS, head, sizeof(head), headers_bytes(sections));
    add(writer, sections->headers, headers_bytes(sections));
}

static void build_2(struct writer *writer)
{
    const struct multiboot_told *told = writer->told;
    const struct multiboot2_basic_memory memory = basic_memory(writer);
    const uint32_t entry_bytes = ENTRY_BYTES;
    writer->used = sizeof(struct multiboot2_information);
    add_tag(writer, MULTIBOOT2_TAG_LOAD_BASE, &writer->plan->load_base, sizeof(uint32_t), 0);
    add_text_tag(writer, MULTIBOOT2_TAG_COMMAND_LINE, "", 0, told->command_line);
    add_text_tag(writer, MULTIBOOT2_TAG_LOADER_NAME, "", 0, told->loader_name);
    for (unsigned i = 0; i < told->module_count; i++) {
        const struct memory_range *at = &writer->plan->modules[i];
        const struct multiboot2_module module = {(uint32_t)at->base, (uint32_t)at->end};
        add_text_tag(writer, MULTIBOOT2_TAG_MODULE, &module, sizeof(module),
                     module_text(writer, i));
    }
    add_tag(writer, MULTIBOOT2_TAG_BASIC_MEMORY, &memory, sizeof(memory), 0);
    /* The first word of the first entry is the map's version, 0; the last one's last is zero. */
    add_tag(writer, MULTIBOOT2_TAG_MEMORY_MAP, &entry_bytes, sizeof(entry_bytes),
            told->map->count * ENTRY_BYTES + sizeof(uint32_t));
    add_map(writer, 0);
    align(writer); /* that word */
    add_sections_2(writer);
    align(writer);
    add(writer, told->info->machine, told->info->machine_bytes);
    add_tag(writer, MULTIBOOT2_TAG_END, "", 0, 0);
    memcpy(writer->out, &writer->used, sizeof(writer->used));
}

void multiboot_info_build(const struct multiboot_image *image, const struct multiboot_plan *plan,
                          const struct multiboot_told *told, uint8_t out[MULTIBOOT_INFO_BYTES])
{
    struct writer writer = {image->is_elf ? &image->sections : NULL, plan, told, out, 0};
    if (image->version == 1)
        build_1(&writer);
    else
        build_2(&writer);
}
