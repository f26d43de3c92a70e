// SPDX-License-Identifier: GPL-2.0
/* Live update: files of vfio devices, for the drivers that can carry theirs. */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iommufd.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "vfio.h"

/**
 * vfio_liveupdate_device - whose file is it?
 * @file: any file
 *
 * Return: the device, valid as long as @file is; NULL if it is no file of one.
 */
struct vfio_device *vfio_liveupdate_device(struct file *file)
{
	struct vfio_device_file *df = file->private_data;

	return file->f_op == &vfio_device_fops ? df->device : NULL;
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_device);

/**
 * vfio_liveupdate_is_bound - is it a file that can be carried?
 * @file: of a vfio device
 *
 * Return: 0; -EOPNOTSUPP if it is from a group, not from the character device;
 * or -EINVAL if it is not bound to an iommufd.
 */
int vfio_liveupdate_is_bound(struct file *file)
{
	struct vfio_device_file *df = file->private_data;

	if (df->group)
		return -EOPNOTSUPP;
	/* Paired with smp_store_release() in vfio_df_ioctl_bind_iommufd(). */
	return smp_load_acquire(&df->access_granted) ? 0 : -EINVAL;
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_is_bound);

/**
 * vfio_liveupdate_goes_on - does a device go on with DMA through the kexec?
 * @file: of the device, preserved and bound to an iommufd
 * @session: its session
 *
 * Context: in freeze() of the handler.
 * Return: true if what it is bound to is preserved in the same session.
 */
bool vfio_liveupdate_goes_on(struct file *file, struct luo_file_set *session)
{
	struct iommufd_device *idev = vfio_liveupdate_device(file)->iommufd_device;

	/* It stays bound as long as the file is open. */
	return idev && iommufd_device_goes_on(idev, session);
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_goes_on);

/**
 * vfio_liveupdate_open - a file as the character device gives one
 * @device: the device, which is registered
 *
 * Context: the device stays registered during the call.
 * Return: the file, or an ERR_PTR().
 */
struct file *vfio_liveupdate_open(struct vfio_device *device)
{
	struct vfio_device_file *df;
	struct file *file;

	if (!vfio_device_try_get_registration(device))
		return ERR_PTR(-ENODEV);
	df = vfio_allocate_device_file(device);
	if (IS_ERR(df)) {
		vfio_device_put_registration(device);
		return ERR_CAST(df);
	}
	file = anon_inode_getfile_fmode("[vfio-device]", &vfio_device_fops, df, O_RDWR,
					FMODE_PREAD | FMODE_PWRITE);
	if (IS_ERR(file)) {
		kfree(df);
		vfio_device_put_registration(device);
		return file;
	}
	file->f_mapping = device->inode->i_mapping;
	return file;
}
EXPORT_SYMBOL_GPL(vfio_liveupdate_open);
