// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of IOMMUs, in the next kernel: take over what the previous one has
 * left translating, see liveupdate.c.
 *
 * Invariants:
 *  - the tables are known, and sane, before a driver of IOMMUs looks at its units;
 *  - a driver takes a translation over only if all of it can be believed. Else the
 *    device is blocked, its bus mastering is off, and what it could reach stays
 *    reserved;
 *  - what was taken over is live until its device is attached to something. With
 *    the domain that was made of it nothing changes for the device; anything else
 *    ends it. Nothing is attached on its own: neither a default domain, nor a
 *    blocking one when a driver claims the ownership;
 *  - when it is finished, what is still live ends, bus mastering first.
 */
#define pr_fmt(fmt) "iommu: live update: " fmt

#include <kunit/visibility.h>
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "iommu-priv.h"
#include "liveupdate.h"

#define IOMMU_LIVEUPDATE_MAX_LEVELS	6

/* What was handed over, or NULL; under iommu_liveupdate_lock, fixed after boot. */
static struct iommu_liveupdate_in *iommu_liveupdate_in;
/* There was something, be it readable or not. Fixed after boot. */
static bool iommu_liveupdate_incoming;

VISIBLE_IF_KUNIT bool
iommu_liveupdate_units_are_sane(const struct iommu_unit_ser *units, size_t nr)
{
	size_t i, j;

	for (i = 0; i < nr; i++) {
		if ((units[i].type != IOMMU_UNIT_SER_VTD &&
		     units[i].type != IOMMU_UNIT_SER_VTD_SCALABLE) || units[i].reserved ||
		    !units[i].base || !units[i].root || !units[i].interrupts ||
		    !PAGE_ALIGNED(units[i].root | units[i].interrupts))
			return false;
		for (j = 0; j < i; j++)
			if (units[j].base == units[i].base || units[j].root == units[i].root)
				return false;
	}
	return true;
}

VISIBLE_IF_KUNIT bool
iommu_liveupdate_domains_are_sane(const struct iommu_domain_ser *domains, size_t nr)
{
	size_t i, j;

	for (i = 0; i < nr; i++) {
		if (!domains[i].id || !domains[i].root || !PAGE_ALIGNED(domains[i].root) ||
		    !domains[i].nr_tables || !domains[i].levels ||
		    domains[i].levels > IOMMU_LIVEUPDATE_MAX_LEVELS ||
		    domains[i].flags & ~IOMMU_DOMAIN_SER_SNOOP)
			return false;
		for (j = 0; j < i; j++)
			if (domains[j].id == domains[i].id || domains[j].root == domains[i].root)
				return false;
	}
	return true;
}

/* In a unit a requester has one domain, and a domain has one number of its own. */
static bool iommu_liveupdate_agree(const struct iommu_requester_ser *a,
				   const struct iommu_requester_ser *b)
{
	bool same = a->domain == b->domain;

	if (a->segment == b->segment && a->bdf == b->bdf &&
	    (a->unit != b->unit || !same || a->rid == b->rid))
		return false;
	if (a->unit != b->unit)
		return true;
	return a->segment == b->segment && same == (a->hw_domain == b->hw_domain) &&
	       (same || a->rid != b->rid);
}

VISIBLE_IF_KUNIT bool
iommu_liveupdate_requesters_are_sane(const struct iommu_requester_ser *requesters, size_t nr,
				     size_t nr_units, const struct iommu_domain_ser *domains,
				     size_t nr_domains)
{
	size_t i, j;

	for (i = 0; i < nr; i++) {
		if (requesters[i].unit >= nr_units || requesters[i].reserved)
			return false;
		for (j = 0; j < nr_domains; j++)
			if (domains[j].id == requesters[i].domain)
				break;
		if (j == nr_domains)
			return false;
		for (j = 0; j < i; j++)
			if (!iommu_liveupdate_agree(&requesters[i], &requesters[j]))
				return false;
	}
	return true;
}

static void iommu_liveupdate_free(struct iommu_liveupdate_in *in)
{
	struct iommu_liveupdate_in_domain *domain, *next;

	if (!in)
		return;
	list_for_each_entry_safe(domain, next, &in->domains, list)
		kfree(domain);
	kvfree(in->units);
	kvfree(in->requesters);
	bitmap_free(in->taken);
	kfree(in);
}

