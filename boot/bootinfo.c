#include "boot/bootinfo.h"

#include "base/bits.h"
#include "base/log.h"
#include "boot/bootinfo_map.h"
#include "boot/multiboot2.h"
#include "lib/string.h"

#define AREA "boot"

/* Copies the text of a tag. Cut in the middle of a word, `cpus=12` would turn into `cpus=1`: what
 * is too long ends after a whole word where it has one. False when the text is not closed by a NUL.
 */
static bool copy_text(const uint8_t *text, size_t bytes, char *out, size_t out_bytes,
                      bool *truncated)
{
    size_t length = 0;
    while (length < bytes && text[length] != 0)
        length++;
    if (length == bytes)
        return false;
    *truncated = length >= out_bytes;
    if (*truncated) {
        size_t word_end = out_bytes - 1;
        while (word_end > 0 && text[word_end] != ' ')
            word_end--;
        length = word_end > 0 ? word_end : out_bytes - 1;
    }
    memcpy(out, text, length);
    out[length] = 0;
    return true;
}

static enum error take_command_line(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    if (!copy_text(body, bytes, out->command_line, sizeof(out->command_line),
                   &out->command_line_truncated))
        return ERROR_MALFORMED;
    if (out->command_line_truncated)
        log_warn(AREA, "command line longer than %u bytes: its end is ignored",
                 BOOTINFO_COMMAND_LINE_BYTES - 1);
    return ERROR_NONE;
}

static enum error take_loader_name(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    return copy_text(body, bytes, out->loader_name, sizeof(out->loader_name),
                     &out->loader_name_truncated)
               ? ERROR_NONE
               : ERROR_MALFORMED;
}

/* Each module that may follow has at least its NUL. */
static size_t strings_to_come(const struct bootinfo *out)
{
    return BOOTINFO_MAX_MODULES - 1 - out->module_count;
}

static enum error take_module(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    struct multiboot2_module tag;
    memcpy(&tag, body, sizeof(tag));
    if (tag.start > tag.end)
        return ERROR_MALFORMED;
    if (out->module_count == BOOTINFO_MAX_MODULES) {
        out->modules_dropped++;
        log_warn(AREA, "more than %u modules: the one at 0x%x is ignored", BOOTINFO_MAX_MODULES,
                 tag.start);
        return ERROR_NONE;
    }
    struct bootinfo_module *module = &out->modules[out->module_count];
    char *string = out->strings + out->strings_bytes;
    size_t room = sizeof(out->strings) - out->strings_bytes - strings_to_come(out);
    if (!copy_text(body + sizeof(tag), bytes - sizeof(tag), string, room, &module->truncated))
        return ERROR_MALFORMED;
    module->string = string;
    out->strings_bytes += (uint32_t)strlen(string) + 1;
    module->start = tag.start;
    module->end = tag.end;
    out->module_count++;
    if (module->truncated)
        log_warn(AREA,
                 "string of module %u longer than the %zu bytes that are left for it: its "
                 "end is ignored",
                 out->module_count, room - 1);
    return ERROR_NONE;
}

static enum error take_basic_memory(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    (void)bytes;
    struct multiboot2_basic_memory tag;
    memcpy(&tag, body, sizeof(tag));
    out->basic_memory_present = true;
    out->lower_kib = tag.lower_kib;
    out->upper_kib = tag.upper_kib;
    return ERROR_NONE;
}

static enum error take_framebuffer(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    struct multiboot2_framebuffer tag;
    struct multiboot2_framebuffer_rgb rgb = {0};
    memcpy(&tag, body, sizeof(tag));
    if (tag.type == MULTIBOOT2_FRAMEBUFFER_RGB && bytes >= sizeof(tag) + sizeof(rgb))
        memcpy(&rgb, body + sizeof(tag), sizeof(rgb));
    out->framebuffer = (struct bootinfo_framebuffer){
        .address = tag.address,
        .pitch_bytes = tag.pitch_bytes,
        .width = tag.width,
        .height = tag.height,
        .bits_per_pixel = tag.bits_per_pixel,
        .type = tag.type,
        .red = {rgb.red_bits, rgb.red_position},
        .green = {rgb.green_bits, rgb.green_position},
        .blue = {rgb.blue_bits, rgb.blue_position},
        .present = true,
    };
    return ERROR_NONE;
}

/* Version 2 holds all of version 1, so the longer one is kept, whichever comes first. */
static void take_rsdp(const uint8_t *body, uint32_t bytes, struct bootinfo *out)
{
    if (bytes <= out->rsdp_bytes)
        return;
    memcpy(out->rsdp, body, bytes);
    out->rsdp_bytes = bytes;
}

static enum error take_rsdp_v1(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    (void)bytes;
    take_rsdp(body, 20, out);
    return ERROR_NONE;
}

static enum error take_rsdp_v2(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    (void)bytes;
    take_rsdp(body, BOOTINFO_RSDP_BYTES, out);
    return ERROR_NONE;
}

static enum error take_load_base(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    (void)bytes;
    memcpy(&out->load_base, body, sizeof(out->load_base));
    out->load_base_present = true;
    return ERROR_NONE;
}

static enum error take_efi32_table(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    (void)body, (void)bytes;
    out->efi32_table_present = true;
    return ERROR_NONE;
}

static enum error take_efi64_table(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    (void)body, (void)bytes;
    out->efi64_table_present = true;
    return ERROR_NONE;
}

static enum error take_efi_services(const uint8_t *body, size_t bytes, struct bootinfo *out)
{
    (void)body, (void)bytes;
    out->efi_services_running = true;
    return ERROR_NONE;
}

/* What is read of each tag. `bytes_min` counts what follows the tag's head: the function may read
 * so much unasked. */
