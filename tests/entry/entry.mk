# Builds of Orlop for the tests of VM entry: the same objects and some more, whose functions --wrap
# puts in the place of others. They have no table of symbols.
#   entry_rules    breaks each rule in turn, and starts no guest
#   entry_broken   breaks one field, where the options say so
#   entry_checked  the same, and checks each entry before it is made
# And more:
#   lose_nmis      an NMI of Orlop's to a local APIC that is off is lost
#   no_timer       a processor without the VMX preemption timer
#   check_init     machine checks around INIT
#   debug_always   a debugger at work all the time
ENTRY_BUILDS := $(addprefix $(B)/,entry_rules.elf entry_broken.elf entry_checked.elf \
    lose_nmis.elf no_timer.elf check_init.elf debug_always.elf)
entry_objects = $(1:%=$(O)/tests/entry/%.o)
ENTRY_WRAPS_BROKEN := debug_fault_set debug_fault_after_launch
$(B)/entry_rules.elf: $(call entry_objects,try_rules try_entry.asm)
$(B)/entry_rules.elf: WRAPS := main_release
$(B)/entry_broken.elf: $(call entry_objects,break_entry)
$(B)/entry_broken.elf: WRAPS := $(ENTRY_WRAPS_BROKEN)
$(B)/entry_checked.elf: $(call entry_objects,break_entry check_always)
$(B)/entry_checked.elf: WRAPS := $(ENTRY_WRAPS_BROKEN) vmx_attend vmx_handle_exit
$(B)/lose_nmis.elf: $(call entry_objects,lose_nmis)
$(B)/lose_nmis.elf: WRAPS := hw_wrmsr_safe apic_send
$(B)/no_timer.elf: $(call entry_objects,no_timer)
$(B)/no_timer.elf: WRAPS := vmx_read_capabilities
$(B)/check_init.elf: $(call entry_objects,check_init)
$(B)/check_init.elf: WRAPS := event_take vmx_idle
$(B)/debug_always.elf: $(call entry_objects,debug_always)
$(B)/debug_always.elf: WRAPS := debug_fault_set debug_fault_after_launch vmx_attend
$(ENTRY_BUILDS): $(OBJECTS) $(O)/no_symbols.o linker.ld tools/pack_image.py
	$(call say,LD,$@)
	$(Q)ld -nostdlib -static -z max-page-size=4096 -z noexecstack --gc-sections --build-id=none \
	    -T linker.ld $(WRAPS:%=--wrap=%) -o $(O)/$(@F) $(filter %.o,$^)
	$(Q)python3 tools/pack_image.py $(O)/$(@F) $@
-include $(wildcard $(O)/tests/entry/*.d)
