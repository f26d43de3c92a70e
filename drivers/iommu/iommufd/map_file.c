// SPDX-License-Identifier: GPL-2.0
/*
 * IOMMU_IOAS_MAP_FILE: pages that originate from a memfd, and not from addresses
 * of a process. pages.c has all else about them; here they are found and pinned.
 *
 * Invariants:
 *  - iopt_pages::file is set once, and held until the pages are released.
 *  - While pages are writable the file counts as mapped writable, pinned or not:
 *    F_SEAL_WRITE can't be added.
 *  - A page has one pin for each time that it is in the pages, as if it were
 *    pinned by its address: so ranges may be unpinned that split folios.
 *  - What is pinned was in the file then, is zeroed if nothing was written to it,
 *    and is not poisoned.
 *
 * Locks: pages::mutex -> inode lock (hugetlbfs only) -> folio lock. No mm is used.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/iommufd.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <uapi/linux/fcntl.h>
#include <uapi/linux/iommufd.h>

#include "io_pagetable.h"

/* What mmap() does not give up for shared writable mappings. */
#define WRITE_SEALS (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static unsigned int file_seals(struct file *file)
{
#ifdef CONFIG_HUGETLBFS
	if (is_file_hugepages(file))
		return HUGETLBFS_I(file_inode(file))->seals;
#endif
	return SHMEM_I(file_inode(file))->seals;
}

