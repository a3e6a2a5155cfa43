/* with: lib/lzma.c */
/* Any bytes as a stream of LZMA's: the first two say how much is to come of it. The buffers are as
 * large as they are said to be, so that one byte beside them is found. */
#include "lib/lzma.h"

#include <string.h>

#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    static struct lzma lzma;
    if (bytes < 2)
        return 0;
    size_t in_bytes = bytes - 2, out_bytes = data[0] | data[1] << 8;
    uint8_t *in = malloc(in_bytes + !in_bytes), *out = malloc(out_bytes + !out_bytes);
    memcpy(in, data + 2, in_bytes);
    enum error error = lzma_unpack(&lzma, in, in_bytes, out, out_bytes);
    CHECK(error == ERROR_NONE || error == ERROR_MALFORMED);
    CHECK(lzma.in >= in && lzma.in <= in + in_bytes && lzma.at <= out_bytes);
    CHECK(error != ERROR_NONE || lzma.at == out_bytes);
    free(in);
    free(out);
    return 0;
}
