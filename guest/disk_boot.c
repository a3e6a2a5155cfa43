#include "guest/disk_boot.h"

#include "base/bits.h"
#include "lib/string.h"

#define SECTOR_BYTES    512u
#define CD_SECTOR_BYTES 2048u
#define BOOT_AT         0x7C00u
#define ATTEMPTS        3u
#define CALL_SECTORS    16u /* of a CD in one call: 32 KiB, which no BIOS minds */
#define LOWEST_LOAD     (DISK_WORK_AT + DISK_WORK_BYTES)

#define CHECK_KEY        0x55AA /* AH=41h: given in BX, answered the other way round */
#define CHECK_ANSWER     0xAA55
#define CHECK_PACKETS    1 /* CX bit 0: AH=42h and 48h are there */
#define PARAMETERS_BYTES 0x1A

#define CD_RECORD_SECTOR   17u
#define CD_CATALOG_POINTER 0x47
#define CD_ENTRY           0x20 /* the default entry, after the validation entry */
#define CD_BOOTABLE        0x88
#define CD_MEDIA_MASK      0x0F

enum step { STEP_CHECK, STEP_PARAMETERS, STEP_SECTOR, STEP_RECORD, STEP_CATALOG, STEP_IMAGE };

static uint16_t read16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }
static uint32_t read32(const uint8_t *at) { return read16(at) | (uint32_t)read16(at + 2) << 16; }

static void write16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static enum disk_next fail(struct disk_boot *disk, const char *why)
{
    disk->why = why;
    return DISK_FAIL;
}

/* Canonical, as BIOSes do it: 0:7C00h rather than 7C0h:0. */
static enum disk_next start_at(struct disk_boot *disk, uint32_t address)
{
    bool low = address <= 0xFFFF;
    disk->entry_cs = low ? 0 : (uint16_t)(address / 16);
    disk->entry_ip = low ? (uint16_t)address : 0;
    return DISK_START;
}

/* The packet of AH=42h: its size, sectors, where to, and the first sector. */
static void read_cd(struct disk_boot *disk)
{
    disk->count = disk->left < CALL_SECTORS ? disk->left : CALL_SECTORS;
    disk->call.ax = 0x4200;
    disk->packet[0] = DISK_PACKET_BYTES;
    write16(disk->packet + 2, (uint16_t)disk->count);
    write16(disk->packet + 6, (uint16_t)(disk->to / 16));
    write16(disk->packet + 8, (uint16_t)disk->sector);
    write16(disk->packet + 10, (uint16_t)(disk->sector >> 16));
    disk->look_at = BOOT_AT;
}

static enum disk_next call(struct disk_boot *disk, enum step step)
{
    disk->step = step;
    disk->call = (struct disk_call){.dx = disk->drive, .si = DISK_WORK_PACKET};
    disk->call.ds = DISK_WORK_AT / 16;
    disk->look_at = 0;
    memset(disk->packet, 0, sizeof(disk->packet));
    switch (step) {
    case STEP_CHECK:
        disk->call.ax = 0x4100;
        disk->call.bx = CHECK_KEY;
        break;
    case STEP_PARAMETERS:
        disk->call.ax = 0x4800;
        disk->packet[0] = PARAMETERS_BYTES; /* the room there is */
        disk->look_at = DISK_WORK_AT + DISK_WORK_PACKET;
        break;
    case STEP_SECTOR:
        disk->call.ax = 0x0201;
        disk->call.bx = BOOT_AT;
        disk->call.cx = 0x0001; /* cylinder 0, sector 1; head 0 in DH */
        disk->look_at = BOOT_AT;
        break;
    default:
        read_cd(disk);
        break;
    }
    return DISK_CALL;
}

static enum disk_next call_cd(struct disk_boot *disk, enum step step, uint32_t sector, uint64_t to,
                              uint32_t count)
{
    disk->sector = sector;
    disk->to = to;
    disk->left = count;
    disk->attempts = 0;
    return call(disk, step);
}

static enum disk_next take_parameters(struct disk_boot *disk, const struct disk_answer *answer,
                                      const uint8_t *look)
{
    bool known = !answer->carry && read16(look) >= PARAMETERS_BYTES;
    if (known && read16(look + 0x18) == CD_SECTOR_BYTES)
        return call_cd(disk, STEP_RECORD, CD_RECORD_SECTOR, BOOT_AT, 1);
    return call(disk, STEP_SECTOR);
}

