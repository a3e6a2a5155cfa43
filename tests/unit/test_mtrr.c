/* with: mm/mtrr.c mm/mtrr_check.c mm/mtrr_compare.c lib/format.c */
#include "base/bits.h"
#include "mm/mtrr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

#define PHYS_BITS 39
#define ON        (MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE)

/* 3, 7 and 255 do not exist and count as UC. */
static const uint8_t types[] = {0, 1, 4, 5, 6, 3, 7, 255};

static struct mtrr_state mtrr;

static void start(unsigned phys_bits, uint64_t def_type)
{
    memset(&mtrr, 0, sizeof(mtrr));
    mtrr.cap = MTRRCAP_FIX | 255;
    mtrr.def_type = def_type;
    mtrr.phys_bits = phys_bits;
}

static void add(uint64_t base, uint64_t mask, uint8_t type)
{
    unsigned i = mtrr.variable_count++;
    mtrr.variable[i].base = base | type;
    mtrr.variable[i].mask = (mask & BITS(51, 12)) | MTRR_PHYSMASK_V;
}

/* `bytes` is a power of two. */
static void add_range(uint64_t base, uint64_t bytes, uint8_t type)
{
    add(base & ~(bytes - 1), ~(bytes - 1) & BITS(mtrr.phys_bits - 1, 12), type);
}

static uint8_t known(uint8_t type)
{
    return type == 1 || type == 4 || type == 5 || type == 6 ? type : 0;
}

/* From the set of types that meet, not from one pair after the other. */
static uint8_t model_overlap(unsigned set, uint8_t none)
{
    if (set == 0)
        return none;
    for (uint8_t type = 0; type <= 6; type++)
        if (set == 1u << type)
            return type;
    return set == (1u << MEMORY_TYPE_WT | 1u << MEMORY_TYPE_WB) ? MEMORY_TYPE_WT : MEMORY_TYPE_UC;
}

static uint8_t model_fixed(uint64_t address)
{
    static const struct {
        uint32_t base, each;
    } registers[] = {{0, 65536},      {0x80000, 16384}, {0xa0000, 16384}, {0xc0000, 4096},
                     {0xc8000, 4096}, {0xd0000, 4096},  {0xd8000, 4096},  {0xe0000, 4096},
                     {0xe8000, 4096}, {0xf0000, 4096},  {0xf8000, 4096}};
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        for (unsigned byte = 0; byte < 8; byte++) {
            uint64_t base = registers[i].base + byte * registers[i].each;
            if (address >= base && address < base + registers[i].each)
                return known(((const uint8_t *)&mtrr.fixed[i])[byte]);
        }
    return 0xee;
}

static uint8_t model_type(uint64_t address)
{
    if (!(mtrr.def_type & MTRR_DEF_TYPE_E))
        return MEMORY_TYPE_UC;
    if ((mtrr.def_type & MTRR_DEF_TYPE_FE) && (mtrr.cap & MTRRCAP_FIX) && address < 0x100000)
        return model_fixed(address);
    unsigned set = 0;
    for (unsigned i = 0; i < mtrr.variable_count; i++) {
        uint64_t mask = mtrr.variable[i].mask, base = mtrr.variable[i].base;
        bool inside = mask & MTRR_PHYSMASK_V;
        for (unsigned bit = 12; bit < mtrr.phys_bits; bit++)
            if ((mask >> bit & 1) && (address >> bit & 1) != (base >> bit & 1))
                inside = false;
        set |= inside ? 1u << known(base & 0xff) : 0;
    }
    return model_overlap(set, known(mtrr.def_type & 0xff));
}

static void every_overlap_of_three_types_in_every_order_has_the_type_of_the_set(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 8 * 8 * 8 * 8; i++) {
        uint8_t a = types[i & 7], b = types[i >> 3 & 7], c = types[i >> 6 & 7], d = types[i >> 9];
        start(PHYS_BITS, MTRR_DEF_TYPE_E | d);
        assert_int_equal(mtrr_type(&mtrr, MIB(4)), known(d));
        add_range(MIB(4), MIB(1), a);
        assert_int_equal(mtrr_type(&mtrr, MIB(4)), known(a));
        add_range(MIB(4), MIB(2), b);
        assert_int_equal(mtrr_type(&mtrr, MIB(4)),
                         model_overlap(1u << known(a) | 1u << known(b), 0));
        add_range(MIB(4), MIB(4), c);
        unsigned set = 1u << known(a) | 1u << known(b) | 1u << known(c);
        assert_int_equal(mtrr_type(&mtrr, MIB(5) - 1), model_overlap(set, 0));
        assert_int_equal(mtrr_type(&mtrr, MIB(8) - 1), known(c));
        assert_int_equal(mtrr_type(&mtrr, MIB(8)), known(d));
        assert_int_equal(mtrr_type(&mtrr, MIB(4) - 1), known(d));
        mtrr.variable[2].mask &= ~MTRR_PHYSMASK_V;
        assert_int_equal(mtrr_type(&mtrr, MIB(8) - 1), known(d));
    }
}

