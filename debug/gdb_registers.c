#include "debug/gdb_registers.h"

#include "base/bits.h"

/* The last register of each feature. */
#define LAST_CORE     TARGET_fop
#define LAST_SSE      TARGET_mxcsr
#define LAST_SEGMENTS TARGET_gs_base
#define LAST_GENERAL  TARGET_gs /* of those that are told together */

static enum gdb_architecture architecture;

void gdb_set_architecture(enum gdb_architecture one) { architecture = one; }

static bool is_long(void) { return architecture == GDB_X86_64; }

/* r8 to r15 and xmm8 to xmm15 are there in 64-bit mode alone. */
static bool exists(unsigned number)
{
    bool high = (number >= TARGET_r8 && number <= TARGET_r15) ||
                (number >= TARGET_xmm8 && number <= TARGET_xmm15);
    return is_long() || !high;
}

static unsigned bits_of(unsigned number)
{
    return !is_long() && number <= TARGET_rip ? 32 : target_register_bits(number);
}

/* ---- the description ---- */

/* Flags: a bit's number, and its name; those without a name are there to be silent about. */
static const struct flags {
    uint8_t number;
    const char *bits;
} flags[] = {
    {TARGET_eflags, "0CF 1 2PF 4AF 6ZF 7SF 8TF 9IF 10DF 11OF 12 13 14NT 16RF 17VM 18AC 19VIF 20VIP "
                    "21ID "},
    {TARGET_mxcsr, "0IE 1DE 2ZE 3OE 4UE 5PE 6DAZ 7IM 8DM 9ZM 10OM 11UM 12PM 13 14 15FZ "},
    {TARGET_cr0, "0PE 1MP 2EM 3TS 4ET 5NE 16WP 18AM 29NW 30CD 31PG "},
    {TARGET_cr4, "0VME 1PVI 2TSD 3DE 4PSE 5PAE 6MCE 7PGE 8PCE 9OSFXSR 10OSXMMEXCPT 11UMIP 12LA57 "
                 "13VMXE 14SMXE 16FSGSBASE 17PCIDE 18OSXSAVE 20SMEP 21SMAP 22PKE 23CET 24PKS "},
    {TARGET_efer, "0SCE 8LME 10LMA 11NXE "},
};

