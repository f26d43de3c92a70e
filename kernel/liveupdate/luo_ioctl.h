/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_IOCTL_H
#define _LUO_IOCTL_H

struct file;

long luo_device_ioctl(struct file *filp, unsigned int cmd, unsigned long arg);

#endif /* _LUO_IOCTL_H */
