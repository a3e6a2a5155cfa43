/* with: vcpu/decoder.c vcpu/decoder_prefixes.c vcpu/decoder_values.c */
#include "base/bits.h"
#include "vcpu/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

/* What objdump says of the same bytes. `memory` is 0 where the text shows no size: the register's
 * counts. `operand` is the register's name, or the immediate. */
static const struct row {
    int mode;
    unsigned length;
    const char *kind;
    unsigned memory;
    const char *operand, *bytes;
} rows[] = {
#include "tests/data/decoder/objdump-2.40.inc"
};

static const char *const kind_names[] = {
    [DECODER_OTHER] = "OTHER",         [DECODER_TRUNCATED] = "TRUNCATED",
    [DECODER_LOAD] = "LOAD",           [DECODER_LOAD_ZERO] = "LOAD_ZERO",
    [DECODER_LOAD_SIGN] = "LOAD_SIGN", [DECODER_STORE] = "STORE",
    [DECODER_MOVS] = "MOVS",           [DECODER_STORE_IMMEDIATE] = "STORE_IMMEDIATE",
    [DECODER_MODIFY] = "OTHER",        [DECODER_CMPS] = "CMPS",
    [DECODER_STOS] = "STOS",           [DECODER_LODS] = "LODS",
    [DECODER_SCAS] = "SCAS",
};

static const struct register_name {
    const char *name[5]; /* 1, 2, 4, 8 bytes, and the high byte */
} register_names[] = {
    {{"al", "ax", "eax", "rax", "ah"}},    {{"cl", "cx", "ecx", "rcx", "ch"}},
    {{"dl", "dx", "edx", "rdx", "dh"}},    {{"bl", "bx", "ebx", "rbx", "bh"}},
    {{"spl", "sp", "esp", "rsp", ""}},     {{"bpl", "bp", "ebp", "rbp", ""}},
    {{"sil", "si", "esi", "rsi", ""}},     {{"dil", "di", "edi", "rdi", ""}},
    {{"r8b", "r8w", "r8d", "r8", ""}},     {{"r9b", "r9w", "r9d", "r9", ""}},
    {{"r10b", "r10w", "r10d", "r10", ""}}, {{"r11b", "r11w", "r11d", "r11", ""}},
    {{"r12b", "r12w", "r12d", "r12", ""}}, {{"r13b", "r13w", "r13d", "r13", ""}},
    {{"r14b", "r14w", "r14d", "r14", ""}}, {{"r15b", "r15w", "r15d", "r15", ""}},
};

static const char *register_name(const struct decoded *decoded)
{
    unsigned column = decoded->high_byte ? 4 : (unsigned)__builtin_ctz(decoded->register_bytes);
    return register_names[decoded->number].name[column];
}

