/* with: debug/gdb*.c debug/breakpoints.c debug/rsp.c lib/format.c lib/string.c vmx/vmcs_fields.c */
/* gdb's packets, from the bytes on the line to what is decided, against a machine in memory. */
#include "lib/format.h"
#include "lib/string.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/panic.h"
#include "tests/unit/gdb_world.h"

static void feed(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)gdb_feed((uint8_t)bytes[i]);
}

static void put_line(void *context, uint8_t byte)
{
    (void)context;
    (void)gdb_feed(byte);
}

static void send_bytes(const char *bytes, size_t count)
{
    struct rsp_reply packet = {(char *)bytes, count, count, false};
    world.sent_bytes = 0;
    rsp_send(&packet, put_line, NULL);
    gdb_quiet();
    world.sent[world.sent_bytes] = 0;
}

/* What was sent since, its packets without their framing, `|` between them. */
static const char *heard(void)
{
    static char text[sizeof(world.sent)];
    static char payload[2 * GDB_PACKET_BYTES];
    struct rsp_receiver receiver;
    size_t length = 0;
    rsp_receiver_init(&receiver, payload, sizeof(payload));
    for (size_t i = 0; i < world.sent_bytes; i++) {
        enum rsp_event event = rsp_receive(&receiver, (uint8_t)world.sent[i]);
        if (event == RSP_ACK || event == RSP_NAK)
            text[length++] = world.sent[i];
        assert_int_not_equal(event, RSP_BAD);
        if (event != RSP_PACKET)
            continue;
        memcpy(text + length, payload, receiver.length);
        length += receiver.length;
        text[length++] = '|';
    }
    text[length] = 0;
    world.sent_bytes = 0;
    return text;
}

static const char *ask(const char *packet)
{
    send_bytes(packet, strlen(packet));
    return heard();
}

#define EXPECT(packet, expected) assert_string_equal(ask(packet), expected)

/* A gdb that has agreed on no acknowledgements. */
static int set_up(void **state)
{
    (void)state;
    world_begin();
    gdb_set_architecture(GDB_X86_64);
    (void)ask("qSupported:xmlRegisters=i386");
    EXPECT("QStartNoAckMode", "+OK|");
    return 0;
}

/* ---- the line ---- */

static void a_new_gdb_begins_with_acknowledgements(void **state)
{
    (void)state;
    EXPECT("vMustReplyEmpty", "|");
    assert_non_null(strstr(ask("qSupported:multiprocess+"), "+PacketSize=4000;"));
    EXPECT("?", "+T05thread:1;10:0010000000000000;07:0700000000000000;06:0600000000000000;|");
    feed("$?#3e", 5);
    assert_string_equal(heard(), "-");
    feed("-", 1);
    assert_non_null(strstr(heard(), "T05thread"));
    feed("+", 1);
    assert_string_equal(heard(), "");
    EXPECT("QStartNoAckMode", "+OK|");
    feed("$?#3e", 5);
    assert_string_equal(heard(), "E.the packet has come damaged|");
    feed("-", 1);
    assert_string_equal(heard(), "");
}

static void of_packets_in_a_row_the_last_is_answered(void **state)
{
    (void)state;
    feed("$qSupported#37+$qSupported#37", 29);
    assert_string_equal(heard(), "");
    feed("$qC#b4", 6);
    gdb_quiet();
    assert_string_equal(heard(), "QC1|"); /* no word of the others */
    feed("$qSupported#37$qC#b5", 20);
    gdb_quiet();
    assert_string_equal(heard(), "E.the packet has come damaged|");
    feed("$qSupported#37", 14);
    gdb_quiet();
    feed("$qC#b4+", 7);
    assert_non_null(strstr(heard(), "+PacketSize"));
    gdb_quiet();
    gdb_quiet();
    assert_string_equal(heard(), "+QC1|");
}

