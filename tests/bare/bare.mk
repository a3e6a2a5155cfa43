# The bare loader: starts the same flat guests without Orlop, by the same GRUB path.
$(B)/bare.o: tests/bare/bare.asm
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f elf32 -Werror -o $@ $<
$(B)/bare.elf: $(B)/bare.o tests/bare/bare.ld
	$(call say,LD,$@)
	$(Q)ld -m elf_i386 -nostdlib -static -z noexecstack \
	    --no-warn-rwx-segments --build-id=none -T tests/bare/bare.ld -o $@ $<