static enum disk_next take_sector(struct disk_boot *disk, const uint8_t *look)
{
    if (look[SECTOR_BYTES - 2] != 0x55 || look[SECTOR_BYTES - 1] != 0xAA)
        return fail(disk, "its first sector does not end with 55h AAh: nothing to boot is on it");
    return start_at(disk, BOOT_AT);
}

static enum disk_next take_record(struct disk_boot *disk, const uint8_t *look)
{
    static const char system[] = "EL TORITO SPECIFICATION";
    if (look[0] != 0 || memcmp(look + 1, "CD001", 5) != 0 ||
        memcmp(look + 7, system, sizeof(system) - 1) != 0)
        return fail(disk, "it holds a CD that does not boot (no El Torito boot record)");
    return call_cd(disk, STEP_CATALOG, read32(look + CD_CATALOG_POINTER), BOOT_AT, 1);
}

/* The words of the validation entry add up to 0; its platform is 0, a PC with a BIOS. */
static bool is_valid(const uint8_t *entry)
{
    uint16_t sum = 0;
    for (unsigned i = 0; i < CD_ENTRY; i += 2)
        sum = (uint16_t)(sum + read16(entry + i));
    return entry[0] == 1 && entry[1] == 0 && entry[0x1E] == 0x55 && entry[0x1F] == 0xAA && sum == 0;
}

static enum disk_next take_catalog(struct disk_boot *disk, const uint8_t *look)
{
    const uint8_t *entry = look + CD_ENTRY;
    if (!is_valid(look) || entry[0] != CD_BOOTABLE)
        return fail(disk, "its CD's boot catalogue is broken, or not for a BIOS");
    if (entry[1] & CD_MEDIA_MASK)
        return fail(disk,
                    "its CD wants to be taken for a floppy or a hard disk, which no PC of the "
                    "last 20 years needs; use a CD made without emulation");
    uint32_t at = read16(entry + 2) ? read16(entry + 2) * 16u : BOOT_AT;
    uint32_t bytes = (uint32_t)ALIGN_UP(read16(entry + 6) * SECTOR_BYTES, CD_SECTOR_BYTES);
    if (bytes == 0 || at < LOWEST_LOAD || at + bytes > disk->memory_end)
        return fail(disk, "its CD's boot image is empty or does not fit into conventional memory");
    disk->entry_ip = 0;
    disk->entry_cs = (uint16_t)(at / 16);
    return call_cd(disk, STEP_IMAGE, read32(entry + 8), at, bytes / CD_SECTOR_BYTES);
}

static enum disk_next take_image(struct disk_boot *disk)
{
    disk->sector += disk->count;
    disk->to += disk->count * CD_SECTOR_BYTES;
    disk->left -= disk->count;
    disk->attempts = 0;
    return disk->left ? call(disk, STEP_IMAGE) : start_at(disk, disk->entry_cs * 16u);
}

/* A read that failed is tried again after a reset of the drive, as every BIOS's user is told to. */
static enum disk_next try_again(struct disk_boot *disk, const struct disk_answer *answer)
{
    if (++disk->attempts == ATTEMPTS) {
        disk->status = (uint8_t)(answer->ax >> 8);
        return fail(disk, "it cannot be read");
    }
    disk->resetting = true;
    disk->call = (struct disk_call){.dx = disk->drive};
    disk->look_at = 0;
    return DISK_CALL;
}

enum disk_next disk_boot_begin(struct disk_boot *disk, uint8_t drive, uint64_t memory_end)
{
    memset(disk, 0, sizeof(*disk));
    disk->drive = drive;
    disk->memory_end = memory_end;
    return call(disk, STEP_CHECK);
}

enum disk_next disk_boot_next(struct disk_boot *disk, const struct disk_answer *answer,
                              const uint8_t *look)
{
    if (disk->resetting) {
        disk->resetting = false;
        return call(disk, (enum step)disk->step);
    }
    if (answer->carry && disk->step >= STEP_SECTOR)
        return try_again(disk, answer);
    switch ((enum step)disk->step) {
    case STEP_CHECK:
        return call(disk,
                    !answer->carry && answer->bx == CHECK_ANSWER && (answer->cx & CHECK_PACKETS)
                        ? STEP_PARAMETERS
                        : STEP_SECTOR);
    case STEP_PARAMETERS:
        return take_parameters(disk, answer, look);
    case STEP_SECTOR:
        return take_sector(disk, look);
    case STEP_RECORD:
        return take_record(disk, look);
    case STEP_CATALOG:
        return take_catalog(disk, look);
    case STEP_IMAGE:
        break;
    }
    return take_image(disk);
}
