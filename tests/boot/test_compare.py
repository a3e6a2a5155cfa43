"""The comparison of what a kernel says, with lines that are made up."""

import re

import pytest

import compare

VARYING = [(re.compile(r"^log: \[ *\d+\.\d+\] "), "log: ")]


def said(*lines):
    return compare.sections(["noise", "=== log", *lines, "=== end"])


def complaints(bare, above, *differences, row="row"):
    changed = compare.changed_lines(said(*bare), said(*above), VARYING)
    return compare.judge(row, changed, list(differences))


def test_times_and_places_do_not_count():
    assert complaints(["[ 1.0] a", "[ 2.0] b", "[ 3.0] c"], ["[ 1.5] b", "[ 9.0] c", "[ 9.1] a"]) == []


def test_a_line_that_is_written_over_whole_is_left_out():
    slow = [(re.compile(r"^log: .* took \d+ us$"), "log: ")]
    changed = compare.changed_lines(said("a", "x took 9 us", ""), said("a", ""), slow)
    assert changed == []
    assert compare.changed_lines(said("a", ""), said("a"), slow) == ["log: -"]


def test_a_line_that_only_one_run_has_is_named():
    assert complaints(["a", "b"], ["a", "c"]) == ["not allowed: log: -b", "not allowed: log: +c"]
    assert complaints(["a", "a"], ["a"]) == ["not allowed: log: -a"]


def test_an_allowed_difference_counts_its_lines():
    allowed = compare.Difference(pattern="^log: [-+][bc]$", reason="letters", most=2)
    assert complaints(["a", "b"], ["a", "c"], allowed) == []
    assert complaints(["a", "b"], ["a", "c", "c"], allowed) == [
        "3 lines, at most 2: ^log: [-+][bc]$"]


def test_a_difference_that_is_not_there_is_an_error_in_its_rows():
    unused = compare.Difference(pattern="^log: -z$", reason="gone", most=1, rows="^other$")
    assert complaints(["a"], ["a"], unused) == []
    assert complaints(["a"], ["a"], unused, row="other") == [
        "nothing differs so any more: ^log: -z$"]


def test_a_difference_wants_a_reason():
    with pytest.raises(ValueError):
        compare.Difference(pattern="x", reason="", most=1)


def test_sections_must_end():
    with pytest.raises(ValueError):
        compare.sections(["=== log", "a"])
