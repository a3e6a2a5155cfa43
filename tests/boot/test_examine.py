"""What the monitor's commands show of a guest that stands still, and what they change: held against what
the guest `examined` has put there."""

import re

from harness import Case, Talk

APIC_VERSION = 0xFEE00030


def machine(name, guest="examined", **fields):
    """A guest in Bochs, with the debugger at COM2."""
    fields = {"options": "debug=com2 exitcost", "end": "poweroff", "debug_port": 2, "timeout": 120,
              "cpus": 3, "modules": [f"{guest}.bin=realmode"], "expect": [f"^{guest} PASS"], **fields}
    return Case(name=f"examine-{name}", **fields)


def wait_for(talk, where):
    talk.debug.expect(rf"cpu0: {where}, rip ")
    talk.debug.expect_exact("cpu0> ")


def ask(talk, command):
    """The lines that a command says."""
    talk.debug.send(command + "\r")
    talk.debug.expect_exact(command)
    talk.debug.expect(r"\r\ncpu0> ")
    return talk.debug.before.decode().replace("\r", "").split("\n")[1:]


def hold(talk, table):
    """Each command says what fits; "" is nothing at all."""
    for command, *patterns in table:
        said = "\n".join(ask(talk, command))
        for pattern in patterns:
            assert re.search(pattern, said, re.MULTILINE) if pattern else not said, \
                f"{command}: not {pattern!r} but\n{said}"


def go_on(talk):
    talk.debug.send("cont\r")
    talk.debug.expect_exact("running> ")


def to_the_end(talk):
    """On from the first stop to the end."""
    go_on(talk)
    talk.debug.send("\x03")
    wait_for(talk, "asked for, 64-bit, CPL 0")
    assert ask(talk, "regs rbx=0x7478656e") == []
    go_on(talk)
    for _ in range(2):
        wait_for(talk, "hypercall, 32-bit, CPL 0")
        go_on(talk)
    wait_for(talk, "hypercall, real mode")
    go_on(talk)
    talk.finish()


def test_memory(tmp_path):
    with Talk(machine("memory"), tmp_path) as talk:
        wait_for(talk, "hypercall, 64-bit, CPL 0")
        hold(talk, [
            ("x/2 0x18000", "^0000000000018000: 6369757120656874 206e776f7262206b$"),
            ("x/3s 0x18000", '^0000000000018000: "the quick brown fox"\n0000000000018014: "jumps.over"\n'
                             '000000000001801f: ""$'),
            ("x/20b 0x18000", r"^0000000000018000: 74 68 65 20 71 75 69 63 6b 20 62 72 6f 77 6e 20  "
                              r"\|the quick brown \|$",
             r"^0000000000018010: 66 6f 78 00                                      \|fox\.\|$"),
            ("x/2w 0x18040", "^0000000000018040: 7788 5566$"),
            ("x/d 0x18040", "^0000000000018040: 55667788 11223344 00000000 00000000$",
             "^0000000000018070: 00000000 00000000 00000000 00000000$"),
            ("x/2 0x8000000ff8", "^0000008000000ff8: [0-9a-f]{16} [0-9a-f]{16}$"),
            ("x/3 0x8000001ff0", "^0000008000001ff0: [0-9a-f]{16} [0-9a-f]{16}\n"
                                 "0000008000002000: cannot be read: not mapped"),
            ("x $rbp", "^0000000000018100: 0000000000018120 0000000011111111$"),
            ("x/1 $r12-0x123456789abb5ef0", "^0000000000018000: 6369757120656874$"),
            (f"x/1d phys:{APIC_VERSION:#x}", "^00000000fee00030: 000[0-9a-f]001[0-9a-f]$"),
            (f"x {APIC_VERSION:#x}", "cannot be read: .* a device"),
            ("x 0x1000000018000", "cannot be read: not mapped"),
            ("x 0xa0000", "cannot be read: .* a device"),
            ("x/2 host:0xffffffff80000000", "^ffffffff80000000: [0-9a-f]{16} [0-9a-f]{16}$"),
            ("x host:0", "cannot be read: not mapped"),
            ("x/0 1", "no count from 1"),
            ("x/4z 1", "one of bwdqs"),
            ("x", "an address is missing"),
            ("x 0x1g", '"0x1g" is no number'),
        ])
        own = re.search(r"([0-9a-f]{12}) - [0-9a-f]{12} Orlop's own", "\n".join(ask(talk, "map"))).group(1)
        hold(talk, [(f"x phys:0x{own}", "cannot be read: .*Orlop's own"),
                    (f"walk phys:0x{own}", "the EPT does not map it: Orlop's own range")])
        to_the_end(talk)