static size_t bytes_of_hex(const char *hex, uint8_t *bytes)
{
    size_t count = strlen(hex) / 2;
    for (size_t i = 0; i < count; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return count;
}

static struct decoded decode_hex(const char *hex, enum decoder_mode mode)
{
    uint8_t bytes[64];
    size_t count = bytes_of_hex(hex, bytes);
    return decoder_decode(bytes, count, mode);
}

static bool is_string(enum decoder_kind kind) { return kind >= DECODER_MOVS; }

static void compare(const struct row *row)
{
    struct decoded decoded = decode_hex(row->bytes, (enum decoder_mode)(row->mode / 8));
    if (decoded.kind == DECODER_MODIFY) { /* no kind of its own in the record: no plain move */
        assert_string_equal(row->kind, "OTHER");
        return;
    }
    if (strcmp(kind_names[decoded.kind], row->kind) || decoded.length != row->length)
        fail_msg("mode %d %s: %s, %u bytes; objdump: %s, %u", row->mode, row->bytes,
                 kind_names[decoded.kind], decoded.length, row->kind, row->length);
    if (decoded.kind == DECODER_OTHER)
        return;
    if (decoded.memory_bytes != (row->memory ? row->memory : decoded.register_bytes))
        fail_msg("mode %d %s: memory has %u bytes", row->mode, row->bytes, decoded.memory_bytes);
    if (decoded.kind == DECODER_STORE_IMMEDIATE)
        assert_int_equal(decoder_stored_value(&decoded, 0), strtoull(row->operand, NULL, 16));
    else if (!is_string(decoded.kind))
        assert_string_equal(register_name(&decoded), row->operand);
}

static void decodes_as_objdump_does(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        compare(&rows[i]);
}

static void the_recorded_set_has_every_kind_in_every_mode(void **state)
{
    (void)state;
    unsigned seen[3] = {0};
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        for (unsigned kind = 0; kind < ARRAY_SIZE(kind_names); kind++)
            if (!strcmp(rows[i].kind, kind_names[kind]))
                seen[rows[i].mode / 32] |= 1u << kind;
    for (unsigned mode = 0; mode < 3; mode++)
        assert_int_equal(seen[mode] | 1u << DECODER_TRUNCATED, (1u << ARRAY_SIZE(kind_names)) - 1);
}

/* Forms by hand, with what objdump's text does not tell. */
static const struct {
    const char *hex;
    enum decoder_mode mode;
    struct decoded want;
} cases[] = {
#define R .reads = true
#define W .writes = true
    {"8b00", DECODER_MODE_32, {DECODER_LOAD, 0, 0, 2, 4, 4, 4, 0, false, R, false, 0}},
    {"67668b00", DECODER_MODE_32, {DECODER_LOAD, 0, 0, 4, 2, 2, 2, 0, false, R, false, 0}},
    {"648b00",
     DECODER_MODE_64,
     {DECODER_LOAD, 0, DECODER_SEGMENT_FS, 3, 4, 4, 8, 0, false, R, false, 0}},
    {"642e8b00",
     DECODER_MODE_64, /* the CS override counts for nothing there */
     {DECODER_LOAD, 0, DECODER_SEGMENT_FS, 4, 4, 4, 8, 0, false, R, false, 0}},
    {"642e8b00",
     DECODER_MODE_32,
     {DECODER_LOAD, 0, DECODER_SEGMENT_CS, 4, 4, 4, 4, 0, false, R, false, 0}},
    {"f38b00",
     DECODER_MODE_32, /* REP means nothing to MOV */
     {DECODER_LOAD, 0, 0, 3, 4, 4, 4, 0, false, R, false, 0}},
    {"4c8b28", DECODER_MODE_64, {DECODER_LOAD, 0, 0, 3, 8, 8, 8, 13, false, R, false, 0}},
    {"48668b00",
     DECODER_MODE_64, /* REX not before the opcode: none */
     {DECODER_LOAD, 0, 0, 4, 2, 2, 8, 0, false, R, false, 0}},
    {"66488b00", DECODER_MODE_64, {DECODER_LOAD, 0, 0, 4, 8, 8, 8, 0, false, R, false, 0}},
    {"8820", DECODER_MODE_64, {DECODER_STORE, 0, 0, 2, 1, 1, 8, 0, true, false, W, 0}},
    {"408820", DECODER_MODE_64, {DECODER_STORE, 0, 0, 3, 1, 1, 8, 4, false, false, W, 0}},
    {"8838", DECODER_MODE_16, {DECODER_STORE, 0, 0, 2, 1, 1, 2, 3, true, false, W, 0}},
    {"48c700ffffff80",
     DECODER_MODE_64, /* imm32 is sign-extended */
     {DECODER_STORE_IMMEDIATE, 0, 0, 7, 8, 8, 8, 0, false, false, W, 0xffffffff80ffffff}},
    {"c60680",
     DECODER_MODE_32,
     {DECODER_STORE_IMMEDIATE, 0, 0, 3, 1, 1, 4, 0, false, false, W, ~0x7full}},
    {"480fb600", DECODER_MODE_64, {DECODER_LOAD_ZERO, 0, 0, 4, 1, 8, 8, 0, false, R, false, 0}},
    {"486300", DECODER_MODE_64, {DECODER_LOAD_SIGN, 0, 0, 3, 4, 8, 8, 0, false, R, false, 0}},
    {"f348a5",
     DECODER_MODE_64,
     {DECODER_MOVS, DECODER_REPEAT_REP, 0, 3, 8, 8, 8, 0, false, R, W, 0}},
    {"6726f2a6",
     DECODER_MODE_16,
     {DECODER_CMPS, DECODER_REPEAT_REPNE, DECODER_SEGMENT_ES, 4, 1, 1, 4, 0, false, R, false, 0}},
    {"f2f3ab",
     DECODER_MODE_32, /* the last one counts */
     {DECODER_STOS, DECODER_REPEAT_REP, 0, 3, 4, 4, 4, 0, false, false, W, 0}},
    {"ad", DECODER_MODE_16, {DECODER_LODS, 0, 0, 1, 2, 2, 2, 0, false, R, false, 0}},
    {"ae", DECODER_MODE_64, {DECODER_SCAS, 0, 0, 1, 1, 1, 8, 0, false, R, false, 0}},
    {"a11122334455667788",
     DECODER_MODE_64,
     {DECODER_LOAD, 0, 0, 9, 4, 4, 8, 0, false, R, false, 0}},
    {"8b042578563412",
     DECODER_MODE_64, /* SIB without a base: four bytes more */
     {DECODER_LOAD, 0, 0, 7, 4, 4, 8, 0, false, R, false, 0}},
    {"8b0424", DECODER_MODE_64, {DECODER_LOAD, 0, 0, 3, 4, 4, 8, 0, false, R, false, 0}},
    {"8b442505", DECODER_MODE_32, {DECODER_LOAD, 0, 0, 4, 4, 4, 4, 0, false, R, false, 0}},
    {"44c60080",
     DECODER_MODE_64, /* REX.R means nothing to /0 */
     {DECODER_STORE_IMMEDIATE, 0, 0, 4, 1, 1, 8, 0, false, false, W, ~0x7full}},
    {"6300", DECODER_MODE_32, {.kind = DECODER_OTHER}},     /* ARPL */
    {"8bc0", DECODER_MODE_32, {.kind = DECODER_OTHER}},     /* no memory */
    {"f08900", DECODER_MODE_32, {.kind = DECODER_OTHER}},   /* LOCK MOV is #UD */
    {"c7080000", DECODER_MODE_16, {.kind = DECODER_OTHER}}, /* /1 is no MOV */
    {"0300", DECODER_MODE_32, {.kind = DECODER_OTHER}},     /* ADD */
    {"8c00", DECODER_MODE_32, {.kind = DECODER_OTHER}},     /* MOV from a segment register */
};

static void assert_decoded_equal(const struct decoded *a, const struct decoded *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->repeat, b->repeat);
    assert_int_equal(a->segment, b->segment);
    assert_int_equal(a->length, b->length);
    assert_int_equal(a->memory_bytes, b->memory_bytes);
    assert_int_equal(a->register_bytes, b->register_bytes);
    assert_int_equal(a->address_bytes, b->address_bytes);
    assert_int_equal(a->number, b->number);
    assert_int_equal(a->high_byte, b->high_byte);
    assert_int_equal(a->reads, b->reads);
    assert_int_equal(a->writes, b->writes);
    assert_true(a->immediate == b->immediate);
}