static void a_first_packet_said_twice_is_answered_once(void **state)
{
    (void)state;
    feed("$qSupported#37", 14);
    gdb_quiet();
    assert_non_null(strstr(heard(), "+PacketSize"));
    feed("$qSupported#37", 14);
    gdb_quiet();
    feed("$qSupported#37", 14);
    gdb_quiet();
    assert_string_equal(heard(), "");
    world.now_us += 2000000; /* a new gdb */
    feed("$qSupported#37", 14);
    gdb_quiet();
    assert_non_null(strstr(heard(), "+PacketSize"));
    feed("+$qC#b4", 7);
    gdb_quiet();
    assert_string_equal(heard(), "+QC1|");
    feed("+$qSupported#37", 15);
    gdb_quiet();
    assert_non_null(strstr(heard(), "+PacketSize")); /* something came between */
}

static void a_packet_that_is_too_long_is_refused(void **state)
{
    (void)state;
    static char packet[GDB_PACKET_BYTES + 1];
    memset(packet, 'q', sizeof(packet));
    send_bytes(packet, sizeof(packet));
    assert_string_equal(heard(), "E.the packet is too long|");
    send_bytes(packet, sizeof(packet) - 1);
    assert_string_equal(heard(), "|");
}

static void what_is_unknown_is_answered_empty(void **state)
{
    (void)state;
    static const char *const packets[] = {"vMustReplyEmpty",
                                          "qTStatus",
                                          "qCRC:0,4",
                                          "qSymbol::",
                                          "",
                                          "A",
                                          "vRun;",
                                          "qXfer:features:read:other.xml:0,10",
                                          "R00",
                                          "bc"};
    for (size_t i = 0; i < ARRAY_SIZE(packets); i++)
        EXPECT(packets[i], "|");
}

static void what_is_malformed_is_an_error(void **state)
{
    (void)state;
    static const char *const packets[] = {"m",
                                          "m10",
                                          "m,4",
                                          "m10,",
                                          "mg,4",
                                          "M10,4",
                                          "M10,4:00",
                                          "M10,4:0011223",
                                          "X10,4:abc",
                                          "Z0",
                                          "Z5,10,1",
                                          "Z0,10",
                                          "z1,,1",
                                          "Hx1",
                                          "H",
                                          "Hgx",
                                          "Hg5",
                                          "Hg99999999999999999",
                                          "T",
                                          "T5",
                                          "T0",
                                          "p",
                                          "p200",
                                          "pzz",
                                          "P1",
                                          "P1=00",
                                          "G00",
                                          "vCont",
                                          "vCont;",
                                          "vCont;x",
                                          "vCont;c:zz",
                                          "vCont;c:1;",
                                          "vCont;S",
                                          "vCont;r1000",
                                          "vCont;s:9",
                                          "vContx",
                                          "qXfer:features:read:target.xml:0",
                                          "qXfer:threads:read::,",
                                          "qThreadExtraInfo,9",
                                          "vCont;s:5;c:6"};
    for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
        if (strcmp(ask(packets[i]), "E01|"))
            fail_msg("%s: %s", packets[i], ask(packets[i]));
        assert_true(world.stands_still);
    }
}

/* ---- registers ---- */

static void general_registers_come_together(void **state)
{
    (void)state;
    const char *all = ask("g");
    assert_int_equal(strlen(all), 17 * 16 + 7 * 8 + 1);
    assert_memory_equal(all, "000000000000000001000000000000000200", 36);
    assert_memory_equal(all + 16 * 16, "001000000000000011000000", 24);
    EXPECT("Hg3", "OK|");
    assert_memory_equal(ask("g"), "002000000000000001200000", 24);
    world.unknown[2] = true;
    assert_memory_equal(ask("g"), "xxxxxxxxxxxxxxxxxxxxxxxx", 24);
}

