"""A thousand single steps by the monitor go where the emulator's own trace of the bare machine goes:
from the first instruction in real mode into long mode."""

import re

import pytest

from emulators import Bochs
import harness
from harness import Case, Talk, without_orlop

SKIPPED = 21700  # most of them elements of a REP STOS, with which page tables begin
STEPS = 1000
AT_ONCE = 50
GUEST = "standstill"
ENTRY = 0x7C00


class Traced(Bochs):
    """The packaged Bochs, which has the debugger: traces so many instructions of the guest."""
    program = "bochs"
    # The CD's boot sector is the first thing at the guest's address, the bare loader's jump the next.
    DEBUGGER = f"pb {ENTRY:#x}\nc\nc\ns {SKIPPED}\ntrace on\ns {STEPS + 1}\nq\n"

    def addresses(self):
        self.process.wait(120)
        said = (self.folder / "emulator.out").read_text(encoding="utf-8", errors="replace")
        return [int(found, 16) for found in re.findall(r"^\(0\)\.\[\d+\] \[0x([0-9a-f]+)\]", said, re.M)]


def machine(name, **fields):
    return Case(name=f"steps-{name}", modules=[f"{GUEST}.bin=realmode"], end="poweroff", cpus=1,
                expect=[f"^{GUEST} PASS"], timeout=200, **fields)


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """Where the bare machine's instructions lie, from the guest's first on."""
    folder = tmp_path_factory.mktemp("trace")
    case = without_orlop(machine("bare"))
    with Traced(harness.machine_of(case, folder), folder) as bochs:
        return bochs.addresses()


@pytest.mark.parametrize("cpu, why", [
    pytest.param("corei7_icelake_u", "monitor trap flag", marks=pytest.mark.skipif(
        Bochs.version() < "bochs-3", reason="Bochs 2.7's monitor trap flag waits for an event")),
    ("corei7_skylake_x", "NMI window")])
def test_steps_go_where_the_bare_machine_goes(tmp_path, trace, cpu, why):
    assert len(trace) > STEPS, why
    case = machine(cpu, cpu=cpu, options="debug=com2 stop=launch", debug_port=2)
    with Talk(case, tmp_path) as talk:
        talk.debug.expect(r"launch, .* rip ([0-9a-f]{16})\r\ncpu0> ")
        assert int(talk.debug.match.group(1), 16) == ENTRY
        talk.debug.send(f"step {SKIPPED}\r")
        talk.debug.expect(r"cpu0: step, [^\r]* rip ([0-9a-f]{16})\r\ncpu0> ")
        places = [int(talk.debug.match.group(1), 16)]
        for _ in range(STEPS // AT_ONCE):
            talk.debug.send("step\r" * AT_ONCE)
            for _ in range(AT_ONCE):
                talk.debug.expect(r"cpu0: step, [^\r]* rip ([0-9a-f]{16})\r\ncpu0> ")
                places.append(int(talk.debug.match.group(1), 16))
        assert places == trace[:STEPS + 1]