static const struct tag_rule {
    uint32_t type;
    uint32_t bytes_min;
    bool repeats;
    const char *name;
    enum error (*take)(const uint8_t *body, size_t bytes, struct bootinfo *out);
} tag_rules[] = {
    {MULTIBOOT2_TAG_COMMAND_LINE, 1, false, "command line", take_command_line},
    {MULTIBOOT2_TAG_LOADER_NAME, 1, false, "boot loader name", take_loader_name},
    {MULTIBOOT2_TAG_MODULE, 9, true, "module", take_module},
    {MULTIBOOT2_TAG_BASIC_MEMORY, 8, false, "basic memory", take_basic_memory},
    {MULTIBOOT2_TAG_MEMORY_MAP, 8, false, "memory map", bootinfo_take_memory_map},
    {MULTIBOOT2_TAG_FRAMEBUFFER, 22, false, "framebuffer", take_framebuffer},
    {MULTIBOOT2_TAG_EFI32_TABLE, 4, false, "EFI 32-bit system table", take_efi32_table},
    {MULTIBOOT2_TAG_EFI64_TABLE, 8, false, "EFI 64-bit system table", take_efi64_table},
    {MULTIBOOT2_TAG_RSDP_V1, 20, false, "ACPI 1 RSDP", take_rsdp_v1},
    {MULTIBOOT2_TAG_RSDP_V2, 36, false, "ACPI 2 RSDP", take_rsdp_v2},
    {MULTIBOOT2_TAG_EFI_MEMORY, 8, false, "EFI memory map", bootinfo_take_efi_map},
    {MULTIBOOT2_TAG_EFI_SERVICES, 0, false, "EFI boot services", take_efi_services},
    {MULTIBOOT2_TAG_LOAD_BASE, 4, false, "load base", take_load_base},
};
_Static_assert(ARRAY_SIZE(tag_rules) <= 32, "one bit a rule");

static enum error take_tag(const uint8_t *tag_bytes, struct multiboot2_tag tag, uint32_t offset,
                           uint32_t *seen, struct bootinfo *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(tag_rules); i++) {
        const struct tag_rule *rule = &tag_rules[i];
        if (rule->type != tag.type)
            continue;
        if ((*seen & BIT(i)) && !rule->repeats) {
            log_warn(AREA, "second tag %u (%s) at offset %u is ignored", tag.type, rule->name,
                     offset);
            return ERROR_NONE;
        }
        *seen |= (uint32_t)BIT(i);
        size_t bytes = tag.bytes - sizeof(tag);
        enum error error = bytes < rule->bytes_min
                               ? ERROR_MALFORMED
                               : rule->take(tag_bytes + sizeof(tag), bytes, out);
        if (error)
            log_error(AREA, "tag %u (%s) at offset %u is malformed", tag.type, rule->name, offset);
        return error;
    }
    return ERROR_NONE;
}

#define OF_THE_MACHINE                                                                             \
    (BIT(MULTIBOOT2_TAG_BOOT_DEVICE) | BIT(MULTIBOOT2_TAG_VBE) | BIT(MULTIBOOT2_TAG_FRAMEBUFFER) | \
     BIT(MULTIBOOT2_TAG_APM) | BIT(MULTIBOOT2_TAG_RSDP_V1) | BIT(MULTIBOOT2_TAG_RSDP_V2) |         \
     BIT(MULTIBOOT2_TAG_NETWORK))

static void keep_tag(const uint8_t *tag_bytes, struct multiboot2_tag tag, struct bootinfo *out)
{
    uint64_t room = ALIGN_UP((uint64_t)tag.bytes, MULTIBOOT2_TAG_ALIGN_BYTES);
    if (tag.type > 31 || !(OF_THE_MACHINE & BIT(tag.type)) ||
        room > sizeof(out->machine) - out->machine_bytes)
        return;
    memcpy(out->machine + out->machine_bytes, tag_bytes, tag.bytes);
    out->machine_bytes += (uint32_t)room;
}

static enum error walk_tags(const uint8_t *information, uint32_t total_bytes, struct bootinfo *out)
{
    uint32_t seen = 0;
    uint32_t offset = sizeof(struct multiboot2_information);
    while (total_bytes - offset >= sizeof(struct multiboot2_tag)) {
        struct multiboot2_tag tag;
        memcpy(&tag, information + offset, sizeof(tag));
        if (tag.bytes < sizeof(tag) || tag.bytes > total_bytes - offset) {
            log_error(AREA, "tag %u at offset %u: impossible size %u", tag.type, offset, tag.bytes);
            return ERROR_MALFORMED;
        }
        if (tag.type == MULTIBOOT2_TAG_END)
            return ERROR_NONE;
        enum error error = take_tag(information + offset, tag, offset, &seen, out);
        if (error)
            return error;
        keep_tag(information + offset, tag, out);
        uint64_t next = ALIGN_UP((uint64_t)offset + tag.bytes, MULTIBOOT2_TAG_ALIGN_BYTES);
        offset = (uint32_t)min_u64(next, total_bytes);
    }
    log_error(AREA, "boot information of %u bytes has no end tag", total_bytes);
    return ERROR_MALFORMED;
}

enum error bootinfo_parse(const void *information, size_t limit_bytes, struct bootinfo *out)
{
    struct multiboot2_information head = {0};
    memset(out, 0, sizeof(*out));
    if (limit_bytes >= sizeof(head))
        memcpy(&head, information, sizeof(head));
    if (head.total_bytes < sizeof(head) || head.total_bytes > limit_bytes) {
        log_error(AREA, "boot information: impossible size %u", head.total_bytes);
        return ERROR_MALFORMED;
    }
    out->information_start = (uintptr_t)information;
    out->information_end = out->information_start + head.total_bytes;
    return walk_tags(information, head.total_bytes, out);
}