static void each_register_is_there(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TARGET_REGISTER_COUNT; i++) {
        char packet[16];
        format(packet, sizeof(packet), "p%x", i);
        assert_int_equal(strlen(ask(packet)), register_bits[i] / 4 + 1);
    }
    EXPECT("p18", "18000000000000001800|"); /* st0 */
    world.unknown[0] = true;
    EXPECT("p11", "xxxxxxxx|");
}

static void registers_are_written(void **state)
{
    (void)state;
    EXPECT("P0=8877665544332211", "OK|");
    assert_int_equal(world.registers[0][TARGET_rax].low, 0x1122334455667788);
    EXPECT("Hg2", "OK|");
    EXPECT("P18=00112233445566778899", "OK|");
    assert_int_equal(world.registers[1][TARGET_st0].low, 0x7766554433221100);
    assert_int_equal(world.registers[1][TARGET_st0].high, 0x9988);
    char packet[16 + 32];
    format(packet, sizeof(packet), "P%x=0000000000000000", TARGET_dr7);
    EXPECT(packet, "E.it cannot be written here|");
    format(packet, sizeof(packet), "P%x=1000000000000000", TARGET_cr8);
    EXPECT(packet, "E.it cannot have this value|");
    char all[17 * 16 + 7 * 8 + 2] = "G";
    memset(all + 1, '5', sizeof(all) - 2);
    EXPECT(all, "OK|");
    assert_int_equal(world.registers[1][TARGET_gs].low, 0x55555555);
    assert_int_equal(world.registers[1][TARGET_st0].high, 0x9988);
}

/* The whole document, in parts of that length. */
static char *document(const char *name, unsigned length)
{
    static char text[32768];
    size_t offset = 0;
    for (const char *part;;) {
        char packet[80];
        format(packet, sizeof(packet), "qXfer:%s:%x,%x", name, (unsigned)offset, length);
        part = ask(packet);
        assert_true(*part == 'm' || *part == 'l');
        size_t bytes = strlen(part) - 2;
        assert_true(bytes <= length && offset + bytes < sizeof(text));
        memcpy(text + offset, part + 1, bytes);
        offset += bytes;
        if (*part == 'l')
            break;
    }
    text[offset] = 0;
    return text;
}

static void the_description_has_each_register_once(void **state)
{
    (void)state;
    const char *text = document("features:read:target.xml", 0x800);
    for (unsigned i = 0; i < TARGET_REGISTER_COUNT; i++) {
        char line[96];
        format(line, sizeof(line), "<reg name=\"%s\" bitsize=\"%u\" regnum=\"%u\" ",
               register_names[i], register_bits[i], i);
        const char *at = strstr(text, line);
        assert_non_null(at);
        assert_null(strstr(at + 1, line));
    }
    assert_non_null(strstr(text, "<architecture>i386:x86-64</architecture>"));
    assert_non_null(strstr(text,
                           "<flags id=\"efer_flags\" size=\"8\"><field name=\"SCE\" start=\"0\" "
                           "end=\"0\"/>"));
}

static void documents_are_the_same_in_any_parts(void **state)
{
    (void)state;
    char *whole = strdup(document("features:read:target.xml", 0x2000));
    for (unsigned length = 1; length < 0x1000; length = length * 3 + 1)
        assert_string_equal(document("features:read:target.xml", length), whole);
    free(whole);
    EXPECT("qXfer:features:read:target.xml:fffff,10", "l|");
    EXPECT("qXfer:features:read:target.xml:0,0", "m|");
}

