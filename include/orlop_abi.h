/* What a guest may rely on: Orlop's CPUID leaves and hypercalls. Orlop's one public header; it
 * needs nothing but the preprocessor, so that assembly constants are made from it as well. Names
 * and numbers here are never changed, only added to. Described for users in docs/abi.md. */
#pragma once

/* Version of Orlop: CPUID ORLOP_CPUID_VERSION, EAX; also what ORLOP_CALL_VERSION returns. */
#define ORLOP_VERSION_MAJOR 0
#define ORLOP_VERSION_MINOR 1
#define ORLOP_VERSION_PATCH 0
#define ORLOP_VERSION       (ORLOP_VERSION_MAJOR << 16 | ORLOP_VERSION_MINOR << 8 | ORLOP_VERSION_PATCH)

/* Leaf 0x40000000: EAX = highest leaf of this range; EBX, ECX, EDX = the signature, 12 bytes with
 * the first one in EBX[7:0]: "OrlopOrlop" and two zero bytes. Leaves of the range that are not
 * listed here read as zero. */
#define ORLOP_CPUID_BASE          0x40000000
#define ORLOP_CPUID_VERSION       0x40000001 /* EAX = version, EBX = feature bits, ECX = EDX = 0 */
#define ORLOP_CPUID_HIGHEST       0x40000001
#define ORLOP_CPUID_RANGE_LAST    0x4fffffff
#define ORLOP_CPUID_SIGNATURE     "OrlopOrlop\0"
#define ORLOP_CPUID_SIGNATURE_EBX 0x6f6c724f
#define ORLOP_CPUID_SIGNATURE_ECX 0x6c724f70
#define ORLOP_CPUID_SIGNATURE_EDX 0x0000706f

/* Feature bits, leaf ORLOP_CPUID_VERSION, EBX. */
#define ORLOP_FEATURE_HYPERCALLS (1 << 0) /* VMCALL as below */
#define ORLOP_FEATURE_UNLOAD     (1 << 2) /* ORLOP_CALL_UNLOAD */
#define ORLOP_FEATURE_SERVICES   (1 << 1) /* ORLOP_CALL_LOG_WRITE to ORLOP_CALL_DEBUGGER */

/* Hypercalls: VMCALL at CPL 0 with RAX = number and RBX = ORLOP_CALL_SIGNATURE, which is "Orlop"
 * with the first letter in the lowest byte; outside 64-bit mode EBX holds its lower half,
 * ORLOP_CALL_SIGNATURE_32, and EAX the number. RAX returns the result, or a negative error. At
 * another CPL, or with another signature, the instruction gets the #UD that it gets without Orlop.
 */
#define ORLOP_CALL_SIGNATURE    0x706f6c724f
#define ORLOP_CALL_SIGNATURE_32 0x6f6c724f
#define ORLOP_CALL_VERSION      0 /* returns ORLOP_VERSION */

/* RCX is a linear address, RDX the buffer's bytes, RSI as named; outside 64-bit mode ECX, EDX, ESI.
 * The buffer is usable memory, mapped, and writable where it is written to. */
#define ORLOP_CALL_LOG_WRITE 1 /* a line of 1 to ORLOP_LOG_WRITE_MAX characters; returns 0 */
#define ORLOP_CALL_COUNTERS  2 /* how often a CPU exited for reason 0, 1, ...; returns how many */
#define ORLOP_CALL_LOG_READ  3 /* records from number RSI on, or the oldest; returns how many */
#define ORLOP_CALL_DEBUGGER  4 /* stop in the debugger; no arguments */
#define ORLOP_CALL_UNLOAD    5 /* go on without Orlop: RCX is a page that is given up; 64-bit mode */

#define ORLOP_LOG_WRITE_MAX 96
#define ORLOP_COUNTERS_MAX  512 /* the buffer: so many of 8 bytes at most */
#define ORLOP_COUNTERS_SELF                                                                        \
    0xffffffff                  /* RSI: this CPU (in 64-bit mode sign-extended), else a number */
#define ORLOP_LOG_READ_MAX 4096 /* the buffer: a multiple of ORLOP_LOG_RECORD_BYTES */

/* A record of the log: offsets and sizes. Numbers rise by 1; a gap is of lines that were lost. */
#define ORLOP_LOG_RECORD_SEQUENCE 0  /* 8 bytes: its number */
#define ORLOP_LOG_RECORD_TSC      8  /* 8 bytes */
#define ORLOP_LOG_RECORD_CPU      16 /* 2 bytes */
#define ORLOP_LOG_RECORD_LEVEL    18 /* 1 byte: 0 error, 1 warning, 2 information, 3 debug */
#define ORLOP_LOG_RECORD_LENGTH   19 /* 1 byte: of the text */
#define ORLOP_LOG_RECORD_TEXT     20
#define ORLOP_LOG_RECORD_BYTES    128

#define ORLOP_ERROR_UNKNOWN_CALL   (-1)
#define ORLOP_ERROR_ARGUMENT       (-2) /* a length or number that cannot be */
#define ORLOP_ERROR_ADDRESS        (-3) /* not mapped, not writable, or not usable memory */
#define ORLOP_ERROR_NOT_CONFIGURED (-4)
#define ORLOP_ERROR_BUSY           (-5) /* not all CPUs called in time, or an event comes first */
#define ORLOP_ERROR_UNSUPPORTED    (-6) /* not in the state that this CPU is in */