def test_page_tables_of_each_mode(tmp_path):
    with Talk(machine("walk"), tmp_path) as talk:
        wait_for(talk, "hypercall, 64-bit, CPL 0")
        hold(talk, [
            ("walk 0x8000000123", "^4-level paging, CR3 0000000000010000$",
             "^  level 4 at 000000010008: 0000000000019007: P RW US",
             "^  level 1 at 00000001b000: 000000000001c0[0-9a-f]3, page of 4 KiB: P RW",
             "^guest-physical 00000001c123: supervisor, writable, code$",
             "^  EPT level 1 at [0-9a-f]{12}: 000000000001c037, page of 4 KiB, WB: R W X$",
             "^host-physical 00000001c123$"),
            ("walk 0x8000001000", "^guest-physical 00000001d000: user, read-only, code$"),
            ("walk 0x8000002000", "^  level 1 at 00000001b010: 0000000000000000:\nnot present$"),
            ("walk 0x8000201234", "^  level 2 at 00000001a008: 0000000040000083, page of 2 MiB: P RW PS$",
             "^guest-physical 000040001234",
             "^  EPT level 3 at [0-9a-f]{12}: 00000000400000b7, page of 1 GiB, WB: R W X PS$"),
            ("walk 0x800000000000", "^no linear address of this mode$"),
            ("walk phys:0xfee00000", "page of (1 G|4 K)iB, UC", "^host-physical 0000fee00000$"),
            ("walk phys:0xff00000000000", "no such address on this processor"),
            ("walk 0x1000 2", "cpu2 cannot tell: it waits for a SIPI"),
            ("walk host:0", 'leave "host:" out'),
        ])
        go_on(talk)
        talk.debug.send("\x03")
        wait_for(talk, "asked for, 64-bit, CPL 0")
        ask(talk, "regs rbx=0x7478656e")
        go_on(talk)
        wait_for(talk, "hypercall, 32-bit, CPL 0")
        hold(talk, [
            ("walk 0x201234", r"^3-level paging \(PAE\), CR3 0000000000016000$",
             "^  PDPTE 0: 0000000000012001$", "^  level 2 at 000000012008: 0000000000200087, page of 2 MiB",
             "^guest-physical 000000201234: user, writable, code$"),
            ("bt", "^  0000000033333333, frame 18180\n  0000000044444444, frame 18190\n"
                   "  the last: the next frame would be 0$"),
        ])
        go_on(talk)
        wait_for(talk, "hypercall, 32-bit, CPL 0")
        hold(talk, [
            ("walk 0x402abc", r"^2-level paging \(32-bit\)", "^  level 2 at 00000001d004: 0001e007: P RW US",
             "^  level 1 at 00000001e008: 0001c005, page of 4 KiB: P US$",
             "^guest-physical 00000001cabc: user, read-only, code$"),
            ("walk 0x1234", "^  level 2 at 00000001d000: 000000[0-9a-f]3, page of 4 MiB"),
        ])
        go_on(talk)
        wait_for(talk, "hypercall, real mode")
        hold(talk, [
            ("walk 0x7c00", "^no paging$", "^host-physical 000000007c00$"),
            ("bt", "^  0000000000005555, frame 81c0\n  0000000000006666, frame 81c4$"),
        ])
        go_on(talk)
        talk.finish()