static void decodes_every_field(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct decoded decoded = decode_hex(cases[i].hex, cases[i].mode);
        assert_decoded_equal(&decoded, &cases[i].want);
    }
}

/* Every prefix of a known instruction is truncated, and nothing after its end is looked at. The
 * bytes are in memory of their exact size, so that the sanitizer sees a read past the end. */
static void needs_exactly_its_own_bytes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t length = cases[i].want.length;
        for (size_t count = 0; count <= length && length; count++) {
            uint8_t all[64], *exact = malloc(count ? count : 1);
            bytes_of_hex(cases[i].hex, all);
            memcpy(exact, all, count);
            struct decoded decoded = decoder_decode(exact, count, cases[i].mode);
            assert_int_equal(decoded.kind, count < length ? DECODER_TRUNCATED : cases[i].want.kind);
            free(exact);
        }
    }
}

static void never_looks_past_fifteen_bytes(void **state)
{
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0x66, sizeof(bytes));
    bytes[13] = 0x8a, bytes[14] = 0x00;
    assert_int_equal(decoder_decode(bytes, 32, DECODER_MODE_32).length, 15);
    bytes[13] = 0x66, bytes[14] = 0x8a, bytes[15] = 0x00;
    assert_int_equal(decoder_decode(bytes, 32, DECODER_MODE_32).kind, DECODER_TRUNCATED);
}

static bool size_is_sane(unsigned bytes) { return bytes && bytes <= 8 && !(bytes & (bytes - 1)); }

