/* The steps of kernel/main.c, in the order of their calls, and what they hand on. */
#pragma once

#include "boot/bootinfo.h"
#include "boot/options.h"
#include "kernel/machine_facts.h"
#include "kernel/place.h"
#include "kernel/smp.h"
#include "loader/linux_image.h"
#include "loader/multiboot_image.h"
#include "loader/roles.h"
#include "vcpu/entry_state.h"

struct boot {
    hpa_t image;  /* where GRUB loaded us */
    uint64_t cr0; /* as GRUB left it */
    struct bootinfo info;
    struct options options;
    struct machine_facts facts;
    struct guest_plan plan;
    struct linux_image linux_image; /* where the plan is for Linux */
    struct multiboot_image multiboot_image;
    struct entry_state entry;
    struct smp_cpus cpus;
    uint32_t guest_cpus; /* the first so many run the guest */
    struct place_needs needs;
    struct place place;
    unsigned ept_tables;
};
extern struct boot boot;

void main_start_early_cpu(void);
void main_read_information(uint32_t information, uint32_t image);
void main_read_machine(void);
void main_check_capabilities(void);
void main_plan_guest(void);
void main_find_place(void);
_Noreturn void main_move(void (*next)(void));

void main_enter_slot(void);
void main_start_cpus(void);
void main_merge_capabilities(void);
void main_build_ept(void);
void main_prepare_guest_cpus(void);
void main_enter_root(void);
void main_load_guest(void);
void main_release(void);
