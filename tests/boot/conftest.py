"""Makes the build's files and the matrix available to the tests."""

import pytest

from harness import BUILD


@pytest.fixture(scope="session")
def stand_in():
    """The stand-in for Orlop, which `make boot-files` builds."""
    path = BUILD / "stand_in.bin"
    assert path.exists(), "build/stand_in.bin is missing: run `make boot-files`"
    return path


def pytest_terminal_summary(terminalreporter):
    """SKIP is not PASS: what a guest could not test on its machine is printed."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, line in getattr(report, "user_properties", []):
                if name == "guest-skip" and report.when == "call":
                    terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {line}")
