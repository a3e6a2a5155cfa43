# gdb's side of a debugged Linux: `gdb -x tools/orlop.gdb`, or `source` it. It needs nothing that the
# kernel would have to be built with: from a stock kernel it takes the image that runs, wherever KASLR
# has put it, and from the distribution's vmlinux the types. The commands, which `help user-defined`
# does not list, are orlop-attach, orlop-ps, orlop-dmesg and orlop-mod; `help orlop-attach` and so on.

set confirm off
set pagination off
# Instructions that gdb cannot know the start of would be guessed at; a kernel has symbols for all.
set print symbol on

python
import os
import re
import struct

import gdb

# Where Linux maps its image, by 2 MiB pages, and where the image was linked to be.
IMAGE_START, IMAGE_END, IMAGE_STEP = 0xffffffff80000000, 0xffffffffc0000000, 2 << 20
LINKED_AT = 0xffffffff81000000
PAGES = 4 << 12    # of the image, read at once
LARGEST_IMAGE = 64 << 20
BANNER_START = b"Linux version "
BANNER = rb"Linux version [0-9][ -~]*#[0-9][ -~]*"  # there is another, without a number
LONGEST_BANNER = 512
PIECE = 1024       # what is read at once: a tenth of a second on a cable at 115200
MOST = 100_000     # of a list that has lost its end
loaded = None      # (file, offset) of the symbols


class Memory:
    """The guest's memory, read in pieces, each once: for one command."""

    def __init__(self):
        self._pieces = {}

    def read(self, address, size):
        start = address // PIECE * PIECE
        data = b"".join(self._piece(at) for at in range(start, address + size, PIECE))
        return data[address - start:address - start + size]

    def _piece(self, address):
        if address not in self._pieces:
            self._pieces[address] = read(address, PIECE)
        return self._pieces[address]


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def readable(address, size=1):
    try:
        read(address, size)
        return True
    except gdb.MemoryError:
        return False


def connected():
    connection = gdb.selected_inferior().connection
    return connection is not None and connection.type in ("remote", "extended-remote")


def monitor(command):
    """What the other side says, or "" where it knows no such command."""
    try:
        return gdb.execute(f"monitor {command}", to_string=True)
    except gdb.error:
        return ""


def find_kernel():
    """(banner, how far from where it was linked) of the kernel that runs."""
    said = monitor("kernel")
    if "no kernel found" in said:
        raise gdb.GdbError("no Linux runs here, yet: continue, break in later and run orlop-attach "
                           "again; with nokaslr say `orlop-attach \"\" VMLINUX 0`")
    banner = re.search(r"^Linux version .*", said, re.MULTILINE)
    offset = re.search(r"offset (0x[0-9a-f]+)", said)
    if banner and offset:
        return banner.group(0), int(offset.group(1), 0)
    return search_kernel()


def search_kernel():
    """The same by gdb alone, where the other side is not Orlop: QEMU, for instance. The kernel's page
    tables map nothing between IMAGE_START and the image."""
    for start in range(IMAGE_START, IMAGE_END, IMAGE_STEP):
        if readable(start):
            break
    else:
        raise gdb.GdbError("no Linux in this CPU's page tables: it runs a program under page-table "
                           "isolation, or no 64-bit Linux; stop it again")
    for address in range(start, start + LARGEST_IMAGE, PAGES):
        try:
            data = read(address, PAGES)
        except gdb.MemoryError:
            continue  # a hole, of what was freed after the start
        for found in re.finditer(BANNER_START, data):
            at = address + found.start()
            banner = re.match(BANNER, read(at, LONGEST_BANNER) if readable(at, LONGEST_BANNER)
                              else data[found.start():])
            if banner:
                return banner.group(0).decode(), start - LINKED_AT
    raise gdb.GdbError(f"what is mapped at {start:#x} does not say that it is Linux")


def find_vmlinux(release):
    """The file with the symbols of this release."""
    given = gdb.current_progspace().filename
    names = [given] if given else []
    names += [f"{folder}/vmlinux-{release}" for folder in ("build/linux", "/usr/lib/debug/boot", ".")]
    for name in names:
        if os.path.exists(name):
            return name
    raise gdb.GdbError(f"no symbols of {release}: `make symbols` fetches those of make run's kernel, "
                       f"`apt-get install linux-image-{release}-dbg` others; or name the file: "
                       "orlop-attach \"\" VMLINUX")


def load(vmlinux, offset):
    global loaded
    vmlinux = os.path.realpath(vmlinux)
    if loaded != (vmlinux, offset):
        print(f"reading the symbols of {vmlinux} ...", flush=True)
        gdb.execute(f'symbol-file "{vmlinux}" -o {offset:#x}', to_string=True)
        loaded = vmlinux, offset