DEFINE_FREE(iommu_liveupdate_in, struct iommu_liveupdate_in *, iommu_liveupdate_free(_T))

/* An array in one preserved block, or NULL if it is empty. */
static const void *iommu_liveupdate_array(const struct iommu_array_ser *ser, size_t entry)
{
	int order;

	if (!ser->nr)
		return NULL;
	order = kho_preserved_order(ser->first);
	if (order < 0 || order > MAX_PAGE_ORDER || ser->nr > IOMMU_SER_MAX_ENTRIES ||
	    ser->nr > (PAGE_SIZE << order) / entry)
		return ERR_PTR(-EINVAL);
	return phys_to_virt(ser->first);
}

static int iommu_liveupdate_copy_domains(struct iommu_liveupdate_in *in,
					 const struct iommu_domain_ser *domains, size_t nr)
{
	struct iommu_liveupdate_in_domain *domain;
	size_t i;

	for (i = 0; i < nr; i++) {
		domain = kzalloc(sizeof(*domain), GFP_KERNEL);
		if (!domain)
			return -ENOMEM;
		domain->ser = domains[i];
		list_add_tail(&domain->list, &in->domains);
	}
	return 0;
}

/* Where the tables are, if all of them can be believed. */
VISIBLE_IF_KUNIT bool iommu_liveupdate_find_tables(const struct iommu_ser *ser,
						   struct iommu_liveupdate_tables *tables)
{
	tables->units = iommu_liveupdate_array(&ser->units, sizeof(*tables->units));
	tables->domains = iommu_liveupdate_array(&ser->domains, sizeof(*tables->domains));
	tables->requesters = iommu_liveupdate_array(&ser->requesters,
						    sizeof(*tables->requesters));
	return !IS_ERR(tables->units) && !IS_ERR(tables->domains) &&
	       !IS_ERR(tables->requesters) &&
	       iommu_liveupdate_units_are_sane(tables->units, ser->units.nr) &&
	       iommu_liveupdate_domains_are_sane(tables->domains, ser->domains.nr) &&
	       iommu_liveupdate_requesters_are_sane(tables->requesters, ser->requesters.nr,
						    ser->units.nr, tables->domains,
						    ser->domains.nr);
}

/* A copy of all tables. */
static struct iommu_liveupdate_in *iommu_liveupdate_read(const struct iommu_ser *ser)
{
	struct iommu_liveupdate_in *in __free(iommu_liveupdate_in) = NULL;
	struct iommu_liveupdate_tables tables;

	if (!iommu_liveupdate_find_tables(ser, &tables))
		return ERR_PTR(-EINVAL);

	in = kzalloc(sizeof(*in), GFP_KERNEL);
	if (!in)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&in->domains);
	in->nr_units = ser->units.nr;
	in->nr_requesters = ser->requesters.nr;
	in->units = kvmemdup(tables.units, array_size(in->nr_units, sizeof(*in->units)),
			     GFP_KERNEL);
	in->requesters = kvmemdup(tables.requesters,
				  array_size(in->nr_requesters, sizeof(*in->requesters)),
				  GFP_KERNEL);
	in->taken = bitmap_zalloc(in->nr_requesters, GFP_KERNEL);
	if (!in->units || !in->requesters || !in->taken ||
	    iommu_liveupdate_copy_domains(in, tables.domains, ser->domains.nr))
		return ERR_PTR(-ENOMEM);
	return_ptr(in);
}

/* A table may be where @head is, which is not free before it was read to its end. */
static void iommu_liveupdate_give_back(const struct iommu_ser *head)
{
	const struct iommu_ser ser = *head;

	if (ser.units.nr)
		kho_restore_free(phys_to_virt(ser.units.first));
	if (ser.domains.nr)
		kho_restore_free(phys_to_virt(ser.domains.first));
	if (ser.requesters.nr)
		kho_restore_free(phys_to_virt(ser.requesters.first));
	kho_restore_free((void *)head);
}