/* What mmap() would ask for, and by the same errnos. */
static int check_file(struct file *file, unsigned long end, bool writable)
{
	if (!shmem_file(file) && !is_file_hugepages(file))
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (writable && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if (writable && file_seals(file) & WRITE_SEALS)
		return -EPERM;
	if (end > PAGE_ALIGN(i_size_read(file_inode(file))))
		return -EINVAL;
	return 0;
}

/**
 * iopt_alloc_file_pages() - Allocate pages that originate from a file
 * @file: File of shmem or hugetlbfs; a reference is taken
 * @start: First byte in @file
 * @length: Number of bytes
 * @writable: May they be written to?
 *
 * Nothing is pinned yet.
 *
 * Return: the pages, to be let go of by iopt_put_pages(), or ERR_PTR: -EINVAL if
 * the file is of another kind or too short, -EACCES if it is not open for this,
 * -EPERM if it is sealed, -EOVERFLOW if there can be no such file, -ENOMEM.
 */
struct iopt_pages *iopt_alloc_file_pages(struct file *file, unsigned long start,
					 unsigned long length, bool writable)
{
	struct iopt_pages *pages;
	unsigned long end;
	int rc;

	if (check_add_overflow(start, length, &end) || end > MAX_LFS_FILESIZE)
		return ERR_PTR(-EOVERFLOW);
	rc = check_file(file, end, writable);
	if (rc)
		return ERR_PTR(rc);

	pages = iopt_alloc_pages((void __user *)start, length, writable);
	if (IS_ERR(pages))
		return pages;
	if (writable) {
		rc = mapping_map_writable(file->f_mapping);
		if (rc) {
			iopt_put_pages(pages);
			return ERR_PTR(rc);
		}
	}
	pages->file = get_file(file);
	return pages;
}

/**
 * iopt_file_release() - The file of pages is not needed any more
 * @pages: Pages that are being released, of a file or not
 */
void iopt_file_release(struct iopt_pages *pages)
{
	if (!pages->file)
		return;
	if (pages->writable)
		mapping_unmap_writable(pages->file->f_mapping);
	fput(pages->file);
}

static bool has_hole(struct file *file, loff_t start, loff_t last)
{
	struct hstate *h = hstate_file(file);
	struct folio *folio;
	loff_t pos;

	for (pos = ALIGN_DOWN(start, huge_page_size(h)); pos <= last;
	     pos += huge_page_size(h)) {
		folio = filemap_get_folio(file->f_mapping, pos >> PAGE_SHIFT);
		if (IS_ERR(folio))
			return true;
		folio_put(folio);
	}
	return false;
}

/*
 * memfd_pin_folios() takes huge pages for holes from those that are reserved, but
 * nothing may be: that is what mmap() would have done. hugetlbfs itself accounts
 * for them as it should. The inode lock keeps holes from being punched meanwhile.
 */
static long pin_huge_folios(struct file *file, loff_t start, loff_t last,
			    struct folio **folios, unsigned int max_folios)
{
	struct inode *inode = file_inode(file);
	pgoff_t offset;
	long rc;

	inode_lock_shared(inode);
	if (!has_hole(file, start, last)) {
		rc = memfd_pin_folios(file, start, last, folios, max_folios,
				      &offset);
		inode_unlock_shared(inode);
		return rc;
	}
	inode_unlock_shared(inode);

	rc = file->f_op->fallocate(file, FALLOC_FL_KEEP_SIZE, start,
				   last - start + 1);
	switch (rc) {
	case 0:
		return -EAGAIN;
	case -EINTR:
		/* Once a signal is handled it can be tried again. */
		return -ERESTARTSYS;
	case -ENOSPC:
		return -ENOMEM;
	}
	return rc;
}

/*
 * Page @index of @file is to be in @folio, which is pinned but was not locked when it
 * was found. fallocate() leaves folios that are zeroed at first use: this is it.
 */
static int settle_folio(struct file *file, struct folio *folio, pgoff_t index)
{
	int rc = 0;

	folio_lock(folio);
	if (folio->mapping != file->f_mapping || !folio_contains(folio, index)) {
		rc = -EAGAIN;
	} else if (folio_contain_hwpoisoned_page(folio)) {
		rc = -EHWPOISON;
	} else if (!folio_test_uptodate(folio)) {
		folio_zero_segment(folio, 0, folio_size(folio));
		flush_dcache_folio(folio);
		folio_mark_uptodate(folio);
	}
	folio_unlock(folio);
	return rc;
}

/* The pin that @folio has becomes one for each page of it from @index to @last_index. */
static int folio_to_run(struct file *file, struct folio *folio, pgoff_t index,
			pgoff_t last_index, struct iopt_run *run)
{
	unsigned long first;
	int rc;

	rc = settle_folio(file, folio, index);
	if (rc)
		return rc;
	first = index - folio->index;
	run->pfn = folio_pfn(folio) + first;
	run->npages = min(folio_nr_pages(folio) - first, last_index - index + 1);
	if (run->npages == 1)
		return 0;
	return folio_pin_more(folio, run->npages - 1);
}

static void unpin_runs(const struct iopt_run *runs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		unpin_user_page_range_dirty_lock(pfn_to_page(runs[i].pfn),
						 runs[i].npages, false);
}

/* -EAGAIN if somebody was at the file meanwhile, or now there is something to pin. */
static int try_pin(struct file *file, pgoff_t index, pgoff_t last_index,
		   struct iopt_run *runs, unsigned int max_runs)
{
	loff_t start = (loff_t)index << PAGE_SHIFT;
	struct folio *folios[IOPT_FILE_RUNS];
	loff_t size, last;
	pgoff_t offset;
	int rc = 0, i;
	long nr;

	/* All of a page is pinned, even if the file ends in it. */
	size = i_size_read(file_inode(file));
	if (!size || last_index > (size - 1) >> PAGE_SHIFT)
		return -EINVAL;
	last = min_t(loff_t, (loff_t)(last_index + 1) << PAGE_SHIFT, size) - 1;

	if (is_file_hugepages(file)) {
		last = min_t(loff_t, last,
			     start + max_runs * huge_page_size(hstate_file(file)) - 1);
		nr = pin_huge_folios(file, start, last, folios, max_runs);
	} else {
		nr = memfd_pin_folios(file, start, last, folios, max_runs, &offset);
	}
	if (nr <= 0)
		return nr ?: -EAGAIN;

	for (i = 0; i < nr && index <= last_index; i++) {
		rc = folio_to_run(file, folios[i], index, last_index, &runs[i]);
		if (rc)
			break;
		index += runs[i].npages;
	}
	if (i == nr)
		return nr;
	unpin_runs(runs, i);
	unpin_folios(folios + i, nr - i);
	return rc ?: -EAGAIN;
}

/**
 * iopt_file_pin() - Pin pages of a file, for as long as it may take
 * @pages: Pages of a file
 * @start_index: First page index
 * @last_index: Inclusive last page index
 * @runs: Pages that are pinned now, in the order of their indices
 * @max_runs: Number of @runs at most, up to IOPT_FILE_RUNS
 *
 * Pins as many as fit, at least one page; each page once. All @runs are whole folios
 * but for the ends of the range.
 *
 * Context: Process context, may sleep. The caller holds pages::mutex.
 * Return: number of runs, or -errno: -EINVAL if the file has become too short,
 * -ENOMEM, -EHWPOISON, -ERESTARTSYS or -EINTR if a signal came.
 */
int iopt_file_pin(struct iopt_pages *pages, unsigned long start_index,
		  unsigned long last_index, struct iopt_run *runs,
		  unsigned int max_runs)
{
	pgoff_t base = (unsigned long)pages->uptr >> PAGE_SHIFT;
	int nr, i;

	lockdep_assert_held(&pages->mutex);

	if (iommufd_should_fail())
		return -ENOMEM;

	max_runs = min_t(unsigned int, max_runs, IOPT_FILE_RUNS);
	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		nr = try_pin(pages->file, base + start_index, base + last_index,
			     runs, max_runs);
	} while (nr == -EAGAIN);

	for (i = 0; i < nr; i++)
		pages->npinned += runs[i].npages;
	return nr;
}

