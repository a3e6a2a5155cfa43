# The ISO, `make run`, the packages that are needed, and `make help`.

# Debian's pytest and pexpect belong to Debian's python3.
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)

.PHONY: iso pxe run run-files run-initrd-add gdb console symbols linux linux-full bochs deps deps-run \
        deps-test deps-gdb deps-bochs bench help

## all: build/orlop.elf and build/orlop.iso (CC=clang for the other compiler, V=1 for the commands)
## iso: build/orlop.iso, a bootable CD or USB-stick image with GRUB's menu [KERNEL=bzImage
##      INITRD="file ..." CMDLINE="kernel command line": a Linux guest, and entries that boot it]
iso: $(B)/orlop.iso
$(B)/orlop.iso: $(B)/orlop.elf $(B)/guests/realmode.bin grub.cfg tools/make_iso.py \
    $(B)/medium-linux $(if $(KERNEL),$(KERNEL) $(INITRD))
	$(call say,ISO,$@)
	$(Q)$(PYTHON) tools/make_iso.py --output $@ --menu grub.cfg --elf $< \
	    --module $(B)/guests/realmode.bin $(MEDIUM_LINUX)

# A text as one word of the shell's.
quoted = '$(subst ','\'',$(1))'
# The Linux guest of ISO and network, kept in a file, so that another one makes them anew.
MEDIUM_LINUX = $(if $(KERNEL),--kernel $(KERNEL) $(addprefix --initrd ,$(INITRD)) \
    $(if $(CMDLINE),--cmdline $(call quoted,$(CMDLINE))))
$(B)/medium-linux: FORCE
	$(Q)mkdir -p $(@D); new=$(call quoted,$(MEDIUM_LINUX)); \
	    [ -e $@ ] && [ "$$new" = "$$(cat $@)" ] || printf '%s\n' "$$new" >$@

## pxe: build/pxe, all that a TFTP server needs to boot a BIOS machine over the network, docs/pxe.md
##      [KERNEL= INITRD= CMDLINE= as for the ISO]
pxe: $(B)/pxe/boot/orlop.elf
$(B)/pxe/boot/orlop.elf: $(B)/orlop.elf $(B)/guests/realmode.bin grub.cfg tools/make_iso.py \
    tools/make_pxe.py $(B)/medium-linux $(if $(KERNEL),$(KERNEL) $(INITRD))
	$(call say,PXE,$(B)/pxe)
	$(Q)$(PYTHON) tools/make_pxe.py --output $(B)/pxe --menu grub.cfg --elf $< \
	    --module $(B)/guests/realmode.bin $(MEDIUM_LINUX)

## linux: the stock kernel and an initramfs of busybox in build/linux, fetched once through apt (asks
##      first): vmlinuz, busybox, initrd.img; linux-full: also vmlinuz-full, of linux-image-amd64
LINUX_GUEST = $(PYTHON) tools/linux_guest.py --folder $(L)
linux:
	$(Q)$(LINUX_GUEST) kernel busybox
	+$(Q)$(MAKE) --no-print-directory $(if $(Q),-s) $(L)/initrd.img
linux-full: linux
	$(Q)$(LINUX_GUEST) kernel-full
$(L)/vmlinuz:
	$(Q)$(LINUX_GUEST) kernel
$(L)/busybox:
	$(Q)$(LINUX_GUEST) busybox
$(L)/initrd.img: $(L)/busybox $(L)/shell/bin/below tools/initramfs.py tools/guest_init.sh \
    tools/guest_shell.sh
	$(call say,INITRD,$@)
	$(Q)$(PYTHON) tools/initramfs.py --output $@ --busybox $< --add $(L)/shell
$(L)/shell/bin/below: tools/guest_below.asm
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -Werror -o $@.o $<
	$(Q)ld -nostdlib -static -s -z noexecstack -o $@ $@.o && rm $@.o

## run: boot Linux above Orlop in an emulator, to a shell [KERNEL=bzImage INITRD="file ..."
##      INITRD_ADD=folder CMDLINE="kernel command line" CPUS=1 MEM=512 EMU=bochs|qemu
##      APPEND="orlop options" TIMEOUT=seconds RUNFLAGS= V=1]; GUEST=linux16: the same by the
##      kernel's 16-bit entry, INITRD= none for a KERNEL= of yours; GUEST=multiboot KERNEL=file
##      [INITRD="its modules" CMDLINE=]: a multiboot kernel; or another guest
##      [GUEST=realmode|none ROLE="realmode addr=0x7c00" MEM=256], or what a disk's boot sector starts
##      [GUEST=disk DISK=image; DISKRW=1 keeps what is written to it]; with the debugger on a port of
##      its own [DEBUG=1 STOP=launch|cpu|tfault|entry]; RUNFLAGS goes to tools/run.py (see
##      tools/run.py --help)
GUEST := $(or $(GUEST),$(if $(ROLE),realmode,linux))
ROLE ?= realmode
CPUS ?= 1
MEM ?= $(if $(filter linux% disk,$(GUEST)),512,256)

