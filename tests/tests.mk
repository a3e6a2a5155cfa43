# Tests and checks. tools/run_tests.py runs them and counts; tests/boot/matrix.toml lists the boots.

-include tests/guests/guests.mk tests/bare/bare.mk tests/entry/entry.mk

# A stand-in for Orlop: the harness and tools/run.py are tested with it.
$(B)/stand_in.bin: tests/boot/stand_in.asm
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f bin -Werror -o $@ $<

# Bochs's BIOS, mended where it dies of a reset by the keyboard controller.
$(B)/bios-relocking.bin: tools/relocking_bios.py /usr/share/bochs/BIOS-bochs-latest
	$(call say,BIOS,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) $^ $@

# Hard disks that the matrix and bench want: with the guest of that name, or with a boot loader and Linux.
DISKS := $(B)/disk/exits-linux.img $(patsubst %.img,$(B)/disk/%.img,\
    $(shell sed -n 's|^disk = "build/disk/\(.*\)"|\1|p' tests/boot/matrix.toml | sort -u))
MAKE_DISK = $(PYTHON) tests/disk/make_disk.py --output $@
$(B)/disk/grub-linux.img: tests/disk/make_disk.py tests/disk/grub.cfg $(L)/vmlinuz $(L)/memory.img \
    $(L)/grub-linux.img
	$(call say,DISK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(MAKE_DISK) --grub tests/disk/grub.cfg $(foreach f,$(filter $(L)/%,$^),$(notdir $f)=$f)
$(B)/disk/exits-linux.img: tests/disk/make_disk.py tests/disk/exits.cfg $(L)/vmlinuz $(L)/exits.img
	$(call say,DISK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(MAKE_DISK) --grub tests/disk/exits.cfg $(foreach f,$(filter $(L)/%,$^),$(notdir $f)=$f)
$(B)/disk/syslinux-linux.img: tests/disk/make_disk.py tests/disk/syslinux.cfg $(L)/vmlinuz \
    $(L)/initrd.img
	$(call say,DISK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(MAKE_DISK) --syslinux tests/disk/syslinux.cfg $(foreach f,$(filter $(L)/%,$^),$(notdir $f)=$f)
$(B)/disk/zeroes.img:
	$(Q)mkdir -p $(@D) && truncate -s 1M $@
$(filter-out %-linux.img %/zeroes.img,$(DISKS)): $(B)/disk/%.img: tests/disk/guest.asm $(B)/guests/%.bin
	$(call say,NASM,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f bin -Werror -DGUEST='"$(B)/guests/$*.bin"' -o $@ $<

# Programs that others wrote, and that are started by the Linux boot protocol, or by multiboot.
OTHERS := $(L)/memtest.bin $(L)/memtest32.bin $(L)/ipxe.lkrn $(L)/xen.gz
$(OTHERS): $(L)/%:
	$(Q)$(LINUX_GUEST) $(basename $(@F))
BROKEN := $(addprefix $(B)/broken/,cut.bin large-setup.bin bad-address.bin)
$(BROKEN): $(L)/memtest.bin tests/boot/broken.py
	$(call say,BREAK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) tests/boot/broken.py $< $@
BROKEN_KERNELS := $(addprefix $(B)/broken/kernel-,cut.bin overlap.bin rom.bin high.bin needs.bin)
$(BROKEN_KERNELS): $(B)/guests/mboot2.bin tests/boot/broken.py
	$(call say,BREAK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) tests/boot/broken.py $< $@
BROKEN_ORLOPS := $(addprefix $(B)/broken/orlop-damaged,.elf -debugger.elf)
$(BROKEN_ORLOPS): $(B)/orlop.elf tests/boot/broken.py
	$(call say,BREAK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) tests/boot/broken.py $< $@

# Orlop that waits in its race windows: other objects for the stub and for calls between files.
RACE_OBJECTS := $(O)/race/entry.o $(O)/race/race.o $(O)/race/race.asm.o
RACE_WRAPS := $(shell sed -n 's/^wrap /--wrap=/p' tests/race/wraps.inc)
RACE_NASM = $(NASM) -f elf64 -Werror -I$(O)/ -Itests/race/ -o $@ $<
$(O)/race/entry.o: vmx/entry.asm tests/race/race_window.inc $(O)/asm_constants.inc
	$(call say,NASM,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(RACE_NASM)
$(O)/race/race.asm.o: tests/race/race.asm tests/race/wraps.inc
	$(call say,NASM,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(RACE_NASM)
$(O)/race/race.o: tests/race/race.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) -c -o $@ $<
$(O)/race/linked.elf: $(OBJECTS) $(RACE_OBJECTS) $(O)/no_symbols.o linker.ld
	$(call say,LD,$@)
	$(Q)ld -nostdlib -static -z max-page-size=4096 -z noexecstack --gc-sections --build-id=none \
	    $(RACE_WRAPS) -T linker.ld -o $@ $(filter-out %/vmx/entry.asm.o,$(OBJECTS)) $(RACE_OBJECTS) \
	    $(O)/no_symbols.o
$(B)/orlop-race.elf: $(O)/race/linked.elf tools/pack_image.py
	$(call say,PACK,$@)
	$(Q)$(PYTHON) tools/pack_image.py $< $@

# All that the boot tests boot.
.PHONY: boot-files unit-programs
# zimage-VERSION is a zImage of that protocol, bzimage-VERSION a bzImage.
ZIMAGES := $(addprefix $(B)/zimage/,zimage-200.bin zimage-201.bin zimage-202.bin bzimage-201.bin)
$(ZIMAGES): tests/boot/zimage.asm
	$(call say,NASM,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f bin -Werror -DVERSION=0x$(lastword $(subst -, ,$(basename $(@F)))) \
	    $(if $(filter bzimage%,$(@F)),-DHIGH=1) -o $@ $<
boot-files: $(B)/orlop.elf $(B)/orlop-race.elf $(B)/orlop.iso pxe $(B)/stand_in.bin $(B)/bare.elf $(B)/bios-relocking.bin \
    $(B)/bochs_clock.so $(ENTRY_BUILDS) $(OTHERS) $(BROKEN) $(BROKEN_KERNELS) $(BROKEN_ORLOPS) $(ZIMAGES) guests $(DISKS) linux-tests

# What the Linux guests of the tests do: tests/linux/NAME/run is run in the initramfs
# build/linux/NAME.img, with the programs that are beside it in C, linked statically.
LINUX_TESTS := $(notdir $(wildcard tests/linux/*))
LINUX_PROGRAMS := $(foreach c,$(wildcard tests/linux/*/*.c),\
    $(L)/programs/$(notdir $(patsubst %/,%,$(dir $c)))/orlop/$(basename $(notdir $c)))
PACKED := bzip2 lzma xz lzo lz4 zstd
.PHONY: linux-tests
linux-tests: $(L)/vmlinuz $(L)/initrd.img $(LINUX_TESTS:%=$(L)/%.img) $(PACKED:%=$(L)/packed/%.img)
$(LINUX_TESTS:%=$(L)/%.img): $(L)/%.img: $(L)/busybox tools/initramfs.py tools/guest_init.sh \
    tests/linux/%/run $(LINUX_PROGRAMS)
	$(call say,INITRD,$@)
	$(Q)mkdir -p $(L)/programs/$*/orlop && cp -p tests/linux/$*/run $(L)/programs/$*/orlop/run
	$(Q)$(PYTHON) tools/initramfs.py --output $@ --busybox $< --add $(L)/programs/$* $(INITRD_FLAGS)
# The guest `compare` runs the host's lspci, which wants its libraries.
LSPCI := $(L)/programs/compare/usr/bin/lspci
$(L)/compare.img: $(LSPCI)
$(LSPCI): /usr/bin/lspci
	$(call say,COPY,$@)
	$(Q)set -e; for f in $< $$(ldd $< | grep -o '/[^ ]*'); do \
	    mkdir -p $(L)/programs/compare$${f%/*}; cp -L $$f $(L)/programs/compare$$f; done; touch $@
/usr/bin/lspci:
	$(error the tests need pciutils: run `make deps`)
$(LINUX_PROGRAMS): $(L)/programs/%: tests/linux/$$(subst /orlop/,/,$$*).c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -Wall -Wextra -Werror -static -o $@ $<

# For the guest `packed`: an initramfs of one file in each compression; its own is not compressed.
$(L)/packed.img: INITRD_FLAGS := --compress none
$(PACKED:%=$(L)/packed/%.img): $(L)/packed/%.img: tools/initramfs.py tests/tests.mk
	$(call say,INITRD,$@)
	$(Q)mkdir -p $(L)/packed/$*/orlop/packed && seq 20000 >$(L)/packed/$*/orlop/packed/$*
	$(Q)$(PYTHON) tools/initramfs.py --output $@ --add $(L)/packed/$* --compress $*

# For the guest `large`: 300 MB that cannot be compressed, and their sum. Made where they are asked for.
LARGE := $(L)/large/data.img
$(LARGE): tools/initramfs.py tests/tests.mk
	$(call say,INITRD,$@)
	$(Q)mkdir -p $(@D)/tree/orlop/large
	$(Q)$(PYTHON) -c 'import random, sys; r = random.Random(1); \
	    sys.stdout.buffer.writelines(r.randbytes(3000000) for _ in range(100))' \
	    >$(@D)/tree/orlop/large/data
	$(Q)cd $(@D)/tree/orlop/large && md5sum data >sum
	$(Q)$(PYTHON) tools/initramfs.py --output $@ --add $(@D)/tree --compress none
	$(Q)rm -r $(@D)/tree

unit-programs: $(UNIT_TESTS:%=$(U)/%)

.PHONY: check test test-now test-long references lint check-layers check-image
JOBS ?= $(shell nproc)
RUN_TESTS = $(PYTHON) tools/run_tests.py --make '$(MAKE)' --jobs $(JOBS)

## check: before each commit, under 90 s: unit tests with one compiler, layers, one boot
check: check-layers
	+$(Q)$(RUN_TESTS) --check

## test: all tests but the long ones [T=name: those of that name, T=list: their names]; the last
##      line is `N passed, N failed`
test: deps-test linux-full $(if $(findstring $(T),linux-large-initrd),$(LARGE))
	+$(Q)$(MAKE) --no-print-directory test-now
test-now:
	+$(Q)$(RUN_TESTS) $(if $(T),--only '$(T)')

## test-long: all tests, the long ones too
test-long: deps-test linux-full $(LARGE)
	+$(Q)$(RUN_TESTS) --long $(if $(T),--only '$(T)')

## references: run again, without Orlop, what tests compare with (tests/data/bare)
references: boot-files
	$(Q)$(PYTHON) tools/references.py

## check-layers: includes go down the levels, and every header compiles alone
check-layers:
	$(Q)$(PYTHON) tools/check_layers.py

## check-image: the loaded image: header, W^X, no FPU instruction, size, built twice the same
check-image: $(B)/orlop.elf $(B)/orlop.iso
	$(Q)$(PYTHON) tools/check_image.py --twice --objects $(O) $<

## lint: layers, clang-format, clang-tidy, cppcheck, Python and shell syntax
lint:
	$(Q)sh tools/lint.sh

## fuzz: the parsers and planners with libFuzzer (clang), FUZZ_SECONDS=60 or FUZZ_RUNS=N each
## fuzz-keep: what `make fuzz` found, into the corpus that `make test` replays (tests/fuzz/corpus)
.PHONY: fuzz fuzz-keep
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?= 0
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_CC ?= clang
fuzz: $(FUZZERS)
	$(Q)$(PYTHON) tools/fuzz.py run --seconds $(FUZZ_SECONDS) --runs $(FUZZ_RUNS) $(FUZZERS)
fuzz-keep: $(FUZZERS)
	$(Q)$(PYTHON) tools/fuzz.py keep $(FUZZERS)
$(B)/fuzz/%: tests/fuzz/%.c tests/unit/fake/ports.c $$(call fuzz_sources,$$*) $(UNIT_HEADERS)
	$(call say,FUZZ,$*)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -Itests/unit/fake -I. \
	    -o $@ $(filter %.c,$^)
fuzz_sources = $(shell sed -n '1s/.*with: *\(.*\)\*\/.*/\1/p' tests/fuzz/$(1).c)
