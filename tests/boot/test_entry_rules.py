"""Each rule of VM entry, broken in turn by a test build of Orlop (tests/entry), on Bochs's models: what
comes of it is what docs/entry-checks.md says."""

import re

import pytest

from emulators import Bochs
from harness import ROOT, Case, boot

DOCUMENT = ROOT / "docs/entry-checks.md"
# The models of a column, in the order of its letters.
MODELS = {
    "2": ["corei7_sandy_bridge_2600k", "corei7_skylake_x", "tigerlake"],
    "3": ["corei7_sandy_bridge_2600k", "corei7_skylake_x", "arrow_lake"],
}
LETTERS = {"rejected, named": "R", "laxer": "L", "absent": "-", "not tried": "-"}


def rows():
    """The table: rule, section, status, letters by Bochs's major version, reason."""
    found = re.findall(r"^\| (\w+) \| (27[\d.]+) \| ([\w ]+) \| (\S+) \| (\S+) \| (.*?) ?\|$",
                       DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return [(rule, section, status, {"2": older, "3": newer}, why)
            for rule, section, status, older, newer, why in found]


def status_of(letters):
    """What a rule's letters amount to."""
    if "L" in letters:
        return "laxer"
    return "shown" if "R" in letters else "not here"


def test_status_and_reason_fit_the_letters():
    table = rows()
    assert len(table) > 150
    for rule, _, status, letters, why in table:
        assert status == status_of("".join(letters.values())), rule
        assert bool(why) == (status != "shown"), f"{rule}: a reason, and only where one is needed"


@pytest.mark.parametrize("model", range(3), ids=["sandy", "skylake", "newest"])
def test_entry_rules(model, tmp_path):
    version = re.match(r"bochs-(\d)", Bochs.version()).group(1)
    case = Case(name=f"entry-rules-{model}", end="done", elf="entry_rules.elf",
                cpu=MODELS[version][model], modules=["realmode.bin=realmode"],
                expect=[r"orlop: done: \d+ rules: .* 0 wrong$"])
    lines = "\n".join(boot(case, tmp_path))
    seen = [(rule, section, LETTERS.get(text)) for rule, section, text in
            re.findall(r"entry: rule (\w+) ([\d.]+): ([\w, ]+?)\s*$", lines, re.MULTILINE)]
    assert seen == [(rule, section, letters[version][model])
                    for rule, section, _, letters, _ in rows()]