/**
 * iommu_liveupdate_retrieve_all - read what the previous kernel has handed over
 * @args: of the FLB
 *
 * Return: 0, -ENOMEM, or -EINVAL if it can't be believed.
 */
int iommu_liveupdate_retrieve_all(struct liveupdate_flb_op_args *args)
{
	struct iommu_liveupdate_in *in;
	struct iommu_ser *ser;

	if (!PAGE_ALIGNED(args->data) || !kho_was_preserved(args->data, 1))
		return -EINVAL;
	ser = phys_to_virt(args->data);
	in = iommu_liveupdate_read(ser);
	if (IS_ERR(in))
		return PTR_ERR(in);
	iommu_liveupdate_give_back(ser);
	guard(mutex)(&iommu_liveupdate_lock);
	iommu_liveupdate_in = in;
	args->obj = in;
	return 0;
}

/**
 * iommu_liveupdate_is_incoming - may units be translating for preserved devices?
 *
 * Return: true if the previous kernel has handed anything over, readable or not.
 */
bool iommu_liveupdate_is_incoming(void)
{
	return iommu_liveupdate_incoming;
}

/**
 * iommu_liveupdate_get_in - what the previous kernel has handed over
 *
 * Return: that, or NULL.
 */
struct iommu_liveupdate_in *iommu_liveupdate_get_in(void)
{
	lockdep_assert_held(&iommu_liveupdate_lock);
	return iommu_liveupdate_in;
}

/**
 * iommu_liveupdate_find_in - find a domain that was handed over
 * @in: all that was
 * @id: of the domain
 *
 * Return: the domain or NULL.
 */
struct iommu_liveupdate_in_domain *
iommu_liveupdate_find_in(struct iommu_liveupdate_in *in, u64 id)
{
	struct iommu_liveupdate_in_domain *domain;

	lockdep_assert_held(&iommu_liveupdate_lock);
	if (!in)
		return NULL;
	list_for_each_entry(domain, &in->domains, list)
		if (domain->ser.id == id)
			return domain;
	return NULL;
}

static struct iommu_liveupdate_in_domain *
iommu_liveupdate_find_made(const struct iommu_domain *domain)
{
	struct iommu_liveupdate_in_domain *entry;

	lockdep_assert_held(&iommu_liveupdate_lock);
	if (!iommu_liveupdate_in)
		return NULL;
	list_for_each_entry(entry, &iommu_liveupdate_in->domains, list)
		if (entry->domain == domain)
			return entry;
	return NULL;
}

/**
 * iommu_liveupdate_in_has - was a domain handed over, and is not finished?
 * @domain: the domain
 *
 * Return: true if so.
 */
bool iommu_liveupdate_in_has(const struct iommu_domain *domain)
{
	return iommu_liveupdate_find_made(domain);
}

/**
 * iommu_device_is_preserved - was a device handed over, and is not finished?
 * @dev: any device
 *
 * Its translation was live all the time: it goes on with DMA.
 *
 * Return: true if so.
 */
bool iommu_device_is_preserved(struct device *dev)
{
	return dev->iommu && dev->iommu->iommu_dev &&
	       iommu_liveupdate_is(dev, IOMMU_LIVEUPDATE_INCOMING);
}
EXPORT_SYMBOL_GPL(iommu_device_is_preserved);

static bool iommu_liveupdate_was_attached(const struct iommu_liveupdate_in *in, u64 id,
					  struct pci_dev *pdev)
{
	size_t i;

	for (i = 0; i < in->nr_requesters; i++)
		if (in->requesters[i].domain == id &&
		    in->requesters[i].segment == pci_domain_nr(pdev->bus) &&
		    in->requesters[i].bdf == pci_dev_id(pdev))
			return true;
	return false;
}

/**
 * iommu_domain_restore - make a domain of what was handed over
 * @id: as iommu_domain_preserve() has told
 * @dev: a device that was attached to it
 *
 * Its mappings are what they were, and it can be changed as any other. If it is
 * freed while a device is not attached to it that was, it can be restored again.
 *
 * Return: the domain; ERR_PTR() of -ENOENT if there is none, or it is finished, or is
 * restored already; -EINVAL if the device was not attached to it; -EBADMSG if it was
 * not trusted; -ENOMEM.
 */
