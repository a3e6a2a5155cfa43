#include "acpi/s5.h"

#include "lib/string.h"

#define AML_ZERO    0x00u
#define AML_ONE     0x01u
#define AML_NAME    0x08u
#define AML_BYTE    0x0Au
#define AML_WORD    0x0Bu
#define AML_DWORD   0x0Cu
#define AML_PACKAGE 0x12u
#define AML_ROOT    '\\'
#define SLP_TYP_MAX 7u

/* What is left to be read of a piece of AML. */
struct aml {
    const uint8_t *at;
    size_t left;
};

static bool take_byte(struct aml *aml, uint8_t *out)
{
    if (aml->left == 0)
        return false;
    *out = *aml->at++;
    aml->left--;
    return true;
}

/* PkgLength: the top two bits of the first byte count the bytes that follow it. The length counts
 * from that first byte; the rest of `aml` is cut to it. */
static bool take_package_length(struct aml *aml)
{
    size_t before = aml->left;
    uint8_t first, next;
    if (!take_byte(aml, &first))
        return false;
    unsigned int more = first >> 6;
    size_t length = more ? first & 0x0Fu : first & 0x3Fu;
    for (unsigned int i = 0; i < more; i++) {
        if (!take_byte(aml, &next))
            return false;
        length |= (size_t)next << (4 + 8 * i);
    }
    size_t taken = before - aml->left;
    if (length < taken || length > before)
        return false;
    aml->left = length - taken;
    return true;
}

/* An integer constant that can be an SLP_TYP. */
static bool take_sleep_type(struct aml *aml, uint8_t *out)
{
    uint8_t prefix, high;
    if (!take_byte(aml, &prefix))
        return false;
    unsigned int more = 0;
    if (prefix == AML_ZERO || prefix == AML_ONE)
        *out = prefix;
    else if (prefix < AML_BYTE || prefix > AML_DWORD || !take_byte(aml, out))
        return false;
    else
        more = (1u << (prefix - AML_BYTE)) - 1;
    for (unsigned int i = 0; i < more; i++)
        if (!take_byte(aml, &high) || high != 0)
            return false;
    return *out <= SLP_TYP_MAX;
}

/* Name(_S5_, Package(n) {a, b, ...}) with `aml` at what follows the name. */
static bool take_package(struct aml aml, struct s5_types *out)
{
    uint8_t op, elements;
    return take_byte(&aml, &op) && op == AML_PACKAGE && take_package_length(&aml) &&
           take_byte(&aml, &elements) && elements >= 2 && take_sleep_type(&aml, &out->pm1a) &&
           take_sleep_type(&aml, &out->pm1b);
}

static bool is_declared(const uint8_t *aml, size_t name)
{
    if (name >= 1 && aml[name - 1] == AML_NAME)
        return true;
    return name >= 2 && aml[name - 1] == AML_ROOT && aml[name - 2] == AML_NAME;
}

enum error s5_scan(const void *table, size_t bytes, struct s5_types *out)
{
    const uint8_t *block = table;
    for (size_t at = sizeof(struct acpi_header); at + 4 <= bytes; at++) {
        if (block[at] != '_' || memcmp(block + at, "_S5_", 4) != 0 || !is_declared(block, at))
            continue;
        struct s5_types types = {0};
        if (take_package((struct aml){block + at + 4, bytes - at - 4}, &types)) {
            *out = types;
            return ERROR_NONE;
        }
    }
    *out = (struct s5_types){0};
    return ERROR_NOT_FOUND;
}

enum error s5_find(const struct acpi_memory *memory, const struct acpi_tables *tables,
                   struct s5_types *out)
{
    static const char *const blocks[] = {"DSDT", "SSDT"};
    size_t bytes;
    for (unsigned int kind = 0; kind < 2; kind++) {
        for (unsigned int i = 0; i < tables->count; i++) {
            const void *block = acpi_tables_find(memory, tables, blocks[kind], i, &bytes);
            if (!block)
                break;
            if (s5_scan(block, bytes, out) == ERROR_NONE)
                return ERROR_NONE;
        }
    }
    *out = (struct s5_types){0};
    return ERROR_NOT_FOUND;
}