def test_the_processor(tmp_path):
    with Talk(machine("processor"), tmp_path) as talk:
        wait_for(talk, "hypercall, 64-bit, CPL 0")
        registers = ask(talk, "regs")
        hold(talk, [
            ("bt", "^  0000000011111111, frame 18100\n  ffffffff81234567, frame 18120\n"
                   "  0000000022222222, frame 18140\n  the last: the next frame would be 18100$"),
            ("bt host", r"^  ffffffff8[0-9a-f]{7} monitor_feed\+0x", r"attend\+0x", r"vmx_look\+0x"),
            ("bt gast", '"gast" is no number'),
            ("msr efer", "MSR c0000080 IA32_EFER: guest 0000000000000500, Orlop 0000000000000d00"),
            ("msr 0x3a", "IA32_FEATURE_CONTROL: guest 0000000000000001, Orlop 0000000000000005"),
            ("msr 0x480", "IA32_VMX: guest #GP, Orlop [0-9a-f]{16}"),
            ("msr kernel_gs_base=0x1234", ""),
            ("msr 0xc0000102", "IA32_KERNEL_GS_BASE: guest 0000000000001234, Orlop 0000000000001234"),
            ("msr kernel_gs_base=0x8000000000000000", "#GP"),
            ("msr 0x200=0x1006", ""),
            ("msr 0x200", "IA32_MTRR_PHYS: guest 0000000000001006, Orlop 0000000[0-9a-f]*000$"),
            ("msr lstar=-1", ""),
            ("msr sysenter", '"sysenter" names 3 MSRs'),
            ("msr bogus", '"bogus" names 0 MSRs'),
            ("msr", "an MSR is missing"),
            ("msr efer 2", "cpu2 cannot tell"),
            ("msr efer 7", "there is no cpu 7"),
            ("cpuid 1", r"^CPUID 1\.0 on cpu0$"),
            ("cpuid 0x40000000", "^  guest eax 40000001 ebx 6f6c724f ecx 6c724f70 edx 0000706f$"),
            ("cpuid", "a leaf is missing"),
        ])
        assert ask(talk, "regs") == registers, "the handlers work on the guest's registers"
        guest, host = (int(re.search(f"{who} .* ecx ([0-9a-f]*)", "\n".join(ask(talk, "cpuid 1"))).group(1), 16)
                       for who in ("guest", "Orlop"))
        assert (guest >> 5 & 1, host >> 5 & 1) == (0, 1), "VMX"
        to_the_end(talk)


def test_fields_of_the_vmcs(tmp_path):
    with Talk(machine("vmcs"), tmp_path) as talk:
        wait_for(talk, "hypercall, 64-bit, CPL 0")
        assert len(ask(talk, "vmcs")) > 120
        hold(talk, [
            ("vmcs pin_based", "^  4000 pin-based_VM-execution_controls +[0-9a-f]{16}$", "^ +3 NMI exiting$",
             "^ +6 activate VMX-preemption timer$"),
            ("vmcs secondary_proc", "^ +1 enable EPT$", "^ +7 unrestricted guest$"),
            ("vmcs 0x401e", "secondary_processor", "enable EPT"),
            ("vmcs guest_r", "guest_RSP", "guest_RIP", "guest_RFLAGS"),
            ("vmcs guest_activity", "0000000000000000 active$"),
            ("vmcs exit_reason", "0000000000000012 VMCALL$"),
            ("vmcs bogus", "no field's name"),
            ("vmcs host_rip=0", "only be looked at"),
            ("vmcs rip=1", '"rip" names 4 fields'),
            ("vmcs guest_rip=0x", '"0x" is no number'),
            ("vmcs guest_gdtr_limit=0x77", ""),
            ("vmcs 0x4810", "guest_GDTR_limit +0000000000000077$"),
            ("vmcs guest_rip 2", "cpu2 cannot tell"),
            ("vmcs guest_gdtr_limit=0x100000", ""),
            ("cont", "cpu0 cannot go on: .*"),
            ("vmcs guest_gdtr_limit=0x67", ""),
        ])
        to_the_end(talk)


