#!/usr/bin/python3
"""Runs the fuzzers (libFuzzer) over what tests/fuzz/corpus keeps for each.

A corpus is one text file, tests/fuzz/corpus/NAME.txt: an input a line, in base64, sorted; fewer, and
easier to look through, than a file an input. `run` starts from it, and from what earlier runs have
found; `replay` gives each input to its fuzzer once; `keep` writes the smallest set of all inputs
that reaches all that they reach.
"""

import argparse
import base64
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
KEPT = ROOT / "tests/fuzz/corpus"
FOUND = ROOT / "build/fuzz/found"     # what `run` adds to, one folder a fuzzer
SEEDS = ROOT / "build/fuzz/seeds"     # the kept corpus as files
REPLAY_SECONDS = 120
QUIET = ["-verbosity=0", "-close_fd_mask=2"]


def read_corpus(name):
    """The kept inputs of a fuzzer."""
    text = (KEPT / f"{name}.txt").read_text(encoding="ascii")
    return [base64.b64decode(line, validate=True) for line in text.splitlines()]


def write_corpus(name, inputs):
    KEPT.mkdir(parents=True, exist_ok=True)
    lines = sorted(base64.b64encode(data).decode() + "\n" for data in set(inputs))
    (KEPT / f"{name}.txt").write_text("".join(lines), encoding="ascii")


def unpack(name):
    """The folder with the kept inputs as files, and how many they are."""
    folder = SEEDS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    inputs = read_corpus(name) if (KEPT / f"{name}.txt").exists() else []
    for data in inputs:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return folder, len(inputs)


def replay(program):
    """(whether all inputs passed, what was said): a fuzzer without inputs has not passed."""
    folder, count = unpack(program.name)
    if not count:
        return False, f"{KEPT.name}/{program.name}.txt keeps no input: run `make fuzz fuzz-keep`"
    try:
        result = subprocess.run([program, *map(str, sorted(folder.iterdir()))], capture_output=True,
                                text=True, errors="replace", timeout=REPLAY_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False, f"still running after {REPLAY_SECONDS} s"
    said = result.stdout + result.stderr
    executed = len(re.findall(r"^Executed ", said, re.MULTILINE))
    return result.returncode == 0 and executed == count, said


def fuzz(program, seconds, runs):
    folder, _ = unpack(program.name)
    found = FOUND / program.name
    found.mkdir(parents=True, exist_ok=True)
    much = [f"-runs={runs}"] if runs else [f"-max_total_time={seconds}"]
    print(f"fuzz: {program.name}", flush=True)
    return subprocess.run([program, *much, "-print_final_stats=1", *QUIET, found, folder],
                          check=False).returncode == 0


def keep(program):
    """Merges what was found into the kept corpus."""
    folder, before = unpack(program.name)
    merged = ROOT / "build/fuzz/merged" / program.name
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    sources = [folder for folder in (folder, FOUND / program.name) if folder.exists()]
    result = subprocess.run([program, "-merge=1", *QUIET, merged, *sources], check=False)
    if result.returncode:
        return False
    write_corpus(program.name, [path.read_bytes() for path in merged.iterdir()])
    print(f"{program.name}: {before} inputs were kept, now {len(read_corpus(program.name))}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=["run", "replay", "keep"])
    parser.add_argument("--seconds", type=int, default=60, help="how long each fuzzer runs")
    parser.add_argument("--runs", type=int, default=0, help="how many executions, instead")
    parser.add_argument("programs", nargs="+", type=lambda text: pathlib.Path(text).resolve())
    arguments = parser.parse_args()
    for program in arguments.programs:
        if arguments.what == "replay":
            fine, said = replay(program)
            print(f"{program.name}: {'passed' if fine else 'FAILED'}" + ("" if fine else f"\n{said}"))
        elif arguments.what == "run":
            fine = fuzz(program, arguments.seconds, arguments.runs)
        else:
            fine = keep(program)
        if not fine:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
