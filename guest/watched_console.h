/* console=watched: the UART of the log is the guest's, and Orlop hears the key on it
 * (guest/watched_uart.h). Each read and write of the data register exits; the other registers do
 * while there is a byte that was taken for the guest. */
#pragma once

#include "vmx/vmx_cpu.h"

/* Watch the UART at `port`. Before the CPUs' VMCSs are written; BSP. */
void watched_console_install(uint16_t port);

/* While the guest runs, now and then: is the key, or a BREAK, there that the guest does not read?
 * Root mode; may stop all CPUs for a moment. */
MUST_CHECK bool watched_console_look(struct vmx_cpu *vcpu);

/* While all CPUs stand still: the guest gets the byte as if it had come. False: it cannot be told.
 */
MUST_CHECK bool watched_console_send(struct vmx_cpu *vcpu, uint8_t byte);

/* What breaks in, WATCHED_KEY at first. */
void watched_console_set_key(uint8_t key);