/**
 * iopt_file_pin_pages() - Pin all of a range, and list it page by page
 * @pages: Pages of a file
 * @start_index: First page index
 * @last_index: Inclusive last page index
 * @out_pages: Output array, for each of them one
 *
 * Context: Process context, may sleep. The caller holds pages::mutex.
 * Return: 0, or as iopt_file_pin(), and then nothing is pinned.
 */
int iopt_file_pin_pages(struct iopt_pages *pages, unsigned long start_index,
			unsigned long last_index, struct page **out_pages)
{
	struct iopt_run runs[IOPT_FILE_RUNS];
	unsigned long done = 0, j;
	int nr, i;

	while (start_index + done <= last_index) {
		nr = iopt_file_pin(pages, start_index + done, last_index, runs,
				   ARRAY_SIZE(runs));
		if (nr < 0) {
			unpin_user_pages(out_pages, done);
			pages->npinned -= done;
			return nr;
		}
		for (i = 0; i < nr; i++)
			for (j = 0; j < runs[i].npages; j++)
				out_pages[done++] = pfn_to_page(runs[i].pfn + j);
	}
	return 0;
}

/**
 * iommufd_ioas_map_file() - ioctl(IOMMU_IOAS_MAP_FILE)
 * @ucmd: User command
 *
 * Return: 0, or -errno as struct iommu_ioas_map_file has it.
 */
int iommufd_ioas_map_file(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_map_file *cmd = ucmd->cmd;
	unsigned long iova = cmd->iova;
	struct iommufd_ioas *ioas;
	unsigned int flags = 0;
	struct file *file;
	int rc;

	if (cmd->flags & ~(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			   IOMMU_IOAS_MAP_READABLE))
		return -EOPNOTSUPP;
	if (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX)
		return -EOVERFLOW;
	if (!(cmd->flags & (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)))
		return -EINVAL;

	ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	file = fget(cmd->fd);
	if (!file) {
		rc = -EBADF;
		goto out_put;
	}

	if (!(cmd->flags & IOMMU_IOAS_MAP_FIXED_IOVA))
		flags = IOPT_ALLOC_IOVA;
	rc = iopt_map_file_pages(ucmd->ictx, &ioas->iopt, &iova, file, cmd->start,
				 cmd->length, conv_iommu_prot(cmd->flags), flags);
	fput(file);
	if (rc)
		goto out_put;

	/* A mapping that nobody knows where to find must not stay. */
	cmd->iova = iova;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		iopt_unmap_iova(&ioas->iopt, iova, cmd->length, NULL);
out_put:
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}
