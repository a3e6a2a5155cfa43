"""One test a row of matrix.toml."""

import pathlib

import pytest

from harness import boot, guest_lines, load_cases, reference_path, skip_lines

MATRIX = pathlib.Path(__file__).with_name("matrix.toml")


def _parameter(case):
    marks = [getattr(pytest.mark, tag) for tag in case.tags]
    if case.skip:
        marks.append(pytest.mark.skip(reason=case.skip))
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", map(_parameter, load_cases(MATRIX)))
def test_boot(case, tmp_path, record_property):
    lines = boot(case, tmp_path)
    for line in skip_lines(lines):
        record_property("guest-skip", line)
    if case.bare:
        recorded = reference_path(case).read_text(encoding="utf-8").splitlines()
        assert guest_lines(case, lines) == recorded
