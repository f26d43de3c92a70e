// SPDX-License-Identifier: GPL-2.0
/*
 * The guest. Each turn of its loop changes some of its memory, whose checksum it
 * keeps, and looks whether all that it left in the processor is still there. Then
 * it halts until the timer of its APIC wakes it up, and after a report until the
 * device does.
 *
 * It is in an NMI handler all the time, as it were: NMIs are masked, and one is
 * pending. Each turn lets that one in, and sends itself the next.
 *
 * So whatever the VMM forgets to carry, or carries wrongly, is in the next report,
 * or there is none.
 */
#include <stddef.h>
#include <stdint.h>

#include "driver.h"

#define WORDS			(GUEST_DATA_SIZE / sizeof(uint64_t))
#define WORDS_PER_TURN		64
/* Ticks of the TSC from one turn to the next: some milliseconds. */
#define TURN_TICKS		(16 << 20)

#define VECTOR_NMI		2
#define VECTOR_TIMER		0x40
#define VECTORS			256
#define CODE64			0x08
#define GATE_INTERRUPT		0x8e00

#define MSR_APIC_BASE		0x1b
#define APIC_BASE_X2APIC	(3 << 10)	/* and enabled */
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_X2APIC_SPURIOUS	0x80f
#define APIC_ENABLED		0x1ff
#define MSR_X2APIC_ICR		0x830
#define ICR_NMI			(4 << 8)	/* to APIC 0, itself */
#define MSR_X2APIC_LVT_TIMER	0x832
#define LVT_TSC_DEADLINE	(2 << 17)
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_KVM_CLOCK		0x4b564d01
#define KVM_CLOCK_ENABLED	1

/* An NMI comes within some instructions. */
#define NMI_PATIENCE		100000

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint16_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

/* See Documentation/virt/kvm/x86/msr.rst. */
struct kvm_clock {
	uint32_t version;
	uint32_t reserved;
	uint64_t tsc;
	uint64_t nanoseconds;
	uint32_t scale;
	int8_t shift;
	uint8_t flags;
	uint8_t reserved2[2];
};

/* Of the loop. */
struct guest {
	uint64_t turn;		/* is in %ymm15, twice, %dr0 and an MSR as well */
	uint64_t last;		/* the TSC at the last turn */
	uint64_t gap;		/* the longest between two turns */
	uint64_t kvmclock;	/* at the last turn */
	uint64_t sum;		/* of data */
	uint64_t random;
	uint32_t faults;
};

uint64_t timer_interrupts, report_interrupts, device_interrupts, end_interrupts;
uint32_t nmi_awaited, device_id;
struct gate idt[VECTORS];
static _Alignas(64) struct kvm_clock kvm_clock;
static struct guest guest;
static const struct driver *driver;	/* of the device, or NULL */
static uint64_t *const data = (uint64_t *)GUEST_DATA;

static inline void fence(void)
{
	asm volatile("lfence" : : : "memory");
}

static inline uint64_t read_tsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return low | (uint64_t)high << 32;
}

static inline uint64_t read_msr(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
	return low | (uint64_t)high << 32;
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" : : "c" (msr), "a" ((uint32_t)value),
		     "d" ((uint32_t)(value >> 32)) : "memory");
}

static inline void report_word(unsigned int word, uint32_t value)
{
	asm volatile("outl %0, %w1" : : "a" (value), "Nd" (PORT_REPORT + 4 * word) : "memory");
}

static void report(void)
{
	report_word(REPORT_TURN, guest.turn);
	report_word(REPORT_TURN + 1, guest.turn >> 32);
	report_word(REPORT_CLOCK, guest.last);
	report_word(REPORT_CLOCK + 1, guest.last >> 32);
	report_word(REPORT_GAP, guest.gap);
	report_word(REPORT_GAP + 1, guest.gap >> 32);
	report_word(REPORT_FRAMES, frames);
	report_word(REPORT_MEANWHILE, frames_meanwhile);
	report_word(REPORT_FAULTS, guest.faults);
}

/* The frame begins with the address, or with an error code and the address. */
_Noreturn void guest_trap(const uint64_t *frame)
{
	guest.last = frame[0];
	guest.gap = frame[1];
	guest.faults |= FAULT_TRAP;
	report();
	for (;;)
		asm volatile("cli; hlt");
}

static void set_gate(unsigned int vector, void (*handler)(void))
{
	uint64_t address = (uint64_t)handler;

	idt[vector] = (struct gate){
		.offset_low = address,
		.selector = CODE64,
		.type = GATE_INTERRUPT,
		.offset_middle = address >> 16,
		.offset_high = address >> 32,
	};
}

static void send_nmi(void)
{
	write_msr(MSR_X2APIC_ICR, ICR_NMI);
}

static void await_nmi(void)
{
	unsigned int i;

	for (i = 0; nmi_awaited && i < NMI_PATIENCE; i++)
		relax();
	if (nmi_awaited)
		guest.faults |= FAULT_NMI;
	nmi_awaited = 0;
}

/* From the first one on they are masked. */
static void set_up_nmi(void)
{
	nmi_awaited = 1;
	send_nmi();
	await_nmi();
	send_nmi();
}