def kernel_value(name):
    """The value of a variable of the kernel."""
    if not loaded:
        raise gdb.GdbError("no symbols yet: orlop-attach first")
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if not symbol:
        raise gdb.GdbError(f"this kernel has no {name}")
    return symbol.value()


def has(kind, field):
    return any(f.name == field for f in kind.strip_typedefs().fields())


def offset_of(kind, path):
    """Of a member, in bytes: offset_of(type, "text_blk_lpos.begin")."""
    bits = 0
    for name in path.split("."):
        field = next(f for f in kind.strip_typedefs().fields() if f.name == name)
        bits += field.bitpos
        kind = field.type
    return bits // 8


def entries(head, kind_name, member):
    """The structures that a list_head leads through."""
    kind = gdb.lookup_type(kind_name)
    offset = offset_of(kind, member)
    node, end = int(head["next"]), int(head.address)
    for _ in range(MOST):
        if node == end:
            return
        entry = gdb.Value(node - offset).cast(kind.pointer()).dereference()
        yield entry
        node = int(entry[member]["next"])
    raise gdb.GdbError("this list has no end")


def text_of(array):
    """A char array up to its zero."""
    length = array.type.range()[1] + 1
    return read(int(array.address), length).split(b"\0")[0].decode("utf-8", "replace")


class Command(gdb.Command):
    """One whose help is its docstring."""

    def __init__(self, name, completion=gdb.COMPLETE_NONE):
        super().__init__(name, gdb.COMMAND_USER, completion)

    def invoke(self, argument, from_tty):
        try:
            self.run(gdb.string_to_argv(argument))
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"{error}: if a program was stopped, `monitor space kernel` may help")


class Attach(Command):
    """orlop-attach [ADDRESS [VMLINUX [OFFSET]]]: connect, find the kernel that runs, load its symbols.

ADDRESS is what `target remote` takes, or "" where gdb is connected already. Without VMLINUX the file
of the kernel's release is looked for in build/linux, /usr/lib/debug/boot and here. OFFSET says how far
the kernel is from where it was linked (0 with nokaslr), for a kernel that does not run yet."""

    def run(self, words):
        address, vmlinux, offset = [*words, *[""] * 3][:3]
        if address:
            gdb.execute(f"target remote {address}", to_string=True)  # warns that it knows no file
        elif not connected():
            raise gdb.GdbError("not connected: name an address, as for `target remote`")
        monitor("space kernel")
        if offset:
            load(vmlinux, int(offset, 0))
            return
        banner, offset = find_kernel()
        print(f"{banner}\nmoved by {offset:#x} from where it was linked")
        load(vmlinux or find_vmlinux(banner.split()[2]), offset)
        self._check(banner)
        gdb.execute("frame")

    def _check(self, banner):
        global loaded
        at = int(kernel_value("linux_banner").address)
        said = read(at, len(banner)) if readable(at, len(banner)) else b""
        if said != banner.encode():
            name, loaded = loaded[0], None
            gdb.execute("symbol-file")
            raise gdb.GdbError(f"{name} is of another kernel than the one that runs")


class Ps(Command):
    """orlop-ps [-t]: the guest's processes; with -t their threads, too.

STATE as ps has it; CPU with a * where the task runs at this moment."""

    STATES = ((1, "S"), (2, "D"), (4, "T"), (8, "t"), (16, "X"), (32, "Z"), (64, "P"), (128, "I"))
    IDLE = 0x402  # does not count as load

    def run(self, words):
        init = kernel_value("init_task")
        print(f"{'TASK':18} {'PID':>7} {'CPU':>4} S COMMAND")
        self._show(init)
        for task in entries(init["tasks"], "struct task_struct", "tasks"):
            self._show(task)
            if "-t" in words:
                for thread in entries(task["signal"]["thread_head"], "struct task_struct",
                                      "thread_node"):
                    if thread.address != task.address:
                        self._show(thread, "  ")

    def _show(self, task, indent=""):
        name = text_of(task["comm"])
        info = task["thread_info"]
        cpu = info["cpu"] if has(info.type, "cpu") else task["cpu"]
        runs = "*" if int(task["on_cpu"]) else ""
        print(f"{int(task.address):#018x} {int(task['pid']):7} {runs + str(int(cpu)):>4} "
              f"{self._state(task)} {indent}{name if int(task['mm']) else '[' + name + ']'}")

    def _state(self, task):
        state = int(task["__state" if has(task.type, "__state") else "state"])
        if state & self.IDLE == self.IDLE:
            return "I"
        state |= int(task["exit_state"])
        return next((letter for bit, letter in self.STATES if state & bit), "R")


