#!/usr/bin/python3
"""Records what each of Bochs's processors says of VMX (the guest vmxwords, without Orlop).

With what `make bochs` has built, or with BOCHS=PROGRAM; models can be named. Run after `make
boot-files`. The files of Bochs 2.7 were written by an earlier boot sector and hold the same lines;
kvm-nested-*.txt and processor-*.txt say at their top where they come from.
"""

import dataclasses
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/boot"), str(ROOT / "tools")]

from harness import (boot, emulator_of, guest_lines, load_cases,  # noqa: E402
                     without_orlop)

MODELS = ["core_duo_t2400_yonah", "core2_penryn_t9600", "corei5_lynnfield_750",
          "corei5_arrandale_m520", "corei7_sandy_bridge_2600k", "corei7_ivy_bridge_3770k",
          "corei7_haswell_4770", "broadwell_ult", "corei7_skylake_x", "corei3_cnl",
          "corei7_icelake_u", "tigerlake", "sapphire_rapids", "arrow_lake"]
HEAD = """# {version}, cpu model {model}: read by the guest vmxwords, one CPU.
# cpuid LEAF SUBLEAF EAX EBX ECX EDX; msr INDEX VALUE. An MSR that is not here gave #GP.
"""


def record(case, model):
    case = dataclasses.replace(case, cpu=model)
    with tempfile.TemporaryDirectory(prefix="orlop-vmx-") as folder:
        lines = guest_lines(case, boot(without_orlop(case), folder))
    words = [re.sub(r"^vmxwords: (msr 0*)?", lambda m: "msr " if m[1] else "", line)
             for line in lines if re.match("vmxwords: (cpuid|msr)", line)]
    version = emulator_of(case).version()
    path = ROOT / f"tests/data/vmx/{version}-{model}.txt"
    path.write_text(HEAD.format(version=version, model=model) + "\n".join(words) + "\n",
                    encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: {len(words)} words")


def main():
    case = next(c for c in load_cases(ROOT / "tests/boot/matrix.toml") if c.name == "vmxwords")
    for model in sys.argv[1:] or MODELS:
        record(case, model)


if __name__ == "__main__":
    sys.exit(main())