static void fixed_registers_have_their_index_and_each_byte_its_range(void **unused)
{
    (void)unused;
    static const uint32_t index[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                     0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        assert_int_equal(mtrr_fixed_msr(i), index[i]);
    for (unsigned round = 0; round < 200; round++) {
        start(PHYS_BITS, ON | MEMORY_TYPE_WB);
        add_range(0, MIB(2), MEMORY_TYPE_WC);
        for (unsigned i = 0; i < sizeof(mtrr.fixed); i++)
            ((uint8_t *)mtrr.fixed)[i] = types[random_below(8)];
        for (uint64_t page = 0; page < MIB(1); page += PAGE_SIZE)
            assert_int_equal(mtrr_type(&mtrr, page + random_below(PAGE_SIZE)), model_fixed(page));
        assert_int_equal(mtrr_type(&mtrr, MIB(1)), MEMORY_TYPE_WC);
    }
}

static void each_switch_turns_off_what_it_should(void **unused)
{
    (void)unused;
    uint8_t type;
    start(PHYS_BITS, ON | MEMORY_TYPE_WB);
    add_range(0, MIB(2), MEMORY_TYPE_WC);
    memset(mtrr.fixed, MEMORY_TYPE_WP, sizeof(mtrr.fixed));
    assert_int_equal(mtrr_type(&mtrr, 0xa0000), MEMORY_TYPE_WP);
    mtrr.cap = 0;
    assert_int_equal(mtrr_type(&mtrr, 0xa0000), MEMORY_TYPE_WC);
    mtrr.cap = MTRRCAP_FIX, mtrr.def_type = MTRR_DEF_TYPE_E | MEMORY_TYPE_WB;
    assert_int_equal(mtrr_type(&mtrr, 0xa0000), MEMORY_TYPE_WC);
    mtrr.def_type = MTRR_DEF_TYPE_FE | MEMORY_TYPE_WB;
    assert_int_equal(mtrr_type(&mtrr, 0xa0000), MEMORY_TYPE_UC);
    assert_true(mtrr_uniform(&mtrr, 0, BIT(PHYS_BITS), &type) && type == MEMORY_TYPE_UC);
}

/* A random state whose ranges lie in the first `window` bytes, some masks with holes. */
static void make_random(uint64_t window, bool holes)
{
    start(36 + random_below(17), types[random_below(8)]);
    mtrr.def_type |= random_below(16) ? MTRR_DEF_TYPE_E : 0;
    mtrr.def_type |= random_below(2) ? MTRR_DEF_TYPE_FE : 0;
    uint8_t few = 1 + random_below(3);
    for (unsigned i = 0; i < sizeof(mtrr.fixed); i++)
        ((uint8_t *)mtrr.fixed)[i] = types[random_below(few)];
    for (unsigned count = random_below(9); count > 0; count--) {
        uint64_t bytes = PAGE_SIZE << random_below(10);
        add_range(random_below(window), bytes, types[random_below(few + 1)]);
        uint64_t *mask = &mtrr.variable[mtrr.variable_count - 1].mask;
        if (holes)
            *mask &= ~(random_u64() & random_u64() & BITS(23, 12));
        if (random_below(6) == 0)
            *mask &= ~MTRR_PHYSMASK_V;
        uint64_t too_wide = BITS(51, 12) & ~BITS(mtrr.phys_bits - 1, 12);
        if (random_below(4) == 0)
            *mask |= too_wide, mtrr.variable[mtrr.variable_count - 1].base |= too_wide;
    }
}

#define WINDOW MIB(4)

static void random_states_agree_with_the_model_on_every_page(void **unused)
{
    (void)unused;
    static uint8_t model[WINDOW / PAGE_SIZE];
    unsigned uniform = 0;
    for (unsigned round = 0; round < 400; round++) {
        bool holes = round % 2;
        make_random(WINDOW, holes);
        for (uint64_t page = 0; page < WINDOW / PAGE_SIZE; page++) {
            model[page] = model_type(page * PAGE_SIZE);
            assert_int_equal(mtrr_type(&mtrr, page * PAGE_SIZE + random_below(4096)), model[page]);
        }
        for (unsigned i = 0; i < 100; i++) {
            uint64_t base = random_below(WINDOW / PAGE_SIZE), end = base + 1 + random_below(64);
            end = min_u64(end, WINDOW / PAGE_SIZE);
            bool same = true;
            for (uint64_t page = base; page < end; page++)
                same &= model[page] == model[base];
            uint8_t type = 0xee;
            assert_int_equal(mtrr_uniform(&mtrr, base * PAGE_SIZE, end * PAGE_SIZE, &type), same);
            assert_int_equal(type, model[base]);
            assert_false(mtrr_uniform(&mtrr, base * PAGE_SIZE, base * PAGE_SIZE, &type));
            uniform += same;
        }
    }
    assert_in_range(uniform, 10000, 39000); /* both answers are seen */
}

/* From one run to the next through the whole address space; without holes each run is as long as
 * it can be. */
static void runs_cover_the_space_and_change_type_at_each_end(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 3000; round++) {
        make_random(BIT(36), false);
        struct mtrr_run run = mtrr_run_at(&mtrr, 0);
        for (unsigned steps = 0; run.end != UINT64_MAX; steps++) {
            assert_true(run.base < run.end && run.end < BIT(mtrr.phys_bits) && steps < 200);
            assert_true(IS_ALIGNED(run.end, PAGE_SIZE));
            for (unsigned i = 0; i < 4; i++) {
                uint64_t inside = run.base + random_below(run.end - run.base);
                assert_int_equal(model_type(inside), run.type);
            }
            assert_int_equal(model_type(run.end - 1), run.type);
            assert_int_not_equal(model_type(run.end), run.type);
            run = mtrr_run_at(&mtrr, run.end);
        }
        assert_int_equal(model_type(BIT(mtrr.phys_bits) - 1), run.type);
    }
}

