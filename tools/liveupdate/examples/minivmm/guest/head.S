/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest is entered at its first byte, in protected mode with flat segments and
 * without paging, and goes on to 64-bit mode, with its memory mapped where it is.
 */
#include "guest.h"

#define CR0_PG		0x80000000
#define CR4_PAE		0x020
#define CR4_OSFXSR	0x200
#define CR4_OSXSAVE	0x40000
#define XCR0_AVX	7	/* and what it needs: x87, SSE */
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100
#define MSR_X2APIC_EOI	0x80b
#define PAGE_TABLE	0x003	/* present, writable */
#define PAGE_2M		0x083
#define PAGE_2M_UNCACHED 0x09b

#define CODE64		0x08
#define DATA		0x10

	.section .head, "ax"
	.code32
	.globl	_start
_start:
	mov	%ebx, device_id
	mov	$(CR4_PAE | CR4_OSFXSR | CR4_OSXSAVE), %eax
	mov	%eax, %cr4
	xor	%ecx, %ecx
	xor	%edx, %edx
	mov	$XCR0_AVX, %eax
	xsetbv
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

/*
 * STI keeps interrupts out until HLT waits for them, so that none is waited for which has
 * come already. QEMU's SVM forgets about that if a VM exit is between the two.
 */
	.globl	halt
halt:
	sti
halting:
	hlt
	cli
	ret

/*
 * Back to where the interrupt came from, but not by IRET: that would let NMIs in. Only
 * one that is interrupted again runs with a stack that is not its own, which is below.
 */
	.macro	return_without_iret
	push	%rax
	push	%rcx
	mov	16(%rsp), %rax		/* rip */
	mov	40(%rsp), %rcx		/* rsp */
	sub	$8, %rcx
	mov	%rax, (%rcx)
	mov	%rcx, 40(%rsp)
	pop	%rcx
	pop	%rax
	pushq	16(%rsp)
	popfq
	mov	24(%rsp), %rsp
	ret
	.endm

/* Interrupts wake the processor up, which is all that they are for. */
	.macro	interrupt name, counter
	.globl	\name
\name:
	push	%rax
	push	%rcx
	push	%rdx
	incq	\counter
	cmpq	$halting, 24(%rsp)	/* it came there: no HLT, which is one byte */
	jne	1f
	incq	24(%rsp)
1:
	mov	$MSR_X2APIC_EOI, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	pop	%rdx
	pop	%rcx
	pop	%rax
	return_without_iret
	.endm

	interrupt timer_interrupt, timer_interrupts
	interrupt report_interrupt, report_interrupts
	interrupt device_interrupt, device_interrupts
	interrupt end_interrupt, end_interrupts

	.globl	nmi_interrupt
nmi_interrupt:
	cmpl	$0, nmi_awaited
	je	stray_interrupt
	movl	$0, nmi_awaited
	return_without_iret

/* An IRET to the next instruction: the NMI that was kept out comes in. */
	.globl	let_nmi_in
let_nmi_in:
	mov	%rsp, %rax
	mov	%ss, %ecx
	push	%rcx
	push	%rax
	pushfq
	mov	%cs, %ecx
	push	%rcx
	push	$1f
	iretq
1:	ret

	.globl	stray_interrupt
stray_interrupt:
	mov	%rsp, %rdi
	and	$-16, %rsp
	call	guest_trap

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
	.quad	GUEST_BAR + PAGE_2M_UNCACHED
	.fill	511 - (GUEST_RAM >> 21), 8, 0

	.section .note.GNU-stack, "", @progbits