struct iommu_domain *iommu_domain_restore(u64 id, struct device *dev)
{
	struct iommu_liveupdate_in_domain *entry;
	struct iommu_domain *domain;

	if (!iommu_device_is_preserved(dev))
		return ERR_PTR(-EINVAL);
	guard(mutex)(&iommu_liveupdate_lock);
	entry = iommu_liveupdate_find_in(iommu_liveupdate_in, id);
	if (!entry || entry->finished || entry->domain)
		return ERR_PTR(-ENOENT);
	if (!iommu_liveupdate_was_attached(iommu_liveupdate_in, id, to_pci_dev(dev)))
		return ERR_PTR(-EINVAL);
	if (entry->status <= 0)
		return ERR_PTR(-EBADMSG);
	domain = iommu_liveupdate_in->ops->domain_restore(iommu_liveupdate_in, entry, dev);
	if (!IS_ERR(domain))
		entry->domain = domain;
	return domain;
}
EXPORT_SYMBOL_GPL(iommu_domain_restore);

/**
 * iommu_domain_mapped - how much is mapped in a domain of before?
 * @domain: what iommu_domain_restore() has made, as it was
 *
 * Return: bytes.
 */
u64 iommu_domain_mapped(struct iommu_domain *domain)
{
	struct iommu_liveupdate_in_domain *entry;

	guard(mutex)(&iommu_liveupdate_lock);
	entry = iommu_liveupdate_find_made(domain);
	return entry ? entry->mapped : 0;
}
EXPORT_SYMBOL_GPL(iommu_domain_mapped);

/**
 * iommu_domain_lookup - what is mapped in a domain of before?
 * @domain: what iommu_domain_restore() has made; nobody changes it meanwhile
 * @iova: where
 * @phys: out: what is there
 * @prot: out: %IOMMU_READ, %IOMMU_WRITE
 *
 * Return: for how many bytes that is so, at least; 0 if nothing is there.
 */
size_t iommu_domain_lookup(struct iommu_domain *domain, unsigned long iova, phys_addr_t *phys,
			   int *prot)
{
	return domain->owner->liveupdate->domain_lookup(domain, iova, phys, prot);
}
EXPORT_SYMBOL_GPL(iommu_domain_lookup);

/**
 * iommu_liveupdate_free_domain - a domain is about to be freed
 * @domain: any domain; no device is attached to it
 *
 * Return: true if it is taken back, as its tables are still in use.
 */
bool iommu_liveupdate_free_domain(struct iommu_domain *domain)
{
	struct iommu_liveupdate_in *in = iommu_liveupdate_in;
	struct iommu_liveupdate_in_domain *entry;

	guard(mutex)(&iommu_liveupdate_lock);
	entry = iommu_liveupdate_find_made(domain);
	if (!entry)
		return false;
	if (!entry->finished && in->ops->domain_is_live(in, entry)) {
		in->ops->domain_put_back(entry);
		entry->domain = NULL;
		return true;
	}
	/* Who is finishing it now finds nothing to do. */
	in->ops->domain_finish(in, entry);
	entry->domain = NULL;
	entry->status = -ENOENT;
	entry->finished = true;
	return false;
}

/**
 * iommu_liveupdate_probe - an IOMMU has got to know a device
 * @dev: the device
 */
void iommu_liveupdate_probe(struct device *dev)
{
	const struct iommu_liveupdate_ops *ops = dev_iommu_ops(dev)->liveupdate;

	if (ops && ops->device_is_live(dev))
		dev->iommu->liveupdate |= IOMMU_LIVEUPDATE_INCOMING;
}

/**
 * iommu_liveupdate_attached - a device is attached to a domain
 * @dev: the device
 * @domain: the domain
 *
 * If it isn't that of before, this is the end of what was handed over.
 */
