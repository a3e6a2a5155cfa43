#!/usr/bin/env python3
"""Records what objdump makes of random instructions: a second opinion on vcpu/decoder.c.

The bytes are random, but lean towards prefixes and the opcodes that the decoder knows. Each sample
stands under a symbol of its own, so that objdump starts afresh at it. Writes
objdump-VERSION.inc beside this file: rows of (mode, length, kind, memory bytes, register, bytes).
Run it again only to change the set; unit tests read the recorded file.
"""
import pathlib
import random
import re
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
SAMPLES = 400  # of each mode
PREFIXES = [0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x66, 0x67, 0x67, 0xF0, 0xF2, 0xF3]
PLAIN = [[0x88], [0x89], [0x8A], [0x8B], [0xA0], [0xA1], [0xA2], [0xA3], [0xC6], [0xC7], [0x63],
         [0x0F, 0xB6], [0x0F, 0xB7], [0x0F, 0xBE], [0x0F, 0xBF]]
STRING = [[n] for n in (0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF)]
PREFIX_WORDS = {"rep", "repz", "repnz", "data16", "data32", "addr16", "addr32", "cs", "ds", "es",
                "ss", "fs", "gs", "xacquire", "xrelease", "lock", "notrack", "bnd"}
SIZES = {"BYTE": 1, "WORD": 2, "DWORD": 4, "QWORD": 8}


def sample(rng, mode):
    out = [rng.choice(PREFIXES) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    if mode == 64 and rng.random() < 0.6:
        out.append(0x40 | rng.randrange(16))
    out += rng.choice(rng.choice([PLAIN, PLAIN, PLAIN, STRING, [[rng.randrange(256)]]]))
    if out[-1] in (0xC6, 0xC7) and rng.random() < 0.8:
        out.append(rng.randrange(256) & 0xC7)  # /0
    elif rng.random() < 0.2:
        out += [rng.randrange(256) & 0x38 | 4, rng.randrange(256) & 0xF8 | 5]  # SIB, no base
    out += [rng.randrange(256) for _ in range(15)]
    return out[:15]


def disassemble(samples, mode):
    """The text that objdump gives for each sample: a list of (length, text)."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = f"{folder}/s.s", f"{folder}/s.o"
        with open(source, "w") as file:
            for i, code in enumerate(samples):
                file.write(f"s{i}: .byte {','.join(map(str, code + [0x90] * 17))}\n")
        subprocess.run(["as", "-o", binary, source], check=True)
        machine = {16: "i8086", 32: "i386", 64: "i386:x86-64"}[mode]
        text = subprocess.run(["objdump", "-d", "-w", "--insn-width=16", "-M", "intel,intel64",
                               "-m", machine, binary], check=True, capture_output=True,
                              text=True).stdout
    blocks = re.split(r"^[0-9a-f]+ <s\d+>:\n", text, flags=re.M)[1:]
    for block in blocks:
        rows = []
        for line in block.splitlines():
            match = re.match(r"\s*[0-9a-f]+:\s+((?:[0-9a-f]{2} )+)\s*(.*)", line)
            if match:
                rows.append((len(match[1].split()), match[2]))
        yield rows


def classify(text):
    """(kind, memory bytes, register) from one line of Intel syntax."""
    other = ("OTHER", 0, "")
    words = text.split("#")[0].split()
    locked = False
    while words and (words[0] in PREFIX_WORDS or words[0].startswith("rex")):
        locked |= words.pop(0) == "lock"
    if locked or not words or "(bad)" in text:
        return other
    name, operands = words[0], " ".join(words[1:]).split(",")
    size = re.search(r"(BYTE|WORD|DWORD|QWORD) PTR", text)
    strings = {"movs": "MOVS", "cmps": "CMPS", "stos": "STOS", "lods": "LODS", "scas": "SCAS"}
    if name in strings and size:
        return strings[name], SIZES[size[1]], ""
    memory = ["[" in o or re.search(r"\b[c-gs]s:0x", o) is not None for o in operands]
    loads = {"mov": "LOAD", "movabs": "LOAD", "movzx": "LOAD_ZERO", "movsx": "LOAD_SIGN",
             "movsxd": "LOAD_SIGN"}
    if name not in loads or len(operands) != 2 or memory.count(True) != 1:
        return other
    register = operands[memory.index(False)].strip()
    if re.fullmatch(r"[c-gs]s|[cd]r\d+|k\d|bnd\d", register):
        return other
    if name == "movsxd" and register.startswith("r") and not register.endswith(("d", "w")):
        return "LOAD_SIGN", 4, register  # objdump lets 66h win over REX.W; LLVM and the SDM do not
    if not memory[0]:
        return loads[name], SIZES[size[1]] if size else 0, register
    if register.startswith("0x"):
        return "STORE_IMMEDIATE", SIZES[size[1]], register
    return "STORE", SIZES[size[1]] if size else 0, register


def record(rng, mode):
    samples = [sample(rng, mode) for _ in range(SAMPLES)]
    for code, rows in zip(samples, disassemble(samples, mode)):
        length, text = 0, ""
        # A REX prefix that does not count, and one prefix too many, stand on lines of their own.
        for size, text in rows:
            length += size
            if not all(w in PREFIX_WORDS or w.startswith("rex") for w in text.split()):
                break
        detached = len(rows) > 1 and length != rows[0][0]
        if detached and any(c in (0x66, 0x67, 0xF2, 0xF3, 0xF0) for c in code[:rows[0][0]]):
            continue  # objdump forgot the prefix that it printed alone
        kind, memory, register = classify(text)
        if length > 15:
            continue
        if kind == "OTHER":
            length = 0
        yield f'{{{mode}, {length}, "{kind}", {memory}, "{register}", "{bytes(code).hex()}"}},'


def main():
    version = subprocess.run(["objdump", "--version"], capture_output=True, text=True,
                             check=True).stdout.split("\n")[0].split()[-1]
    rng = random.Random(20231201)
    path = HERE / f"objdump-{version}.inc"
    with open(path, "w") as file:
        file.write(f"/* Made by record.py with GNU objdump {version}. */\n")
        for mode in (16, 32, 64):
            file.writelines(row + "\n" for row in record(rng, mode))
    print(path)


main()