static void the_other_description_has_the_32_bit_names(void **state)
{
    (void)state;
    gdb_set_architecture(GDB_I8086);
    const char *text = document("features:read:target.xml", 0x1000);
    assert_non_null(strstr(text, "<architecture>i8086</architecture><osabi>none</osabi>"));
    assert_non_null(
        strstr(text, "<reg name=\"eip\" bitsize=\"32\" regnum=\"16\" type=\"code_ptr\"/>"));
    assert_null(strstr(text, "\"rax\""));
    assert_null(strstr(text, "\"r8\""));
    assert_null(strstr(text, "\"xmm8\""));
    assert_null(strstr(text, "i386.segments"));
    assert_non_null(strstr(text, "\"fs_base\""));
    assert_int_equal(strlen(ask("g")), 9 * 8 + 7 * 8 + 1);
    EXPECT("p10", "00100000|");
    EXPECT("p8", "E01|"); /* r8 */
}

/* ---- threads ---- */

static void threads_are_cpus(void **state)
{
    (void)state;
    EXPECT("qfThreadInfo", "m1,2,3,4|");
    EXPECT("qsThreadInfo", "l|");
    EXPECT("qC", "QC1|");
    EXPECT("Hg2", "OK|");
    EXPECT("qC", "QC2|");
    EXPECT("Hg0", "OK|");
    EXPECT("qC", "QC1|");
    EXPECT("Hc-1", "OK|");
    EXPECT("T4", "OK|");
    EXPECT("qThreadExtraInfo,2", "6d6f64652031|"); /* mode 1 */
    assert_string_equal(document("threads:read:", 50),
                        "<threads><thread id=\"1\" core=\"0\" name=\"cpu0 mode 0\"/>"
                        "<thread id=\"2\" core=\"1\" name=\"cpu1 mode 1\"/>"
                        "<thread id=\"3\" core=\"2\" name=\"cpu2 mode 2\"/>"
                        "<thread id=\"4\" core=\"3\" name=\"cpu3 mode 3\"/></threads>");
}

/* ---- memory ---- */

static void memory_is_read_as_far_as_it_goes(void **state)
{
    (void)state;
    EXPECT("m10,4", "70777e85|");
    EXPECT("m0,0", "|");
    EXPECT("mffff,10", "f8|");
    EXPECT("m10000,10", "E14|");
    EXPECT("mffffffff80000010,2", "7077|");
    const char *much = ask("m100,2000");
    assert_int_equal(strlen(much), 0x4001);
    for (unsigned i = 0; i < 0x2000; i++) {
        char digits[3];
        format(digits, sizeof(digits), "%02x", world.memory[0x100 + i]);
        assert_memory_equal(much + 2 * i, digits, 2);
    }
    assert_int_equal(strlen(ask("m100,ffffffffffffffff")), 0x4001);
}

static void memory_is_written(void **state)
{
    (void)state;
    EXPECT("M20,3:01fe7F", "OK|");
    assert_memory_equal(&world.memory[0x20], "\x01\xfe\x7f\xf5", 4);
    EXPECT("Mfffe,4:01020304", "E14|");
    EXPECT("X0,0:", "OK|");
    send_bytes("X30,6:\x00#$}*\x03", 12);
    assert_string_equal(heard(), "OK|");
    assert_memory_equal(&world.memory[0x30], "\x00#$}*\x03", 6);
    static char much[6 + 0x1000] = "X100,1000:";
    memset(much + 10, 0x11, sizeof(much) - 10);
    send_bytes(much, 10 + 0x1000 - 4);
    assert_string_equal(heard(), "E01|"); /* shorter than it says */
}

static void spaces_are_other_tables(void **state)
{
    (void)state;
    world.registers[0][TARGET_cr3].low = 0x8000 | USER_TABLES;
    EXPECT("mffffffff80000010,1", "E14|");
    gdb_set_space(GDB_SPACE_KERNEL);
    EXPECT("mffffffff80000010,1", "70|");
    EXPECT("Mffffffff80000010,1:71", "OK|");
    assert_int_equal(world.memory[0x10], 0x71);
    assert_int_equal(world.cr3, 0);
    world.registers[0][TARGET_cr3].low = 0x8000;
    gdb_set_space(GDB_SPACE_USER);
    EXPECT("mffffffff80000010,1", "E14|");
    gdb_set_space(GDB_SPACE_PHYSICAL);
    EXPECT("m10,1", "71|");
    EXPECT("mffffffff80000010,1", "E14|");
}

