/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _IOMMU_LIVEUPDATE_H
#define _IOMMU_LIVEUPDATE_H

#include <linux/iommu_liveupdate.h>
#include <linux/kho/abi/iommu.h>
#include <linux/list.h>
#include <linux/mutex_types.h>
#include <linux/types.h>

struct iommu_liveupdate_ops;
struct liveupdate_flb_op_args;

/*
 * Protects all that is in liveupdate*.c. Taken under the locks of LUO and under
 * the mutex of an IOMMU group; the locks of IOMMU drivers are taken under it.
 */
extern struct mutex iommu_liveupdate_lock;

/**
 * struct iommu_liveupdate_unit - an IOMMU with preserved devices
 * @list: of all of them
 * @iommu: the IOMMU
 * @ser: what is handed over; by the driver
 * @nr_devices: preserved ones
 */
struct iommu_liveupdate_unit {
	struct list_head list;
	struct iommu_device *iommu;
	struct iommu_unit_ser ser;
	unsigned int nr_devices;
};

/**
 * struct iommu_liveupdate_domain - a domain that is to be handed over
 * @list: of all of them
 * @domain: the domain
 * @ser: what is handed over; all but its id by the driver
 * @nr_devices: preserved ones that are attached to it
 */
struct iommu_liveupdate_domain {
	struct list_head list;
	struct iommu_domain *domain;
	struct iommu_domain_ser ser;
	unsigned int nr_devices;
};

/**
 * struct iommu_liveupdate_device - a device that is to be handed over
 * @list: of all of them
 * @dev: the device, of PCI, with a reference
 * @unit: IOMMU that translates for it
 * @domain: what it is attached to
 * @hw_domain: the domain's number in the unit; by the driver
 * @nr_rids: requester IDs
 * @rids: its own, and its aliases
 */
struct iommu_liveupdate_device {
	struct list_head list;
	struct device *dev;
	struct iommu_liveupdate_unit *unit;
	struct iommu_liveupdate_domain *domain;
	u16 hw_domain;
	unsigned int nr_rids;
	u16 rids[] __counted_by(nr_rids);
};

/**
 * struct iommu_liveupdate_in_domain - a domain that was handed over
 * @list: of all of them
 * @ser: what it was
 * @end: behind the last address that is mapped in it; by the driver
 * @mapped: bytes that are mapped in it; by the driver
 * @status: 0: not looked at; 1: its tables are ours; or why they can't be trusted
 * @domain: what was made of it, or NULL
 * @finished: nothing of it is live any more, unless its user has it
 */
struct iommu_liveupdate_in_domain {
	struct list_head list;
	struct iommu_domain_ser ser;
	u64 end;
	u64 mapped;
	int status;
	struct iommu_domain *domain;
	bool finished;
};

/**
 * struct iommu_liveupdate_in - what the previous kernel has handed over
 * @units: as they were, sane
 * @nr_units: entries in @units
 * @requesters: as they were, sane
 * @nr_requesters: entries in @requesters
 * @taken: those whose translation was taken over at boot, one bit each; by the driver
 * @domains: list of &struct iommu_liveupdate_in_domain
 * @ops: of the driver that has taken something over, or NULL
 */
struct iommu_liveupdate_in {
	struct iommu_unit_ser *units;
	size_t nr_units;
	struct iommu_requester_ser *requesters;
	size_t nr_requesters;
	unsigned long *taken;
	struct list_head domains;
	const struct iommu_liveupdate_ops *ops;
};

/**
 * struct iommu_liveupdate_tables - what a &struct iommu_ser says where it is
 * @units: %NULL if there are none, as the others
 * @domains: all domains
 * @requesters: all requesters
 */
struct iommu_liveupdate_tables {
	const struct iommu_unit_ser *units;
	const struct iommu_domain_ser *domains;
	const struct iommu_requester_ser *requesters;
};

/**
 * struct iommu_liveupdate_ops - what a driver has to do
 * @unit_preserve: make a root table for the kexec, tell what the unit is
 * @unit_unpreserve: undo @unit_preserve. Can't fail.
 * @domain_preserve: preserve the tables of a domain, tell where they are
 * @domain_unpreserve: undo @domain_preserve. Can't fail.
 * @device_preserve: enter a device into the unit's root table for the kexec
 * @device_unpreserve: undo @device_preserve: strike the first @nr_rids out. Can't fail.
 * @device_is_live: was the translation for this device taken over?
 * @device_block: it is not to be any more; nothing else is attached
 * @domain_restore: make a domain of tables that are ours
 * @domain_lookup: what is mapped in a domain that was restored?
 * @domain_put_back: undo @domain_restore; its tables stay
 * @domain_is_live: does hardware use a domain, for devices that are not attached
 *	to what was made of it?
 * @domain_finish: drop what @domain_restore has for the devices to come. If
 *	there is no domain, free the tables.
 *
 * All but @device_is_live, @device_block and @domain_lookup are called under
 * iommu_liveupdate_lock; @device_block under the mutex of the group.
 */
struct iommu_liveupdate_ops {
	int (*unit_preserve)(struct iommu_liveupdate_unit *unit);
	void (*unit_unpreserve)(struct iommu_liveupdate_unit *unit);
	int (*domain_preserve)(struct iommu_liveupdate_domain *domain);
	void (*domain_unpreserve)(struct iommu_liveupdate_domain *domain);
	int (*device_preserve)(struct iommu_liveupdate_device *device);
	void (*device_unpreserve)(struct iommu_liveupdate_device *device);
	bool (*device_is_live)(struct device *dev);
	void (*device_block)(struct device *dev);
	struct iommu_domain *(*domain_restore)(struct iommu_liveupdate_in *in,
					       struct iommu_liveupdate_in_domain *domain,
					       struct device *dev);
	size_t (*domain_lookup)(struct iommu_domain *domain, unsigned long iova,
				phys_addr_t *phys, int *prot);
	void (*domain_put_back)(struct iommu_liveupdate_in_domain *domain);
	bool (*domain_is_live)(struct iommu_liveupdate_in *in,
			       struct iommu_liveupdate_in_domain *domain);
	void (*domain_finish)(struct iommu_liveupdate_in *in,
			      struct iommu_liveupdate_in_domain *domain);
};

/* liveupdate_in.c */
bool iommu_liveupdate_is_incoming(void);
struct iommu_liveupdate_in *iommu_liveupdate_get_in(void);
struct iommu_liveupdate_in_domain *
iommu_liveupdate_find_in(struct iommu_liveupdate_in *in, u64 id);
bool iommu_liveupdate_free_domain(struct iommu_domain *domain);
bool iommu_liveupdate_in_has(const struct iommu_domain *domain);
int iommu_liveupdate_retrieve_all(struct liveupdate_flb_op_args *args);
void iommu_liveupdate_finish_all(struct liveupdate_flb_op_args *args);
#if IS_ENABLED(CONFIG_KUNIT)
bool iommu_liveupdate_units_are_sane(const struct iommu_unit_ser *units, size_t nr);
bool iommu_liveupdate_domains_are_sane(const struct iommu_domain_ser *domains, size_t nr);
bool iommu_liveupdate_requesters_are_sane(const struct iommu_requester_ser *requesters,
					  size_t nr, size_t nr_units,
					  const struct iommu_domain_ser *domains,
					  size_t nr_domains);
bool iommu_liveupdate_find_tables(const struct iommu_ser *ser,
				  struct iommu_liveupdate_tables *tables);
#endif

#endif /* _IOMMU_LIVEUPDATE_H */
