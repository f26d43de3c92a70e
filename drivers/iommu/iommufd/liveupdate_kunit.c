// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what makes an iommufd context of the records of the previous kernel,
 * with damaged ones; and of what takes page tables over, with ones that are not what
 * they should be.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "../../../kernel/liveupdate/kho_mutator.h"
#include "../liveupdate.h"
#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate_in.h"

#define TOKEN		7
#define FILE_PAGES	16

/* What the memfd of the test is. */
static struct file *iommufd_test_memfd;

static int iommufd_test_get_file(struct luo_file_set *session, u64 token, struct file **filp)
{
	if (token != TOKEN)
		return -ENOENT;
	*filp = get_file(iommufd_test_memfd);
	return 0;
}

static void iommufd_test_put_file(void *file)
{
	fput(file);
}

static void iommufd_test_make_memfd(struct kunit *test)
{
	/* Pages belong to somebody who has an mm; this is how KUnit gives one. */
	KUNIT_ASSERT_NE(test, 0UL, kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ,
						 MAP_PRIVATE | MAP_ANONYMOUS, 0));
	iommufd_test_memfd = shmem_file_setup("iommufd", FILE_PAGES * PAGE_SIZE, VM_NORESERVE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, iommufd_test_memfd);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, iommufd_test_put_file,
							   iommufd_test_memfd));
	kunit_activate_static_stub(test, iommufd_incoming_file, iommufd_test_get_file);
}

/* A context without a file. */
struct iommufd_test_ctx {
	struct iommufd_ctx ictx;
	struct iommufd_incoming *in;
};

static void iommufd_test_open(struct kunit *test, struct iommufd_test_ctx *ctx)
{
	memset(&ctx->ictx, 0, sizeof(ctx->ictx));
	xa_init_flags(&ctx->ictx.objects, XA_FLAGS_ALLOC1);
	xa_init(&ctx->ictx.groups);
	iommufd_liveupdate_init_ctx(&ctx->ictx);
	ctx->in = kzalloc(sizeof(*ctx->in), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->in);
	ctx->in->ictx = &ctx->ictx;
	INIT_LIST_HEAD(&ctx->in->hwpts);
	INIT_LIST_HEAD(&ctx->in->devices);
	xa_init(&ctx->in->pages);
}

/* As the last fput(); there is nothing but address spaces. */
static void iommufd_test_close(struct iommufd_test_ctx *ctx)
{
	struct iommufd_object *obj;
	unsigned long id;

	iommufd_incoming_free(ctx->in);
	xa_for_each(&ctx->ictx.objects, id, obj) {
		xa_erase(&ctx->ictx.objects, id);
		iommufd_ioas_destroy(obj);
		kfree(obj);
	}
	WARN_ON(!xa_empty(&ctx->ictx.objects));
}

/* Records. */

#define IOVA	0x100000UL

static const struct iommufd_ioas_ser good_ioases[] = {
	{ .id = 1 },
	{ .id = 4, .flags = IOMMUFD_IOAS_SER_SMALL_PAGES },
};

static const struct iommufd_range_ser good_ranges[] = {
	{ .start = 4 * IOVA, .last = 5 * IOVA - 1, .ioas_id = 4 },
	{ .start = 6 * IOVA, .last = 7 * IOVA - 1, .ioas_id = 4 },
};

static const struct iommufd_pages_ser good_pages[] = {
	{ .token = TOKEN, .npages = FILE_PAGES, .flags = IOMMUFD_PAGES_SER_WRITEABLE },
	{ .token = TOKEN, .index = 4, .npages = 2 },
};

static const struct iommufd_area_ser good_areas[] = {
	{
		.iova = IOVA, .length = 8 * PAGE_SIZE, .ioas_id = 1,
		.flags = IOMMUFD_AREA_SER_READABLE | IOMMUFD_AREA_SER_WRITEABLE,
	}, {
		.iova = 2 * IOVA, .length = PAGE_SIZE, .start = 512, .pages = 1, .ioas_id = 1,
		.flags = IOMMUFD_AREA_SER_READABLE,
	}, {
		.iova = IOVA, .length = 8 * PAGE_SIZE, .start = 4 * PAGE_SIZE, .ioas_id = 4,
		.flags = IOMMUFD_AREA_SER_WRITEABLE,
	},
};