class Dmesg(Command):
    """orlop-dmesg [N]: the kernel's messages, or the last N of them (Linux 5.10 and later)."""

    WORD = struct.Struct("<Q")
    ID = (1 << 62) - 1            # of a descriptor's state; the state's own bits are above
    SAID = (1, 2)                 # committed, finalized

    def run(self, words):
        self.memory = Memory()
        ring = kernel_value("prb").dereference()
        self.descriptors, self.text = ring["desc_ring"], ring["text_data_ring"]
        first = int(self.descriptors["tail_id"]["counter"]) & self.ID
        last = int(self.descriptors["head_id"]["counter"]) & self.ID
        if words:
            first = max(first, last + 1 - int(words[0], 0))
        self._prepare()
        for number in range(first, last + 1):
            self._show(number)

    def _prepare(self):
        self.count = 1 << int(self.descriptors["count_bits"])
        self.bytes = 1 << int(self.text["size_bits"])
        self.descs, self.infos = (self.descriptors[name].type.target() for name in ("descs", "infos"))
        self.begin = offset_of(self.descs, "text_blk_lpos.begin")
        self.next = offset_of(self.descs, "text_blk_lpos.next")
        self.state = offset_of(self.descs, "state_var.counter")
        self.time = offset_of(self.infos, "ts_nsec")
        self.length = offset_of(self.infos, "text_len")
        self.at = int(self.descriptors["descs"]), int(self.descriptors["infos"]), int(self.text["data"])

    def _show(self, number):
        descs_at, infos_at, data_at = self.at
        index = number % self.count
        desc = self.memory.read(descs_at + index * self.descs.sizeof, self.descs.sizeof)
        info = self.memory.read(infos_at + index * self.infos.sizeof, self.infos.sizeof)
        state, begin, following = (self.WORD.unpack_from(desc, at)[0]
                                   for at in (self.state, self.begin, self.next))
        if state & self.ID != number or state >> 62 not in self.SAID:
            return  # just now being written, or overwritten
        seconds = self.WORD.unpack_from(info, self.time)[0] / 1e9
        length = struct.unpack_from("<H", info, self.length)[0]
        for line in self._text(data_at, begin, following, length).split("\n"):
            print(f"[{seconds:12.6f}] {line}")

    def _text(self, data_at, begin, following, length):
        if begin & 1:
            return ""  # a message without text
        if begin // self.bytes != following // self.bytes and following % self.bytes:
            begin = 0  # it did not fit before the ring's end
        room = (following - begin) % self.bytes - self.WORD.size
        at = data_at + begin % self.bytes + self.WORD.size
        return self.memory.read(at, min(length, room)).decode("utf-8", "replace")


class Mod(Command):
    """orlop-mod [FILE.ko ...]: list the kernel's modules, or add the symbols of files of them.

The files may be those of a -dbg package; a module's sections are looked up in the guest."""

    def __init__(self):
        super().__init__("orlop-mod", gdb.COMPLETE_FILENAME)

    def run(self, words):
        modules = {text_of(module["name"]): module for module in
                   entries(kernel_value("modules"), "struct module", "list")}
        if not words:
            self._list(modules)
        for file in words:
            self._add(modules, file)

    def _list(self, modules):
        if not modules:
            print("no modules")
        for name, module in modules.items():
            base, size = self._text_of(module)
            print(f"{base:#018x} {size:8} {name}")

    def _text_of(self, module):
        kind = module.type
        text = module["core_layout"] if has(kind, "core_layout") else module["mem"][0]
        return int(text["base"]), int(text["size"])

    def _add(self, modules, file):
        name = os.path.basename(file).split(".")[0].replace("-", "_")
        if name not in modules:
            raise gdb.GdbError(f"the guest has no module {name}")
        sections = self._sections(modules[name])
        others = " ".join(f"-s {section} {at:#x}" for section, at in sections.items()
                          if section != ".text")
        gdb.execute(f"add-symbol-file '{file}' {sections['.text']:#x} {others}")

    def _sections(self, module):
        attributes = module["sect_attrs"].dereference()
        found = {}
        for index in range(int(attributes["nsections"])):
            section = attributes["attrs"][index]
            name = section["battr"]["attr"] if has(section.type, "battr") else section
            found[name["name"].string()] = int(section["address"])
        return found


Attach("orlop-attach")
Ps("orlop-ps")
Dmesg("orlop-dmesg")
Mod()
end