/* ---- breakpoints ---- */

static void an_int3_is_not_seen(void **state)
{
    (void)state;
    EXPECT("Z0,1001,1", "OK|");
    EXPECT("Z0,1001,1", "OK|");
    EXPECT("Zffffffff80001002,1", "E01|");
    EXPECT("Z0,ffffffff80001002,1", "OK|");
    assert_memory_equal(&world.memory[0x1000], "\x10\xcc\xcc\x25", 4);
    assert_true(machine.debug.int3);
    EXPECT("m1000,4", "10171e25|");
    EXPECT("M1000,3:a0a1a2", "OK|");
    assert_memory_equal(&world.memory[0x1000], "\xa0\xcc\xcc\x25", 4);
    EXPECT("m1000,4", "a0a1a225|");
    EXPECT("z0,1001,1", "OK|");
    assert_memory_equal(&world.memory[0x1000], "\xa0\xa1\xcc\x25", 4);
    world.memory[0x1002] = 0x90; /* the guest's own */
    EXPECT("m1002,1", "90|");
    EXPECT("z0,ffffffff80001002,1", "OK|");
    assert_int_equal(world.memory[0x1002], 0x90);
    assert_false(machine.debug.int3);
    EXPECT("z0,1001,1", "E01|");
}

static void two_addresses_of_a_byte_share_its_int3(void **state)
{
    (void)state;
    EXPECT("Z0,1001,1", "OK|");
    EXPECT("Z0,ffffffff80001001,1", "OK|");
    EXPECT("z0,1001,1", "OK|");
    assert_int_equal(world.memory[0x1001], 0xCC);
    EXPECT("m1001,1", "17|");
    EXPECT("z0,ffffffff80001001,1", "OK|");
    assert_int_equal(world.memory[0x1001], 0x17);
}

static void an_int3_is_known_where_it_is(void **state)
{
    (void)state;
    static struct vmx_cpu vcpu;
    EXPECT("Z0,1001,1", "OK|");
    vmcs_write(GUEST_RIP, KERNEL + 0x1001);
    assert_true(breakpoint_is_at(&vcpu));
    vmcs_write(GUEST_RIP, 0x1002);
    assert_false(breakpoint_is_at(&vcpu));
    vmcs_write(GUEST_RIP, 0x91001);
    assert_false(breakpoint_is_at(&vcpu));
    EXPECT("z0,1001,1", "OK|");
    vmcs_write(GUEST_RIP, 0x1001);
    assert_false(breakpoint_is_at(&vcpu));
}

static void no_int3_where_none_stays(void **state)
{
    (void)state;
    EXPECT("Z0,f001,1", "E14|"); /* ROM */
    EXPECT("Z0,20000,1", "E14|");
    assert_false(machine.debug.int3);
    EXPECT("z0,f001,1", "E01|");
    for (unsigned i = 0; i < BREAKPOINTS_MAX; i++) {
        char packet[32];
        format(packet, sizeof(packet), "Z0,%x,1", 0x2000 + i);
        EXPECT(packet, "OK|");
    }
    EXPECT("Z0,3000,1", "E.there is no room for another one|");
}

static void a_kernels_breakpoint_is_found_from_its_users(void **state)
{
    (void)state;
    world.registers[0][TARGET_cr3].low = 0x8000 | USER_TABLES;
    EXPECT("Z0,ffffffff80001001,1", "OK|");
    assert_int_equal(world.memory[0x1001], 0xCC);
    assert_int_equal(world.cr3, 0);
}