static const struct iommufd_hwpt_ser good_hwpts[] = {
	{ .domain = 77, .id = 2, .ioas_id = 1, .flags = IOMMUFD_HWPT_SER_AUTO },
	{ .domain = 78, .id = 6, .ioas_id = 4, .flags = IOMMUFD_HWPT_SER_COHERENT },
};

static const struct iommufd_device_ser good_devices[] = {
	{ .id = 3, .hwpt_id = 2, .bdf = 0x20 },
	{ .id = 5, .segment = 1, .bdf = 0x100 },
};

static void iommufd_test_records(struct kunit *test)
{
	union {
		struct iommufd_ioas_ser ioases;
		struct iommufd_range_ser ranges;
		struct iommufd_pages_ser pages;
		struct iommufd_area_ser areas;
		struct iommufd_hwpt_ser hwpts;
		struct iommufd_device_ser devices;
	} bad;
	enum iommufd_ser_kind kind;
	const void *good;

#define BAD(_change) do {							\
	memcpy(&bad, good, iommufd_ser_sizes[kind]);				\
	_change;								\
	KUNIT_EXPECT_FALSE_MSG(test, iommufd_ser_record_is_sane(kind, &bad), #_change); \
} while (0)
	kind = IOMMUFD_SER_IOAS;
	good = &good_ioases[0];
	KUNIT_EXPECT_TRUE(test, iommufd_ser_record_is_sane(kind, good));
	BAD(bad.ioases.id = 0);
	BAD(bad.ioases.id = 0x80000000);
	BAD(bad.ioases.flags = 2);
	kind = IOMMUFD_SER_RANGE;
	good = &good_ranges[0];
	KUNIT_EXPECT_TRUE(test, iommufd_ser_record_is_sane(kind, good));
	BAD(bad.ranges.ioas_id = 0);
	BAD(bad.ranges.last = 4 * IOVA);
	BAD(bad.ranges.reserved = 1);
	kind = IOMMUFD_SER_PAGES;
	good = &good_pages[0];
	KUNIT_EXPECT_TRUE(test, iommufd_ser_record_is_sane(kind, good));
	BAD(bad.pages.npages = 0);
	BAD(bad.pages.npages = U64_MAX);
	BAD(bad.pages.npages = (MAX_LFS_FILESIZE >> PAGE_SHIFT) + 1);
	BAD(bad.pages.index = U64_MAX);
	BAD(bad.pages.index = MAX_LFS_FILESIZE >> PAGE_SHIFT);
	BAD(bad.pages.flags = 2);
	BAD(bad.pages.reserved = 1);
	kind = IOMMUFD_SER_AREA;
	good = &good_areas[0];
	KUNIT_EXPECT_TRUE(test, iommufd_ser_record_is_sane(kind, good));
	BAD(bad.areas.length = 0);
	BAD(bad.areas.iova = U64_MAX - PAGE_SIZE);
	BAD(bad.areas.start = U64_MAX);
	BAD(bad.areas.ioas_id = 0);
	BAD(bad.areas.flags = 0);
	BAD(bad.areas.flags = 4);
	BAD(bad.areas.reserved = 1);
	kind = IOMMUFD_SER_HWPT;
	good = &good_hwpts[0];
	KUNIT_EXPECT_TRUE(test, iommufd_ser_record_is_sane(kind, good));
	BAD(bad.hwpts.id = 0);
	BAD(bad.hwpts.ioas_id = U32_MAX);
	BAD(bad.hwpts.flags = 4);
	BAD(bad.hwpts.reserved = 1);
	kind = IOMMUFD_SER_DEVICE;
	good = &good_devices[0];
	KUNIT_EXPECT_TRUE(test, iommufd_ser_record_is_sane(kind, good));
	BAD(bad.devices.id = 0);
	BAD(bad.devices.hwpt_id = U32_MAX);
	BAD(bad.devices.segment = U32_MAX);
	BAD(bad.devices.reserved = 1);
#undef BAD
	KUNIT_EXPECT_FALSE(test, iommufd_ser_record_is_sane(IOMMUFD_SER_KINDS, &bad));
}

