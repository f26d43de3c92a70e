// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of vfio-pci devices.
 *
 * A file of a device's character device is carried. While it is preserved the
 * user goes on as before. In the reboot interrupts have to be disabled. If the
 * iommufd context that gives the device access to memory is preserved in the same
 * session the device goes on with DMA, else bus mastering is turned off. The next
 * kernel leaves the device alone (see drivers/pci/liveupdate.c); the first one to
 * open it is who gets the file back, and finds it as it was: it is not reset, and
 * what is virtual in its configuration space is what it was.
 *
 * Invariants:
 *  - what travels is written in freeze(), after which the user can change none
 *    of it;
 *  - until its file is finished, an incoming device is in
 *    &vfio_pci_core_device.incoming, if it was retrieved, and never reset by us:
 *    a close before that, which is when another file is retrieved, puts its state
 *    back there, and ends its DMA;
 *  - bus mastering is never on while the device's translation is not known.
 */
#define pr_fmt(fmt) "vfio-pci: live update: " fmt

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>
#include <linux/vfio_pci_core.h>

#include "vfio_pci_priv.h"

/* The driver whose devices can be carried: not one that is based on it. */
static const struct vfio_device_ops *vfio_pci_liveupdate_ops;

static struct vfio_pci_core_device *vfio_pci_liveupdate_vdev(struct file *file)
{
	struct vfio_device *device = vfio_liveupdate_device(file);

	return container_of(device, struct vfio_pci_core_device, vdev);
}

static bool vfio_pci_liveupdate_can_preserve(struct liveupdate_file_handler *handler,
					     struct file *file)
{
	struct vfio_device *device = vfio_liveupdate_device(file);

	return device && dev_is_pci(device->dev);
}

static unsigned long vfio_pci_liveupdate_get_id(struct file *file)
{
	return (unsigned long)vfio_liveupdate_device(file);
}

static int vfio_pci_liveupdate_check(struct file *file)
{
	struct vfio_device *device = vfio_liveupdate_device(file);
	struct vfio_pci_core_device *vdev;
	int ret;

	if (device->ops != vfio_pci_liveupdate_ops) {
		dev_err(device->dev, "live update: its driver can't carry it\n");
		return -EOPNOTSUPP;
	}
	ret = vfio_liveupdate_is_bound(file);
	if (ret) {
		dev_err(device->dev, "live update: %s\n", ret == -EINVAL ?
			"the file is not bound to an iommufd" :
			"a file from a group can't be carried");
		return ret;
	}
	vdev = vfio_pci_liveupdate_vdev(file);
	if (vdev->num_regions) {
		pci_err(vdev->pdev, "live update: regions of its own can't be carried\n");
		return -EOPNOTSUPP;
	}
	guard(mutex)(&vdev->igate);
	if (vdev->leaving) {
		pci_err(vdev->pdev, "live update: its driver is being taken away\n");
		return -EBUSY;
	}
	return 0;
}

static int vfio_pci_liveupdate_preserve(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev;
	struct vfio_pci_ser *ser;
	struct pci_dev *pdev;
	int ret;

	ret = vfio_pci_liveupdate_check(args->file);
	if (ret)
		return ret;
	vdev = vfio_pci_liveupdate_vdev(args->file);
	pdev = vdev->pdev;
	ser = kho_alloc_preserve(struct_size(ser, config, pdev->cfg_size));
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	ret = pci_liveupdate_preserve(pdev);
	if (ret) {
		kho_unpreserve_free(ser);
		return ret;
	}
	ser->domain = pci_domain_nr(pdev->bus);
	ser->bdf = pci_dev_id(pdev);
	ser->config_size = pdev->cfg_size;
	args->private_data = ser;
	args->serialized_data = virt_to_phys(ser);
	return 0;
}

static void vfio_pci_liveupdate_unpreserve(struct liveupdate_file_op_args *args)
{
	pci_liveupdate_unpreserve(vfio_pci_liveupdate_vdev(args->file)->pdev);
	kho_unpreserve_free(args->private_data);
}

