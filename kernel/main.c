/* Orlop from GRUB's jump to the guest's first instruction: the table of contents. Each step takes
 * what the one before it made. The only file that may include from every room. */
#include "kernel/main_steps.h"

#include "base/hw.h"
#include "base/log.h"
#include "include/orlop_abi.h"
#include "kernel/descriptors.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/stop.h"
#include "kernel/time.h"
#include "mm/frames.h"
#include "vmx/exit_fatal.h"
#include "vmx/launch.h"

struct boot boot;

_Noreturn void boot_main(uint32_t information, uint32_t image); /* called by boot/entry.asm */

static _Noreturn void main_in_place(void);

/* On GRUB's memory, on the boot map, one CPU. */
_Noreturn void boot_main(uint32_t information, uint32_t image)
{
    time_set_origin(hw_rdtsc());
    main_start_early_cpu();
    main_read_information(information, image); /* GRUB's tags, options, serial line, debugger */
    main_read_machine();                       /* ACPI, clock, memory map, MTRRs */
    main_check_capabilities();                 /* what VMX needs, on this CPU */
    main_plan_guest();                         /* which module is the guest, and where it goes */
    main_find_place();                         /* Orlop's own range */
    main_move(main_in_place);                  /* into it, on tables and a stack of our own */
}

/* In Orlop's range, on the host's tables. */
static _Noreturn void main_in_place(void)
{
    main_enter_slot();
    main_start_cpus();         /* INIT-SIPI-SIPI; each tells what it can do */
    main_merge_capabilities(); /* what all of them can do */
    main_build_ept();
    main_prepare_guest_cpus();
    main_enter_root(); /* all CPUs, at the same time */
    main_load_guest();
    main_release(); /* the serial line and the machine are the guest's */
    vmx_run_boot_cpu(this_cpu(), &boot.entry);
}
