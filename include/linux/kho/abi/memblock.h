/* SPDX-License-Identifier: GPL-2.0 */
/**
 * DOC: reserve_mem=
 *
 * Regions of reserve_mem= are handed over as the subtree %MEMBLOCK_KHO_NODE, a
 * flattened device tree::
 *
 *	/ {
 *		compatible = "memblock-v1";
 *		LABEL {
 *			compatible = "reserve-mem-v1";
 *			start = <u64>;
 *			size = <u64>;
 *		};
 *	};
 *
 * Numbers are in the byte order of the machine.
 */
#ifndef _LINUX_KHO_ABI_MEMBLOCK_H
#define _LINUX_KHO_ABI_MEMBLOCK_H

#define MEMBLOCK_KHO_NODE		"memblock"
#define MEMBLOCK_KHO_COMPATIBLE		"memblock-v1"
#define RESERVE_MEM_KHO_COMPATIBLE	"reserve-mem-v1"
#define RESERVE_MEM_KHO_START_PROP	"start"
#define RESERVE_MEM_KHO_SIZE_PROP	"size"

#endif /* _LINUX_KHO_ABI_MEMBLOCK_H */
