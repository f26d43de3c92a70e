// SPDX-License-Identifier: GPL-2.0
/*
 * Chains of one-page blocks of fixed-size records: how tables of any length
 * are handed over.
 *
 * Invariants:
 *  - a block in a chain holds at least one record: it is added together with
 *    its first one;
 *  - a reader believes nothing: each block must be a page that the previous
 *    kernel preserved, and its count must fit;
 *  - a reader comes to each block once: where a chain leads back into itself it
 *    is damaged;
 *  - a block is checked again when a reader comes to it, and what it says of
 *    itself is read once: somebody may have been given its page meanwhile.
 */
#define pr_fmt(fmt) "KHO: " fmt

#include <linux/err.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/block.h>
#include <linux/mm.h>

#include "kho_memory.h"

/**
 * kho_block_capacity - records that fit in one block
 * @record_size: size of a record in bytes
 *
 * Return: the number.
 */
unsigned long kho_block_capacity(size_t record_size)
{
	return (PAGE_SIZE - sizeof(struct kho_block_header_ser)) / record_size;
}

static void *block_record(struct kho_block_header_ser *block, u64 index,
			  size_t record_size)
{
	return (void *)(block + 1) + index * record_size;
}

/**
 * kho_block_writer_init - start an empty chain
 * @writer: to be initialised
 * @record_size: size of a record in bytes
 */
void kho_block_writer_init(struct kho_block_writer *writer, size_t record_size)
{
	*writer = (struct kho_block_writer){ .record_size = record_size };
}
EXPORT_SYMBOL_GPL(kho_block_writer_init);

/**
 * kho_block_append - add a record to a chain
 * @writer: the chain
 *
 * Context: process context, may sleep; the caller serialises.
 * Return: the record, all zero, or an ERR_PTR() with the chain unchanged.
 */
void *kho_block_append(struct kho_block_writer *writer)
{
	struct kho_block_header_ser *block = writer->last;

	if (!block || block->count == kho_block_capacity(writer->record_size)) {
		block = kho_alloc_preserve(PAGE_SIZE);
		if (IS_ERR(block))
			return block;
		if (writer->last)
			writer->last->next = virt_to_phys(block);
		else
			writer->first = virt_to_phys(block);
		writer->last = block;
	}
	return block_record(block, block->count++, writer->record_size);
}
EXPORT_SYMBOL_GPL(kho_block_append);

/**
 * kho_block_discard - unpreserve and free a chain in the kernel that wrote it
 * @writer: the chain, empty on return
 */
void kho_block_discard(struct kho_block_writer *writer)
{
	phys_addr_t phys = writer->first;

	while (phys) {
		struct kho_block_header_ser *block = phys_to_virt(phys);

		phys = block->next;
		kho_unpreserve_free(block);
	}
	kho_block_writer_init(writer, writer->record_size);
}
EXPORT_SYMBOL_GPL(kho_block_discard);

/* The head of the block at @phys as it is now; false if it is damaged. */
static bool kho_block_read(phys_addr_t phys, size_t record_size,
			   struct kho_block_header_ser *head)
{
	const struct kho_block_header_ser *block;

	if (!kho_is_restorable(phys, 0))
		return false;
	block = phys_to_virt(phys);
	head->next = READ_ONCE(block->next);
	head->count = READ_ONCE(block->count);
	return head->count && head->count <= kho_block_capacity(record_size);
}

/* The block behind the sound one at @phys, 0 if there is none or it is damaged. */
static phys_addr_t kho_block_step(phys_addr_t phys, size_t record_size)
{
	const struct kho_block_header_ser *block = phys_to_virt(phys);
	phys_addr_t next = READ_ONCE(block->next);
	struct kho_block_header_ser head;

	return kho_block_read(next, record_size, &head) ? next : 0;
}