static void a_mask_of_many_holes_is_bounded_and_never_called_uniform_where_it_is_not(void **unused)
{
    (void)unused;
    uint8_t type;
    start(46, MTRR_DEF_TYPE_E | MEMORY_TYPE_WB);
    add(0, BIT(12), MEMORY_TYPE_UC); /* every other page of the whole space */
    assert_true(mtrr_problems(&mtrr) & MTRR_PROBLEM_DISCONTIGUOUS);
    assert_false(mtrr_uniform(&mtrr, 0, MIB(2), &type));
    assert_int_equal(mtrr_run_at(&mtrr, 0x5123).base, 0x5000);
    assert_true(mtrr_uniform(&mtrr, 0x5000, 0x6000, &type) && type == MEMORY_TYPE_WB);
    add_range(0, BIT(46),
              MEMORY_TYPE_UC); /* and now it does not matter, but it takes long to see */
    assert_true(mtrr_uniform(&mtrr, 0, KIB(64), &type) && type == MEMORY_TYPE_UC);
    assert_false(mtrr_uniform(&mtrr, 0, BIT(46), &type));
    /* Firmware that took the width for 36 bits: the range comes again every 64 GiB. */
    start(39, MTRR_DEF_TYPE_E | MEMORY_TYPE_WB);
    add(GIB(3), BITS(35, 30), MEMORY_TYPE_UC);
    assert_int_equal(mtrr_type(&mtrr, GIB(67)), MEMORY_TYPE_UC);
    assert_true(mtrr_uniform(&mtrr, GIB(68), GIB(131), &type) && type == MEMORY_TYPE_WB);
    assert_false(mtrr_uniform(&mtrr, GIB(68), GIB(131) + PAGE_SIZE, &type));
    assert_int_equal(mtrr_problems(&mtrr), MTRR_PROBLEM_DISCONTIGUOUS);
}

static void terabytes_under_all_ranges_cost_no_walk_over_pages(void **unused)
{
    (void)unused;
    uint8_t type;
    start(52, MTRR_DEF_TYPE_E | MEMORY_TYPE_UC);
    for (unsigned i = 0; i < MTRR_VARIABLE_MAX; i++)
        add_range(i * GIB(4), GIB(4), MEMORY_TYPE_WB);
    assert_true(mtrr_uniform(&mtrr, 0, MTRR_VARIABLE_MAX * GIB(4), &type) &&
                type == MEMORY_TYPE_WB);
    assert_false(mtrr_uniform(&mtrr, 0, MTRR_VARIABLE_MAX * GIB(4) + PAGE_SIZE, &type));
    assert_true(mtrr_uniform(&mtrr, MTRR_VARIABLE_MAX * GIB(4), BIT(52), &type) &&
                type == MEMORY_TYPE_UC);
    assert_int_equal(mtrr_problems(&mtrr), 0);
    mtrr.variable_count--;
    add_range(BIT(51), BIT(51), MEMORY_TYPE_WP); /* up to the last address that there is */
    assert_true(mtrr_run_at(&mtrr, BIT(51) + GIB(9)).end == UINT64_MAX);
    mtrr.variable_count = 4096; /* more than the register can say: not read past the array */
    assert_int_equal(mtrr_type(&mtrr, MTRR_VARIABLE_MAX * GIB(4)), MEMORY_TYPE_UC);
}

