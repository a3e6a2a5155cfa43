/* Takes what the code under test logs through tests/unit/fake/ports.c, so that a test can read it,
 * or so that random input does not fill the screen. The sanitizers write to the descriptor itself:
 * their reports are always seen. Between start and end no cmocka assertion is made. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *capture_real_stderr;
static char *capture_text;
static size_t capture_bytes;

static inline void capture_start(void)
{
    free(capture_text);
    capture_text = NULL;
    capture_real_stderr = stderr;
    stderr = open_memstream(&capture_text, &capture_bytes);
}

/* The text since the start; good until the next start. */
static inline const char *capture_end(void)
{
    fclose(stderr);
    stderr = capture_real_stderr;
    return capture_text;
}

static inline void quiet_start(void)
{
    capture_real_stderr = stderr;
    stderr = fopen("/dev/null", "w");
}

static inline void quiet_end(void)
{
    fclose(stderr);
    stderr = capture_real_stderr;
}