/* What a device is, apart from what it knows itself. */
static void vfio_pci_liveupdate_save(struct vfio_pci_core_device *vdev,
				     struct vfio_pci_ser *ser)
{
	ser->flags = 0;
	if (vdev->reset_works)
		ser->flags |= VFIO_PCI_SER_RESET_WORKS;
	if (vdev->virq_disabled)
		ser->flags |= VFIO_PCI_SER_VIRQ_DISABLED;
	pci_read_config_word(vdev->pdev, PCI_COMMAND, &ser->command);
	memcpy(ser->config, vdev->vconfig, ser->config_size);
}

static const char *vfio_pci_liveupdate_is_busy(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held(&vdev->igate);
	lockdep_assert_held_write(&vdev->memory_lock);

	/* The reboot would wait for who waits for the session to let go of it. */
	if (vdev->leaving)
		return "its driver is being taken away";
	if (vdev->irq_type != VFIO_PCI_NUM_IRQS)
		return "its interrupts have to be disabled first";
	if (vdev->pm_runtime_engaged || vdev->pdev->current_state != PCI_D0)
		return "it has to be in D0";
	return NULL;
}

static int vfio_pci_liveupdate_freeze(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = vfio_pci_liveupdate_vdev(args->file);
	struct pci_dev *pdev = vdev->pdev;
	struct vfio_pci_ser *ser = args->private_data;
	const char *busy;
	bool running;
	int ret;

	running = vfio_liveupdate_goes_on(args->file, args->session);
	ret = pci_liveupdate_freeze(pdev, running);
	if (ret)
		return ret;
	guard(rwsem_write)(&vdev->frozen_lock);
	guard(mutex)(&vdev->igate);
	guard(rwsem_write)(&vdev->memory_lock);
	busy = vfio_pci_liveupdate_is_busy(vdev);
	if (busy) {
		pci_err(pdev, "live update: %s\n", busy);
		return -EBUSY;
	}
	if (!pci_device_is_present(pdev)) {
		pci_err(pdev, "live update: it does not answer\n");
		return -EIO;
	}
	vdev->frozen = true;
	vfio_pci_liveupdate_save(vdev, ser);
	if (running)
		ser->flags |= VFIO_PCI_SER_RUNNING;
	else
		pci_clear_master(pdev);
	return 0;
}

static void vfio_pci_liveupdate_unfreeze(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = vfio_pci_liveupdate_vdev(args->file);
	const struct vfio_pci_ser *ser = args->private_data;

	guard(rwsem_write)(&vdev->frozen_lock);
	guard(mutex)(&vdev->igate);
	guard(rwsem_write)(&vdev->memory_lock);
	if (ser->command & PCI_COMMAND_MASTER)
		pci_set_master(vdev->pdev);
	vdev->frozen = false;
}

/* @size: of the memory that it is in */
VISIBLE_IF_KUNIT bool vfio_pci_ser_is_sane(const struct vfio_pci_ser *ser, size_t size)
{
	return (ser->config_size == PCI_CFG_SPACE_SIZE ||
		ser->config_size == PCI_CFG_SPACE_EXP_SIZE) &&
	       struct_size(ser, config, ser->config_size) <= size && !ser->reserved &&
	       !(ser->flags & ~(VFIO_PCI_SER_RESET_WORKS | VFIO_PCI_SER_VIRQ_DISABLED |
				VFIO_PCI_SER_RUNNING));
}

static const struct vfio_pci_ser *vfio_pci_liveupdate_find_ser(u64 phys)
{
	int order = kho_preserved_order(phys);
	const struct vfio_pci_ser *ser;

	if (order < 0 || order > MAX_PAGE_ORDER)
		return NULL;
	ser = phys_to_virt(phys);
	return vfio_pci_ser_is_sane(ser, PAGE_SIZE << order) ? ser : NULL;
}

/* A device that was handed over, with a reference. */
static struct pci_dev *vfio_pci_liveupdate_find_device(const struct vfio_pci_ser *ser)
{
	struct pci_dev *pdev;

	pdev = pci_get_domain_bus_and_slot(ser->domain, PCI_BUS_NUM(ser->bdf),
					   ser->bdf & 0xff);
	if (pdev && pci_liveupdate_incoming(pdev) & PCI_LIVEUPDATE_PRESERVED)
		return pdev;
	pci_dev_put(pdev);
	return NULL;
}

