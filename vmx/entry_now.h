/* The checker of VM entry (vmx/entry_check.h) on the current VMCS of the CPU that runs this. */
#pragma once

#include "vmx/entry_check.h"

/* What the checker looks at here and now. Root mode, a VMCS current. */
struct entry_environment entry_now(void);

/* The text for the report of a failed entry: the first rule of the classes that is broken, or that
 * none is. */
void entry_now_text(unsigned classes, char *text, size_t size);