static void part_field(struct rsp_part *part, const char **at)
{
    char number[4], name[16];
    size_t digits = 0, letters = 0;
    for (; **at >= '0' && **at <= '9' && digits < sizeof(number) - 1; (*at)++)
        number[digits++] = **at;
    for (; **at != ' ' && letters < sizeof(name) - 1; (*at)++)
        name[letters++] = **at;
    number[digits] = name[letters] = 0;
    (*at)++;
    const char *const texts[] = {"<field name=\"", name,   "\" start=\"", number,
                                 "\" end=\"",      number, "\"/>"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        rsp_part_text(part, texts[i]);
}

static void part_flags(struct rsp_part *part, const struct flags *one)
{
    const char *at = one->bits;
    rsp_part_text(part, "<flags id=\"");
    rsp_part_text(part, target_register_name(one->number));
    rsp_part_text(part, "_flags\" size=\"");
    rsp_part_number(part, bits_of(one->number) / 8);
    rsp_part_text(part, "\">");
    while (*at)
        part_field(part, &at);
    rsp_part_text(part, "</flags>");
}

static const char vectors[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
    "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
    "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
    "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>";

static bool has_flags(unsigned number)
{
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (flags[i].number == number)
            return true;
    return false;
}

/* The type's name; for flags what stands behind the register's. */
static const char *type_of(unsigned number)
{
    switch (number) {
    case TARGET_rip:
        return "code_ptr";
    case TARGET_rsp:
    case TARGET_rbp:
        return "data_ptr";
    default:
        break;
    }
    switch (bits_of(number)) {
    case 80:
        return "i387_ext";
    case 128:
        return "vec128";
    case 64:
        return number > LAST_SEGMENTS ? "uint64" : "int64";
    default:
        return number > LAST_SEGMENTS ? "uint32" : "int32";
    }
}

static void part_register(struct rsp_part *part, unsigned number)
{
    const char *name = target_register_name(number);
    bool is_renamed = !is_long() && number <= TARGET_rip;
    rsp_part_text(part, "<reg name=\"");
    rsp_part_text(part, is_renamed ? "e" : "");
    rsp_part_text(part, name + is_renamed);
    rsp_part_text(part, "\" bitsize=\"");
    rsp_part_number(part, bits_of(number));
    rsp_part_text(part, "\" regnum=\"");
    rsp_part_number(part, number);
    rsp_part_text(part, "\" type=\"");
    if (has_flags(number)) {
        rsp_part_text(part, name);
        rsp_part_text(part, "_flags");
    } else {
        rsp_part_text(part, type_of(number));
    }
    rsp_part_text(part, "\"/>");
}

/* The registers behind `*next`, and their types, to `last`. */
static void part_feature(struct rsp_part *part, const char *name, unsigned *next, unsigned last)
{
    rsp_part_text(part, "<feature name=\"org.");
    rsp_part_text(part, name);
    rsp_part_text(part, "\">");
    if (last == LAST_SSE)
        rsp_part_text(part, vectors);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (flags[i].number >= *next && flags[i].number <= last)
            part_flags(part, &flags[i]);
    for (; *next <= last; ++*next)
        if (exists(*next))
            part_register(part, *next);
    rsp_part_text(part, "</feature>");
}

void gdb_describe(struct rsp_part *part)
{
    static const char *const architectures[] = {
        [GDB_X86_64] = "i386:x86-64", [GDB_I386] = "i386", [GDB_I8086] = "i8086"};
    unsigned next = 0;
    rsp_part_text(part, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
                        "<target><architecture>");
    rsp_part_text(part, architectures[architecture]);
    rsp_part_text(part, "</architecture>");
    if (architecture == GDB_I8086) /* it has no code for Linux's */
        rsp_part_text(part, "<osabi>none</osabi>");
    part_feature(part, "gnu.gdb.i386.core", &next, LAST_CORE);
    part_feature(part, "gnu.gdb.i386.sse", &next, LAST_SSE);
    if (is_long()) /* of i386 gdb knows no such feature: there they are in ours */
        part_feature(part, "gnu.gdb.i386.segments", &next, LAST_SEGMENTS);
    part_feature(part, "orlop.system", &next, TARGET_REGISTER_COUNT - 1);
    rsp_part_text(part, "</target>");
}

/* ---- values ---- */

static void reply_value(struct rsp_reply *reply, unsigned number, const struct target_value *value)
{
    for (unsigned i = 0; !value && i < bits_of(number) / 4; i++)
        rsp_reply_byte(reply, 'x');
    if (value)
        rsp_reply_hex(reply, value, bits_of(number) / 8);
}

void gdb_reply_registers(struct cpu *cpu, struct rsp_reply *reply)
{
    struct target_value values[LAST_GENERAL + 1];
    bool known = target_get(cpu, 0, LAST_GENERAL + 1, values);
    for (unsigned i = 0; i <= LAST_GENERAL; i++)
        if (exists(i))
            reply_value(reply, i, known ? &values[i] : NULL);
}

bool gdb_reply_register(struct cpu *cpu, uint64_t number, struct rsp_reply *reply)
{
    struct target_value value = {0, 0};
    if (number >= TARGET_REGISTER_COUNT || !exists((unsigned)number))
        return false;
    bool known = target_get(cpu, (unsigned)number, 1, &value);
    reply_value(reply, (unsigned)number, known ? &value : NULL);
    return true;
}

enum error gdb_take_register(struct cpu *cpu, uint64_t number, struct rsp_reader *packet)
{
    struct target_value value = {0, 0};
    if (number >= TARGET_REGISTER_COUNT || !exists((unsigned)number))
        return ERROR_NOT_FOUND;
    size_t bytes = bits_of((unsigned)number) / 8;
    if (rsp_take_hex(packet, &value, bytes) != bytes)
        return ERROR_MALFORMED;
    return target_set(cpu, (unsigned)number, value);
}

enum error gdb_take_registers(struct cpu *cpu, struct rsp_reader *packet)
{
    enum error error = ERROR_NONE;
    for (unsigned i = 0; i <= LAST_GENERAL && error == ERROR_NONE; i++)
        if (exists(i))
            error = gdb_take_register(cpu, i, packet);
    return error;
}
