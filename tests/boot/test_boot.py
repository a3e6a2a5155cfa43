"""One test a row of matrix.toml."""

import pathlib

import pytest

import compare
from emulators import Bochs
from harness import (BootFailure, boot, guest_lines, load_cases, reference_path, skip_lines,
                     why_skipped, without_orlop)

MATRIX = pathlib.Path(__file__).with_name("matrix.toml")
DIFFERENCES = pathlib.Path(__file__).parents[1] / "data/linux/differences.toml"


def _parameter(case):
    marks = [getattr(pytest.mark, tag) for tag in case.tags]
    skip = why_skipped(case, Bochs.version())
    if skip:
        marks.append(pytest.mark.skip(reason=skip))
    return pytest.param(case, id=case.name, marks=marks)


def _linux_reference(case, folder):
    """What was recorded; for a kernel that is newer than the record, a run of its own."""
    try:
        return reference_path(case).read_text(encoding="utf-8").splitlines()
    except BootFailure:
        (folder / "bare").mkdir()
        return boot(without_orlop(case), folder / "bare")


@pytest.mark.parametrize("case", map(_parameter, load_cases(MATRIX)))
def test_boot(case, tmp_path, record_property):
    lines = boot(case, tmp_path)
    for line in skip_lines(lines):
        record_property("guest-skip", line)
    if case.bare:
        recorded = reference_path(case).read_text(encoding="utf-8").splitlines()
        assert guest_lines(case, lines) == recorded
    if case.compare:
        recorded = _linux_reference(case, tmp_path)
        varying, differences = compare.load(DIFFERENCES)
        changed = compare.changed_lines(compare.sections(recorded), compare.sections(lines), varying)
        complaints = compare.judge(case.name, changed, differences)
        assert not complaints, "\n".join(complaints)