static void problems_are_reported_and_sound_states_have_none(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 64; i++) {
        uint8_t a = types[i & 7], b = types[i >> 3];
        unsigned reserved = a == 3 || a > 6 || b == 3 || b > 6 ? MTRR_PROBLEM_RESERVED_TYPE : 0;
        uint8_t x = known(a), y = known(b);
        bool fine = x == y || x == 0 || y == 0 || (x == 4 && y == 6) || (x == 6 && y == 4);
        start(PHYS_BITS, ON | MEMORY_TYPE_WB);
        add_range(MIB(64), MIB(64), a);
        add_range(MIB(96), MIB(32), b);
        assert_int_equal(mtrr_problems(&mtrr), reserved | (fine ? 0 : MTRR_PROBLEM_OVERLAP));
        mtrr.variable[1].base += MIB(32); /* now side by side */
        assert_int_equal(mtrr_problems(&mtrr), reserved);
        mtrr.variable[1].base -= MIB(32), mtrr.variable[0].mask &= ~MTRR_PHYSMASK_V;
        assert_int_equal(mtrr_problems(&mtrr), y == b ? 0 : MTRR_PROBLEM_RESERVED_TYPE);
        mtrr.variable[1].mask &= ~MTRR_PHYSMASK_V;
        assert_int_equal(mtrr_problems(&mtrr), 0);
    }
    start(PHYS_BITS, ON | 2);
    assert_int_equal(mtrr_problems(&mtrr), MTRR_PROBLEM_RESERVED_TYPE);
    mtrr.def_type = ON | MEMORY_TYPE_WB;
    mtrr.fixed[10] = 7ull << 56;
    assert_int_equal(mtrr_problems(&mtrr), MTRR_PROBLEM_RESERVED_TYPE);
    mtrr.def_type = MTRR_DEF_TYPE_E | MEMORY_TYPE_WB;
    assert_int_equal(mtrr_problems(&mtrr), 0);
    mtrr.def_type = 2;
    assert_int_equal(mtrr_problems(&mtrr), 0);
}

/* In both directions: the register's name and both values, or none ("") and nothing written. */
static void expect_difference(const struct mtrr_state *a, const struct mtrr_state *b,
                              const char *name, uint64_t in_a, uint64_t in_b)
{
    struct mtrr_difference found = {"none", 1, 2}, back = {"none", 3, 4};
    assert_int_equal(mtrr_states_differ(a, b, &found), *name != '\0');
    assert_int_equal(mtrr_states_differ(b, a, &back), *name != '\0');
    assert_string_equal(found.name, *name ? name : "none");
    assert_string_equal(back.name, *name ? name : "none");
    assert_true(found.a == (*name ? in_a : 1) && found.b == (*name ? in_b : 2));
    assert_true(back.a == (*name ? in_b : 3) && back.b == (*name ? in_a : 4));
}

/* `change` is made to one register of a copy, whose name is to be found. */
#define EXPECT_CHANGE(register, change, name)                                                      \
    do {                                                                                           \
        static struct mtrr_state other;                                                            \
        other = mtrr;                                                                              \
        other.register ^= (change);                                                                \
        expect_difference(&mtrr, &other, name, mtrr.register, other.register);                     \
    } while (0)

