# The flat real-mode guests: tests/guests/NAME/NAME.asm gives build/guests/NAME.bin. GUEST_DEFINES
# passes constants, as in GUEST_DEFINES=-DITERATIONS=1000.
GUESTS := $(notdir $(patsubst %/,%,$(dir $(wildcard tests/guests/*/*.asm))))
GUEST_INCLUDES := $(wildcard tests/guests/include/*.inc)

.PHONY: guests
guests: $(GUESTS:%=$(B)/guests/%.bin)
$(B)/guests/%.bin: tests/guests/$$*/$$*.asm $(GUEST_INCLUDES)
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f bin -Werror -Itests/guests/include/ $(GUEST_DEFINES) -o $@ $<
