# Orlop's build. `make help` lists what there is; tests/tests.mk and tools/run.mk hold the rest.
.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
ifneq ($(V),1)
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
endif

ifeq ($(origin CC),default)
CC := gcc
endif
NASM ?= nasm
B := build
L := $(B)/linux
# One object tree a compiler, so that both can be built side by side.
O := $(B)/obj-$(notdir $(firstword $(CC)))

ROOMS := base lib drivers/serial drivers/video boot acpi mm kernel vcpu vmx loader guest debug
C_SOURCES := $(sort $(wildcard $(addsuffix /*.c,$(ROOMS))))
ASM_SOURCES := $(sort $(wildcard $(addsuffix /*.asm,$(ROOMS))))
OBJECTS := $(C_SOURCES:%.c=$(O)/%.o) $(ASM_SOURCES:%.asm=$(O)/%.asm.o)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wundef -Wvla
# Nothing is padded to a round address; some of these clang does not know.
GCC_UNPADDED := -malign-data=abi -falign-jumps=1 -falign-labels=1
UNPADDED := -falign-functions=1 -falign-loops=1 $(shell $(CC) -Werror $(GCC_UNPADDED) -x c -c \
    -o /dev/null /dev/null 2>/dev/null && echo $(GCC_UNPADDED))
# The frame pointer stays for the panic's backtrace; no FPU register is touched in the host.
CFLAGS_HOST := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone \
          -mgeneral-regs-only -fno-stack-protector -fno-omit-frame-pointer -fcf-protection=none \
          -fno-asynchronous-unwind-tables -fno-strict-aliasing -ffunction-sections -fno-common \
          $(UNPADDED) -ffile-prefix-map=$(CURDIR)=. -I. -I$(O) $(WARNINGS)

.PHONY: all clean
all: $(B)/orlop.elf $(B)/orlop.iso

# Assembly takes every number from C: a file of constants is compiled, and read back as %define.
$(O)/asm_constants.inc: tools/asm_constants.c.in Makefile
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) -MD -MF $(O)/asm_constants.d -MT $@ -x c -S -o $(O)/asm_constants.s $<
	$(Q)sed -n 's/.*@define \([A-Za-z0-9_]*\) [$$#]*\(-\{0,1\}[0-9]*\).*/%define \1 \2/p' \
	    $(O)/asm_constants.s > $@

$(O)/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CFLAGS_$(basename $(notdir $<))) -MD -MP -c -o $@ $<

# The exit path does without frame pointers; a backtrace shows it as one frame. So do the pure rooms
# that run at boot alone, for their size.
$(patsubst %.c,$(O)/%.o,$(filter vcpu/% loader/% acpi/% boot/% mm/ept_% mm/walk.c $(addprefix \
    vmx/,exit.c exit_cr.c exit_ept.c exit_instructions.c exit_msr.c machine.c),$(C_SOURCES))): CFLAGS_HOST += -fomit-frame-pointer

# What runs at boot, or only to report, is built for size (-Oz: gcc 12 and later, clang).
SMALL := $(shell $(CC) -Oz -x c -c -o /dev/null /dev/null 2>/dev/null && echo -Oz || echo -Os)
$(patsubst %.c,$(O)/%.o,$(addprefix vcpu/,cpuid_policy.c decoder.c decoder_prefixes.c entry_state.c \
    paging.c reload.c task_switch.c) $(addprefix vmx/exit_,fatal.c range.c task.c) $(filter-out vcpu/% vmx/exit.c \
    vmx/exit_%.c vmx/machine.c mm/ept_% mm/walk.c mm/guest_access.c lib/log_ring.c lib/libc.c,$(C_SOURCES))): \
    CFLAGS_HOST += $(SMALL)

$(O)/%.asm.o: %.asm $(O)/asm_constants.inc Makefile
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -Werror -I$(O)/ -Ivmx/ -MD $(@:.o=.d) -MT $@ -o $@ $<

# The symbol table for backtraces is made from a first link and joined in a second one. The table's
# place is the last of the read-only data, so that no address before it moves.
$(O)/orlop.pass1: $(OBJECTS) $(O)/no_symbols.o linker.ld
	$(call say,LD,$@)
	$(Q)ld -nostdlib -static -z max-page-size=4096 -z noexecstack --gc-sections --build-id=none \
	    -T linker.ld -o $@ $(OBJECTS) $(O)/no_symbols.o
$(O)/no_symbols.o: tools/gen_symbols.py
	$(Q)mkdir -p $(@D)
	$(Q)python3 tools/gen_symbols.py --empty > $(@:.o=.c)
	$(Q)$(CC) $(CFLAGS_HOST) -c -o $@ $(@:.o=.c)
$(O)/symbols.o: $(O)/orlop.pass1 tools/gen_symbols.py
	$(call say,SYMS,$@)
	$(Q)nm -n $< | python3 tools/gen_symbols.py > $(@:.o=.c)
	$(Q)$(CC) $(CFLAGS_HOST) -c -o $@ $(@:.o=.c)
$(O)/linked.elf: $(O)/symbols.o $(OBJECTS) linker.ld
	$(call say,LD,$@)
	$(Q)ld -nostdlib -static -z max-page-size=4096 -z noexecstack --gc-sections --build-id=none \
	    -T linker.ld -o $@ $(OBJECTS) $(O)/symbols.o
$(O)/orlop.elf: $(O)/linked.elf tools/pack_image.py
	$(call say,PACK,$@)
	$(Q)python3 tools/pack_image.py $< $@
$(B)/orlop.elf: $(O)/orlop.elf FORCE
	$(Q)cmp -s $< $@ || cp $< $@

.PHONY: FORCE
FORCE:

clean:
	$(Q)rm -rf $(B)

# Unit tests: tests/unit/test_NAME.c names on its first line the sources that it links.
UNIT_CFLAGS := -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
               -Itests/unit/fake -I. -Wall -Wextra -Werror
U := $(B)/unit-$(notdir $(firstword $(CC)))
UNIT_TESTS := $(patsubst tests/unit/test_%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
# A program has several sources, so it depends on all headers, not on those that gcc would list.
UNIT_HEADERS := $(shell find $(wildcard $(ROOMS)) include tests/unit tests/data -name '*.h' -o -name '*.inc')
unit_sources = $(shell sed -n '1s/.*with: *\(.*\)\*\/.*/\1/p' tests/unit/test_$(1).c)
unit_included = $(shell sed -n 's/^#include "\(.*\.c\)"/\1/p' tests/unit/test_$(1).c)

.SECONDEXPANSION:
$(U)/%: tests/unit/test_%.c tests/unit/fake/ports.c $$(call unit_sources,$$*) \
    $$(call unit_included,$$*) $(UNIT_HEADERS) Makefile
	$(call say,UNIT,$*)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CFLAGS) -o $@ $(filter-out $(call unit_included,$*),$(filter %.c,$^)) -lcmocka
.PHONY: $(UNIT_TESTS:%=unit-%)
$(UNIT_TESTS:%=unit-%): unit-%: $(U)/%
	$(Q)$<

-include tests/tests.mk tools/run.mk
-include $(OBJECTS:.o=.d) $(O)/asm_constants.d
