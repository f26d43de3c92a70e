/* SPDX-License-Identifier: GPL-2.0 */
/* Kexec HandOver (KHO): chains of blocks, for tables of any length. */
#ifndef _LINUX_KHO_BLOCK_H
#define _LINUX_KHO_BLOCK_H

#include <linux/types.h>

/**
 * struct kho_block_writer - a chain of blocks being written
 * @first: physical address of the first block, 0 for an empty chain
 * @last: the block in which the next record goes
 * @record_size: size of a record in bytes
 */
struct kho_block_writer {
	phys_addr_t first;
	struct kho_block_header_ser *last;
	size_t record_size;
};

/**
 * struct kho_block_reader - a chain of blocks being read
 * @next: physical address of the next block
 * @block: the block that is being read, or NULL
 * @index: next record in it
 * @count: records in it, as it said when the reader came to it
 * @nr_blocks: blocks that can be read, from @next on
 * @record_size: size of a record in bytes
 * @own: this kernel has written it
 */
struct kho_block_reader {
	phys_addr_t next;
	struct kho_block_header_ser *block;
	u64 index;
	u64 count;
	unsigned long nr_blocks;
	size_t record_size;
	bool own;
};

unsigned long kho_block_capacity(size_t record_size);
void kho_block_writer_init(struct kho_block_writer *writer, size_t record_size);
void *kho_block_append(struct kho_block_writer *writer);
void kho_block_discard(struct kho_block_writer *writer);
void kho_block_reader_init(struct kho_block_reader *reader, phys_addr_t first,
			   size_t record_size);
void kho_block_reader_init_own(struct kho_block_reader *reader,
			       phys_addr_t first, size_t record_size);
void *kho_block_next(struct kho_block_reader *reader);
void kho_block_restore_free(phys_addr_t first, size_t record_size);

#endif /* _LINUX_KHO_BLOCK_H */
