"""Makes the build's files and the matrix available to the tests."""

import pytest

from harness import BUILD


@pytest.fixture(scope="session")
def stand_in():
    """The stand-in for Orlop, which `make boot-files` builds."""
    path = BUILD / "stand_in.bin"
    assert path.exists(), "build/stand_in.bin is missing: run `make boot-files`"
    return path


@pytest.hookimpl(trylast=True)  # after the long ones were left out
def pytest_collection_modifyitems(config, items):
    """The boots that may take longest begin first, and each worker has its share of them: what is left
    for the end, when a worker may be idle, is short. xdist hands out a quarter of all tests at first,
    a piece of the list to each worker, and the rest in small pieces."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    first = len(items) // workers // 4 * workers
    items.sort(key=_seconds, reverse=True)
    items[:first] = [item for worker in range(workers) for item in items[:first][worker::workers]]


def _seconds(item):
    """The limit of a boot; all others are short."""
    case = getattr(item, "callspec", None) and item.callspec.params.get("case")
    return getattr(case, "timeout", 0)


def pytest_terminal_summary(terminalreporter):
    """SKIP is not PASS: what a guest could not test on its machine is printed."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, line in getattr(report, "user_properties", []):
                if name == "guest-skip" and report.when == "call":
                    terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {line}")