ifneq ($(filter linux linux16,$(GUEST)),)
# What is entered by 16-bit code may be no Linux at all: a file of yours gets no initramfs of ours.
RUN_INITRD := $(or $(INITRD),$(if $(and $(KERNEL),$(filter linux16,$(GUEST))),,$(L)/initrd.img))
RUN_FETCH := $(if $(KERNEL),,kernel) $(if $(INITRD),,$(if $(RUN_INITRD),busybox))
RUN_FILES := $(if $(INITRD),,$(RUN_INITRD)) $(if $(INITRD_ADD),run-initrd-add)
RUN_GUEST = --kernel $(or $(KERNEL),$(L)/vmlinuz) --role $(GUEST) \
    $(addprefix --initrd ,$(RUN_INITRD) $(if $(INITRD_ADD),$(B)/run/add.img)) \
    $(if $(CMDLINE),--cmdline $(call quoted,$(CMDLINE)))
else ifeq ($(GUEST),disk)
RUN_GUEST = --disk $(call quoted,$(DISK)) --boot-disk $(if $(filter 1,$(DISKRW)),--disk-writable)
else ifeq ($(GUEST),multiboot)
RUN_GUEST = --module $(call quoted,$(or $(KERNEL),$(error GUEST=multiboot wants KERNEL=file))=multiboot \
    $(CMDLINE)) $(foreach file,$(INITRD),--module $(call quoted,$(file)=$(notdir $(file))))
else ifneq ($(GUEST),none)
RUN_FILES := $(B)/guests/$(GUEST).bin
RUN_GUEST = --module $(call quoted,$(RUN_FILES)=$(ROLE))
endif

# The last command of `run` is run.py itself, so that make names its exit status.
run: run-files
	$(Q)$(PYTHON) tools/run.py --elf $(B)/orlop.elf --folder $(B)/run $(RUN_GUEST) \
	    --cpus $(CPUS) --mem $(MEM) --emu '$(EMU)' --append $(call quoted,$(APPEND)) \
	    $(if $(filter 1,$(DEBUG)),--debug) $(if $(STOP),--stop $(call quoted,$(STOP))) \
	    $(if $(TIMEOUT),--timeout $(TIMEOUT)) $(if $(filter 1,$(V)),--verbose) $(RUNFLAGS)
run-files: deps-run
	$(if $(strip $(RUN_FETCH)),$(Q)$(LINUX_GUEST) $(RUN_FETCH))
	+$(Q)$(MAKE) --no-print-directory $(if $(Q),-s) $(B)/orlop.elf $(B)/bochs_clock.so $(RUN_FILES)
$(B)/bochs_clock.so: tools/bochs_clock.c.in
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -Wall -Wextra -Werror -shared -fPIC -x c -o $@ $<
run-initrd-add:
	$(Q)$(PYTHON) tools/initramfs.py --output $(B)/run/add.img --add $(call quoted,$(INITRD_ADD))

## gdb: gdb on what `make run DEBUG=1` runs, with tools/orlop.gdb [VMLINUX=file with the kernel's
##      symbols, see `make symbols`]; at a cable to a real machine [PORT=/dev/ttyUSB0 BAUD=115200]
## console: the same for Orlop's monitor [PORT= BAUD=]
ATTACH = $(PYTHON) tools/attach.py $@ --folder $(or $(RUN),$(B)/run) $(if $(PORT),--port $(call quoted,$(PORT))) \
    $(if $(BAUD),--baud $(BAUD))
GDB_SYMBOLS = $(or $(VMLINUX),$(if $(PORT),,$(wildcard $(L)/vmlinux)))
gdb: deps-gdb
	$(Q)$(ATTACH) --index $(L)/gdb-index \
	    $(if $(GDB_SYMBOLS),--vmlinux $(call quoted,$(GDB_SYMBOLS)))
console:
	$(Q)$(ATTACH)

## symbols: build/linux/vmlinux, the symbols of the kernel that `make run` uses, fetched once through apt
##      (says how much it is, and asks) [KERNEL=bzImage: of that one, as build/linux/vmlinux-RELEASE]
symbols: $(if $(KERNEL),,$(L)/vmlinuz)
	$(Q)$(LINUX_GUEST) --symbols-of $(call quoted,$(or $(KERNEL),$(L)/vmlinuz))

## bochs: build Bochs 3.0, two to three times as fast as the packaged one, into build-bochs/, which
##      all suites then use but bench [MIRROR=URL of a Debian mirror]; BOCHS=PROGRAM names another
bochs: deps-bochs
	$(Q)$(PYTHON) tools/build_bochs.py --jobs $(JOBS) --mirror '$(MIRROR)'

## bench: the figures, as a table [NEST=1: of exits above KVM, in the nest, instead]
bench: boot-files
	$(Q)$(PYTHON) tools/bench.py $(if $(NEST),--nest)

## deps: install through apt what is missing (asks first)
deps:
	$(Q)sh tools/deps.sh all
deps-run deps-test deps-gdb deps-bochs: deps-%:
	$(Q)DEPS_QUIET=1 sh tools/deps.sh $*

## clean: remove build/
## help: this list
help:
	$(Q)sed -n 's/^## \{0,1\}//p' $(MAKEFILE_LIST) | grep -v '\.d$$' | \
	    sed -e 's/^\([a-z-]*\): /  \1\t/' -e 's/^ \{4,\}/\t/' | expand -t 16
