/* Takes all the memory that the kernel gives, writes each word with a value of its own, reads all
 * of it back, and asks the kernel where each page lies: none may lie in a range that /proc/iomem
 * calls reserved. For the Linux guest of the tests; needs root, and vm.overcommit as it is. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE       4096u
#define KEPT_MIB   24 /* for the kernel itself */
#define RANGES_MAX 64
#define PRESENT    (1ull << 63)
#define PFN        ((1ull << 55) - 1)

static struct range {
    uint64_t start, end;
    int ram;
} ranges[RANGES_MAX];
static unsigned range_count;

static void read_ranges(void)
{
    char line[256], name[128];
    FILE *file = fopen("/proc/iomem", "r");
    while (file && range_count < RANGES_MAX && fgets(line, sizeof(line), file)) {
        struct range *range = &ranges[range_count];
        if (line[0] == ' ' || sscanf(line, "%" SCNx64 "-%" SCNx64 " : %127[^\n]", &range->start,
                                     &range->end, name) != 3)
            continue;
        range->ram = strcmp(name, "System RAM") == 0;
        range_count++;
    }
    if (file)
        fclose(file);
}

static int is_ram(uint64_t address)
{
    for (unsigned i = 0; i < range_count; i++)
        if (ranges[i].start <= address && address <= ranges[i].end)
            return ranges[i].ram;
    return 0;
}

static uint64_t free_bytes(void)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "MemFree: %" SCNu64, &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib > KEPT_MIB * 1024u ? (kib - KEPT_MIB * 1024u) * 1024 / PAGE * PAGE : 0;
}

static uint64_t value_of(uint64_t i) { return i * 0x9E3779B97F4A7C15ull ^ i >> 7; }

/* How many pages do not lie in RAM, or nowhere. */
static uint64_t misplaced(const char *memory, uint64_t bytes)
{
    uint64_t wrong = 0, entry;
    int map = open("/proc/self/pagemap", O_RDONLY);
    for (uint64_t at = 0; at < bytes; at += PAGE) {
        off_t place = (off_t)((uintptr_t)(memory + at) / PAGE * sizeof(entry));
        if (pread(map, &entry, sizeof(entry), place) != sizeof(entry) || !(entry & PRESENT) ||
            !is_ram((entry & PFN) * PAGE))
            wrong++;
    }
    close(map);
    return wrong;
}

int main(void)
{
    uint64_t bytes = free_bytes(), words = bytes / sizeof(uint64_t), wrong = 0;
    uint64_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    read_ranges();
    if (bytes == 0 || memory == MAP_FAILED || range_count == 0) {
        printf("memory ERROR no memory, or no /proc/iomem\n");
        return 1;
    }
    for (uint64_t i = 0; i < words; i++)
        memory[i] = value_of(i);
    for (uint64_t i = 0; i < words; i++)
        wrong += memory[i] != value_of(i);
    uint64_t elsewhere = misplaced((const char *)memory, bytes);
    printf("memory %s %" PRIu64 " MiB, %" PRIu64 " words wrong, %" PRIu64 " pages not in RAM\n",
           wrong || elsewhere ? "FAIL" : "PASS", bytes >> 20, wrong, elsewhere);
    return wrong || elsewhere;
}
