"""The boot harness itself, with the stand-in in the place of Orlop: what must fail does fail."""

import socket

import pytest

import debug_line
import emulators
import harness
from debug_line import LOG_FILE
from harness import BootFailure, Case, Talk, Watch, boot, guest_lines, load_cases, skip_lines

EMULATORS = ["bochs", "qemu"]


def case(**fields):
    defaults = {"name": "harness-trial", "elf": "stand_in.bin", "timeout": 30,
                "expect": ["stand-in: here"]}
    return Case(**{**defaults, **fields})


def test_a_line_ends_where_a_program_goes_elsewhere_on_the_screen():
    watch = Watch(case(end="lines", expect=["^one$", "^two x$"]))
    watch.feed("\x1b[1;1H\x1b[7mone\x1b[0m\x1b[2")
    watch.feed(";17Htwo x\x1b[")
    assert not watch.all_said()
    watch.feed("9;1H")
    assert watch.all_said()


@pytest.mark.parametrize("emulator", EMULATORS)
@pytest.mark.parametrize("word, end", [
    ("poweroff", "poweroff"), ("refused", "refused"), ("panic", "panic"), ("reset", "reset"),
    ("fault", "guest-stopped"), ("hang", "lines"),
])
def test_each_end_is_known(stand_in, tmp_path, emulator, word, end):
    expect = [f"command line: {word}"]
    assert boot(case(options=word, end=end, emulator=emulator, expect=expect), tmp_path)


@pytest.mark.parametrize("emulator", EMULATORS)
@pytest.mark.parametrize("word, end, message", [
    ("poweroff", "refused", "the machine ended before the row did: powered off"),
    ("poweroff", "reset", "powered off"),
    ("reset", "poweroff", "reset|time limit"),
    ("refused", "poweroff", "forbidden: .*orlop: refused"),
    ("refused", "panic", "forbidden: .*orlop: refused"),
    ("panic", "refused", "forbidden: .*orlop: panic"),
    ("fault", "poweroff", "forbidden: .*guest stopped"),
    ("fault", "lines", "forbidden: .*guest stopped"),
    ("triple", "poweroff", "triple fault|reset"),
    ("hang", "poweroff", "time limit"),
])
def test_each_wrong_end_fails(stand_in, tmp_path, emulator, word, end, message):
    timeout = 3 if word in ("hang", "reset") else 30
    # `lines` must not be satisfied before the forbidden line has had its turn.
    expect = ["command line"] if end != "lines" else ["command line", "never said"]
    with pytest.raises(BootFailure, match=message):
        boot(case(options=word, end=end, emulator=emulator, timeout=timeout, expect=expect),
             tmp_path)


@pytest.mark.parametrize("fields, message", [
    ({"expect": ["never said"]}, "(?s)before all was said.*not said: never said.*here"),
    ({"expect": ["power off", "here"]}, "(?s)before all was said.*not said: here"),
    ({"also": ["never said"]}, "not said: never said"),
    ({"forbid": ["power off"]}, "forbidden: .*power off"),
    ({"keys": [["never said", "x"]]}, "before all was said"),
])
def test_what_is_not_said_fails_with_the_end_of_the_line(stand_in, tmp_path, fields, message):
    with pytest.raises(BootFailure, match=message):
        boot(case(options="poweroff", end="poweroff", emulator="qemu", **fields), tmp_path)


def test_keys_are_typed(stand_in, tmp_path):
    boot(case(options="echo", end="poweroff", emulator="qemu", keys=[["ready", "aq"]],
              expect=["key 61", "key 71"]), tmp_path)


@pytest.mark.parametrize("emulator", EMULATORS)
def test_the_debugger_has_a_port_of_its_own(stand_in, tmp_path, emulator):
    trial = dict(options="debug", end="poweroff", emulator=emulator, debug_port=2,
                 timeout=10)
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    with pytest.raises(BootFailure, match="not said: never [(]on the debugger's port[)]"):
        boot(case(**{**trial, "timeout": 5}, debug_keys=[["never", "x"]]), tmp_path / "bad")
    boot(case(**trial, expect=["key 61", "key 62", "key 71"],
              debug_keys=[["r", "a"], ["a", "b"], ["b", "q"]]), tmp_path / "good")
    assert (tmp_path / "good" / LOG_FILE).read_bytes().startswith(b"rab")
    assert (harness.LOGS / "harness-trial.debug.log").exists()


@pytest.mark.parametrize("fields", [
    {"debug_port": 1}, {"debug_port": 2, "emulator": "nest"}, {"debug_keys": [["x", "y"]]}])
def test_a_row_without_a_port_for_its_debugger_is_refused(fields):
    with pytest.raises(ValueError):
        case(end="lines", **fields)


