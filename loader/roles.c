#include "loader/roles.h"

#include <stdarg.h>

#include "base/bits.h"
#include "boot/words.h"
#include "lib/format.h"
#include "lib/string.h"

#define SHOWN_BYTES    24  /* of a word that is quoted in a message */
#define REALMODE_ALIGN 16u /* a segment register counts in 16 bytes */

static enum error refuse(struct guest_plan *out, enum error error, const char *text, ...)
    __attribute__((format(printf, 3, 4)));

/* Leaves no plan but the message. */
static enum error refuse(struct guest_plan *out, enum error error, const char *text, ...)
{
    va_list arguments;
    memset(out, 0, sizeof(*out));
    va_start(arguments, text);
    vformat(out->message, sizeof(out->message), text, arguments);
    va_end(arguments);
    return error;
}

/* A module as the person counts it, from 1. */
static unsigned int number_of(const struct guest_plan *plan) { return plan->module + 1; }

/* The end of what a guest may be loaded into: the EBDA sits on top of conventional memory. */
static uint64_t realmode_end(const struct bootinfo *info)
{
    uint64_t end = REALMODE_END_ADDR;
    if (info->basic_memory_present && info->lower_kib != 0)
        end = min_u64(end, KIB(info->lower_kib));
    return end;
}

static enum error place_realmode(const struct bootinfo *info, uint64_t address,
                                 struct guest_plan *plan)
{
    unsigned int number = number_of(plan);
    uint64_t end = realmode_end(info), bytes = plan->source_bytes;
    if (!IS_ALIGNED(address, REALMODE_ALIGN))
        return refuse(plan, ERROR_RANGE,
                      "module %u: addr=0x%lx is not a multiple of 16; write e.g. \"realmode "
                      "addr=0x%x\" in grub.cfg",
                      number, address, REALMODE_DEFAULT_ADDR);
    if (address < REALMODE_LOWEST_ADDR)
        return refuse(plan, ERROR_RANGE,
                      "module %u: addr=0x%lx lies in the BIOS's own data; write addr=0x%x or more "
                      "in grub.cfg",
                      number, address, REALMODE_LOWEST_ADDR);
    if (address >= end || bytes > end - address)
        return refuse(plan, ERROR_RANGE,
                      "module %u: %lu bytes at addr=0x%lx reach past 0x%lx, the end of the BIOS's "
                      "memory; write a lower addr= in grub.cfg",
                      number, bytes, address, end);
    bool low = address <= 0xFFFF; /* the BIOS starts a boot sector at 0:7C00, not at 7C0:0 */
    plan->load_address = address;
    plan->entry_cs = low ? 0 : (uint16_t)(address / REALMODE_ALIGN);
    plan->entry_ip = low ? (uint16_t)address : 0;
    return ERROR_NONE;
}

static enum error plan_realmode(const struct bootinfo *info, const char *arguments,
                                struct guest_plan *plan)
{
    uint64_t address = REALMODE_DEFAULT_ADDR;
    bool has_address = false;
    struct word word, name, value;
    while (word_next(&arguments, &word)) {
        word_cut(word, '=', &name, &value);
        if (has_address || !word_is(name, "addr") ||
            !string_parse_u64(value.text, value.length, &address)) {
            char shown[SHOWN_BYTES];
            word_copy(word, shown, sizeof(shown));
            return refuse(plan, ERROR_RANGE,
                          "module %u: %s \"%s\"; write \"module2 FILE realmode "
                          "[addr=0x%x]\" in grub.cfg",
                          number_of(plan), has_address ? "one argument too many:" : "bad argument",
                          shown, REALMODE_DEFAULT_ADDR);
        }
        has_address = true;
    }
    return place_realmode(info, address, plan);
}

/* The rest of the module's string is the kernel's command line, as it stands. */
static enum error plan_linux(const struct bootinfo *info, const char *arguments,
                             struct guest_plan *plan)
{
    struct word first;
    (void)info;
    plan->command_line = word_next(&arguments, &first) ? first.text : "";
    return ERROR_NONE;
}

static bool started_by_uefi(const struct bootinfo *info)
{
    return info->efi32_table_present || info->efi64_table_present;
}

static enum error plan_linux16(const struct bootinfo *info, const char *arguments,
                               struct guest_plan *plan)
{
    if (started_by_uefi(info))
        return refuse(plan, ERROR_UNSUPPORTED,
                      "module %u: role linux16 calls a BIOS, and this machine was started by UEFI; "
                      "write \"linux\" instead in grub.cfg",
                      number_of(plan));
    return plan_linux(info, arguments, plan);
}

/* One row a role. `plan` gets the rest of the module's string; source, kind and module are set. */
static const struct role {
    const char *name;
    enum guest_kind kind; /* GUEST_NONE: no guest by itself */
    enum error (*plan)(const struct bootinfo *info, const char *arguments, struct guest_plan *plan);
} roles[] = {
    {"realmode", GUEST_REALMODE, plan_realmode},
    {"linux", GUEST_LINUX, plan_linux},
    {"linux16", GUEST_LINUX16, plan_linux16},
    {"multiboot", GUEST_MULTIBOOT, plan_linux},
    {"initrd", GUEST_NONE, NULL},
};

