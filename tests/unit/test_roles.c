/* with: loader/roles.c boot/words.c lib/format.c lib/string.c */
/* Modules to plan: what a realmode module may say, and the sentence for each mistake. */
#include "loader/roles.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/random.h"

static struct bootinfo info;
static struct guest_plan plan;

static void clear(void) { memset(&info, 0, sizeof(info)); }

static void add_module(const char *string, uint64_t bytes)
{
    struct bootinfo_module *module = &info.modules[info.module_count++];
    module->start = 0x105000;
    module->end = module->start + bytes;
    module->string = string;
}

static void one_module(const char *string, uint64_t bytes)
{
    clear();
    add_module(string, bytes);
}

static void assert_refused(enum error expected, const char *message)
{
    memset(&plan, 0xEE, sizeof(plan));
    assert_int_equal(roles_plan(&info, false, &plan), expected);
    assert_string_equal(plan.message, message);
    assert_int_equal(plan.kind, GUEST_NONE);
    assert_int_equal(plan.source_bytes, 0);
    assert_true(strlen(plan.message) < GUEST_MESSAGE_BYTES - 1); /* not cut */
}

static void realmode_goes_to_7c00_and_starts_at_0_7c00(void **state)
{
    (void)state;
    one_module("realmode", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    assert_int_equal(plan.kind, GUEST_REALMODE);
    assert_int_equal(plan.module, 0);
    assert_int_equal(plan.source_start, 0x105000);
    assert_int_equal(plan.source_bytes, 512);
    assert_int_equal(plan.load_address, 0x7C00);
    assert_int_equal(plan.entry_cs, 0);
    assert_int_equal(plan.entry_ip, 0x7C00);
    assert_string_equal(plan.message, "");
}

static void an_address_above_64k_starts_by_segment(void **state)
{
    (void)state;
    one_module("realmode addr=0x20010", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    assert_int_equal(plan.load_address, 0x20010);
    assert_int_equal(plan.entry_cs, 0x2001);
    assert_int_equal(plan.entry_ip, 0);
    one_module("realmode addr=0xfff0", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    assert_int_equal(plan.entry_cs, 0);
    assert_int_equal(plan.entry_ip, 0xFFF0);
}

static void the_edges_of_memory_are_exact(void **state)
{
    (void)state;
    one_module("realmode addr=0x600", 0xA0000 - 0x600);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    one_module("realmode addr=0x600", 0xA0000 - 0x600 + 1);
    assert_refused(ERROR_RANGE, "module 1: 653825 bytes at addr=0x600 reach past 0xa0000, the end "
                                "of the BIOS's memory; write a lower addr= in grub.cfg");
    one_module("realmode addr=0x9fff0", 16);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    info.basic_memory_present = true;
    info.lower_kib = 639;
    assert_refused(ERROR_RANGE, "module 1: 16 bytes at addr=0x9fff0 reach past 0x9fc00, the end "
                                "of the BIOS's memory; write a lower addr= in grub.cfg");
    one_module("realmode addr=0x9fbf0", 16);
    info.basic_memory_present = true;
    info.lower_kib = 639;
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    info.lower_kib = 4096; /* a lie does not raise the end */
    info.modules[0].end = info.modules[0].start + 0xA0000 - 0x9FBF0 + 1;
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_RANGE);
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    one_module("realmode addr=0x7c08", 512);
    assert_refused(ERROR_RANGE, "module 1: addr=0x7c08 is not a multiple of 16; write e.g. "
                                "\"realmode addr=0x7c00\" in grub.cfg");
    one_module("realmode addr=0x5f0", 512);
    assert_refused(ERROR_RANGE, "module 1: addr=0x5f0 lies in the BIOS's own data; write "
                                "addr=0x600 or more in grub.cfg");
    one_module("realmode addr=0", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_RANGE);
    one_module("realmode addr=0xfffffffffffffff0", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_RANGE);
    assert_int_equal(plan.kind, GUEST_NONE);
    one_module("realmode addr=0x10000000000007c00", 512);
    assert_refused(ERROR_RANGE, "module 1: bad argument \"addr=0x10000000000007c0\"; write "
                                "\"module2 FILE realmode [addr=0x7c00]\" in grub.cfg");
}

static void arguments_that_are_not_known_are_named(void **state)
{
    (void)state;
    one_module("realmode address=0x7c00", 512);
    assert_refused(ERROR_RANGE, "module 1: bad argument \"address=0x7c00\"; write \"module2 FILE "
                                "realmode [addr=0x7c00]\" in grub.cfg");
    one_module("realmode addr=", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_RANGE);
    one_module("realmode addr", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_RANGE);
    one_module("realmode addr=0x7c00 addr=0x8000", 512);
    assert_refused(ERROR_RANGE, "module 1: one argument too many: \"addr=0x8000\"; write "
                                "\"module2 FILE realmode [addr=0x7c00]\" in grub.cfg");
}

static void no_module_says_what_to_add(void **state)
{
    (void)state;
    clear();
    assert_refused(ERROR_NOT_FOUND, "no guest: add \"module2 /boot/vmlinuz linux\" or \"module2 "
                                    "/boot/guest.bin realmode\" to the Orlop entry in grub.cfg, or "
                                    "the option \"disk\" for the machine's own system");
}

static void the_disk_is_a_guest_without_modules(void **state)
{
    (void)state;
    clear();
    assert_int_equal(roles_plan_disk(&info, 0x81, &plan), ERROR_NONE);
    assert_int_equal(plan.kind, GUEST_DISK);
    assert_int_equal(plan.drive, 0x81);
    assert_true(guest_has_bios(plan.kind));
    one_module("realmode", 512);
    assert_int_equal(roles_plan_disk(&info, 0x80, &plan), ERROR_MALFORMED);
    assert_int_equal(plan.kind, GUEST_NONE);
    assert_non_null(strstr(plan.message, "\"disk\" and module 1 both name a guest"));
}

static void the_disk_needs_a_bios(void **state)
{
    (void)state;
    clear();
    info.efi64_table_present = true;
    assert_int_equal(roles_plan_disk(&info, 0x80, &plan), ERROR_UNSUPPORTED);
    assert_int_equal(plan.kind, GUEST_NONE);
    assert_string_equal(plan.message,
                        "the option \"disk\" calls a BIOS, and this machine was started by UEFI; "
                        "switch on the firmware's BIOS mode (CSM), or write a module2 line in "
                        "grub.cfg");
    clear();
    info.efi32_table_present = true;
    assert_int_equal(roles_plan_disk(&info, 0x80, &plan), ERROR_UNSUPPORTED);
}

#define KNOWN_ROLES                                                                                \
    "linux|linux16|multiboot [command line]\", \"module2 FILE initrd\" or \"module2 FILE "         \
    "realmode "                                                                                    \
    "[addr=0x7c00]\" "                                                                             \
    "in grub.cfg"

static void unknown_and_missing_roles_are_named(void **state)
{
    (void)state;
    one_module("linxu root=/dev/sda1", 512);
    assert_refused(ERROR_UNSUPPORTED,
                   "module 1: unknown role \"linxu\"; write \"module2 FILE " KNOWN_ROLES);
    one_module("realmode2", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_UNSUPPORTED);
    one_module("\x1b[2Jx", 512); /* ESC parts words */
    assert_refused(ERROR_UNSUPPORTED,
                   "module 1: unknown role \"[2Jx\"; write \"module2 FILE " KNOWN_ROLES);
    one_module("  ", 512);
    assert_refused(ERROR_MALFORMED, "module 1 has no role; write \"module2 FILE " KNOWN_ROLES);
    one_module("realmode", 512);
    add_module("realmood", 512);
    assert_refused(ERROR_UNSUPPORTED,
                   "module 2: unknown role \"realmood\"; write \"module2 FILE " KNOWN_ROLES);
}

static void linux_has_a_command_line_and_initrds(void **state)
{
    (void)state;
    one_module("linux   console=ttyS0 a=\"b c\"  quiet", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    assert_int_equal(plan.kind, GUEST_LINUX);
    assert_string_equal(plan.command_line, "console=ttyS0 a=\"b c\"  quiet");
    assert_int_equal(plan.initrd_count, 0);
    one_module("initrd", 16);
    add_module("linux", 512);
    add_module("initrd", 32);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    assert_string_equal(plan.command_line, "");
    assert_int_equal(plan.module, 1);
    assert_int_equal(plan.source_bytes, 512);
    assert_int_equal(plan.initrd_count, 2);
    assert_int_equal(plan.initrds[0], 0);
    assert_int_equal(plan.initrds[1], 2);
}

static void linux16_is_the_same_where_there_is_a_bios(void **state)
{
    (void)state;
    one_module("linux16 vga=normal quiet", 512);
    add_module("initrd", 32);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    assert_int_equal(plan.kind, GUEST_LINUX16);
    assert_true(guest_has_bios(plan.kind));
    assert_false(guest_has_bios(GUEST_LINUX));
    assert_string_equal(plan.command_line, "vga=normal quiet");
    assert_int_equal(plan.initrd_count, 1);
    info.efi64_table_present = true;
    assert_refused(ERROR_UNSUPPORTED,
                   "module 1: role linux16 calls a BIOS, and this machine was started by UEFI; "
                   "write \"linux\" instead in grub.cfg");
    info.efi64_table_present = false;
    info.efi32_table_present = true;
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_UNSUPPORTED);
}

static void an_initrd_wants_a_linux(void **state)
{
    (void)state;
    one_module("initrd", 512);
    assert_refused(ERROR_NOT_FOUND, "an initrd but no kernel: add \"module2 /boot/vmlinuz linux\" "
                                    "to the Orlop entry in grub.cfg");
    one_module("realmode", 512);
    add_module("initrd", 16);
    assert_refused(ERROR_MALFORMED, "module 2: an initrd is for a Linux guest; take this line, or "
                                    "module 1, out of the Orlop entry in grub.cfg");
    one_module("initrd", 0);
    assert_refused(ERROR_MALFORMED, "module 1: the file is empty; name another one in its module2 "
                                    "line in grub.cfg");
    one_module("linux", 512);
    add_module("realmode", 16);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_MALFORMED);
}

static void two_guests_are_refused(void **state)
{
    (void)state;
    one_module("realmode", 512);
    add_module("realmode addr=0x8000", 512);
    assert_refused(ERROR_MALFORMED, "modules 1 and 2 both name a guest; leave one of these "
                                    "module2 lines in the Orlop entry in grub.cfg");
}

static void empty_cut_and_too_many_modules_are_refused(void **state)
{
    (void)state;
    one_module("realmode", 0);
    assert_refused(ERROR_MALFORMED, "module 1: the file is empty; name another one in its module2 "
                                    "line in grub.cfg");
    one_module("realmode", 512);
    info.modules[0].truncated = true;
    assert_refused(ERROR_MALFORMED,
                   "module 1: the text after its file name is too long (all modules' together: "
                   "2815 bytes); shorten it in grub.cfg");
    one_module("realmode", 512);
    info.modules_dropped = 2;
    assert_refused(ERROR_MALFORMED, "3 modules are too many; leave 8 module2 lines in the Orlop "
                                    "entry in grub.cfg");
}

static void a_probe_wants_no_guest(void **state)
{
    (void)state;
    clear();
    assert_int_equal(roles_plan(&info, true, &plan), ERROR_NONE);
    assert_int_equal(plan.kind, GUEST_NONE);
    assert_string_equal(plan.message, "");
    add_module("nonsense", 0);
    assert_int_equal(roles_plan(&info, true, &plan), ERROR_NONE);
    assert_int_equal(plan.kind, GUEST_NONE);
}

static void a_multiboot_kernel_has_the_modules_up_to_the_next_role(void **state)
{
    (void)state;
    one_module("multiboot  console=com1  a", 512);
    add_module("vmlinuz root=/dev/sda1", 512);
    add_module("", 512);
    add_module("initrd.img linux", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    assert_int_equal(plan.kind, GUEST_MULTIBOOT);
    assert_int_equal(plan.module, 0);
    assert_string_equal(plan.command_line, "console=com1  a");
    assert_int_equal(plan.module_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(plan.modules[i], i + 1);
    assert_int_equal(plan.initrd_count, 0);
    add_module("realmode", 512);
    assert_refused(ERROR_MALFORMED, "modules 1 and 5 both name a guest; leave one of these module2 "
                                    "lines in the Orlop entry in grub.cfg");
    one_module("multiboot", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_NONE);
    assert_string_equal(plan.command_line, "");
    add_module("initrd", 512);
    assert_refused(ERROR_MALFORMED, "module 2: an initrd is for a Linux guest; take this line, or "
                                    "module 1, out of the Orlop entry in grub.cfg");
    one_module("multiboot", 512);
    add_module("empty", 0);
    assert_refused(ERROR_MALFORMED, "module 2: the file is empty; name another one in its module2 "
                                    "line in grub.cfg");
    one_module("unknown", 512); /* before the kernel it is nobody's */
    add_module("multiboot", 512);
    assert_int_equal(roles_plan(&info, false, &plan), ERROR_UNSUPPORTED);
}

/* A plan is given exactly when the plain conditions hold. */
static void random_addresses_and_sizes_agree_with_the_rules(void **state)
{
    (void)state;
    random_seed(0x501E5);
    for (int round = 0; round < 50000; round++) {
        uint64_t address = random_u64() >> (40 + random_below(24));
        uint64_t bytes = 1 + (random_u64() >> (44 + random_below(20)));
        char string[64];
        if (random_below(2))
            address &= ~15ull;
        snprintf(string, sizeof(string),
                 random_below(2) ? "realmode addr=0x%llx"
                                 : "realmode "
                                   "addr=%llu",
                 (unsigned long long)address);
        one_module(string, bytes);
        bool good = address % 16 == 0 && address >= 0x600 && address + bytes <= 0xA0000;
        assert_int_equal(roles_plan(&info, false, &plan) == ERROR_NONE, good);
        assert_int_equal(plan.message[0] == 0, good);
        if (good)
            assert_int_equal(plan.entry_cs * 16u + plan.entry_ip, address);
        else
            assert_true(strlen(plan.message) < GUEST_MESSAGE_BYTES - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(realmode_goes_to_7c00_and_starts_at_0_7c00),
        cmocka_unit_test(an_address_above_64k_starts_by_segment),
        cmocka_unit_test(the_edges_of_memory_are_exact),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(arguments_that_are_not_known_are_named),
        cmocka_unit_test(the_disk_is_a_guest_without_modules),
        cmocka_unit_test(the_disk_needs_a_bios),
        cmocka_unit_test(no_module_says_what_to_add),
        cmocka_unit_test(unknown_and_missing_roles_are_named),
        cmocka_unit_test(linux_has_a_command_line_and_initrds),
        cmocka_unit_test(linux16_is_the_same_where_there_is_a_bios),
        cmocka_unit_test(a_multiboot_kernel_has_the_modules_up_to_the_next_role),
        cmocka_unit_test(an_initrd_wants_a_linux),
        cmocka_unit_test(two_guests_are_refused),
        cmocka_unit_test(empty_cut_and_too_many_modules_are_refused),
        cmocka_unit_test(a_probe_wants_no_guest),
        cmocka_unit_test(random_addresses_and_sizes_agree_with_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
