/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest is entered at its first byte, in protected mode with flat segments and
 * without paging, and goes on to 64-bit mode, with its memory mapped where it is.
 */
#include "guest.h"

#define CR0_PG		0x80000000
#define CR4_PAE		0x020
#define CR4_OSFXSR	0x200
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100
#define MSR_X2APIC_EOI	0x80b
#define PAGE_TABLE	0x003	/* present, writable */
#define PAGE_2M		0x083

#define CODE64		0x08
#define DATA		0x10

	.section .head, "ax"
	.code32
	.globl	_start
_start:
	mov	$(CR4_PAE | CR4_OSFXSR), %eax
	mov	%eax, %cr4
	mov	$pml4, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$CR0_PG, %eax
	mov	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$CODE64, $start64

	.code64
start64:
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$GUEST_STACK, %esp
	call	guest_main
	ud2

	.text
	.globl	load_idt
load_idt:
	lidt	idt_pointer
	ret

/* The timer wakes the processor up, which is all that it is for. */
	.globl	timer_interrupt
timer_interrupt:
	push	%rax
	push	%rcx
	push	%rdx
	incq	timer_interrupts
	mov	$MSR_X2APIC_EOI, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq

	.globl	stray_interrupt
stray_interrupt:
	mov	$GUEST_STACK, %esp
	jmp	guest_trap

	.data
	.balign	16
gdt:
	.quad	0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt
idt_pointer:
	.word	256 * 16 - 1
	.quad	idt

	.balign	4096
pml4:
	.quad	pdpt + PAGE_TABLE
	.fill	511, 8, 0
pdpt:
	.quad	pd + PAGE_TABLE
	.fill	511, 8, 0
pd:
	.set	address, 0
	.rept	GUEST_RAM >> 21
	.quad	address + PAGE_2M
	.set	address, address + (1 << 21)
	.endr
	.fill	512 - (GUEST_RAM >> 21), 8, 0

	.section .note.GNU-stack, "", @progbits