/* Of a chain that ends in a loop of @loop blocks: how many there are in all. */
static unsigned long kho_block_count_loop(phys_addr_t first, size_t record_size,
					  unsigned long loop)
{
	phys_addr_t ahead = first, behind = first;
	unsigned long nr = loop;

	while (loop--)
		ahead = kho_block_step(ahead, record_size);
	for (; ahead != behind; nr++) {
		ahead = kho_block_step(ahead, record_size);
		behind = kho_block_step(behind, record_size);
	}
	return nr;
}

/* Blocks that can be read, each of them once. */
static unsigned long kho_block_count(phys_addr_t first, size_t record_size)
{
	phys_addr_t phys, mark = first;
	unsigned long nr = 1, at_mark = 1;
	struct kho_block_header_ser head;

	if (!kho_block_read(first, record_size, &head))
		return 0;
	/* The mark follows in leaps that double, so that it gets into a loop. */
	for (phys = kho_block_step(first, record_size); phys;
	     phys = kho_block_step(phys, record_size)) {
		if (phys == mark)
			return kho_block_count_loop(first, record_size,
						    nr + 1 - at_mark);
		nr++;
		if (nr == 2 * at_mark) {
			mark = phys;
			at_mark = nr;
		}
	}
	return nr;
}

/**
 * kho_block_reader_init - start to read a chain of the previous kernel
 * @reader: to be initialised
 * @first: physical address of the first block, 0 for an empty chain
 * @record_size: size of a record in bytes
 */
void kho_block_reader_init(struct kho_block_reader *reader, phys_addr_t first,
			   size_t record_size)
{
	*reader = (struct kho_block_reader){
		.next = first,
		.nr_blocks = kho_block_count(first, record_size),
		.record_size = record_size,
	};
}
EXPORT_SYMBOL_GPL(kho_block_reader_init);

/**
 * kho_block_reader_init_own - start to read a chain of this kernel
 * @reader: to be initialised
 * @first: physical address of the first block, 0 for an empty chain
 * @record_size: size of a record in bytes
 *
 * There is nothing to be checked.
 */
void kho_block_reader_init_own(struct kho_block_reader *reader,
			       phys_addr_t first, size_t record_size)
{
	*reader = (struct kho_block_reader){
		.next = first,
		.nr_blocks = ULONG_MAX,
		.record_size = record_size,
		.own = true,
	};
}

/* Go to the next block, which there is. */
static int kho_block_enter(struct kho_block_reader *reader)
{
	struct kho_block_header_ser *block = phys_to_virt(reader->next), head;

	if (!reader->nr_blocks)
		return -EINVAL;
	if (reader->own)
		head = *block;
	else if (!kho_block_read(reader->next, reader->record_size, &head))
		return -EINVAL;
	reader->nr_blocks--;
	reader->block = block;
	reader->next = head.next;
	reader->count = head.count;
	reader->index = 0;
	return 0;
}

/**
 * kho_block_next - read the next record
 * @reader: the chain
 *
 * Return: the record, NULL at the end, or ERR_PTR(-EINVAL) if the chain is
 * damaged. No record is read twice.
 */
void *kho_block_next(struct kho_block_reader *reader)
{
	int err;

	if (reader->index == reader->count) {
		if (!reader->next)
			return NULL;
		err = kho_block_enter(reader);
		if (err)
			return ERR_PTR(err);
	}
	return block_record(reader->block, reader->index++, reader->record_size);
}
EXPORT_SYMBOL_GPL(kho_block_next);

/**
 * kho_block_restore_free - free a chain in the kernel that has read it
 * @first: physical address of the first block, 0 for an empty chain
 * @record_size: size of a record in bytes
 *
 * Stops at the first block that is damaged, or is freed already: what is
 * behind it stays reserved.
 */
void kho_block_restore_free(phys_addr_t first, size_t record_size)
{
	struct kho_block_header_ser head;

	while (first && kho_block_read(first, record_size, &head)) {
		kho_restore_free(phys_to_virt(first));
		first = head.next;
	}
}
EXPORT_SYMBOL_GPL(kho_block_restore_free);