static void any_bytes_give_a_sane_answer(void **state)
{
    (void)state;
    const enum decoder_mode modes[] = {DECODER_MODE_16, DECODER_MODE_32, DECODER_MODE_64};
    static const uint8_t usual[] = {0x66, 0x67, 0xf3, 0x48, 0x44, 0x0f, 0xb6, 0x89, 0x8b, 0xc7};
    random_seed(0x0de0c0de);
    for (unsigned i = 0; i < 400000; i++) {
        size_t count = random_below(17);
        uint8_t *bytes = malloc(count ? count : 1);
        for (size_t n = 0; n < count; n++)
            bytes[n] = random_below(3) ? (uint8_t)random_u64() : usual[random_below(10)];
        struct decoded decoded = decoder_decode(bytes, count, modes[i % 3]);
        free(bytes);
        if (decoded.kind <= DECODER_TRUNCATED)
            continue;
        assert_true(decoded.length >= 1 && decoded.length <= count && decoded.length <= 15);
        assert_true(size_is_sane(decoded.memory_bytes) && size_is_sane(decoded.register_bytes));
        assert_true(size_is_sane(decoded.address_bytes) && decoded.address_bytes != 1);
        assert_true(decoded.number < (modes[i % 3] == DECODER_MODE_64 ? 16 : 8));
        assert_true(!decoded.high_byte || (decoded.number < 4 && decoded.register_bytes == 1));
        assert_true(decoded.reads || decoded.writes);
        decoder_stored_value(&decoded, random_u64());
        decoder_loaded_value(&decoded, random_u64(), random_u64());
    }
}

static uint64_t load(const char *hex, enum decoder_mode mode, uint64_t memory)
{
    struct decoded decoded = decode_hex(hex, mode);
    return decoder_loaded_value(&decoded, 0x1122334455667788, memory);
}

static void a_load_merges_or_extends_as_the_processor_does(void **state)
{
    (void)state;
    assert_int_equal(load("8a00", DECODER_MODE_64, ~0ull), 0x11223344556677ff);
    assert_int_equal(load("8a20", DECODER_MODE_64, 0xab), 0x112233445566ab88);
    assert_int_equal(load("668b00", DECODER_MODE_64, 0xabcdef), 0x112233445566cdef);
    assert_int_equal(load("8b00", DECODER_MODE_64, ~0ull), 0xffffffff);
    assert_int_equal(load("488b00", DECODER_MODE_64, ~0ull), ~0ull);
    assert_int_equal(load("0fb600", DECODER_MODE_64, ~0ull), 0xff);
    assert_int_equal(load("660fbe00", DECODER_MODE_64, 0x80), 0x112233445566ff80);
    assert_int_equal(load("0fbf00", DECODER_MODE_64, 0x8000), 0xffff8000);
    assert_int_equal(load("486300", DECODER_MODE_64, 0x80000000), 0xffffffff80000000);
    assert_int_equal(load("480fb700", DECODER_MODE_64, 0x18000), 0x8000);
    assert_int_equal(load("ad", DECODER_MODE_32, ~0ull), 0xffffffff);
}

static void a_store_takes_the_low_bytes_or_the_high_one(void **state)
{
    (void)state;
    const uint64_t whole = 0x1122334455667788;
    struct decoded decoded = decode_hex("8820", DECODER_MODE_32);
    assert_int_equal(decoder_stored_value(&decoded, whole), 0x77);
    decoded = decode_hex("8800", DECODER_MODE_32);
    assert_int_equal(decoder_stored_value(&decoded, whole), 0x88);
    decoded = decode_hex("8900", DECODER_MODE_16);
    assert_int_equal(decoder_stored_value(&decoded, whole), 0x7788);
    decoded = decode_hex("48c700ffffffff", DECODER_MODE_64);
    assert_int_equal(decoder_stored_value(&decoded, whole), ~0ull);
    decoded = decode_hex("c700ffffffff", DECODER_MODE_64);
    assert_int_equal(decoder_stored_value(&decoded, whole), 0xffffffff);
}