/* The device is locked, so that it keeps its driver. */
static struct vfio_pci_core_device *vfio_pci_liveupdate_bound(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev = pci_get_drvdata(pdev);

	device_lock_assert(&pdev->dev);
	return pdev->dev.driver && vdev && vdev->vdev.ops == vfio_pci_liveupdate_ops ?
		vdev : NULL;
}

static struct file *vfio_pci_liveupdate_open(struct pci_dev *pdev,
					     const struct vfio_pci_ser *ser)
{
	struct vfio_pci_core_device *vdev = vfio_pci_liveupdate_bound(pdev);
	struct vfio_pci_ser *incoming __free(kvfree) = NULL;
	struct file *file;

	if (!vdev) {
		pci_err(pdev, "live update: it has no driver yet\n");
		return ERR_PTR(-EAGAIN);
	}
	if (ser->config_size != pdev->cfg_size) {
		pci_err(pdev, "live update: its configuration space has %d bytes, not %u\n",
			pdev->cfg_size, ser->config_size);
		return ERR_PTR(-EIO);
	}
	incoming = kvmemdup(ser, struct_size(ser, config, ser->config_size), GFP_KERNEL);
	if (!incoming)
		return ERR_PTR(-ENOMEM);
	file = vfio_liveupdate_open(&vdev->vdev);
	if (IS_ERR(file))
		return file;
	guard(mutex)(&vdev->vdev.dev_set->lock);
	/* If it was retrieved before, what is there is what it has become since. */
	if (!vdev->incoming)
		vdev->incoming = no_free_ptr(incoming);
	return file;
}

static int vfio_pci_liveupdate_retrieve(struct liveupdate_file_op_args *args)
{
	const struct vfio_pci_ser *ser = vfio_pci_liveupdate_find_ser(args->serialized_data);
	struct pci_dev *pdev __free(pci_dev_put) = NULL;
	struct file *file;

	if (!ser) {
		pr_err("a device is described by nonsense\n");
		return -EIO;
	}
	pdev = vfio_pci_liveupdate_find_device(ser);
	if (!pdev || !pci_device_is_present(pdev)) {
		pr_err("%04x:%02x:%02x.%d is not there, or not what it was\n", ser->domain,
		       PCI_BUS_NUM(ser->bdf), PCI_SLOT(ser->bdf), PCI_FUNC(ser->bdf));
		return -ENODEV;
	}
	/* Who takes the driver away may be waiting for the file of before. */
	if (!device_trylock(&pdev->dev))
		return -EAGAIN;
	file = vfio_pci_liveupdate_open(pdev, ser);
	device_unlock(&pdev->dev);
	if (IS_ERR(file))
		return PTR_ERR(file);
	args->file = file;
	return 0;
}

static bool vfio_pci_liveupdate_can_finish(struct liveupdate_file_op_args *args)
{
	if (!vfio_liveupdate_is_bound(args->file))
		return true;
	pci_err(vfio_pci_liveupdate_vdev(args->file)->pdev,
		"live update: it has to be bound to an iommufd first\n");
	return false;
}

static void vfio_pci_liveupdate_forget(struct vfio_pci_core_device *vdev)
{
	guard(mutex)(&vdev->vdev.dev_set->lock);
	kvfree(vdev->incoming);
	vdev->incoming = NULL;
}

/* From now on it is an ordinary device; if nobody wants it, as after boot. */
static void vfio_pci_liveupdate_finish(struct liveupdate_file_op_args *args)
{
	const struct vfio_pci_ser *ser = vfio_pci_liveupdate_find_ser(args->serialized_data);
	struct pci_dev *pdev __free(pci_dev_put) = NULL;
	struct vfio_pci_core_device *vdev;

	if (!ser)
		return;
	pdev = vfio_pci_liveupdate_find_device(ser);
	if (args->file) {
		vfio_pci_liveupdate_forget(vfio_pci_liveupdate_vdev(args->file));
	} else if (pdev) {
		guard(device)(&pdev->dev);
		pci_clear_master(pdev);
		vdev = vfio_pci_liveupdate_bound(pdev);
		if (vdev)
			vfio_pci_liveupdate_forget(vdev);
	}
	if (pdev)
		pci_liveupdate_finish(pdev);
	kho_restore_free((void *)ser);
}