@pytest.mark.parametrize("emulator", EMULATORS)
def test_a_test_talks_on_the_debugger_s_port(stand_in, tmp_path, emulator):
    trial = case(options="debug", end="poweroff", emulator=emulator, debug_port=2,
                 expect=["key 61", "key 71"])
    with Talk(trial, tmp_path) as talk:
        assert talk.wait_for("ready").endswith("ready")
        talk.debug.send("a")
        talk.debug.expect_exact("a")
        talk.wait_for("^key 61$")
        with socket.create_connection(("127.0.0.1", talk.relay.port)) as second:
            assert second.recv(100) == debug_line.BUSY and second.recv(1) == b""
        talk.hang_up()
        talk.debug.send("bq")  # connected anew
        talk.debug.expect_exact("b")
        assert "key 71" in talk.finish()
    assert (tmp_path / LOG_FILE).read_bytes() in (b"rab", b"rabq")
    assert b"key 71" in (tmp_path / "serial.log").read_bytes()


def test_a_test_talks_on_the_only_port(stand_in, tmp_path):
    with Talk(case(options="echo", end="poweroff", emulator="qemu"), tmp_path) as talk:
        talk.debug.expect("ready")
        talk.debug.send("a")
        talk.debug.expect("key 61\r\n")
    assert b"key 61" in (tmp_path / "serial.log").read_bytes()


def test_what_is_forbidden_or_missing_ends_a_talk(stand_in, tmp_path):
    for name, word, why in (("one", "panic", "forbidden: .*orlop: panic"),
                            ("two", "poweroff", "before all was said")):
        trial = case(options=word, end="poweroff", emulator="qemu", debug_port=2, expect=["never"])
        with pytest.raises(BootFailure, match=why), Talk(trial, tmp_path / name) as talk:
            talk.wait_for("never")
        with pytest.raises(BootFailure, match=why), Talk(trial, tmp_path / name) as talk:
            talk.finish()


def test_second_serial_port_and_none(stand_in, tmp_path):
    with pytest.raises(BootFailure, match="(?s)not said.*nothing"):
        boot(case(options="poweroff", end="poweroff", emulator="bochs", serial_port=2), tmp_path)
    boot(case(options="poweroff", end="poweroff", emulator="bochs", serial_port=0, expect=[]),
         tmp_path)


@pytest.mark.parametrize("emulator", EMULATORS)
def test_screen_is_read(stand_in, tmp_path, emulator):
    with pytest.raises(BootFailure, match="time limit"):
        boot(case(options="hang", end="lines", emulator=emulator, timeout=4, screen=["no such text"]),
             tmp_path)
    boot(case(options="hang", end="lines", emulator=emulator, screen=["SeaBIOS|GRUB|iPXE|Booting"]),
         tmp_path)


def test_guest_that_fails_fails_the_row():
    watch = Watch(case(end="poweroff"))
    watch.feed("here\nrealmode FAIL see above\n")
    assert watch.problem == "forbidden: realmode FAIL see above"


def test_a_line_is_answered_once():
    watch = Watch(case(end="reboots", keys=[["^ready", "a"], ["^ready", "b"], ["^gone", "c"]]))
    assert watch.feed("rea") == ""
    assert watch.feed("dy? ") == "a"
    assert watch.feed("a") == ""            # the same prompt, with the echo
    assert watch.feed("\nready? ") == "b"
    assert watch.feed("b\ngone\ngone\n") == "c"
    assert not watch.keys


def test_expected_lines_and_keys_are_repeated():
    watch = Watch(case(end="lines", expect=["one", "two"], keys=[["one", "a"]], repeat=2))
    assert watch.feed("one\ntwo\n") == "a"
    assert watch.missing() == ["one", "two"]
    assert watch.feed("two\none\n") == "a"
    assert watch.missing() == ["two"]
    watch.feed("two\n")
    assert watch.all_said()


def test_lines_are_whole_and_without_terminal_codes():
    watch = Watch(case(end="poweroff", expect=["^one two$", "^three$"]))
    watch.feed("one t")
    watch.feed("wo\r\n\x1b[1;31mthr")
    watch.feed("ee\x1b[m\r\n")
    assert watch.all_said()


def _matrix(tmp_path, text):
    path = tmp_path / "matrix.toml"
    path.write_text(text)
    return path


def test_a_row_stands_for_one_boot_a_number_of_cpus(tmp_path):
    cases = load_cases(_matrix(tmp_path, """
        [[case]]
        name = "smp"
        cpus = [2, 4]
        expect = ['cpus={cpus} last={last}']
        also = ['cpu{each} up']
        end = "poweroff" """))
    assert [(one.name, one.cpus) for one in cases] == [("smp-2cpu", 2), ("smp-4cpu", 4)]
    assert cases[1].expect == ["cpus=4 last=3"]
    assert cases[1].also == ["cpu0 up", "cpu1 up", "cpu2 up", "cpu3 up"]
    cases = load_cases(_matrix(tmp_path, """
        [[case]]
        name = "smp"
        cpus = [2]
        long_cpus = [4]
        expect = ['x']
        end = "poweroff" """))
    assert [(one.name, one.tags) for one in cases] == [("smp-2cpu", []), ("smp-4cpu", ["long"])]