static void what_reads_and_writes_is_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        enum decoder_mode mode;
        enum decoder_operation operation;
        unsigned length, bytes, number;
        bool by_immediate;
        uint64_t immediate;
    } forms[] = {
        {"0108", DECODER_MODE_32, DECODER_ADD, 2, 4, 1, false, 0},
        {"0908", DECODER_MODE_32, DECODER_OR, 2, 4, 1, false, 0},
        {"1108", DECODER_MODE_32, DECODER_ADC, 2, 4, 1, false, 0},
        {"1908", DECODER_MODE_32, DECODER_SBB, 2, 4, 1, false, 0},
        {"4421b0f0000000", DECODER_MODE_64, DECODER_AND, 7, 4, 14, false, 0},
        {"2908", DECODER_MODE_16, DECODER_SUB, 2, 2, 1, false, 0},
        {"483108", DECODER_MODE_64, DECODER_XOR, 3, 8, 1, false, 0},
        {"8718", DECODER_MODE_32, DECODER_XCHG, 2, 4, 3, false, 0},
        {"8188f0000000ff010000", DECODER_MODE_64, DECODER_OR, 10, 4, 0, true, 0x1FF},
        {"8320fe", DECODER_MODE_32, DECODER_AND, 3, 4, 0, true, ~1ull},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
        struct decoded d = decode_hex(forms[i].hex, forms[i].mode);
        assert_int_equal(d.kind, DECODER_MODIFY);
        assert_true(d.reads && d.writes && d.by_immediate == forms[i].by_immediate);
        assert_int_equal(d.operation, forms[i].operation);
        assert_int_equal(d.length, forms[i].length);
        assert_int_equal(d.memory_bytes, forms[i].bytes);
        assert_int_equal(d.number, forms[i].number);
        assert_true(d.immediate == forms[i].immediate);
    }
    const char *others[] = {"8138ff010000", "8338ff", "01c8", "87d8",
                            "f00908"}; /* CMP, registers */
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(decode_hex(others[i], DECODER_MODE_32).kind, DECODER_OTHER);
}

/* The processor itself is the model. */
#define MODEL(name)                                                                                \
    __asm__("lea -128(%%rsp), %%rsp\n\tpushq %[flags]\n\tpopfq\n\t" name                           \
            " %[b], %[a]\n\tpushfq\n\tpopq %[flags]\n\tlea 128(%%rsp), %%rsp"                      \
            : [a] "+r"(a), [flags] "+r"(*flags)                                                    \
            : [b] "r"(b)                                                                           \
            : "cc")
static uint32_t model(unsigned operation, uint32_t a, uint32_t b, uint64_t *flags)
{
    switch (operation) {
    case DECODER_ADD:
        MODEL("addl");
        return a;
    case DECODER_OR:
        MODEL("orl");
        return a;
    case DECODER_ADC:
        MODEL("adcl");
        return a;
    case DECODER_SBB:
        MODEL("sbbl");
        return a;
    case DECODER_AND:
        MODEL("andl");
        return a;
    case DECODER_SUB:
        MODEL("subl");
        return a;
    case DECODER_XOR:
        MODEL("xorl");
        return a;
    default:
        return b;
    }
}

static void what_is_written_back_is_the_processors(void **state)
{
    (void)state;
    random_seed(0x0dd);
    for (unsigned i = 0; i < 400000; i++) {
        unsigned operation = i % 8;
        uint32_t a = (uint32_t)(random_u64() >> random_below(33));
        uint32_t b = random_below(4) ? (uint32_t)random_u64() : a - (uint32_t)random_below(2);
        uint64_t before = 0x202 | random_below(2), flags = before, want_flags = before;
        uint32_t want = model(operation, a, b, &want_flags);
        assert_int_equal(decoder_modified_value(operation, a, b, &flags), want);
        bool logic =
            operation == DECODER_OR || operation == DECODER_AND || operation == DECODER_XOR;
        uint64_t compared = logic ? 0x8C5 : 0x8D5; /* AF is undefined there */
        assert_int_equal(flags & compared, want_flags & compared);
        assert_int_equal(flags & ~0x8D5ull, before & ~0x8D5ull);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_as_objdump_does),
        cmocka_unit_test(the_recorded_set_has_every_kind_in_every_mode),
        cmocka_unit_test(decodes_every_field),
        cmocka_unit_test(what_reads_and_writes_is_decoded),
        cmocka_unit_test(what_is_written_back_is_the_processors),
        cmocka_unit_test(needs_exactly_its_own_bytes),
        cmocka_unit_test(never_looks_past_fifteen_bytes),
        cmocka_unit_test(any_bytes_give_a_sane_answer),
        cmocka_unit_test(a_load_merges_or_extends_as_the_processor_does),
        cmocka_unit_test(a_store_takes_the_low_bytes_or_the_high_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