static void set_up_interrupts(void)
{
	unsigned int i;

	for (i = 0; i < VECTORS; i++)
		set_gate(i, stray_interrupt);
	set_gate(VECTOR_NMI, nmi_interrupt);
	set_gate(VECTOR_TIMER, timer_interrupt);
	set_gate(VECTOR_REPORT, report_interrupt);
	set_gate(VECTOR_DEVICE, device_interrupt);
	set_gate(VECTOR_END, end_interrupt);
	load_idt();

	write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	write_msr(MSR_X2APIC_SPURIOUS, APIC_ENABLED);
	write_msr(MSR_X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
	set_up_nmi();
}

static uint64_t next_random(void)
{
	guest.random = guest.random * 6364136223846793005ULL + 1442695040888963407ULL;
	return guest.random;
}

/* A word that is lost, old or at another place changes the sum. */
static uint64_t weigh(uint64_t index)
{
	return data[index] * (2 * index + 1);
}

static void change_memory(void)
{
	unsigned int i;

	for (i = 0; i < WORDS_PER_TURN; i++) {
		uint64_t index = (next_random() >> 32) % WORDS;

		guest.sum -= weigh(index);
		data[index] = next_random();
		guest.sum += weigh(index);
	}
}

static void check_memory(void)
{
	uint64_t i, sum = 0;

	for (i = 0; i < WORDS; i++)
		sum += weigh(i);
	if (sum != guest.sum)
		guest.faults |= FAULT_MEMORY;
}

static uint64_t read_kvm_clock(void)
{
	uint64_t ticks, nanoseconds;
	uint32_t version;

	do {
		version = kvm_clock.version & ~1;
		fence();
		ticks = read_tsc() - kvm_clock.tsc;
		ticks = kvm_clock.shift < 0 ? ticks >> -kvm_clock.shift : ticks << kvm_clock.shift;
		nanoseconds = kvm_clock.nanoseconds +
			      (uint64_t)(((__uint128_t)ticks * kvm_clock.scale) >> 32);
		fence();
	} while (version != kvm_clock.version);
	return nanoseconds;
}

static void check_clocks(void)
{
	uint64_t now = read_tsc(), kvmclock = read_kvm_clock();

	if (now < guest.last)
		guest.faults |= FAULT_CLOCK;
	else if (guest.last && now - guest.last > guest.gap)
		guest.gap = now - guest.last;
	guest.last = now;
	if (kvmclock < guest.kvmclock)
		guest.faults |= FAULT_KVMCLOCK;
	guest.kvmclock = kvmclock;
}

static void check_registers(void)
{
	uint64_t value;

	asm volatile("vmovq %%xmm15, %0" : "=r" (value));
	if (value != guest.turn)
		guest.faults |= FAULT_SSE;
	asm volatile("vextractf128 $1, %%ymm15, %%xmm14; vmovq %%xmm14, %0" : "=r" (value));
	if (value != guest.turn)
		guest.faults |= FAULT_AVX;
	asm volatile("mov %%dr0, %0" : "=r" (value));
	if (value != guest.turn)
		guest.faults |= FAULT_DEBUG;
	if (read_msr(MSR_KERNEL_GS_BASE) != guest.turn)
		guest.faults |= FAULT_MSR;
}

static void set_registers(void)
{
	asm volatile("vmovq %0, %%xmm15; vinsertf128 $1, %%xmm15, %%ymm15, %%ymm15"
		     : : "r" (guest.turn));
	asm volatile("mov %0, %%dr0" : : "r" (guest.turn));
	write_msr(MSR_KERNEL_GS_BASE, guest.turn);
}

/*
 * An interrupt that is lost is the end of it all. One that comes twice, as now and then in
 * a host that is itself emulated, does no harm.
 */
static void wait_for_more(const uint64_t *interrupts, uint64_t than)
{
	while (*interrupts == than)
		halt();
}

static void wait_for_timer(void)
{
	uint64_t before = timer_interrupts;

	write_msr(MSR_TSC_DEADLINE, read_tsc() + TURN_TICKS);
	wait_for_more(&timer_interrupts, before);
}

static void check_nmi(void)
{
	nmi_awaited = 1;
	let_nmi_in();
	await_nmi();
	send_nmi();
}

static void check_device(bool is_well)
{
	if (!is_well)
		guest.faults |= FAULT_DEVICE;
}

static void set_up_device(void)
{
	static const struct driver *const drivers[] = { &edu_driver, &e1000e_driver, NULL };
	const struct driver *const *found = drivers;

	while (*found && (*found)->id != device_id)
		found++;
	driver = *found;
	check_device(driver ? driver->set_up() : !device_id);
}

static void report_and_wait(void)
{
	uint64_t before = report_interrupts;

	report();
	wait_for_more(&report_interrupts, before);
	if (driver && driver->look)
		check_device(driver->look());
}

static void work_and_report(void)
{
	bool is_last = end_interrupts;

	check_memory();
	if (driver)
		check_device(driver->works(guest.turn));
	if (is_last && driver && driver->end)
		check_device(driver->end());
	report_and_wait();
	if (is_last)
		asm volatile("outl %0, %w1" : : "a" (0), "Nd" (PORT_END));
}

_Noreturn void guest_main(void)
{
	uint64_t i;

	for (i = 0; i < WORDS; i++)
		data[i] = next_random();
	for (i = 0; i < WORDS; i++)
		guest.sum += weigh(i);
	set_up_interrupts();
	write_msr(MSR_KVM_CLOCK, (uint64_t)&kvm_clock | KVM_CLOCK_ENABLED);
	set_registers();
	set_up_device();
	for (;;) {
		wait_for_timer();
		check_clocks();
		check_registers();
		check_nmi();
		change_memory();
		guest.turn++;
		set_registers();
		if (guest.turn % REPORT_EVERY == 0)
			work_and_report();
	}
}
