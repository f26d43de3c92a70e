/* SPDX-License-Identifier: GPL-2.0 */
/* What minivmm and its guest have agreed on. */
#ifndef MINIVMM_GUEST_H
#define MINIVMM_GUEST_H

/* The guest's memory, where it is loaded and entered, and what it works on. */
#define GUEST_RAM		0x1000000
#define GUEST_ENTRY		0x10000
#define GUEST_STACK		0x80000
#define GUEST_DATA		0x200000
#define GUEST_DATA_SIZE		0x400000
/* What a network card has of it: up to the end. */
#define GUEST_RING		0x600000
#define GUEST_BUFFERS		0x800000

/* The device, if it has one, is behind its memory; %rbx is at first what it is, or 0. */
#define GUEST_BAR		GUEST_RAM
#define GUEST_BAR_SIZE		0x200000
#define DEVICE_EDU		0x11e81234
#define DEVICE_E1000E		0x10d38086

/* A report goes word by word to these ports; the last one makes it whole. */
#define PORT_REPORT		0x500
#define REPORT_TURN		0	/* turns of its loop, 2 words */
#define REPORT_CLOCK		2	/* the TSC at this turn, 2 words; where it has trapped */
#define REPORT_GAP		4	/* longest time between two turns, ticks of it, 2 words */
#define REPORT_FRAMES		6	/* what a network card has received */
#define REPORT_MEANWHILE	7	/* and how much of it while the last report was made */
#define REPORT_FAULTS		8	/* what has ever been wrong, FAULT_* */
#define REPORT_WORDS		9

/* The end: anything that is written. */
#define PORT_END		0x580

/* Turns between two reports. */
#define REPORT_EVERY		8

/* When the report has been taken; the device's; the next report is to be the last one. */
#define VECTOR_REPORT		0x41
#define VECTOR_DEVICE		0x42
#define VECTOR_END		0x43

#define FAULT_MEMORY		0x001	/* memory has not the checksum that it should have */
#define FAULT_CLOCK		0x002	/* the TSC went back */
#define FAULT_KVMCLOCK		0x004	/* kvmclock went back */
#define FAULT_SSE		0x008	/* lower half of %ymm15 */
#define FAULT_AVX		0x010	/* upper half of it */
#define FAULT_DEBUG		0x020	/* %dr0 */
#define FAULT_MSR		0x040	/* an MSR */
#define FAULT_NMI		0x080	/* the NMI that was pending did not come */
#define FAULT_DEVICE		0x100	/* the PCI device */
#define FAULT_TRAP		0x200	/* an interrupt or exception that nobody asked for */

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

/* head.S calls guest.c, and the other way round. */
extern uint64_t timer_interrupts, report_interrupts, device_interrupts, end_interrupts;
extern uint32_t nmi_awaited, device_id;
/* Until the next interrupt. They are off otherwise. */
void halt(void);
void load_idt(void);
void timer_interrupt(void);
void report_interrupt(void);
void device_interrupt(void);
void end_interrupt(void);
void nmi_interrupt(void);
void let_nmi_in(void);
void stray_interrupt(void);
_Noreturn void guest_trap(const uint64_t *frame);
_Noreturn void guest_main(void);
#endif

#endif /* MINIVMM_GUEST_H */
