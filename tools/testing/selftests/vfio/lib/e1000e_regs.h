/* SPDX-License-Identifier: GPL-2.0 */
/* Intel's 82574: registers and descriptors, for drivers of any kind. */
#ifndef E1000E_REGS_H
#define E1000E_REGS_H

#include <stdbool.h>
#include <stdint.h>

#define E1000_CTRL		0x0000
#define E1000_CTRL_RST		0x04000000
#define E1000_CTRL_SLU		0x00000040
#define E1000_STATUS		0x0008
#define E1000_STATUS_LU		0x00000002
#define E1000_ICR		0x00c0	/* reading it takes the causes away */
#define E1000_ICS		0x00c8
#define E1000_IMS		0x00d0
#define E1000_IMC		0x00d8
#define E1000_EIAC		0x00dc
#define E1000_IVAR		0x00e4
#define E1000_IVAR_RXQ0_0	0x00000008	/* receive queue 0: valid, vector 0 */
#define E1000_CAUSE_RXQ0	0x00100000
#define E1000_CAUSE_RXT0	0x00000080	/* of MSI: a frame has come */
#define E1000_RCTL		0x0100
#define E1000_RCTL_EN		0x00000002
#define E1000_RCTL_UPE		0x00000008
#define E1000_RCTL_MPE		0x00000010
#define E1000_RCTL_LOOPBACK	0x00000040
#define E1000_RCTL_BAM		0x00008000
#define E1000_RCTL_BUFFER_256	0x00030000
#define E1000_RCTL_SECRC	0x04000000
#define E1000_TCTL		0x0400
#define E1000_TCTL_EN		0x00000002
#define E1000_TCTL_PSP		0x00000008
#define E1000_RDBAL		0x2800
#define E1000_RDLEN		0x2808
#define E1000_RDH		0x2810
#define E1000_RDT		0x2818
#define E1000_TDBAL		0x3800
#define E1000_TDLEN		0x3808
#define E1000_TDH		0x3810
#define E1000_TDT		0x3818
#define E1000_RAL15		0x5478

#define DESCRIPTOR_DONE		0x01
#define TX_END_OF_PACKET	0x01
#define TX_INSERT_FCS		0x02
#define TX_REPORT_STATUS	0x08
/* An experimental one, so that nobody looks into the frame. */
#define ETHERTYPE		0x88b5
/* No address, which a reset forgets. */
#define MARK			0x6b72616d

struct tx_descriptor {
	uint64_t address;
	uint16_t length;
	uint8_t checksum_offset;
	uint8_t command;
	uint8_t status;
	uint8_t checksum_start;
	uint16_t special;
};

struct rx_descriptor {
	uint64_t address;
	uint16_t length;
	uint16_t checksum;
	uint8_t status;
	uint8_t errors;
	uint16_t special;
};

/* Has it been seen to by the device? */
static inline bool e1000e_is_done(const uint8_t *status)
{
	return __atomic_load_n(status, __ATOMIC_ACQUIRE) & DESCRIPTOR_DONE;
}

#endif /* E1000E_REGS_H */
