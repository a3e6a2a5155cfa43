#!/usr/bin/python3
"""Runs the unit tests (cmocka, each compiler), the fuzzers over their kept inputs, and the boot tests
(pytest), and counts the cases.

The last line is `N passed, N failed`. A program that does not build, or that dies, is one failure.
"""

import argparse
import concurrent.futures
import pathlib
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree

import fuzz

BUILD = pathlib.Path("build")
COMPILERS = ("gcc", "clang")
UNIT_SECONDS = 120


class Count:
    """Passed and failed cases."""

    def __init__(self, passed=0, failed=0):
        self.passed, self.failed = passed, failed

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed


def unit_names():
    return sorted(path.stem[len("test_"):] for path in pathlib.Path("tests/unit").glob("test_*.c"))


def count_cmocka(output, status):
    """The cases in what a cmocka program printed. Dying, or counting nothing, is a failure too."""
    passed = sum(map(int, re.findall(r"^\[  PASSED  \] (\d+) test", output, re.MULTILINE)))
    failed = sum(map(int, re.findall(r"^\[  FAILED  \] .*?(\d+) test", output, re.MULTILINE)))
    skipped = sum(map(int, re.findall(r"^\[  SKIPPED \] .*?(\d+) test", output, re.MULTILINE)))
    if not failed and (status or not passed + skipped):
        failed = 1
    return Count(passed, failed)


def run_unit_program(path):
    """(count, output) of one test program."""
    if not path.exists():
        return Count(failed=1), "does not build"
    try:
        result = subprocess.run([str(path)], capture_output=True, text=True, errors="replace",
                                timeout=UNIT_SECONDS, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return Count(failed=1), f"still running after {UNIT_SECONDS} s"
    output = result.stdout + result.stderr
    return count_cmocka(output, result.returncode), output


def build(targets, make, jobs):
    """Makes all that can be made; what cannot is not there afterwards, an older one neither."""
    built = subprocess.run([*shlex.split(make), "-k", f"-j{jobs}", "--no-print-directory", *targets],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           errors="replace", check=False)
    if built.returncode:
        print(built.stdout, end="")
        for name in re.findall(r"\*\*\* .*?(build/(?:unit-|fuzz/)[\w./-]+)(?:\] Error|'\.)",
                               built.stdout):
            pathlib.Path(name).unlink(missing_ok=True)


def run_unit_tests(names, compilers, make, jobs):
    total = Count()
    for compiler in compilers:
        folder = BUILD / f"unit-{compiler}"
        programs = [folder / name for name in names]
        build([*map(str, programs), f"CC={compiler}"], make, jobs)
        count = Count()
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for program, (one, output) in zip(programs, pool.map(run_unit_program, programs)):
                count.add(one)
                if one.failed:
                    print(f"--- {program}\n{output.rstrip()}")
                for line in output.splitlines():
                    if line.startswith("[  SKIPPED ]"):
                        print(f"{program}: {line}")
        print(f"unit tests, {compiler}: {count.passed} passed, {count.failed} failed", flush=True)
        total.add(count)
    return total


def fuzzer_names():
    return sorted(path.stem for path in pathlib.Path("tests/fuzz").glob("fuzz_*.c"))


def replay_corpora(names, make, jobs):
    """One case a fuzzer: it builds, and finds nothing in the inputs that are kept for it."""
    programs = [BUILD / "fuzz" / name for name in names]
    build(map(str, programs), make, jobs)
    count = Count()
    for program in programs:
        fine, said = fuzz.replay(program.resolve()) if program.exists() else (False, "does not build")
        count.add(Count(int(fine), int(not fine)))
        if not fine:
            print(f"--- {program.name}\n{said.rstrip()}")
    print(f"fuzzers, kept inputs: {count.passed} passed, {count.failed} failed", flush=True)
    return count


def run_pytest(extra, jobs):
    report = BUILD / "test/pytest.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "--durations=10", "-n", str(jobs),
               "--dist", "worksteal" if _xdist_can_steal() else "load",
               f"--junitxml={report}", *extra]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    no_tests_collected = 5
    if status == no_tests_collected:
        return Count()
    count = Count(failed=1)
    if report.exists():
        suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
        failed = int(suite.get("failures")) + int(suite.get("errors"))
        passed = int(suite.get("tests")) - failed - int(suite.get("skipped"))
        count = Count(passed, failed)
    if status and not count.failed:
        count.failed = 1  # interrupted, or an error of pytest itself
    return count


def _xdist_can_steal():
    """pytest-xdist 3.2 and later hand out the rest of the tests as workers become free."""
    try:
        from xdist import __version__
    except ImportError:
        return False
    return tuple(map(int, __version__.split(".")[:2])) >= (3, 2)


def list_tests():
    for name in unit_names():
        print(f"unit  {name}")
    for name in fuzzer_names():
        print(f"fuzz  {name}")
    result = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q"],
                            capture_output=True, text=True, check=False)
    seen = set()
    for line in result.stdout.splitlines():
        if "::" not in line:
            continue
        name = line.split("::", 1)[1]
        row = re.fullmatch(r"test_boot\[(.*)\]", name)
        shown = f"boot  {row.group(1)}" if row else f"tool  {name.split('[')[0]}"
        if shown not in seen:
            seen.add(shown)
            print(shown)
    return result.returncode


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--make", default="make")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="the short run before a commit")
    parser.add_argument("--long", action="store_true", help="the long tests too")
    parser.add_argument("--only", metavar="NAME",
                        help="a unit test, or a part of a boot test's name; list: the names")
    return parser.parse_args()


def _build_boot_files(make, jobs):
    return subprocess.run([*shlex.split(make), f"-j{jobs}", "--no-print-directory", "boot-files"],
                          check=False).returncode == 0


def main():
    arguments = _parse_arguments()
    if arguments.only == "list":
        return list_tests()
    names, compilers = unit_names(), COMPILERS
    selection = [] if arguments.long else ["-m", "not long"]
    fuzzers = fuzzer_names()
    with_boot = True
    if arguments.check:
        compilers, selection, fuzzers = COMPILERS[:1], ["-m", "check"], []
    if arguments.only:
        with_boot = arguments.only not in names + fuzzers
        names = [name for name in names if name == arguments.only]
        fuzzers = [name for name in fuzzers if name == arguments.only]
        selection = ["-k", arguments.only]
    total = run_unit_tests(names, compilers, arguments.make, arguments.jobs) if names else Count()
    if fuzzers:
        total.add(replay_corpora(fuzzers, arguments.make, arguments.jobs))
    if with_boot:
        # Tests of the tools still run when Orlop does not build; but files of an older build may be
        # there for the boots, so that the failed build is a failure of its own.
        if not _build_boot_files(arguments.make, arguments.jobs):
            print("FAILED: what the boot tests boot does not build")
            total.add(Count(failed=1))
        total.add(run_pytest(selection, arguments.jobs))
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