static const char known_roles[] =
    "write \"module2 FILE linux|linux16|multiboot [command line]\", \"module2 FILE initrd\" or "
    "\"module2 FILE realmode [addr=0x7c00]\" in grub.cfg";

static const struct role *find_role(struct word name)
{
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
        if (word_is(name, roles[i].name))
            return &roles[i];
    return NULL;
}

/* What can be said of any module before its role has a say. `out` is the plan so far. */
static enum error check_module(const struct bootinfo_module *module, unsigned int number,
                               struct guest_plan *out)
{
    if (module->truncated)
        return refuse(out, ERROR_MALFORMED,
                      "module %u: the text after its file name is too long (all modules' together: "
                      "%u bytes); shorten it in grub.cfg",
                      number, BOOTINFO_STRINGS_BYTES - 1);
    if (module->start >= module->end)
        return refuse(out, ERROR_MALFORMED,
                      "module %u: the file is empty; name another one in its module2 line in "
                      "grub.cfg",
                      number);
    return ERROR_NONE;
}

static enum error plan_guest(const struct bootinfo *info, uint32_t index, const struct role *role,
                             const char *arguments, struct guest_plan *out)
{
    const struct bootinfo_module *module = &info->modules[index];
    if (out->kind != GUEST_NONE)
        return refuse(
            out, ERROR_MALFORMED,
            "modules %u and %u both name a guest; leave one of these module2 lines in the "
            "Orlop entry in grub.cfg",
            number_of(out), index + 1);
    out->kind = role->kind;
    out->module = index;
    out->source_start = module->start;
    out->source_bytes = module->end - module->start;
    return role->plan(info, arguments, out);
}

/* A module that no role begins: without a multiboot kernel before it, it should have one. */
static enum error refuse_role(struct word name, unsigned int number, struct guest_plan *out)
{
    char shown[SHOWN_BYTES];
    if (!name.length)
        return refuse(out, ERROR_MALFORMED, "module %u has no role; %s", number, known_roles);
    word_copy(name, shown, sizeof(shown));
    return refuse(out, ERROR_UNSUPPORTED, "module %u: unknown role \"%s\"; %s", number, shown,
                  known_roles);
}

/* `own`: the kernel that the modules before belong to has modules of its own. */
static enum error plan_module(const struct bootinfo *info, uint32_t index, bool *own,
                              struct guest_plan *out)
{
    const char *cursor = info->modules[index].string;
    struct word name = {0};
    const struct role *role = word_next(&cursor, &name) ? find_role(name) : NULL;
    *own = role ? role->kind == GUEST_MULTIBOOT : *own;
    if (!role && !*own)
        return refuse_role(name, index + 1, out);
    enum error error = check_module(&info->modules[index], index + 1, out);
    if (error)
        return error;
    if (role && role->plan)
        return plan_guest(info, index, role, cursor, out);
    if (*own)
        out->modules[out->module_count++] = index;
    else
        out->initrds[out->initrd_count++] = index;
    return ERROR_NONE;
}

/* What the modules make together. */
static enum error check_together(struct guest_plan *out)
{
    if (out->kind == GUEST_NONE && out->initrd_count)
        return refuse(out, ERROR_NOT_FOUND,
                      "an initrd but no kernel: add \"module2 /boot/vmlinuz linux\" to the Orlop "
                      "entry in grub.cfg");
    if (out->kind == GUEST_NONE)
        return refuse(
            out, ERROR_NOT_FOUND,
            "no guest: add \"module2 /boot/vmlinuz linux\" or \"module2 /boot/guest.bin "
            "realmode\" to the Orlop entry in grub.cfg, or the option \"disk\" for the machine's "
            "own system");
    if (out->kind != GUEST_LINUX && out->kind != GUEST_LINUX16 && out->initrd_count)
        return refuse(
            out, ERROR_MALFORMED,
            "module %u: an initrd is for a Linux guest; take this line, or module %u, out "
            "of the Orlop entry in grub.cfg",
            out->initrds[0] + 1, number_of(out));
    return ERROR_NONE;
}

enum error roles_plan(const struct bootinfo *info, bool probe, struct guest_plan *out)
{
    memset(out, 0, sizeof(*out));
    if (probe)
        return ERROR_NONE;
    if (info->modules_dropped)
        return refuse(out, ERROR_MALFORMED,
                      "%u modules are too many; leave %u module2 lines in the Orlop entry in "
                      "grub.cfg",
                      info->module_count + info->modules_dropped, BOOTINFO_MAX_MODULES);
    bool own = false;
    for (uint32_t i = 0; i < info->module_count; i++) {
        enum error error = plan_module(info, i, &own, out);
        if (error)
            return error;
    }
    return check_together(out);
}

enum error roles_plan_disk(const struct bootinfo *info, uint8_t drive, struct guest_plan *out)
{
    if (info->module_count)
        return refuse(
            out, ERROR_MALFORMED,
            "the option \"disk\" and module 1 both name a guest; leave one of them in the "
            "Orlop entry in grub.cfg");
    if (started_by_uefi(info))
        return refuse(out, ERROR_UNSUPPORTED,
                      "the option \"disk\" calls a BIOS, and this machine was started by UEFI; "
                      "switch on the firmware's BIOS mode (CSM), or write a module2 line in "
                      "grub.cfg");
    *out = (struct guest_plan){.kind = GUEST_DISK, .drive = drive};
    return ERROR_NONE;
}