static void debug_registers_are_shared_out(void **state)
{
    (void)state;
    const struct debug_breakpoint *slots = machine.debug.breakpoints;
    EXPECT("Z1,1000,1", "OK|");
    assert_true(slots[0].on && slots[0].linear == 0x1000 && slots[0].type == 0);
    assert_int_equal(slots[0].bytes, 1);
    EXPECT("Z2,2004,c", "OK|"); /* 4 and 8 */
    assert_true(slots[1].on && slots[1].linear == 0x2004 && slots[1].bytes == 4);
    assert_true(slots[2].on && slots[2].linear == 0x2008 && slots[2].bytes == 8);
    assert_int_equal(slots[2].type, 1);
    EXPECT("Z4,3001,3", "E.there is no room for another one|");
    assert_false(slots[3].on);
    EXPECT("Z4,3001,1", "OK|");
    assert_true(slots[3].on && slots[3].type == 3);
    EXPECT("z2,2004,c", "OK|");
    assert_false(slots[1].on || slots[2].on);
    EXPECT("z2,2004,c", "E01|");
    EXPECT("Z2,2004,0", "E.it cannot have this value|");
    assert_true(slots[0].on && slots[3].on);
    EXPECT("z1,1000,1", "OK|");
    EXPECT("z4,3001,1", "OK|");
    assert_false(slots[0].on || slots[3].on);
}

static void a_slot_of_somebody_elses_stays(void **state)
{
    (void)state;
    struct debug_breakpoint *slots = machine.debug.breakpoints;
    slots[0] = (struct debug_breakpoint){.linear = 0x1000, .bytes = 1, .on = true};
    EXPECT("z1,1000,1", "E01|");
    EXPECT("Z1,1000,1", "OK|");
    assert_true(slots[1].on);
    (void)ask("qSupported");
    assert_true(slots[0].on);
    assert_false(slots[1].on);
}

/* ---- going on, and stops ---- */

static void expect_decision(const char *packet, const char *decision)
{
    world_stop(DEBUG_KEY, 0, 0);
    (void)heard();
    EXPECT(packet, "");
    assert_string_equal(world.decision, decision);
    assert_false(world.stands_still);
}

static void actions_become_one_decision(void **state)
{
    (void)state;
    expect_decision("vCont;c", "all0");
    expect_decision("vCont;C05;c", "all0");
    expect_decision("vCont;s:1", "step0");
    expect_decision("vCont;S05:3", "step2");
    expect_decision("vCont;s:3;c", "step among 2");
    expect_decision("vCont;s:3;c:-1", "step among 2");
    expect_decision("vCont;c:2", "run1");
    expect_decision("vCont;s", "step0"); /* all would: the one that gdb looks at does */
    expect_decision("vCont;r1000,1004:2", "step1");
    expect_decision("c", "all0");
    expect_decision("s", "step among 0");
    expect_decision("c1234", "all0");
    assert_int_equal(world.registers[0][TARGET_rip].low, 0x1234);
    world_stop(DEBUG_KEY, 0, 0);
    (void)heard();
    EXPECT("vCont;c:1;c:2", "E.all CPUs go on, or one|");
    world.refused = true;
    EXPECT("vCont;c", "E.CR0.PG|");
    EXPECT("vCont?", "vCont;c;C;s;S;r|");
}

static void expect_stop(enum debug_why why, uint64_t detail, unsigned cpu, const char *reply)
{
    world.registers[cpu][TARGET_rip].low = 0x1000 + cpu;
    (void)ask("vCont;c");
    world_stop(why, detail, cpu);
    const char *said = heard();
    if (strncmp(said, reply, strlen(reply)))
        fail_msg("%s instead of %s", said, reply);
}

