// SPDX-License-Identifier: GPL-2.0
/*
 * What luo_hostile does to the handover, each in a kexec of its own. The layouts
 * are those of include/linux/kho/abi/; the order of the sessions is that in
 * which luo_hostile makes them, the victim is the first.
 */
#include <stddef.h>

#include "luo_hostile.h"

#define META		"kexec-metadata.preserved-data"
#define TIMER		"x86-apic-timer-v1.preserved-data"
#define MAP		".preserved-memory-map/0"
#define PAGES		MAP "/16/0/0/0"		/* single pages: leaves by area */
#define HUGE		MAP "/0/16/0/0/0"	/* blocks of 2 MiB: the one leaf */
#define ROOT		"LUO.preserved-data/0"
#define SESSIONS	ROOT "/16"
#define SHARED		ROOT "/24"
#define FILES		SESSIONS "/80"		/* of the victim */
#define SPARE_FILES	SESSIONS "/160"		/* of the second session */
#define SER		FILES "/64"		/* of its first file */
#define CHUNK		SER "/32"
#define TABLE		CHUNK "/8"		/* of its folios */
#define HUGE_SER	FILES "/192"		/* of its third file, in huge pages */
#define HUGE_CHUNK	HUGE_SER "/40"
#define HUGE_TABLE	HUGE_CHUNK "/8"		/* of its folios */
#define HUGE_RANGES	HUGE_SER "/56/8"	/* of what is reserved */
#define POOL		"hugetlb.preserved-data"
#define REGIONS		"memblock.preserved-data"

#define NO_TEXT		"=0xffffffffffffffff"

#define MANY		.many = 1
#define MORE		.more = 1

/* Lines of the log. */
#define FDT_DAMAGED	"KHO: refused: the FDT is damaged"
#define FDT_ALIEN	"KHO: refused: the previous kernel does not speak kho-v4"
#define FDT_PLACE	"KHO: refused: the FDT is not in preservable memory"
#define MAP_DAMAGED	"KHO: refused: the map of preserved memory is damaged"
#define BOOT_DATA	"KHO: refused: the boot data name an impossible FDT"
#define NO_SCRATCH	"KHO: refused: scratch is not memory of this machine"
#define NO_MEMORY(_name) "what is handed over as " _name " is not preserved memory"
#define LUO_LOST	NO_MEMORY("LUO")
#define LUO_ALIEN	"luo: the handover has version '"
#define META_DAMAGED	"KHO: metadata of the previous kernel are damaged"
#define TABLE_DAMAGED	"luo: the table of sessions is damaged"
#define SHARED_DAMAGED	"luo: the table of shared data is damaged"
#define BAD_NAME	"luo: 1 sessions with an invalid name were handed over: ignored"
#define VICTIM		"luo: session 'victim': "
#define NOT_READ	VICTIM "damaged after "
#define FILE_LOST	VICTIM "file 0x1 (memfd-v2) can't be retrieved: -5"
#define HUGE_LOST	VICTIM "file 0x3 (hugetlb-memfd-v1) can't be retrieved: -5"
#define POOL_DAMAGED	"HugeTLB: what the previous kernel says of its pools is ignored"
#define REGIONS_DAMAGED	"reserve_mem: what the previous kernel says of its regions is damaged"
#define REGION_DAMAGED	"reserve_mem: oops: damaged, gets new memory"

const struct variant variants[] = {
	{ "outside", "=outside", ADDRESS | NODE },
	{ "text", "=text", ADDRESS | NODE, .more = 1 },
	{ "scratch", "=scratch", ADDRESS | NODE },
	{ "fdt", "=fdt", ADDRESS, .more = 1 },
	{ "no_address", "^0x8000000000000000", ADDRESS, .more = 1 },
	{ "unaligned", "^8", NODE, .more = 1 },
	{ "loop", "=" MAP, NODE },
	{}
};