/* The owner is the driver's module, which is who registers the handler. */
static struct liveupdate_file_ops vfio_pci_liveupdate_file_ops = {
	.can_preserve = vfio_pci_liveupdate_can_preserve,
	.preserve = vfio_pci_liveupdate_preserve,
	.unpreserve = vfio_pci_liveupdate_unpreserve,
	.freeze = vfio_pci_liveupdate_freeze,
	.unfreeze = vfio_pci_liveupdate_unfreeze,
	.retrieve = vfio_pci_liveupdate_retrieve,
	.can_finish = vfio_pci_liveupdate_can_finish,
	.finish = vfio_pci_liveupdate_finish,
	.get_id = vfio_pci_liveupdate_get_id,
	.renewable = true,
};

static struct liveupdate_flb *const vfio_pci_liveupdate_flbs[] = {
	&pci_liveupdate_flb,
	NULL
};

static struct liveupdate_file_handler vfio_pci_liveupdate_handler = {
	.ops = &vfio_pci_liveupdate_file_ops,
	.compatible = VFIO_PCI_LIVEUPDATE_COMPATIBLE,
	.flbs = vfio_pci_liveupdate_flbs,
};

/* It was to go on with DMA, but its translation was not taken over. */
static bool vfio_pci_liveupdate_was_stopped(struct vfio_pci_core_device *vdev)
{
	return vdev->incoming->flags & VFIO_PCI_SER_RUNNING &&
	       !iommu_device_is_preserved(&vdev->pdev->dev);
}

/**
 * vfio_pci_liveupdate_goes_on - is a device doing DMA that must not be disturbed?
 * @vdev: the device, which is being opened
 *
 * Context: the lock of the device set is held.
 * Return: true if it goes on as in the previous kernel.
 */
bool vfio_pci_liveupdate_goes_on(struct vfio_pci_core_device *vdev)
{
	return vfio_pci_is_incoming(vdev) && vdev->incoming->flags & VFIO_PCI_SER_RUNNING &&
	       vdev->incoming->command & PCI_COMMAND_MASTER &&
	       !vfio_pci_liveupdate_was_stopped(vdev);
}

/**
 * vfio_pci_liveupdate_saved - the state to go back to when it is closed was saved
 * @vdev: the device, which is being opened
 *
 * There is no bus mastering in it, even if it can't be turned off now.
 */
void vfio_pci_liveupdate_saved(struct vfio_pci_core_device *vdev)
{
	if (vfio_pci_liveupdate_goes_on(vdev))
		vdev->pdev->saved_config_space[PCI_COMMAND / 4] &= ~PCI_COMMAND_MASTER;
}

/**
 * vfio_pci_liveupdate_failed - a device could not be opened, and was disabled
 * @vdev: the device
 *
 * If it goes on, it has to until somebody can open it.
 */
void vfio_pci_liveupdate_failed(struct vfio_pci_core_device *vdev)
{
	if (vfio_pci_liveupdate_goes_on(vdev))
		pci_set_master(vdev->pdev);
}

/* It is the user's, apart from this: what this kernel can't have as INTx, it has not. */
VISIBLE_IF_KUNIT void vfio_pci_liveupdate_load_config(u8 *vconfig, const struct vfio_pci_ser *ser)
{
	bool has_intx = vconfig[PCI_INTERRUPT_PIN];

	memcpy(vconfig, ser->config, ser->config_size);
	if (!has_intx)
		vconfig[PCI_INTERRUPT_PIN] = 0;
}

static void vfio_pci_liveupdate_take_over(struct vfio_pci_core_device *vdev)
{
	const struct vfio_pci_ser *ser = vdev->incoming;
	u16 command;

	vfio_pci_liveupdate_load_config(vdev->vconfig, ser);
	vdev->virq_disabled = ser->flags & VFIO_PCI_SER_VIRQ_DISABLED;
	/* As the user has left it; and INTx may be ours to disable, too. */
	pci_read_config_word(vdev->pdev, PCI_COMMAND, &command);
	command &= PCI_COMMAND_INTX_DISABLE;
	command |= ser->command;
	if (vfio_pci_liveupdate_was_stopped(vdev)) {
		pci_warn(vdev->pdev, "live update: its DMA was stopped, bus mastering stays off\n");
		command &= ~PCI_COMMAND_MASTER;
	}
	pci_write_config_word(vdev->pdev, PCI_COMMAND, command);
}