/* What is handed over: the first page, and a page for the records of each kind. */
struct iommufd_test_ser {
	struct iommufd_ser *ser;
	struct iommufd_test_ctx ctx;
	struct kunit *test;
};

static void iommufd_test_write_chain(struct iommufd_test_ser *hand, struct kho_mutator *mutator,
				     enum iommufd_ser_kind kind, const void *records,
				     unsigned int nr)
{
	struct kho_block_header_ser *block = (void *)hand->ser + (kind + 1) * PAGE_SIZE;
	size_t size = nr * iommufd_ser_sizes[kind];

	block->count = nr;
	memcpy(block + 1, records, size);
	hand->ser->chains[kind].first = virt_to_phys(block);
	hand->ser->chains[kind].count = nr;
	kho_mutator_value(mutator, virt_to_phys(block));
	kho_mutator_table(hand->test, mutator, block, sizeof(*block) + size, 8);
}

static void iommufd_test_write(struct iommufd_test_ser *hand, struct kho_mutator *mutator)
{
#define CHAIN(_kind, _records)							\
	iommufd_test_write_chain(hand, mutator, _kind, good_##_records,		\
				 ARRAY_SIZE(good_##_records))
	CHAIN(IOMMUFD_SER_IOAS, ioases);
	CHAIN(IOMMUFD_SER_RANGE, ranges);
	CHAIN(IOMMUFD_SER_PAGES, pages);
	CHAIN(IOMMUFD_SER_AREA, areas);
	CHAIN(IOMMUFD_SER_HWPT, hwpts);
	CHAIN(IOMMUFD_SER_DEVICE, devices);
#undef CHAIN
	kho_mutator_table(hand->test, mutator, hand->ser, sizeof(*hand->ser), 8);
	kho_mutator_value(mutator, IOVA);
	kho_mutator_value(mutator, FILE_PAGES);
}

/* The records of a kind, which are in one block each. */
static const void *iommufd_test_record(struct iommufd_test_ser *hand,
				       enum iommufd_ser_kind kind, u64 nr)
{
	const struct kho_block_header_ser *block;

	if (nr >= hand->ser->chains[kind].count)
		return NULL;
	block = phys_to_virt(hand->ser->chains[kind].first);
	return (void *)(block + 1) + nr * iommufd_ser_sizes[kind];
}

static bool iommufd_test_has_area(struct iommufd_test_ser *hand,
				  const struct iommufd_area_ser *ser)
{
	const struct iommufd_pages_ser *pages = iommufd_test_record(hand, IOMMUFD_SER_PAGES,
								     ser->pages);
	struct iommufd_object *obj = xa_load(&hand->ctx.ictx.objects, ser->ioas_id);
	struct iommufd_ioas *ioas = container_of(obj, struct iommufd_ioas, obj);
	struct iopt_area *area;
	bool has = false;

	if (!pages || !obj || ser->start + ser->length > pages->npages << PAGE_SHIFT)
		return false;
	down_read(&ioas->iopt.iova_rwsem);
	area = iopt_area_iter_first(&ioas->iopt, ser->iova, ser->iova);
	if (area)
		has = iopt_area_iova(area) == ser->iova &&
		      iopt_area_length(area) == ser->length &&
		      iopt_area_start_byte(area, ser->iova) == ser->start &&
		      !(area->iommu_prot & IOMMU_WRITE) ==
		      !(ser->flags & IOMMUFD_AREA_SER_WRITEABLE) &&
		      !(area->iommu_prot & IOMMU_READ) ==
		      !(ser->flags & IOMMUFD_AREA_SER_READABLE) &&
		      area->pages->file == iommufd_test_memfd && pages->token == TOKEN &&
		      (unsigned long)area->pages->uptr == pages->index << PAGE_SHIFT &&
		      area->pages->npages == pages->npages &&
		      pages->index + pages->npages <= FILE_PAGES;
	up_read(&ioas->iopt.iova_rwsem);
	return has;
}

/* All that was accepted is there. */
static bool iommufd_test_has_all(struct iommufd_test_ser *hand)
{
	const struct iommufd_ioas_ser *ioas;
	const struct iommufd_area_ser *area;
	struct iommufd_object *obj;
	u64 i;

	for (i = 0; (ioas = iommufd_test_record(hand, IOMMUFD_SER_IOAS, i)); i++) {
		obj = xa_load(&hand->ctx.ictx.objects, ioas->id);
		if (!obj || obj->type != IOMMUFD_OBJ_IOAS || obj->id != ioas->id)
			return false;
	}
	for (i = 0; (area = iommufd_test_record(hand, IOMMUFD_SER_AREA, i)); i++)
		if (!iommufd_test_has_area(hand, area))
			return false;
	return true;
}

static int iommufd_test_build(void *arg)
{
	struct iommufd_test_ser *hand = arg;
	const struct iommufd_ser *ser = iommufd_ser_find(virt_to_phys(hand->ser));
	int rc;

	if (!ser)
		return 0;
	iommufd_test_open(hand->test, &hand->ctx);
	rc = iommufd_incoming_build(hand->ctx.in, ser);
	rc = rc ? 0 : iommufd_test_has_all(hand) ? 1 : -EINVAL;
	iommufd_test_close(&hand->ctx);
	return rc;
}

static void iommufd_test_mutations(struct kunit *test)
{
	struct kho_mutator *mutator = kho_mutator_create(test, 31);
	struct iommufd_test_ser *hand = kunit_kzalloc(test, sizeof(*hand), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, hand);
	static_assert(IOMMUFD_SER_KINDS < KHO_MUTATOR_PAGES);
	hand->test = test;
	hand->ser = kho_mutator_preserve(test);
	iommufd_test_make_memfd(test);
	iommufd_test_write(hand, mutator);
	kho_mutator_run(test, mutator, iommufd_test_build, hand);
}

/* Page tables. */

/* A domain that maps the memfd from %IOVA on, but for one page, or not as it should. */
struct iommufd_test_domain {
	struct iommu_domain domain;
	unsigned long other;
	unsigned long writable;
	unsigned long unmapped;
};

static size_t iommufd_test_lookup(struct iommu_domain *domain, unsigned long iova,
				  phys_addr_t *phys, int *prot)
{
	struct iommufd_test_domain *td = container_of(domain, struct iommufd_test_domain, domain);
	unsigned long index = (iova - IOVA) >> PAGE_SHIFT;
	struct page *page;

	if (index >= FILE_PAGES || index == td->other)
		return 0;
	page = shmem_read_mapping_page(iommufd_test_memfd->f_mapping, index);
	if (IS_ERR(page))
		return 0;
	*phys = page_to_phys(page) + offset_in_page(iova);
	*prot = index < 8 && index != td->writable ? IOMMU_READ : IOMMU_WRITE;
	put_page(page);
	return PAGE_SIZE - offset_in_page(iova);
}

static phys_addr_t iommufd_test_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	phys_addr_t phys;
	int prot;

	return iommufd_test_lookup(domain, iova, &phys, &prot) ? phys : 0;
}

static const struct iommu_liveupdate_ops iommufd_test_liveupdate_ops = {
	.domain_lookup = iommufd_test_lookup,
};

static const struct iommu_ops iommufd_test_iommu_ops = {
	.liveupdate = &iommufd_test_liveupdate_ops,
};

static size_t iommufd_test_unmap(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
				 size_t pgcount, struct iommu_iotlb_gather *gather)
{
	struct iommufd_test_domain *td = container_of(domain, struct iommufd_test_domain, domain);

	td->unmapped += pgsize * pgcount;
	return pgsize * pgcount;
}

/* Nothing is ever mapped. */
static const struct iommu_domain_ops iommufd_test_domain_ops = {
	.iova_to_phys = iommufd_test_iova_to_phys,
	.unmap_pages = iommufd_test_unmap,
};

static void iommufd_test_adopt(struct kunit *test)
{
	struct iommufd_test_domain td = {
		.domain = {
			.type = IOMMU_DOMAIN_UNMANAGED,
			.ops = &iommufd_test_domain_ops,
			.owner = &iommufd_test_iommu_ops,
			.pgsize_bitmap = PAGE_SIZE,
			.geometry = { .aperture_end = ULONG_MAX },
		},
		.other = 5,
		.writable = FILE_PAGES,
	};
	struct iommufd_test_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	struct iopt_pages *pages;
	struct iommufd_ioas *ioas;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	iommufd_test_make_memfd(test);
	iommufd_test_open(test, ctx);
	ioas = iommufd_ioas_alloc(&ctx->ictx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ioas);
	iommufd_object_finalize(&ctx->ictx, &ioas->obj);
	ioas->iopt.adopting = true;
	pages = iopt_alloc_file_pages(iommufd_test_memfd, 0, FILE_PAGES * PAGE_SIZE, true);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pages);
	/* Areas that share pages, and one of them starts in the middle of one. */
	KUNIT_ASSERT_EQ(test, 0, iopt_map_restored_pages(&ctx->ictx, &ioas->iopt, pages, IOVA,
							 0, 8 * PAGE_SIZE, IOMMU_READ));
	KUNIT_ASSERT_EQ(test, 0, iopt_map_restored_pages(&ctx->ictx, &ioas->iopt, pages,
							 IOVA + 8 * PAGE_SIZE, 8 * PAGE_SIZE,
							 8 * PAGE_SIZE, IOMMU_WRITE));

	/* Another page, or none: nothing is pinned any more, and all is mapped. */
	KUNIT_EXPECT_EQ(test, -EBADMSG, iopt_table_add_domain(&ioas->iopt, &td.domain));
	KUNIT_EXPECT_EQ(test, pages->npinned, 0);
	td.other = 13;
	KUNIT_EXPECT_EQ(test, -EBADMSG, iopt_table_add_domain(&ioas->iopt, &td.domain));
	KUNIT_EXPECT_EQ(test, pages->npinned, 0);
	td.other = FILE_PAGES;
	/* More access than there was. */
	td.writable = 3;
	KUNIT_EXPECT_EQ(test, -EBADMSG, iopt_table_add_domain(&ioas->iopt, &td.domain));
	KUNIT_EXPECT_EQ(test, pages->npinned, 0);
	td.writable = FILE_PAGES;
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, 0, iopt_table_add_domain(&ioas->iopt, &td.domain));
		KUNIT_EXPECT_EQ(test, pages->npinned, FILE_PAGES);
		/* Closed before it is finished. */
		iopt_table_remove_domain(&ioas->iopt, &td.domain);
		KUNIT_EXPECT_EQ(test, pages->npinned, 0);
		KUNIT_EXPECT_EQ(test, td.unmapped, 0);
	}
	/* Finished: it is unmapped as ever. */
	KUNIT_EXPECT_EQ(test, 0, iopt_table_add_domain(&ioas->iopt, &td.domain));
	ioas->iopt.adopting = false;
	iopt_table_remove_domain(&ioas->iopt, &td.domain);
	KUNIT_EXPECT_EQ(test, pages->npinned, 0);
	KUNIT_EXPECT_EQ(test, td.unmapped, FILE_PAGES * PAGE_SIZE);
	iopt_put_pages(pages);
	iommufd_test_close(ctx);
}

static struct kunit_case iommufd_test_cases[] = {
	KUNIT_CASE(iommufd_test_records),
	KUNIT_CASE(iommufd_test_mutations),
	KUNIT_CASE(iommufd_test_adopt),
	{}
};

static struct kunit_suite iommufd_test_suite = {
	.name = "luo-iommufd",
	.test_cases = iommufd_test_cases,
};

kunit_test_suite(iommufd_test_suite);