@pytest.mark.parametrize("row", [
    "end = 'poweroff'",                          # expects nothing
    "end = 'sometime'\nexpect = ['x']",
    "expect = ['x']",
    "end = 'poweroff'\nexpect = ['x']\nemulator = 'vmware'",
    "end = 'poweroff'\nexpect = ['x']\nscreen = ['x']\nemulator = 'nest'",
    "end = 'poweroff'\nexpect = ['x']\nscreen_keys = [['x', 'y']]\nemulator = 'qemu'",
    "end = 'poweroff'\nexpect = ['x']\nbare = true",
    "end = 'poweroff'\nexpect = ['x']\nbios = 'x'\nemulator = 'qemu'",
    "end = 'poweroff'\nexpect = ['(']",
    "end = 'poweroff'\nexpected = ['x']",
    "end = 'poweroff'\nexpect = ['x']\niso = 'build/orlop.iso'\nnetwork = 'direct'",
    "end = 'poweroff'\nexpect = ['x']\nnetwork = 'tap:x'",
])
def test_a_row_that_means_nothing_is_refused(tmp_path, row):
    with pytest.raises(Exception):
        load_cases(_matrix(tmp_path, f"[[case]]\nname = 'x'\n{row}\n"))


def test_two_rows_of_one_name_are_refused(tmp_path):
    row = "[[case]]\nname = 'x'\nend = 'poweroff'\nexpect = ['x']\n"
    with pytest.raises(ValueError, match="rows of one name: x"):
        load_cases(_matrix(tmp_path, row * 2))


def test_lines_of_a_guest():
    lines = ["x", "canary SKIP AVX-512 (not there)", "[0.1] cpu0 vmx: SKIP", "canary: cpu 1 ",
             "canary2: no"]
    assert skip_lines(lines) == ["canary SKIP AVX-512 (not there)"]
    assert guest_lines(case(end="lines", modules=["canary.bin=realmode"]), lines) == [
        "canary SKIP AVX-512 (not there)", "canary: cpu 1"]
    assert guest_lines(case(end="lines", modules=["canary.bin=realmode"], bare_except=["cpu 1"]),
                       lines) == ["canary SKIP AVX-512 (not there)"]


@pytest.mark.parametrize("fields, bochs, skipped", [
    ({"needs_bochs": 3}, "bochs-2.7", "needs Bochs 3, this is bochs-2.7: run `make bochs`"),
    ({"needs_bochs": 3}, "bochs", "needs Bochs 3, this is bochs: run `make bochs`"),
    ({"needs_bochs": 3}, "bochs-3.0", ""),
    ({"needs_bochs": 3}, "bochs-10.1", ""),
    ({"needs_bochs": 3, "emulator": "qemu"}, "bochs-2.7", ""),
    ({"bochs_before": 3}, "bochs-2.7", ""),
    ({"bochs_before": 3}, "bochs-3.0",
     "for a Bochs before 3, this is bochs-3.0, where another row shows more"),
    ({}, "bochs-2.7", ""),
    ({"skip": "no such thing"}, "bochs-2.7", "no such thing"),
])
def test_a_row_that_needs_a_newer_bochs_says_so(fields, bochs, skipped):
    assert harness.why_skipped(case(end="poweroff", **fields), bochs) == skipped


@pytest.mark.parametrize("version, factor", [
    ("bochs-2.7", 3), ("bochs", 3), ("bochs-3.0", 1), ("bochs-10.1", 1), ("qemu-7.2.0", 1),
])
def test_an_older_bochs_is_given_more_time(version, factor):
    assert harness.patience(version) == factor


@pytest.mark.parametrize("version, limit", [("bochs-2.7", 6), ("bochs-3.0", 2)])
def test_a_row_runs_into_the_limit_of_its_emulator(stand_in, tmp_path, monkeypatch, version, limit):
    monkeypatch.setattr(emulators.Bochs, "version", lambda *_: version)
    with pytest.raises(BootFailure, match=f"time limit of {limit} s"):
        boot(case(options="hang", end="poweroff", timeout=2), tmp_path)


def test_reference_is_of_this_very_guest_and_emulator(tmp_path, monkeypatch):
    (tmp_path / "guests").mkdir()
    guest = tmp_path / "guests/blocking.bin"
    guest.write_bytes(b"one")
    monkeypatch.setattr(harness, "BUILD", tmp_path)
    monkeypatch.setattr(harness, "REFERENCES", tmp_path)
    row = case(end="poweroff", name="blocking", modules=["blocking.bin=realmode"], bare=True)
    with pytest.raises(BootFailure, match="0 references fit .*run `make references`"):
        harness.reference_path(row)
    version = emulators.Bochs.version()
    path = harness.reference_path(row, f"{version}.bochsbios-1.grub-2")
    path.write_text("blocking: as it was\n")
    harness.reference_path(row, "bochs-1.2.grub-2").write_text("blocking: as it never was\n")
    assert harness.reference_path(row) == path
    monkeypatch.setattr(emulators.Bochs, "version", lambda: f"{version}1")
    with pytest.raises(BootFailure, match=f"0 references fit .*@{version}1"):
        harness.reference_path(row)
    monkeypatch.undo()
    monkeypatch.setattr(harness, "BUILD", tmp_path)
    monkeypatch.setattr(harness, "REFERENCES", tmp_path)
    guest.write_bytes(b"two")
    with pytest.raises(BootFailure, match="0 references fit"):
        harness.reference_path(row)