/**
 * vfio_pci_liveupdate_enabled - a device is opened
 * @vdev: the device, enabled, with a configuration space as after a reset
 *
 * Context: the lock of the device set is held.
 */
void vfio_pci_liveupdate_enabled(struct vfio_pci_core_device *vdev)
{
	bool incoming = vfio_pci_is_incoming(vdev);

	if (incoming)
		vfio_pci_liveupdate_take_over(vdev);
	guard(mutex)(&vdev->igate);
	bitmap_zero(vdev->interrupts_owed, PCI_MSIX_FLAGS_QSIZE + 1);
	if (incoming)
		bitmap_fill(vdev->interrupts_owed, PCI_MSIX_FLAGS_QSIZE + 1);
}

/**
 * vfio_pci_liveupdate_armed - a vector of MSI or MSI-X has a user
 * @vdev: the device
 * @vector: which one
 * @trigger: what its user waits for
 *
 * Interrupts could not get through from when they were disabled in the previous
 * kernel until now. So each vector gets one, which is spurious at worst.
 */
void vfio_pci_liveupdate_armed(struct vfio_pci_core_device *vdev, unsigned int vector,
			       struct eventfd_ctx *trigger)
{
	lockdep_assert_held(&vdev->igate);
	if (vector <= PCI_MSIX_FLAGS_QSIZE &&
	    __test_and_clear_bit(vector, vdev->interrupts_owed))
		eventfd_signal(trigger);
}

/**
 * vfio_pci_liveupdate_reset - don't reset a device that was handed over
 * @vdev: the device, which is being opened
 *
 * Return: what pci_try_reset_function() returned when it was opened first.
 */
int vfio_pci_liveupdate_reset(struct vfio_pci_core_device *vdev)
{
	return vdev->incoming->flags & VFIO_PCI_SER_RESET_WORKS ? 0 : -ENOTTY;
}

/**
 * vfio_pci_liveupdate_put_back - a device is closed before it is finished
 * @vdev: the device, which must not be reset
 *
 * Its state is kept for the next one to open it.
 *
 * Context: the lock of the device set is held.
 */
void vfio_pci_liveupdate_put_back(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held(&vdev->vdev.dev_set->lock);
	vfio_pci_liveupdate_save(vdev, vdev->incoming);
}

/**
 * vfio_pci_liveupdate_remove - a device is to be taken away from its driver
 * @vdev: the device
 *
 * That waits until nobody has its file: tell who has it. By then it can't be preserved,
 * and if it is the reboot fails.
 */
void vfio_pci_liveupdate_remove(struct vfio_pci_core_device *vdev)
{
	scoped_guard(mutex, &vdev->igate)
		vdev->leaving = true;
	if (READ_ONCE(vdev->vdev.open_count) &&
	    pci_liveupdate_held(vdev->pdev) & PCI_LIVEUPDATE_PRESERVED)
		pci_warn(vdev->pdev, "live update: it goes away once its session has let go of it\n");
}

/**
 * vfio_pci_core_register_liveupdate - let the devices of a driver be carried
 * @ops: of the driver, vfio-pci itself
 * @owner: its module, which stays while there are files
 */
void vfio_pci_core_register_liveupdate(const struct vfio_device_ops *ops,
				       struct module *owner)
{
	int ret;

	if (!liveupdate_enabled())
		return;
	vfio_pci_liveupdate_ops = ops;
	vfio_pci_liveupdate_file_ops.owner = owner;
	ret = liveupdate_register_file_handler(&vfio_pci_liveupdate_handler);
	if (ret) {
		vfio_pci_liveupdate_ops = NULL;
		pr_err("devices can't be preserved: %d\n", ret);
	}
}
EXPORT_SYMBOL_GPL(vfio_pci_core_register_liveupdate);

/**
 * vfio_pci_core_unregister_liveupdate - undo vfio_pci_core_register_liveupdate()
 */
void vfio_pci_core_unregister_liveupdate(void)
{
	if (!vfio_pci_liveupdate_ops)
		return;
	liveupdate_unregister_file_handler(&vfio_pci_liveupdate_handler);
	vfio_pci_liveupdate_ops = NULL;
}
EXPORT_SYMBOL_GPL(vfio_pci_core_unregister_liveupdate);