static void the_first_register_in_force_that_differs_is_named_with_both_values(void **unused)
{
    (void)unused;
    start(PHYS_BITS, ON | MEMORY_TYPE_WB);
    add_range(GIB(3), GIB(1), MEMORY_TYPE_UC);
    add_range(GIB(2), MIB(1), MEMORY_TYPE_WC);
    EXPECT_CHANGE(cap, 0, "");
    EXPECT_CHANGE(cap, 1, "IA32_MTRRCAP");
    EXPECT_CHANGE(def_type, MTRR_DEF_TYPE_FE, "IA32_MTRR_DEF_TYPE");
    EXPECT_CHANGE(def_type, MTRR_DEF_TYPE_E, "IA32_MTRR_DEF_TYPE");
    EXPECT_CHANGE(def_type, 2, "IA32_MTRR_DEF_TYPE");
    EXPECT_CHANGE(phys_bits, 1, "");
    EXPECT_CHANGE(variable[1].base, MIB(1), "IA32_MTRR_PHYSBASE1");
    EXPECT_CHANGE(variable[1].mask, MIB(1), "IA32_MTRR_PHYSMASK1");
    EXPECT_CHANGE(variable[0].mask, MTRR_PHYSMASK_V, "IA32_MTRR_PHYSMASK0");
    static struct mtrr_state other;
    other = mtrr, other.variable[0].mask ^= MIB(1), other.variable[1].base ^= MIB(1);
    expect_difference(&mtrr, &other, "IA32_MTRR_PHYSMASK0", mtrr.variable[0].mask,
                      other.variable[0].mask);
    other.fixed[10] ^= 1;
    expect_difference(&mtrr, &other, "IA32_MTRR_FIX4K_F8000", 0, 1);
    other.def_type ^= 2;
    expect_difference(&mtrr, &other, "IA32_MTRR_DEF_TYPE", mtrr.def_type, other.def_type);
    other.cap ^= 1;
    expect_difference(&mtrr, &other, "IA32_MTRRCAP", mtrr.cap, other.cap);
}

static void each_fixed_register_and_the_last_pair_have_their_name(void **unused)
{
    (void)unused;
    static const char *const names[MTRR_FIXED_COUNT] = {
        "IA32_MTRR_FIX64K_00000", "IA32_MTRR_FIX16K_80000", "IA32_MTRR_FIX16K_A0000",
        "IA32_MTRR_FIX4K_C0000",  "IA32_MTRR_FIX4K_C8000",  "IA32_MTRR_FIX4K_D0000",
        "IA32_MTRR_FIX4K_D8000",  "IA32_MTRR_FIX4K_E0000",  "IA32_MTRR_FIX4K_E8000",
        "IA32_MTRR_FIX4K_F0000",  "IA32_MTRR_FIX4K_F8000",
    };
    start(PHYS_BITS, ON | MEMORY_TYPE_WB);
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        EXPECT_CHANGE(fixed[i], BIT(63), names[i]);
    for (unsigned i = 0; i < MTRR_VARIABLE_MAX; i++)
        add_range(i * GIB(1), GIB(1), MEMORY_TYPE_WB);
    EXPECT_CHANGE(variable[MTRR_VARIABLE_MAX - 1].base, 1, "IA32_MTRR_PHYSBASE39");
    EXPECT_CHANGE(variable[MTRR_VARIABLE_MAX - 1].mask, MTRR_PHYSMASK_V, "IA32_MTRR_PHYSMASK39");
}

static void registers_that_are_off_may_differ(void **unused)
{
    (void)unused;
    start(PHYS_BITS, ON | MEMORY_TYPE_WB);
    add_range(GIB(3), GIB(1), MEMORY_TYPE_UC);
    mtrr.variable[1].mask = MTRR_PHYSMASK_V; /* beyond the count of pairs */
    EXPECT_CHANGE(variable[1].base, MIB(1), "");
    EXPECT_CHANGE(variable[1].mask, MIB(1), "");
    mtrr.variable[0].mask = 0;
    EXPECT_CHANGE(variable[0].base, MIB(1), "");
    EXPECT_CHANGE(variable[0].mask, MIB(1), "");
    mtrr.def_type = MTRR_DEF_TYPE_E;
    EXPECT_CHANGE(fixed[3], 1, "");
    mtrr.def_type = ON, mtrr.cap &= ~MTRRCAP_FIX;
    EXPECT_CHANGE(fixed[3], 1, "");
    mtrr.def_type = 0, mtrr.variable[0].mask = MTRR_PHYSMASK_V;
    EXPECT_CHANGE(variable[0].base, MIB(1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_overlap_of_three_types_in_every_order_has_the_type_of_the_set),
        cmocka_unit_test(fixed_registers_have_their_index_and_each_byte_its_range),
        cmocka_unit_test(each_switch_turns_off_what_it_should),
        cmocka_unit_test(random_states_agree_with_the_model_on_every_page),
        cmocka_unit_test(runs_cover_the_space_and_change_type_at_each_end),
        cmocka_unit_test(a_mask_of_many_holes_is_bounded_and_never_called_uniform_where_it_is_not),
        cmocka_unit_test(terabytes_under_all_ranges_cost_no_walk_over_pages),
        cmocka_unit_test(problems_are_reported_and_sound_states_have_none),
        cmocka_unit_test(the_first_register_in_force_that_differs_is_named_with_both_values),
        cmocka_unit_test(each_fixed_register_and_the_last_pair_have_their_name),
        cmocka_unit_test(registers_that_are_off_may_differ),
    };
    random_seed(0x6d747272);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
