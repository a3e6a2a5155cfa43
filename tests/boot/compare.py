"""Compares what a kernel says of its machine above Orlop with what it said without.

Both runs print sections (`=== NAME`, lines, `=== NEXT`). Lines are first freed of what no run has
twice (times, counts); then each line that only one run has must be allowed by a difference of the
data file: a pattern, the reason, and how many lines it may stand for. One that stands for none is
an error as well, so that the list stays true.
"""

import collections
import dataclasses
import difflib
import re
import tomllib

SECTION = re.compile(r"^=== (\w+)$")


@dataclasses.dataclass
class Difference:
    """An allowed difference: `pattern` is searched in `SECTION: -line` (only without Orlop) and
    `SECTION: +line` (only above it)."""
    pattern: str
    reason: str
    most: int
    rows: str = ""   # the rows it is for, as a pattern; empty: all

    def __post_init__(self):
        if not self.reason or self.most < 1:
            raise ValueError(f"{self.pattern}: a difference wants a reason and a number of lines")
        self.compiled = re.compile(self.pattern)


def load(path):
    """What varies between any two runs, as (pattern, replacement), and the allowed differences."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    varying = [(re.compile(row["pattern"]), row["write"]) for row in table["varying"]]
    return varying, [Difference(**row) for row in table["difference"]]


def sections(lines):
    """{name: lines} of what was printed between the marks; the last mark is `=== end`."""
    found, name = {}, None
    for line in lines:
        mark = SECTION.match(line.strip())
        if mark:
            name = mark.group(1)
            if name == "end":
                return found
            found[name] = []
        elif name:
            found[name].append(line.rstrip())
    raise ValueError(f"the sections do not end; the last is {name}")


def section_lines(lines):
    """The lines from the first mark to the last, as they are kept for comparison."""
    kept = [f"=== {name}\n" + "\n".join(body) for name, body in sections(lines).items()]
    return "\n".join([*kept, "=== end"]).split("\n")


def _plain(lines, name, varying):
    """The lines written over; one of which nothing is left by that is left out."""
    plain = []
    for line in lines:
        was = line
        for pattern, text in varying:
            if pattern.search(f"{name}: {line}"):
                line = pattern.sub(text, f"{name}: {line}").removeprefix(f"{name}: ")
        if line or not was:
            plain.append(line)
    return plain


def changed_lines(bare, above, varying):
    """`SECTION: -line` and `SECTION: +line` of all that differs. A line that both have, each in a
    place of its own, is none: what is done on several CPUs has no order."""
    changed = []
    for name in [*bare, *(name for name in above if name not in bare)]:
        one = _plain(bare.get(name, []), name, varying)
        other = _plain(above.get(name, []), name, varying)
        found = [line for line in difflib.ndiff(one, other) if line[0] in "-+"]
        for sign, text in [(line[0], line[2:]) for line in found]:
            opposite = ("-" if sign == "+" else "+") + " " + text
            if opposite in found:
                found.remove(opposite)
                found.remove(f"{sign} {text}")
        changed += [f"{name}: {line[0]}{line[2:]}" for line in found]
    return changed


def judge(row, changed, differences):
    """The complaints, as lines; empty when all that differs is allowed and all that is allowed
    differs."""
    used = collections.Counter()
    complaints = []
    mine = [d for d in differences if re.search(d.rows, row)]
    for line in changed:
        allowed = next((d for d in mine if d.compiled.search(line)), None)
        if allowed is None:
            complaints.append(f"not allowed: {line}")
        else:
            used[allowed.pattern] += 1
    for difference in mine:
        count = used[difference.pattern]
        if count > difference.most:
            complaints.append(f"{count} lines, at most {difference.most}: {difference.pattern}")
        if count == 0:
            complaints.append(f"nothing differs so any more: {difference.pattern}")
    return complaints