static void a_stop_says_why_and_where(void **state)
{
    (void)state;
    EXPECT("Z1,1000,1", "OK|");
    EXPECT("Z2,2000,8", "OK|");
    EXPECT("Z3,3000,1", "OK|");
    EXPECT("Z4,4000,2", "OK|");
    expect_stop(DEBUG_KEY, 0, 1, "T02thread:2;10:0110000000000000;07:0710");
    expect_stop(DEBUG_STEP, 0, 3, "T05thread:4;10:");
    expect_stop(DEBUG_INT3, 0, 0, "T05thread:1;swbreak:;10:");
    expect_stop(DEBUG_WATCH, 0, 0, "T05thread:1;hwbreak:;10:");
    expect_stop(DEBUG_WATCH, 1, 0, "T05thread:1;watch:2000;10:");
    expect_stop(DEBUG_WATCH, 2, 0, "T05thread:1;rwatch:3000;10:");
    expect_stop(DEBUG_WATCH, 3, 2, "T05thread:3;awatch:4000;10:");
    expect_stop(DEBUG_WATCH, 4, 2, "O6f746865720a|"); /* none of gdb's */
    expect_stop(DEBUG_TRIPLE_FAULT, 0, 0, "O6f746865720a|T0bthread:1;10:");
    expect_stop(DEBUG_LAUNCH, 0, 0, "O6c61756e63680a|T05thread:1;10:");
    EXPECT("qC", "QC1|");
}

static void the_end_is_told_to_who_waits_for_a_stop(void **state)
{
    (void)state;
    gdb_end("over\n", 5);
    assert_string_equal(heard(), "");
    (void)ask("vCont;c");
    gdb_end("over\n", 5);
    assert_string_equal(heard(), "O6f7665720a|X09|");
}

static void nobody_is_told_of_a_stop_that_did_not_wait(void **state)
{
    (void)state;
    world_stop(DEBUG_KEY, 0, 1);
    assert_string_equal(heard(), "");
    (void)ask("vCont;c");
    assert_true(gdb_feed('$')); /* another gdb, while the guest runs */
    world_stop(DEBUG_KEY, 0, 1);
    assert_string_equal(heard(), "");
    feed("qSupported#37", 13);
    gdb_quiet();
    assert_non_null(strstr(heard(), "+PacketSize"));
}

static void while_it_runs_only_the_interrupt_counts(void **state)
{
    (void)state;
    (void)ask("vCont;c");
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(gdb_feed(byte), byte == 3 || byte == '$');
    (void)gdb_feed('#'), (void)gdb_feed('0'), (void)gdb_feed('0');
    assert_true(gdb_feed(UART_BREAK));
    assert_string_equal(heard(), "");
}

static void a_range_is_stepped_through(void **state)
{
    (void)state;
    (void)ask("vCont;r1000,1004:1;c");
    world.stop = (struct session_stop){DEBUG_STEP, 0, percpu_get(0)};
    world.registers[0][TARGET_rip].low = 0x1003;
    assert_true(gdb_steps_on());
    assert_string_equal(world.decision, "step among 0");
    world.registers[0][TARGET_rip].low = 0x1004;
    assert_false(gdb_steps_on());
    world.registers[0][TARGET_rip].low = 0xfff;
    assert_false(gdb_steps_on());
    world.registers[1][TARGET_rip].low = 0x1001;
    world.stop.cpu = percpu_get(1);
    assert_false(gdb_steps_on());
    world_stop(DEBUG_STEP, 0, 0);
    world.registers[0][TARGET_rip].low = 0x1001;
    (void)ask("vCont;s:1");
    assert_false(gdb_steps_on());
}

/* ---- leaving ---- */

static void detaching_takes_all_away(void **state)
{
    (void)state;
    static const char *const packets[] = {"D", "D;1", "k", "vKill;1"};
    for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
        set_up(state);
        EXPECT("Z0,1001,1", "OK|");
        EXPECT("Z2,2000,8", "OK|");
        EXPECT(packets[i], "OK|");
        assert_string_equal(world.decision, "all0");
        assert_false(world.gdb_talks);
        assert_int_equal(world.memory[0x1001], 0x17);
        assert_false(machine.debug.int3 || machine.debug.breakpoints[0].on);
    }
    set_up(state);
    world.refused = true;
    EXPECT("D", "E.CR0.PG|");
    assert_true(world.gdb_talks);
}

