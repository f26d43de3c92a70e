/* SPDX-License-Identifier: GPL-2.0 */
/* What vfio_kexec goes through. */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "carried.h"

/* In this order; each ends with an entry without a name. */
extern const struct scenario scenarios[];
extern const struct scenario running_scenarios[];

/* Contexts without a device. */
void iommufd_before(void);
void iommufd_after(void);
void iommufd_given_up_before(void);
void iommufd_given_up_after(void);
void iommufd_broken_before(void);
void iommufd_broken_after(void);
void iommufd_spare_before(void);
void iommufd_spare_after(void);

/* A context with its device. */
void whole_before(void);
void whole_after(void);
void whole_late_after(void);

/* A device that is able to do ATS. */
void ats_before(void);
void ats_after(void);

/* Load them, one by one. */
void modules_are_late(struct carried *carried);

/* A kexec that an interrupt that is armed makes fail. */
void fail_to_freeze(void);
/* The same with devices that go on with DMA; false if there are none. */
bool running_fail_to_freeze(void);

#endif /* SCENARIOS_H */
