/* Orlop's own protection, looked at while it runs (`debug_fault=tables`): the page tables that this
 * CPU's CR3 names, and the bits of its control registers that make them count. */
#pragma once

/* One line says how many pages of each kind are mapped, by table entries; each violation is a line
 * of its own, and any is a panic, as is a bit that is off. Any CPU in its slot, root mode. */
void host_check(void);