static void three_enters_bring_the_monitor_back(void **state)
{
    (void)state;
    EXPECT("Z0,1001,1", "OK|");
    feed("\r\r \r\rx\r\r", 8);
    assert_true(world.gdb_talks);
    feed("\r", 1);
    assert_false(world.gdb_talks);
    assert_int_equal(world.memory[0x1001], 0x17);
    set_up(state);
    EXPECT("Z0,1001,1", "OK|");
    (void)ask("vCont;c");
    assert_false(gdb_feed('\r'));
    assert_false(gdb_feed('\r'));
    assert_true(gdb_feed('\r')); /* the guest is to stop, so that all can be taken away */
    assert_int_equal(world.memory[0x1001], 0xCC);
    world_stop(DEBUG_KEY, 0, 0);
    assert_false(world.gdb_talks);
    assert_int_equal(world.memory[0x1001], 0x17);
    assert_string_equal(heard(), "");
}

/* ---- monitor ---- */

static void a_monitor_command_is_run(void **state)
{
    (void)state;
    EXPECT("qRcmd,68656c70", "O68656c70|OK|"); /* help */
    assert_string_equal(world.command, "help");
    EXPECT("qRcmd,", "OK|");
    EXPECT("qRcmd,302030", "OK|"); /* 0 0: says nothing */
    EXPECT("qRcmd,6z", "E.the command is too long|");
    char packet[600] = "qRcmd,39"; /* 9...: so often */
    for (size_t i = 8; i < 8 + 2 * 254; i += 2)
        memcpy(packet + i, "41", 3);
    const char *said = ask(packet);
    assert_int_equal(strlen(world.command), 255);
    size_t digits = 0, packets_said = 0;
    for (; *said == 'O' && said[1] != 'K'; said++, packets_said++)
        for (said++; *said != '|'; said++)
            digits++;
    assert_int_equal(digits, 9 * 255 * 2);
    assert_true(packets_said >= 3);
    assert_string_equal(said, "OK|");
    memcpy(packet + 8 + 2 * 254, "41", 3);
    EXPECT(packet, "E.the command is too long|");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_new_gdb_begins_with_acknowledgements),
        TEST(of_packets_in_a_row_the_last_is_answered),
        TEST(a_first_packet_said_twice_is_answered_once),
        TEST(a_packet_that_is_too_long_is_refused),
        TEST(what_is_unknown_is_answered_empty),
        TEST(what_is_malformed_is_an_error),
        TEST(general_registers_come_together),
        TEST(each_register_is_there),
        TEST(registers_are_written),
        TEST(the_description_has_each_register_once),
        TEST(documents_are_the_same_in_any_parts),
        TEST(the_other_description_has_the_32_bit_names),
        TEST(threads_are_cpus),
        TEST(memory_is_read_as_far_as_it_goes),
        TEST(memory_is_written),
        TEST(spaces_are_other_tables),
        TEST(an_int3_is_not_seen),
        TEST(two_addresses_of_a_byte_share_its_int3),
        TEST(an_int3_is_known_where_it_is),
        TEST(no_int3_where_none_stays),
        TEST(a_kernels_breakpoint_is_found_from_its_users),
        TEST(debug_registers_are_shared_out),
        TEST(a_slot_of_somebody_elses_stays),
        TEST(actions_become_one_decision),
        TEST(a_stop_says_why_and_where),
        TEST(the_end_is_told_to_who_waits_for_a_stop),
        TEST(nobody_is_told_of_a_stop_that_did_not_wait),
        TEST(while_it_runs_only_the_interrupt_counts),
        TEST(a_range_is_stepped_through),
        TEST(detaching_takes_all_away),
        TEST(three_enters_bring_the_monitor_back),
        TEST(a_monitor_command_is_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