def test_exits_events_and_the_log(tmp_path):
    with Talk(machine("events"), tmp_path) as talk:
        wait_for(talk, "hypercall, 64-bit, CPL 0")
        said = "\n".join(ask(talk, "exits"))
        least, mean, most = map(int, re.search(r"^  CPUID +2 +(\d+) +(\d+) +(\d+)$", said, re.M).groups())
        assert 0 < least < mean < most and least + most in (2 * mean, 2 * mean + 1)
        assert re.search(r"last exits, oldest first:\n(  .* +rip [0-9a-f]{16}\n)+  VMCALL +rip .*\ncpu1 ", said)
        hold(talk, [
            ("exits/1 0", r"^  last exits, oldest first:\n  VMCALL +rip [0-9a-f]{16}$"),
            ("exits/300", "no count from 1 to 256"),
            ("inject nmi", ""), ("inject 6", ""), ("inject 6", "another event is to be delivered first"),
            ("inject 0x31", ""),
            ("inject 300", "there is no vector 300"), ("inject", "a vector, is missing"),
            ("inject 6 2", "cpu2 cannot tell"),
            ("log 1", r"cpu0 guest: launch: real mode"),
            ("log level", "the level is info"), ("log level debug", ""), ("log level", "the level is debug"),
            ("log level all", "it can be error, warn"),
            ("map", "^  000000000000 - 00000009[0-9a-f]{4} usable$", "^MTRRs of the firmware: default",
             "^EPT: root ", "^  0000000a0000 - 0000000fffff UC$"),
        ])
        go_on(talk)
        talk.debug.send("exits/1 0\r")  # while it runs
        talk.debug.expect("cpu0 exits:")
        talk.debug.expect_exact("running> ")
        talk.debug.send("\x03")
        wait_for(talk, "asked for, 64-bit, CPL 0")
        hold(talk, [("x/3d 0x18200", "^0000000000018200: 00000001 00000001 00000001$")])
        to_the_end(talk)


def test_another_cpu(tmp_path):
    with Talk(machine("another"), tmp_path) as talk:
        wait_for(talk, "hypercall, 64-bit, CPL 0")
        rip = re.search(r"cpu1 .* rip 0*([0-9a-f]+)", "\n".join(ask(talk, "cpus"))).group(1)
        hold(talk, [
            ("vmcs guest_rip 1", f"guest_RIP +0*{rip}$"),
            ("walk 0x7c00 1", "^guest-physical 000000007c00"),
            ("bt 1", f"^cpu1 guest:\n  0*{rip}$"),
            ("bt host 1", r"stop_serve\+0x"),
            ("msr apic_base 0", "guest 00000000fee00900"), ("msr apic_base 1", "guest 00000000fee00800"),
            ("exits 1", "^cpu1 exits:", r"^  CPUID +2 ", "^  exception or NMI "),
            ("vmcs guest_activity_state=1 1", ""),
            ("inject 6 1", "cpu1: the CPU executes nothing"),
            ("vmcs guest_activity_state=0 1", ""),
        ])
        to_the_end(talk)


def test_reset_and_off(tmp_path):
    for command, end, said in (("off", "poweroff", "by the monitor: the machine is switched off"),
                               ("reset", "reset", "by the monitor: the machine is reset")):
        (tmp_path / command).mkdir()
        row = machine(command, "realmode", cpus=1, options="debug=com2 stop=launch", end=end, expect=[said])
        with Talk(row, tmp_path / command) as talk:
            wait_for(talk, "launch, real mode")
            talk.debug.send(f"{command}\r")
            talk.finish()