void iommu_liveupdate_attached(struct device *dev, struct iommu_domain *domain)
{
	if (!iommu_liveupdate_is(dev, IOMMU_LIVEUPDATE_INCOMING))
		return;
	guard(mutex)(&iommu_liveupdate_lock);
	if (!iommu_liveupdate_in_has(domain))
		WRITE_ONCE(dev->iommu->liveupdate,
			   dev->iommu->liveupdate & ~IOMMU_LIVEUPDATE_INCOMING);
}

/* The first requester at or after @i that stands for a device in the domain. */
static struct pci_dev *iommu_liveupdate_next_device(struct iommu_liveupdate_in *in, u64 id,
						    size_t *i)
{
	const struct iommu_requester_ser *ser;

	for (; *i < in->nr_requesters; ++*i) {
		struct pci_dev *pdev;

		ser = &in->requesters[*i];
		if (ser->domain != id)
			continue;
		pdev = pci_get_domain_bus_and_slot(ser->segment, PCI_BUS_NUM(ser->bdf),
						   ser->bdf & 0xff);
		++*i;
		if (pdev)
			return pdev;
	}
	return NULL;
}

static void iommu_liveupdate_settle_all(struct iommu_liveupdate_in *in, u64 id)
{
	struct pci_dev *pdev;
	size_t i = 0;

	while ((pdev = iommu_liveupdate_next_device(in, id, &i))) {
		if (iommu_device_is_preserved(&pdev->dev))
			iommu_liveupdate_settle(&pdev->dev, in->ops->device_block);
		pci_dev_put(pdev);
	}
}

static void iommu_liveupdate_finish_domain(struct iommu_liveupdate_in *in,
					   struct iommu_liveupdate_in_domain *entry)
{
	scoped_guard(mutex, &iommu_liveupdate_lock) {
		if (entry->finished)
			return;
		entry->finished = true;
	}
	/* From now on nobody makes a domain of it. */
	iommu_liveupdate_settle_all(in, entry->ser.id);
	guard(mutex)(&iommu_liveupdate_lock);
	if (entry->status > 0)
		in->ops->domain_finish(in, entry);
	entry->domain = NULL;
	entry->status = -ENOENT;
}

/**
 * iommu_domain_finish - a domain is finished
 * @id: as iommu_domain_preserve() has told
 *
 * If it was restored it is an ordinary one from now on, and so are devices that
 * are attached to it. Devices that were, and are not attached to anything, lose
 * bus mastering and are blocked.
 *
 * Context: in finish() of the handler; process context, may sleep.
 */
void iommu_domain_finish(u64 id)
{
	struct iommu_liveupdate_in_domain *entry;
	struct iommu_liveupdate_in *in;

	scoped_guard(mutex, &iommu_liveupdate_lock) {
		in = iommu_liveupdate_in;
		entry = iommu_liveupdate_find_in(in, id);
	}
	if (entry)
		iommu_liveupdate_finish_domain(in, entry);
}
EXPORT_SYMBOL_GPL(iommu_domain_finish);

/**
 * iommu_liveupdate_finish_all - no file needs any domain any more
 * @args: of the FLB
 *
 * Domains whose handler could not name them are finished, too. What is known of
 * them is kept, it is little, and drivers may be reading it.
 */
void iommu_liveupdate_finish_all(struct liveupdate_flb_op_args *args)
{
	struct iommu_liveupdate_in *in = args->obj;
	struct iommu_liveupdate_in_domain *entry;

	if (!in)
		return;
	list_for_each_entry(entry, &in->domains, list)
		iommu_liveupdate_finish_domain(in, entry);
}

/* Before IOMMUs are looked for, and after the table of FLBs was read. */
static int __init iommu_liveupdate_init(void)
{
	void *in;
	int err;

	if (!liveupdate_enabled())
		return 0;
	err = liveupdate_register_flb(&iommu_liveupdate_flb);
	if (err)
		return err;
	err = liveupdate_flb_get_incoming(&iommu_liveupdate_flb, &in);
	iommu_liveupdate_incoming = err != -ENOENT;
	if (!err)
		liveupdate_flb_put_incoming(&iommu_liveupdate_flb);
	else if (err != -ENOENT)
		pr_err("what was handed over can't be read (%d): devices will be blocked\n", err);
	return 0;
}
arch_initcall(iommu_liveupdate_init);
