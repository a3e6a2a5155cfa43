# The ISO, `make run`, the packages that are needed, and `make help`.

# Debian's pytest and pexpect belong to Debian's python3.
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)

.PHONY: iso run deps deps-run deps-test bench help

## all: build/orlop.elf and build/orlop.iso (CC=clang for the other compiler, V=1 for the commands)
## iso: build/orlop.iso, a bootable CD or USB-stick image with GRUB's menu
iso: $(B)/orlop.iso
$(B)/orlop.iso: $(B)/orlop.elf $(B)/guests/realmode.bin grub.cfg tools/make_iso.py
	$(call say,ISO,$@)
	$(Q)$(PYTHON) tools/make_iso.py --output $@ --menu grub.cfg --elf $< \
	    --module $(B)/guests/realmode.bin

## run: run a guest above Orlop in an emulator [GUEST=realmode|none CPUS=1 MEM=256 EMU=bochs|qemu
##      APPEND="orlop options" ROLE="realmode addr=0x7c00" TIMEOUT=seconds RUNFLAGS= V=1];
##      RUNFLAGS goes to tools/run.py (see tools/run.py --help)
GUEST ?= realmode
ROLE ?= realmode
CPUS ?= 1
MEM ?= 256
RUN_MODULE := $(if $(filter none,$(GUEST)),,$(B)/guests/$(GUEST).bin)
# The last command of `run` is run.py itself, so that make names its exit status.
run: deps-run
	+$(Q)$(MAKE) --no-print-directory $(B)/orlop.elf $(RUN_MODULE)
	$(Q)$(PYTHON) tools/run.py --elf $(B)/orlop.elf --folder $(B)/run \
	    $(if $(RUN_MODULE),--module '$(RUN_MODULE)=$(ROLE)') --cpus $(CPUS) --mem $(MEM) \
	    --emu '$(EMU)' --append '$(APPEND)' $(if $(TIMEOUT),--timeout $(TIMEOUT)) \
	    $(if $(filter 1,$(V)),--verbose) $(RUNFLAGS)

## bench: the figures, as a table
bench: boot-files
	$(Q)$(PYTHON) tools/bench.py

## deps: install through apt what is missing (asks first)
deps:
	$(Q)sh tools/deps.sh all
deps-run deps-test: deps-%:
	$(Q)DEPS_QUIET=1 sh tools/deps.sh $*

## clean: remove build/
## help: this list
help:
	$(Q)sed -n 's/^## \{0,1\}//p' $(MAKEFILE_LIST) | grep -v '\.d$$' | \
	    sed -e 's/^\([a-z-]*\): /  \1\t/' -e 's/^ \{4,\}/\t/' | expand -t 16