const struct damage damages[] = {
	{ "none", "", "luo: live update ", NOTHING },

	/* the KHO FDT */
	{ "fdt_magic", "fdt:0^1", FDT_DAMAGED, HANDOVER },
	{ "fdt_size_large", "fdt:4^0x01", FDT_DAMAGED, HANDOVER, MORE },
	{ "fdt_size_0", "fdt:4=0", FDT_DAMAGED, HANDOVER, MORE },
	{ "fdt_struct_outside", "fdt:8^0x80", FDT_DAMAGED, HANDOVER },
	{ "fdt_strings_outside", "fdt:12^0x80", FDT_DAMAGED, HANDOVER, MORE },
	{ "fdt_reservations_outside", "fdt:16^0x80", FDT_DAMAGED, HANDOVER, MORE },
	{ "fdt_version", "fdt:20=0", FDT_DAMAGED, HANDOVER, MORE },
	{ "fdt_strings_large", "fdt:32^0xff", FDT_DAMAGED, HANDOVER, MORE },
	{ "fdt_struct_large", "fdt:36^0xff", FDT_DAMAGED, HANDOVER, MORE },
	{ "fdt_no_root", "fdt:64^0xff000000", FDT_ALIEN, HANDOVER },
	{ "fdt_compatible_flip", ".compatible:0^1", FDT_ALIEN, HANDOVER },
	{ "fdt_compatible_0", ".compatible:0=0", FDT_ALIEN, HANDOVER, MORE },

	/* the map of preserved memory, level by level */
	{ "map", ".preserved-memory-map:0", MAP_DAMAGED, HANDOVER, .variants = ADDRESS },
	{ "map_0", ".preserved-memory-map:0=0", MAP_DAMAGED, HANDOVER, MORE },
	{ "map_unaligned", ".preserved-memory-map:0^8", MAP_DAMAGED, HANDOVER, MORE },
	{ "map_level_5", MAP ":16", MAP_DAMAGED, HANDOVER, .variants = NODE },
	{ "map_level_4", MAP "/16:0", MAP_DAMAGED, HANDOVER, MORE, .variants = NODE },
	{ "map_level_3", MAP "/16/0:0", MAP_DAMAGED, HANDOVER, .variants = NODE },
	{ "map_level_2", MAP "/16/0/0:0", MAP_DAMAGED, HANDOVER, MORE, .variants = NODE },
	{ "map_level_1", PAGES ":*", MAP_DAMAGED, HANDOVER, .variants = NODE },
	{ "map_two_parents", MAP ":24=" MAP "/16", MAP_DAMAGED, HANDOVER },
	{ "map_leaf_behind_the_end", PAGES ":4088=" ROOT, MAP_DAMAGED, HANDOVER },
	{ "map_is_data", ".preserved-memory-map:0=" ROOT, MAP_DAMAGED, HANDOVER, MORE },
	{ "map_no_memory", HUGE ":0^1", "KHO: preserved [mem ", HANDOVER },
	{ "map_all_memory", HUGE ":0" NO_TEXT, "KHO: preserved", HANDOVER },
	{ "map_has_scratch", HUGE ":@S", "KHO: preserved [mem ", HANDOVER },
	{ "map_overlap", HUGE ":@V", "KHO: preserved blocks overlap", HANDOVER },

	/* what the boot data say */
	{ "boot_fdt_outside", "image:0=outside", FDT_PLACE, HANDOVER },
	{ "boot_fdt_text", "image:0=text", "KHO: refused: the FDT ", HANDOVER, MORE },
	{ "boot_fdt_scratch", "image:0=scratch", FDT_PLACE, HANDOVER },
	{ "boot_fdt_unaligned", "image:0^8", BOOT_DATA, HANDOVER, MORE },
	{ "boot_fdt_no_address", "image:0^0x8000000000000000", FDT_PLACE, HANDOVER, MORE },
	{ "boot_scratch_outside", "image:8=outside", "KHO: refused: ", HANDOVER },
	{ "boot_scratch_no_address", "image:8^0x8000000000000000", "KHO: refused: ", HANDOVER,
	  MORE },
	{ "boot_scratch_empty", "image:16=0", BOOT_DATA, HANDOVER },
	{ "boot_scratch_odd", "image:16^1", BOOT_DATA, HANDOVER, MORE },
	{ "boot_scratch_long", "image:16=0x10000000", BOOT_DATA, HANDOVER, MORE },

	/* the table of scratch regions */
	{ "scratch_unaligned", "scratch:0^0x1000", BOOT_DATA, HANDOVER },
	{ "scratch_empty", "scratch:8=0", "luo: live update ", NOTHING, MORE },
	{ "scratch_all_empty", "scratch:8=0,scratch:24=0,scratch:40=0", BOOT_DATA, HANDOVER },
	{ "scratch_wraps", "scratch:8=0xffffffffffc00000", BOOT_DATA, HANDOVER, MORE },
	{ "scratch_outside", "scratch:16=0x1000000000", NO_SCRATCH, HANDOVER, MORE },
	{ "scratch_no_address", "scratch:16=0x8000000000000000", "KHO: refused: ", HANDOVER, MORE },
	{ "scratch_all_outside",
	  "scratch:0=0x1000000000,scratch:16=0x2000000000,scratch:32=0x4000000000",
	  NO_SCRATCH, HANDOVER },
	{ "scratch_twice", "scratch:16=[scratch:0]", BOOT_DATA, HANDOVER },
	{ "scratch_is_all_memory", "scratch:32=0x800000,scratch:40=0x7f000000", "KHO: refused: ",
	  HANDOVER },

	/* the frequency of the APIC timer: it is measured then */
	{ "timer_is_memfd", TIMER ":0=" SER, "KHO: APIC timer: 0 Hz can't be right", NOTHING },
	{ "timer_too_slow", TIMER "/0:0=5", "KHO: APIC timer: 5 Hz can't be right", NOTHING },
	{ "timer_too_fast", TIMER "/0:0^0x100000000", "Hz of the previous kernel are ", NOTHING },

	/* the metadata: nothing depends on them */
	{ "meta", META ":0", NO_MEMORY("kexec-metadata"), NOTHING, .variants = ADDRESS },
	{ "meta_size", "kexec-metadata.blob-size:0=8", META_DAMAGED, NOTHING, MORE },
	{ "meta_version", META "/0:0^4", META_DAMAGED, NOTHING },
	{ "meta_release",
	  META "/0:4" NO_TEXT "," META "/0:12" NO_TEXT "," META "/0:20" NO_TEXT ","
	  META "/0:28" NO_TEXT "," META "/0:36" NO_TEXT "," META "/0:44" NO_TEXT ","
	  META "/0:52" NO_TEXT "," META "/0:60" NO_TEXT "," META "/0:65" NO_TEXT,
	  META_DAMAGED, NOTHING },

	/* what pools of huge pages will get: without it they get what comes */
	{ "pool_outside", POOL ":0=outside", NO_MEMORY("hugetlb"), NOTHING },
	{ "pool_is_sessions", POOL ":0=" SESSIONS, NO_MEMORY("hugetlb"), NOTHING, MORE },
	{ "pool_is_memfd", POOL ":0=" SER, POOL_DAMAGED, NOTHING },
	{ "pool_size_small", "hugetlb.blob-size:0=31", POOL_DAMAGED, NOTHING, MORE },
	{ "pool_version", POOL "/0:8^1", POOL_DAMAGED, NOTHING },
	{ "pool_count_wraps", POOL "/0:24" NO_TEXT, POOL_DAMAGED, NOTHING },
	{ "pool_order", POOL "/0:32^0x40", POOL_DAMAGED, NOTHING },
	{ "pool_node", POOL "/0:32^0x8000000000000000", POOL_DAMAGED, NOTHING, MORE },
	{ "pool_nr_wraps", POOL "/0:40" NO_TEXT, POOL_DAMAGED, NOTHING },
	{ "pool_surplus", POOL "/0:48=3", POOL_DAMAGED, NOTHING },

	/* regions of reserve_mem=; of the only one 148 is its place, 168 its size */
	{ "region_table_outside", REGIONS ":0=outside", NO_MEMORY("memblock"), REGION },
	{ "region_table_is_root", REGIONS ":0=" ROOT, REGIONS_DAMAGED, REGION },
	{ "region_table_size_0", "memblock.blob-size:0=0", NO_MEMORY("memblock"), REGION, MORE },
	{ "region_fdt_large", REGIONS "/0:4^0x01", REGIONS_DAMAGED, REGION },
	{ "region_fdt_struct", REGIONS "/0:8^0x80", REGIONS_DAMAGED, REGION, MORE },
	{ "region_version", REGIONS "/0:92^1", REGIONS_DAMAGED, REGION },
	{ "region_type", REGIONS "/0:120^1", REGION_DAMAGED, REGION, MORE },
	{ "region_outside", REGIONS "/0:148=outside", REGION_DAMAGED, REGION },
	{ "region_text", REGIONS "/0:148=text", REGION_DAMAGED, REGION, MORE },
	{ "region_scratch", REGIONS "/0:148=scratch", REGION_DAMAGED, REGION },
	{ "region_is_sessions", REGIONS "/0:148=" SESSIONS, REGION_DAMAGED, REGION },
	{ "region_size_0", REGIONS "/0:168=0", REGION_DAMAGED, REGION, MORE },
	{ "region_size_wraps", REGIONS "/0:168" NO_TEXT, REGION_DAMAGED, REGION },
	{ "region_size_small", REGIONS "/0:168=4096",
	  "reserve_mem: oops: another size or alignment than before", REGION },

	/* struct luo_ser */
	{ "luo", "LUO.preserved-data:0", LUO_LOST, SESSIONS_LOST, .variants = ADDRESS },
	{ "luo_0", "LUO.preserved-data:0=0", LUO_LOST, SESSIONS_LOST, MORE },
	{ "luo_shifted", "LUO.preserved-data:0+8", LUO_ALIEN, SESSIONS_ALIEN },
	{ "luo_is_sessions", "LUO.preserved-data:0=" SESSIONS, LUO_ALIEN, SESSIONS_ALIEN, MORE },
	{ "luo_size_0", "LUO.blob-size:0=0", LUO_LOST, SESSIONS_LOST, MORE },
	{ "luo_size_wraps", "LUO.blob-size:0" NO_TEXT, LUO_LOST, SESSIONS_LOST, MORE },
	{ "luo_size_huge", "LUO.blob-size:0=0x10000000000", LUO_LOST, SESSIONS_LOST, MORE },
	{ "luo_size_small", "LUO.blob-size:0=31", "luo: the handover is cut off", SESSIONS_LOST },
	{ "luo_version", ROOT ":0^0x0100000000", LUO_ALIEN, SESSIONS_ALIEN },
	{ "luo_version_long", ROOT ":0" NO_TEXT, LUO_ALIEN, SESSIONS_ALIEN, MORE },
	{ "luo_version_none", ROOT ":0=0", LUO_ALIEN "'", SESSIONS_ALIEN, MORE },
	{ "sessions", ROOT ":16", TABLE_DAMAGED, SESSIONS_LOST, .variants = ADDRESS },
	{ "sessions_unaligned", ROOT ":16^8", TABLE_DAMAGED, SESSIONS_LOST, MORE },
	{ "sessions_are_map", ROOT ":16=" MAP, TABLE_DAMAGED, SESSIONS_LOST, MORE },
	{ "sessions_are_root", ROOT ":16=" ROOT, TABLE_DAMAGED, SESSIONS_LOST },
	{ "sessions_are_memfd", ROOT ":16=" SER, TABLE_DAMAGED, SESSIONS_LOST, MORE },

	/* the table of shared data, which is empty */
	{ "shared", ROOT ":24", SHARED_DAMAGED, NOTHING, .variants = ADDRESS },
	{ "shared_unaligned", ROOT ":24^8", SHARED_DAMAGED, NOTHING, MORE },
	{ "shared_is_sessions", ROOT ":24=" SESSIONS, SHARED_DAMAGED, NOTHING, MORE },
	{ "shared_no_page", SHARED ":0=0", SHARED_DAMAGED, NOTHING },
	{ "shared_2_pages", SHARED ":0=2", SHARED_DAMAGED, NOTHING, MORE },
	{ "shared_pages_wrap", SHARED ":0" NO_TEXT, SHARED_DAMAGED, NOTHING },
	{ "shared_count_1", SHARED ":8=1",
	  "luo: 1 of shared data without a name or a file were handed over", NOTHING },
	{ "shared_count_64", SHARED ":8=64",
	  "luo: 63 of shared data without a name or a file were handed over", NOTHING },
	{ "shared_count_wraps", SHARED ":8" NO_TEXT, SHARED_DAMAGED, NOTHING, MORE },

	/* the table of sessions; what could be read is there */
	{ "sessions_next", SESSIONS ":0", TABLE_DAMAGED, NOTHING, .variants = ADDRESS },
	{ "sessions_loop", SESSIONS ":0=" SESSIONS, TABLE_DAMAGED, NOTHING },
	{ "sessions_count_0", SESSIONS ":8=0", TABLE_DAMAGED, SESSIONS_LOST },
	{ "sessions_count_52", SESSIONS ":8=52", TABLE_DAMAGED, SESSIONS_LOST, MORE },
	{ "sessions_count_wraps", SESSIONS ":8" NO_TEXT, TABLE_DAMAGED, SESSIONS_LOST, MORE },
	{ "sessions_count_1_more", SESSIONS ":8+1", BAD_NAME, NOTHING },
	{ "sessions_late_count_0", SESSIONS "/0:8=0", TABLE_DAMAGED, LATE_SESSIONS, MANY },
	{ "sessions_late_count_52", SESSIONS "/0:8=52", TABLE_DAMAGED, LATE_SESSIONS, MANY, MORE },
	{ "sessions_late_next", SESSIONS ":0=outside", TABLE_DAMAGED, LATE_SESSIONS, MANY },
	{ "sessions_late_loop", SESSIONS "/0:0=" SESSIONS "/0", TABLE_DAMAGED, NOTHING, MANY },
	{ "sessions_late_long_loop", SESSIONS "/0:0=" SESSIONS, TABLE_DAMAGED, NOTHING, MANY },

	/* struct luo_session_ser of the victim */
	{ "name_empty", SESSIONS ":16=0", BAD_NAME, SESSION },
	{ "name_endless",
	  SESSIONS ":16" NO_TEXT "," SESSIONS ":24" NO_TEXT "," SESSIONS ":32" NO_TEXT ","
	  SESSIONS ":40" NO_TEXT "," SESSIONS ":48" NO_TEXT "," SESSIONS ":56" NO_TEXT ","
	  SESSIONS ":64" NO_TEXT "," SESSIONS ":72" NO_TEXT, BAD_NAME, SESSION },
	{ "name_twice", SESSIONS ":16=[" SESSIONS ":96]",
	  "luo: session 'spare': handed over twice, neither can be retrieved", NAME },
	{ "files", SESSIONS ":80", NOT_READ, SESSION, .variants = ADDRESS },
	{ "files_0", SESSIONS ":80=0", NOT_READ, SESSION },
	{ "files_unaligned", SESSIONS ":80^8", NOT_READ, SESSION, MORE },
	{ "files_are_sessions", SESSIONS ":80=" SESSIONS, NOT_READ, SESSION, MORE },
	{ "files_are_memfd", SESSIONS ":80=" SER, NOT_READ, SESSION, MORE },
	{ "files_are_another_s", SESSIONS ":80=[" SESSIONS ":160]",
	  VICTIM "has the files of another session", TWO_SESSIONS },
	{ "files_count_0", SESSIONS ":88=0", NOT_READ, SESSION },
	{ "files_count_1_more", SESSIONS ":88+1", NOT_READ, SESSION },
	{ "files_count_1_less", SESSIONS ":88=2", NOT_READ, SESSION },
	{ "files_count_huge", SESSIONS ":88^0x100000000", NOT_READ, SESSION, MORE },
	{ "files_count_wraps", SESSIONS ":88" NO_TEXT, NOT_READ, SESSION, MORE },

	/* the table of its files */
	{ "files_next", FILES ":0", NOT_READ, SESSION, .variants = ADDRESS },
	{ "files_loop", FILES ":0=" FILES, NOT_READ, SESSION },
	{ "files_next_another_s", FILES ":0=" SPARE_FILES, NOT_READ, SESSION },
	{ "files_block_count_0", FILES ":8=0", NOT_READ, SESSION },
	{ "files_block_count_1", FILES ":8=1", NOT_READ, SESSION, MORE },
	{ "files_block_count_4", FILES ":8=4", NOT_READ, SESSION },
	{ "files_block_count_64", FILES ":8=64", NOT_READ, SESSION, MORE },
	{ "files_block_count_wraps", FILES ":8" NO_TEXT, NOT_READ, SESSION, MORE },
	{ "file_type_empty", FILES ":16=0", VICTIM "file 0x1 has no valid type", SESSION },
	{ "file_type_endless",
	  FILES ":16" NO_TEXT "," FILES ":24" NO_TEXT "," FILES ":32" NO_TEXT ","
	  FILES ":40" NO_TEXT "," FILES ":48" NO_TEXT "," FILES ":56" NO_TEXT,
	  VICTIM "file 0x1 has no valid type", SESSION },
	{ "file_type_flip", FILES ":16^0x0100000000000000",
	  VICTIM "file 0x1: no handler for 'memfd-v3'", TYPE },
	{ "file_token_twice", FILES ":72=2", VICTIM "file 0x2 is there twice", SESSION },
	{ "file_data", FILES ":64", FILE_LOST, FILE_1, .variants = ADDRESS },
	{ "file_data_0", FILES ":64=0", FILE_LOST, FILE_1 },
	{ "file_data_end_of_page", FILES ":64+4080", FILE_LOST, FILE_1 },
	{ "file_data_are_folios", FILES ":64=" TABLE, FILE_LOST, FILE_1, MORE },
	{ "file_data_are_files", FILES ":64=" FILES, FILE_LOST, FILE_1, MORE },
	{ "file_data_are_root", FILES ":64=" ROOT, FILE_LOST, FILE_1, MORE },

	/* struct memfd_luo_ser of its first file */
	{ "memfd_pos", SER ":0" NO_TEXT, FILE_LOST, FILE_1 },
	{ "memfd_size_wraps", SER ":8" NO_TEXT, FILE_LOST, FILE_1, MORE },
	{ "memfd_size_negative", SER ":8^0x8000000000000000", FILE_LOST, FILE_1, MORE },
	{ "memfd_size_small", SER ":8=4096", FILE_LOST, FILE_1 },
	{ "memfd_seals", SER ":16^0x80", FILE_LOST, FILE_1 },
	{ "memfd_flags", SER ":16^0x100000000", FILE_LOST, FILE_1 },
	{ "memfd_nr_folios_0", SER ":24=0", FILE_LOST, FILE_1 },
	{ "memfd_nr_folios_many", SER ":24=513", FILE_LOST, FILE_1, MORE },
	{ "memfd_nr_folios_wraps", SER ":24" NO_TEXT, FILE_LOST, FILE_1, MORE },
	{ "memfd_chunk", SER ":32", FILE_LOST, FILE_1, .variants = ADDRESS },
	{ "memfd_chunk_0", SER ":32=0", FILE_LOST, FILE_1, MORE },
	{ "memfd_chunk_unaligned", SER ":32^8", FILE_LOST, FILE_1, MORE },
	{ "memfd_chunk_is_memfd", SER ":32=" SER, FILE_LOST, FILE_1 },
	{ "memfd_pages_0", SER ":40^2", FILE_LOST, FILE_1 },
	{ "memfd_pages_1_more", SER ":40+1", FILE_LOST, FILE_1 },
	{ "memfd_pages_wrap", SER ":40^0xfffffffd", FILE_LOST, FILE_1, MORE },
	{ "memfd_area_flags", SER ":40^0x800000000000", FILE_LOST, FILE_1, MORE },
	{ "memfd_area_order_1", SER ":40^0x1000000000000", FILE_LOST, FILE_1 },
	{ "memfd_area_order_huge", SER ":40^0xffff000000000000", FILE_LOST, FILE_1, MORE },

	/* the chunk of its vmalloc area */
	{ "chunk_loop", CHUNK ":0=" CHUNK, FILE_LOST, FILE_1 },
	{ "chunk_next_outside", CHUNK ":0=outside", FILE_LOST, FILE_1, MORE },
	{ "chunk_page", CHUNK ":8", FILE_LOST, FILE_1, .variants = ADDRESS },
	{ "chunk_page_0", CHUNK ":8=0", FILE_LOST, FILE_1, MORE },
	{ "chunk_page_twice", CHUNK ":16=" TABLE, FILE_LOST, FILE_1 },
	{ "chunk_page_is_chunk", CHUNK ":8=" CHUNK, FILE_LOST, FILE_1, MORE },
	{ "chunk_page_is_memfd", CHUNK ":8=" SER, FILE_LOST, FILE_1, MORE },
	{ "chunk_page_is_folio", CHUNK ":8=[" FILES ":64]", FILE_LOST, FILE_1 },

	/* the table of its folios; an entry has the page frame, 12 flags, an index */
	{ "folio_outside", TABLE ":0=outside>>12", FILE_LOST, FILE_1 },
	{ "folio_text", TABLE ":0=text>>12", FILE_LOST, FILE_1, MORE },
	{ "folio_scratch", TABLE ":0=scratch>>12", FILE_LOST, FILE_1 },
	{ "folio_fdt", TABLE ":0=fdt>>12", FILE_LOST, FILE_1, MORE },
	{ "folio_map", TABLE ":0=" MAP ">>12", FILE_LOST, FILE_1 },
	{ "folio_sessions", TABLE ":0=" SESSIONS ">>12", FILE_LOST, FILE_1, MORE },
	{ "folio_files", TABLE ":0=" FILES ">>12", FILE_LOST, FILE_1, MORE },
	{ "folio_memfd", TABLE ":0=" SER ">>12", FILE_LOST, FILE_1, MORE },
	{ "folio_chunk", TABLE ":0=" CHUNK ">>12", FILE_LOST, FILE_1, MORE },
	{ "folio_table", TABLE ":0=" TABLE ">>12", FILE_LOST, FILE_1, MORE },
	{ "folio_no_address", TABLE ":0^0x8000000000000", FILE_LOST, FILE_1 },
	{ "folio_twice", TABLE ":0=[" TABLE ":16]", FILE_LOST, FILE_1 },
	{ "folio_late_outside", CHUNK "/16:512=outside>>12", FILE_LOST, FILE_1 },
	{ "folio_flags", TABLE ":0^0x8000000000000000", FILE_LOST, FILE_1 },
	{ "folio_index_twice", TABLE ":24=0", FILE_LOST, FILE_1 },
	{ "folio_index_back", TABLE ":8=100", FILE_LOST, FILE_1, MORE },
	{ "folio_index_behind_end", TABLE ":8=300", FILE_LOST, FILE_1 },
	{ "folio_index_wraps", TABLE ":8" NO_TEXT, FILE_LOST, FILE_1, MORE },

	/* struct hugetlb_luo_ser of its third file: pages 0 and 2, and 1 is reserved */
	{ "huge_data_outside", FILES ":192=outside", HUGE_LOST, FILE_3 },
	{ "huge_data_is_memfd", FILES ":192=" SER, HUGE_LOST, FILE_3 },
	{ "huge_data_end_of_page", FILES ":192+4056", HUGE_LOST, FILE_3, MORE },
	{ "huge_size_small", HUGE_SER ":8=4096", HUGE_LOST, FILE_3 },
	{ "huge_size_wraps", HUGE_SER ":8" NO_TEXT, HUGE_LOST, FILE_3, MORE },
	{ "huge_order_0", HUGE_SER ":16^0x900000000", HUGE_LOST, FILE_3 },
	{ "huge_order_18", HUGE_SER ":16^0x1b00000000", HUGE_LOST, FILE_3 },
	{ "huge_nr_folios_0", HUGE_SER ":24=0", HUGE_LOST, FILE_3, MORE },
	{ "huge_nr_folios_1_more", HUGE_SER ":24=3", HUGE_LOST, FILE_3 },
	{ "huge_nr_ranges_wraps", HUGE_SER ":32" NO_TEXT, HUGE_LOST, FILE_3 },
	{ "huge_chunk_outside", HUGE_SER ":40=outside", HUGE_LOST, FILE_3 },
	{ "huge_chunk_is_ranges", HUGE_SER ":40=[" HUGE_SER ":56]", HUGE_LOST, FILE_3, MORE },
	{ "huge_table_is_memfd", HUGE_CHUNK ":8=" SER, HUGE_LOST, FILE_3 },

	/* its folios, and what is reserved */
	{ "huge_folio_outside", HUGE_TABLE ":0=outside>>12", HUGE_LOST, FILE_3 },
	{ "huge_folio_text", HUGE_TABLE ":0=text>>12", HUGE_LOST, FILE_3, MORE },
	{ "huge_folio_scratch", HUGE_TABLE ":0=scratch>>12", HUGE_LOST, FILE_3 },
	{ "huge_folio_is_small", HUGE_TABLE ":0=" SESSIONS ">>12", HUGE_LOST, FILE_3 },
	{ "huge_folio_inside", HUGE_TABLE ":0+1", HUGE_LOST, FILE_3 },
	{ "huge_folio_no_address", HUGE_TABLE ":0^0x8000000000000000", HUGE_LOST, FILE_3, MORE },
	{ "huge_folio_twice", HUGE_TABLE ":16=[" HUGE_TABLE ":0]", HUGE_LOST, FILE_3 },
	{ "huge_index_twice", HUGE_TABLE ":24=0", HUGE_LOST, FILE_3 },
	{ "huge_index_behind_end", HUGE_TABLE ":24=3", HUGE_LOST, FILE_3 },
	{ "huge_range_has_page", HUGE_RANGES ":0=0", HUGE_LOST, FILE_3 },
	{ "huge_range_backwards", HUGE_RANGES ":0^2", HUGE_LOST, FILE_3, MORE },
	{ "huge_range_wraps", HUGE_RANGES ":8" NO_TEXT, HUGE_LOST, FILE_3 },
	{}
};
