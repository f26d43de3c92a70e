// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU: how many instructions a machine has executed when it gets to
 * places, for the first time after a start. For lab/phases.sh, which reads
 *
 *	at NAME COUNT			a place
 *	page ADDRESS FIRST LAST COUNT	a page of code that ran between the places jump
 *					and start_kernel, where nothing has a symbol
 *
 * from out=FILE. places=FILE has lines "ADDRESS KIND NAME"; of kind s is the start, of
 * kind k what counts from then on, of kind u what is user space, so that it counts only
 * after run_init_process. The end of a run is the first place of kind u.
 *
 * What it counts is what is executed. A CPU that waits executes nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As <qemu-plugin.h> has it, which Debian does not ship. */
struct qemu_plugin_tb;
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
						  void (*cb)(uint64_t id,
							     struct qemu_plugin_tb *tb));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
						 void (*cb)(unsigned int cpu, void *data),
						 int flags, void *data);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op,
						     void *counter, uint64_t add);
extern void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t id, void *data),
					   void *data);
__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define PAGES		65536
#define LOW		(1ULL << 40)

struct place {
	uint64_t address, count;
	char kind, name[120];
	bool hit;
};

struct page {
	uint64_t address, first, last, count;
};

struct block {
	struct page *page;
	size_t insns;
};

static struct place *places;
static size_t nr_places;
static struct page pages[PAGES];
static uint64_t executed, begun;
static bool started, jumped, entered, init, ended;
static const char *out = "phases.out";

static void in_place(unsigned int cpu, void *data)
{
	struct place *place = data;

	if (place->kind == 's' && !ended) {
		/* The last start before the end is the one that counts. */
		if (!jumped) {
			started = true;
			begun = executed;
		}
		return;
	}
	if (!started || ended || place->hit || (place->kind == 'u' && !init))
		return;
	place->hit = true;
	place->count = executed - begun;
	jumped |= !strcmp(place->name, "machine_kexec");
	entered |= !strcmp(place->name, "start_kernel");
	init |= !strcmp(place->name, "run_init_process");
	ended |= place->kind == 'u';
}

static void in_block(unsigned int cpu, void *data)
{
	const struct block *block = data;

	if (!jumped || entered)
		return;
	if (!block->page->count)
		block->page->first = executed - begun;
	block->page->count += block->insns;
	block->page->last = executed - begun;
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	size_t insns = qemu_plugin_tb_n_insns(tb), i;

	for (i = 0; i < nr_places; i++)
		if (places[i].address == address)
			qemu_plugin_register_vcpu_tb_exec_cb(tb, in_place, 0, &places[i]);
	/* Counted behind the places: these are where a block begins. */
	qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &executed, insns);

	if (jumped && !entered && address < LOW) {
		struct page *page = &pages[address >> 12 & (PAGES - 1)];
		struct block *block = malloc(sizeof(*block));

		while (page->address && page->address != address >> 12)
			page = page == &pages[PAGES - 1] ? pages : page + 1;
		page->address = address >> 12;
		block->page = page;
		block->insns = insns;
		qemu_plugin_register_vcpu_tb_exec_cb(tb, in_block, 0, block);
	}
}

static void at_exit(uint64_t id, void *data)
{
	FILE *file = fopen(out, "w");
	size_t i;

	for (i = 0; file && i < nr_places; i++)
		if (places[i].hit)
			fprintf(file, "at %s %lu\n", places[i].name, places[i].count);
	for (i = 0; file && i < PAGES; i++)
		if (pages[i].count)
			fprintf(file, "page %lx %lu %lu %lu\n", pages[i].address << 12,
				pages[i].first, pages[i].last, pages[i].count);
	if (file)
		fclose(file);
}

static int read_places(const char *path)
{
	FILE *file = fopen(path, "r");
	struct place place = {};

	while (file && fscanf(file, "%lx %c %119s", &place.address, &place.kind, place.name) == 3) {
		places = realloc(places, (nr_places + 1) * sizeof(*places));
		places[nr_places++] = place;
	}
	if (file)
		fclose(file);
	return nr_places ? 0 : -1;
}

__attribute__((visibility("default")))
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	int err = -1;

	while (argc--) {
		if (!strncmp(argv[argc], "places=", 7))
			err = read_places(argv[argc] + 7);
		else if (!strncmp(argv[argc], "out=", 4))
			out = strdup(argv[argc] + 4);
	}
	if (err)
		return err;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
