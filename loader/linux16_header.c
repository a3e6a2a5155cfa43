#include "loader/linux16_header.h"

#include "base/bits.h"
#include "boot/words.h"
#include "lib/string.h"

#define LOADER_UNKNOWN 0xFFu                   /* no number was assigned to us */
#define OLD_LINE_MAGIC 0xA33Fu                 /* "CL_MAGIC" */
#define HEAP_END       (LINUX16_STACK - 0x200) /* the protocol counts without the first sector */

static const struct {
    const char *name;
    uint16_t mode;
} video_modes[] = {{"normal", 0xFFFF}, {"ext", 0xFFFE}, {"ask", 0xFFFD}};

static bool video_mode(struct word value, uint16_t *mode)
{
    uint64_t number;
    for (unsigned i = 0; i < ARRAY_SIZE(video_modes); i++)
        if (word_is(value, video_modes[i].name)) {
            *mode = video_modes[i].mode;
            return true;
        }
    if (!string_parse_u64(value.text, value.length, &number) || number > UINT16_MAX)
        return false;
    *mode = (uint16_t)number;
    return true;
}

static void take_video_mode(const char *command_line, struct linux_header *header)
{
    struct word word, name, value;
    uint16_t mode;
    while (word_next(&command_line, &word))
        if (word_cut(word, '=', &name, &value) && word_is(name, "vga") && video_mode(value, &mode))
            header->vid_mode = mode;
}

void linux16_header_build(const struct linux_image *image, const struct linux_plan *plan,
                          const char *command_line, struct linux16_header *out)
{
    struct linux_header header;
    memset(out, 0, sizeof(*out));
    memcpy(out->bytes, image->header, image->header_bytes);
    memcpy(&header, out->bytes, sizeof(header));
    take_video_mode(command_line, &header);
    header.type_of_loader = LOADER_UNKNOWN;
    header.ramdisk_image = (uint32_t)plan->initrd_at;
    header.ramdisk_size = (uint32_t)plan->initrd_bytes;
    if (image->version >= LINUX_VERSION_2_01) {
        header.heap_end_ptr = HEAP_END;
        header.loadflags |= LINUX_LOAD_USE_HEAP;
    }
    if (image->version >= LINUX_VERSION_2_02) {
        header.cmd_line_ptr = (uint32_t)plan->command_line_at;
    } else {
        header.setup_move_size = LINUX16_LOW_BYTES;
        out->old_line_wanted = true;
        out->old_line = (struct linux16_old_line){OLD_LINE_MAGIC, LINUX16_STACK};
    }
    memcpy(out->bytes, &header, min_u64(sizeof(header), image->header_bytes));
}
