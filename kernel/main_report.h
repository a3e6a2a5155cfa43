/* The report of `probe`: what this machine can do, in log lines made to be pasted into a bug
 * report. */
#pragma once

#include "kernel/main_steps.h"

/* BSP, boot only, on the boot map. */
void report_machine(const struct boot *facts);
