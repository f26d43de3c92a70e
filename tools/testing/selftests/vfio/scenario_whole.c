// SPDX-License-Identifier: GPL-2.0
/* A device that is taken along with the iommufd context that it is attached to. */
#define _GNU_SOURCE
#include "../liveupdate/luo_fault.h"
#include "child.h"
#include "scenarios.h"

static struct carried whole = {
	.name = "whole", .ops = &edu_ops, .iova = 0x1500000, .with_iommufd = true,
};

static void map_again(struct carried *carried)
{
	CHECK_EQ(iommu_unmap(carried->iommu, carried->iova, AREA_SIZE), 0);
	CHECK_EQ(iommu_map_file(carried->iommu, carried->iova, carried->area.fd, 0, AREA_SIZE), 0);
}

/* What can be mapped for the device afterwards. */
static void can_change(struct carried *carried)
{
	uint64_t iova = carried->iova + 2 * AREA_SIZE;

	map_again(carried);
	CHECK_EQ(iommu_map_file(carried->iommu, iova, carried->area.fd, 0, AREA_SIZE), 0);
	carried_work(carried, true);
	CHECK_EQ(iommu_unmap(carried->iommu, iova, AREA_SIZE), 0);
}

/* Pitfall 32: its page tables and its devices are not held by what has failed. */
static void preserve_without_memory(struct carried *carried)
{
	int session = one_before("no memory", TOKEN_AREA, carried->area.fd), nth, hits = 0, err;
	bool hit = true;

	CHECK_EQ(luo_preserve(session, carried->device.fd, TOKEN_DEVICE), 0);
	CHECK_EQ(luo_fail_setup(), 0);
	luo_log_hide();
	for (nth = 1; hit && nth < 1000; nth++) {
		luo_fail_nth(nth);
		err = luo_preserve(session, carried->iommu->fd, TOKEN_IOMMUFD);
		hit = luo_has_failed();
		hits += hit;
		CHECK(!err || luo_is_fault(err));
		CHECK_EQ(luo_unpreserve(session, TOKEN_IOMMUFD), err ? -ENOENT : 0);
		map_again(carried);
	}
	printf("# preserve a context with a page table: %d points hit\n", hits);
	CHECK(luo_log_was_clean());
	luo_watch_races("on");
	CHECK(!err && !hit && hits > 10);
	close(session);
	can_change(carried);
}

/* A session, and how many pages may be locked by who retrieves its context. */
struct accounted {
	int session;
	rlim_t pages;
};

static int retrieve_as_nobody(void *arg)
{
	const struct accounted *accounted = arg;
	int ret = be_nobody(accounted->pages);

	if (!ret)
		ret = luo_retrieve(accounted->session, TOKEN_IOMMUFD);
	return ret < 0 ? ret : 0;
}

/* What its page table has pinned counts, and what was too much can be had with a higher limit. */
static void retrieve_accounted(struct carried *carried)
{
	struct accounted accounted = {
		.session = luo_retrieve_session(dev, carried->name),
		.pages = AREA_SIZE / LUO_PAGE - 1,
	};

	CHECK(accounted.session >= 0);
	CHECK_EQ(in_child(retrieve_as_nobody, &accounted), -ENOMEM);
	CHECK_EQ(in_child(retrieve_as_nobody, &accounted), -ENOMEM);
	accounted.pages++;
	CHECK_EQ(in_child(retrieve_as_nobody, &accounted), 0);
	close(accounted.session);
}

static int ask_context(int session)
{
	return luo_retrieve(session, TOKEN_IOMMUFD);
}

static struct sweep context_retrieve_sweep = {
	.what = "retrieve a context with a page table", .ask = ask_context,
};

void whole_before(void)
{
	carried_start(&whole);
	preserve_without_memory(&whole);
	carried_before(&whole);
}

/*
 * Its page table is taken over, and put back, until it works in spite of a failure: it is
 * retrieved only once. Contexts without devices get to the end, see scenario_iommufd.c.
 */
static void retrieve_context(struct carried *carried)
{
	int session = luo_retrieve_session(dev, carried->name);

	CHECK_EQ(close(sweep_on(&context_retrieve_sweep, session)), 0);
	printf("# retrieve a context with a page table: %d points hit\n",
	       context_retrieve_sweep.hits);
	/* With kmemleak and the like, what they allocate for themselves is among the first. */
	CHECK(context_retrieve_sweep.hits > (access("/sys/kernel/debug/kmemleak", F_OK) ? 4 : 1));
	close(session);
}

void whole_after(void)
{
	if (stage % 2)
		retrieve_accounted(&whole);
	else
		retrieve_context(&whole);
	carried_after(&whole);
	can_change(&whole);
}

void whole_late_after(void)
{
	modules_are_late(&whole);
	carried_after(&whole);
}
