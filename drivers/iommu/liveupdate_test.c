// SPDX-License-Identifier: GPL-2.0
/*
 * For tests only: QEMU's device for education, attached to a domain that is handed
 * over, without VFIO and iommufd. /dev/iommu_liveupdate_test has one ioctl; its
 * argument says what is to be done, see &enum iommu_test_command. The device's
 * timer for DMA is started in the last moment before a kexec.
 */
#define pr_fmt(fmt) "iommu test: " fmt

#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/iopoll.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <linux/syscore_ops.h>

#include "iommu-priv.h"

MODULE_IMPORT_NS(IOMMUFD_INTERNAL);

#define EDU_VENDOR		0x1234
#define EDU_DEVICE		0x11e8
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_TARGET		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_RUN		1
#define EDU_DMA_TO_MEMORY	2
#define EDU_BUFFER		0x40000

#define TEST_COMMAND		_IO('L', 0x20)
#define TEST_ORDER		1
#define TEST_FROM		0x1000000UL
#define TEST_TO			(TEST_FROM + PAGE_SIZE)
/* mapped later */
#define TEST_MORE		(TEST_FROM + 0x40000000UL)
#define TEST_LENGTH		1024
/* If it takes longer it does not come. */
#define TEST_TIMEOUT_US		(20 * USEC_PER_SEC)

enum iommu_test_command {
	TEST_START = 1,		/* find the device, attach it to a domain with a buffer */
	TEST_DMA,		/* there and back */
	TEST_ARRIVED,		/* was what was started before the kexec done? */
	TEST_IS_PRESERVED,
	TEST_CLAIM,		/* the ownership of the group */
	TEST_RESTORE,		/* the domain */
	TEST_FREE,		/* the domain */
	TEST_ATTACH,		/* the device to the domain */
	TEST_OTHER,		/* attach the device to another one, and back again */
	TEST_MAP,		/* some more, and unmap it */
	TEST_MASTER,		/* is bus mastering on? */
	TEST_SET_MASTER,
	TEST_END,		/* give all back */
};

/* In preserved memory. */
struct iommu_test_ser {
	u64 domain;
	u64 memory;
};

/* There is one device. */
static struct iommu_test {
	/* protects all of it */
	struct mutex lock;
	struct pci_dev *pdev;
	void __iomem *base;
	struct iommu_domain *domain;
	/* pages: what DMA reads, and what it writes */
	void *memory;
	struct iommu_test_ser *ser;
	u64 id;
	u8 seed;
	bool claimed;
	bool preserved;
	bool incoming;
} iommu_test = {
	.lock = __MUTEX_INITIALIZER(iommu_test.lock),
};

static void start_dma(struct iommu_test *test, u64 source, u64 target, u64 command)
{
	writeq(source, test->base + EDU_DMA_SOURCE);
	writeq(target, test->base + EDU_DMA_TARGET);
	writeq(TEST_LENGTH, test->base + EDU_DMA_COUNT);
	writeq(EDU_DMA_RUN | command, test->base + EDU_DMA_COMMAND);
}

static int wait_for_dma(struct iommu_test *test)
{
	u64 command;

	return readq_poll_timeout(test->base + EDU_DMA_COMMAND, command,
				  !(command & EDU_DMA_RUN), 1000, TEST_TIMEOUT_US);
}

/* Has it come to where DMA is to write, all of it? */
static bool arrived(struct iommu_test *test)
{
	u8 *to = test->memory + PAGE_SIZE;

	return !memchr_inv(to, test->seed, TEST_LENGTH) &&
	       !memchr_inv(to + TEST_LENGTH, 0, PAGE_SIZE - TEST_LENGTH);
}

static int fetch(struct iommu_test *test)
{
	memset(test->memory, ++test->seed ?: ++test->seed, TEST_LENGTH);
	memset(test->memory + PAGE_SIZE, 0, PAGE_SIZE);
	start_dma(test, TEST_FROM, EDU_BUFFER, 0);
	return wait_for_dma(test);
}

static int there_and_back(struct iommu_test *test, u64 to)
{
	int ret;

	ret = fetch(test);
	if (ret)
		return ret;
	start_dma(test, EDU_BUFFER, to, EDU_DMA_TO_MEMORY);
	ret = wait_for_dma(test);
	if (ret)
		return ret;
	return arrived(test) ? 0 : -EIO;
}

static int find_device(struct iommu_test *test)
{
	struct pci_dev *pdev;
	int ret;

	pdev = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	if (!pdev)
		return -ENODEV;
	ret = pci_enable_device(pdev);
	if (!ret) {
		test->base = pci_iomap(pdev, 0, 0);
		ret = test->base ? 0 : -ENOMEM;
	}
	if (ret) {
		pci_dev_put(pdev);
		return ret;
	}
	test->pdev = pdev;
	return 0;
}

/* All of its group: there may be a bridge. */
static int attach(struct iommu_test *test)
{
	return iommu_attach_group(test->domain, test->pdev->dev.iommu_group);
}

static int start(struct iommu_test *test)
{
	int ret;

	if (test->pdev)
		return -EBUSY;
	ret = find_device(test);
	if (ret)
		return ret;
	test->memory = kho_alloc_preserve(PAGE_SIZE << TEST_ORDER);
	if (IS_ERR(test->memory))
		return PTR_ERR(test->memory);
	test->domain = iommu_paging_domain_alloc(&test->pdev->dev);
	if (IS_ERR(test->domain))
		return PTR_ERR(test->domain);
	ret = iommu_map(test->domain, TEST_FROM, virt_to_phys(test->memory),
			PAGE_SIZE << TEST_ORDER, IOMMU_READ | IOMMU_WRITE, GFP_KERNEL);
	if (!ret)
		ret = attach(test);
	if (!ret)
		pci_set_master(test->pdev);
	return ret;
}

static int attach_other(struct iommu_test *test)
{
	struct iommu_group *group = test->pdev->dev.iommu_group;
	struct iommu_domain *other = iommu_paging_domain_alloc(&test->pdev->dev);
	int ret = PTR_ERR_OR_ZERO(other);

	if (!ret) {
		ret = iommu_group_replace_domain(group, other);
		/* Nothing is mapped in it. */
		if (!ret && !there_and_back(test, TEST_TO))
			ret = -EBADE;
		if (ret != -EBUSY && iommu_group_replace_domain(group, test->domain))
			ret = -EBADF;
		iommu_domain_free(other);
	}
	return ret;
}

static int map_more(struct iommu_test *test)
{
	phys_addr_t phys = virt_to_phys(test->memory + PAGE_SIZE);
	int ret;

	if (iommu_iova_to_phys(test->domain, TEST_TO) != phys)
		return -EBADE;
	/* Where edu can't get to, but tables are needed. */
	ret = iommu_map(test->domain, TEST_MORE, phys, PAGE_SIZE, IOMMU_WRITE, GFP_KERNEL);
	if (!ret && iommu_unmap(test->domain, TEST_MORE, PAGE_SIZE) != PAGE_SIZE)
		ret = -EBADF;
	/* It is the device that sees it. */
	if (!ret && iommu_unmap(test->domain, TEST_TO, PAGE_SIZE) != PAGE_SIZE)
		ret = -EBADF;
	if (!ret && !there_and_back(test, TEST_TO))
		ret = -EBADR;
	if (!ret)
		ret = iommu_map(test->domain, TEST_TO, phys, PAGE_SIZE, IOMMU_READ | IOMMU_WRITE,
				GFP_KERNEL);
	return ret ?: there_and_back(test, TEST_TO);
}

static int restore(struct iommu_test *test)
{
	struct iommu_domain *domain = iommu_domain_restore(test->id, &test->pdev->dev);

	if (IS_ERR(domain))
		return PTR_ERR(domain);
	test->domain = domain;
	return 0;
}

static int end(struct iommu_test *test)
{
	if (test->preserved || test->incoming)
		return -EBUSY;
	pci_clear_master(test->pdev);
	if (test->claimed)
		iommu_device_release_dma_owner(&test->pdev->dev);
	else if (test->domain)
		iommu_detach_group(test->domain, test->pdev->dev.iommu_group);
	test->claimed = false;
	if (test->domain)
		iommu_domain_free(test->domain);
	test->domain = NULL;
	kho_unpreserve_free(test->memory);
	test->memory = NULL;
	pci_iounmap(test->pdev, test->base);
	pci_dev_put(test->pdev);
	test->pdev = NULL;
	return 0;
}

static int is_master(struct iommu_test *test)
{
	u16 command;

	pci_read_config_word(test->pdev, PCI_COMMAND, &command);
	return !!(command & PCI_COMMAND_MASTER);
}

static long iommu_test_do(struct iommu_test *test, unsigned long command)
{
	int ret = 0;

	if (command == TEST_START)
		return start(test);
	if (!test->pdev)
		return -ENODEV;
	switch (command) {
	case TEST_DMA:
		return there_and_back(test, TEST_TO);
	case TEST_ARRIVED:
		return wait_for_dma(test) ?: arrived(test) ? 0 : -EIO;
	case TEST_IS_PRESERVED:
		return iommu_device_is_preserved(&test->pdev->dev);
	case TEST_CLAIM:
		ret = iommu_device_claim_dma_owner(&test->pdev->dev, test);
		test->claimed = !ret;
		return ret;
	case TEST_RESTORE:
		return restore(test);
	case TEST_FREE:
		iommu_domain_free(test->domain);
		test->domain = NULL;
		return 0;
	case TEST_ATTACH:
		return attach(test);
	case TEST_OTHER:
		return attach_other(test);
	case TEST_MAP:
		return map_more(test);
	case TEST_MASTER:
		return is_master(test);
	case TEST_SET_MASTER:
		pci_set_master(test->pdev);
		return 0;
	case TEST_END:
		return end(test);
	default:
		return -EINVAL;
	}
}

static long iommu_test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd != TEST_COMMAND)
		return -ENOTTY;
	guard(mutex)(&iommu_test.lock);
	return iommu_test_do(&iommu_test, arg);
}

static const struct file_operations iommu_test_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = iommu_test_ioctl,
};

static bool iommu_test_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	return file->f_op == &iommu_test_fops;
}

static int preserve_domain(struct iommu_test *test)
{
	struct device *dev = &test->pdev->dev;
	int ret;

	ret = iommu_domain_preserve(test->domain, &test->id);
	if (ret)
		return ret;
	ret = iommu_device_preserve(dev, test->domain);
	if (ret)
		iommu_domain_unpreserve(test->domain);
	return ret;
}

static int iommu_test_preserve(struct liveupdate_file_op_args *args)
{
	struct iommu_test *test = &iommu_test;
	int ret;

	guard(mutex)(&test->lock);
	if (!test->pdev || !test->domain || test->preserved)
		return -EINVAL;
	test->ser = kho_alloc_preserve(sizeof(*test->ser));
	if (IS_ERR(test->ser))
		return PTR_ERR(test->ser);
	ret = pci_liveupdate_preserve(test->pdev);
	if (!ret) {
		ret = preserve_domain(test);
		if (ret)
			pci_liveupdate_unpreserve(test->pdev);
	}
	if (ret) {
		kho_unpreserve_free(test->ser);
		return ret;
	}
	test->ser->domain = test->id;
	test->ser->memory = virt_to_phys(test->memory);
	args->serialized_data = virt_to_phys(test->ser);
	test->preserved = true;
	return 0;
}

static void iommu_test_unpreserve(struct liveupdate_file_op_args *args)
{
	struct iommu_test *test = &iommu_test;

	guard(mutex)(&test->lock);
	iommu_device_unpreserve(&test->pdev->dev);
	iommu_domain_unpreserve(test->domain);
	pci_liveupdate_unpreserve(test->pdev);
	kho_unpreserve_free(test->ser);
	test->preserved = false;
}

static int iommu_test_retrieve(struct liveupdate_file_op_args *args)
{
	struct iommu_test *test = &iommu_test;
	struct iommu_test_ser *ser;
	struct file *file;
	int ret;

	guard(mutex)(&test->lock);
	if (!kho_was_preserved(args->serialized_data, 1) || test->pdev)
		return -EINVAL;
	ser = phys_to_virt(args->serialized_data);
	ret = find_device(test);
	if (ret)
		return ret;
	file = anon_inode_getfile("[iommu_test]", &iommu_test_fops, NULL, O_RDWR | O_CLOEXEC);
	if (IS_ERR(file))
		return PTR_ERR(file);
	test->id = ser->domain;
	if (!kho_restore_folio(ser->memory)) {
		fput(file);
		return -EINVAL;
	}
	test->memory = phys_to_virt(ser->memory);
	test->seed = *(u8 *)test->memory;
	test->incoming = true;
	args->file = file;
	return 0;
}

static void iommu_test_finish(struct liveupdate_file_op_args *args)
{
	struct iommu_test *test = &iommu_test;
	struct iommu_test_ser *ser = phys_to_virt(args->serialized_data);
	struct pci_dev *pdev __free(pci_dev_put) = NULL;

	guard(mutex)(&test->lock);
	if (!kho_was_preserved(args->serialized_data, 1))
		return;
	iommu_domain_finish(ser->domain);
	pdev = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	if (pdev)
		pci_liveupdate_finish(pdev);
	test->incoming = false;
	kho_restore_free(ser);
	if (test->memory)
		WARN_ON(kho_preserve_folio(virt_to_folio(test->memory)));
}

static unsigned long iommu_test_get_id(struct file *file)
{
	return (unsigned long)&iommu_test;
}

static const struct liveupdate_file_ops iommu_test_file_ops = {
	.owner = THIS_MODULE,
	.can_preserve = iommu_test_can_preserve,
	.preserve = iommu_test_preserve,
	.unpreserve = iommu_test_unpreserve,
	.retrieve = iommu_test_retrieve,
	.finish = iommu_test_finish,
	.get_id = iommu_test_get_id,
};

static struct liveupdate_flb *const iommu_test_flbs[] = {
	&pci_liveupdate_flb,
	&iommu_liveupdate_flb,
	NULL
};

static struct liveupdate_file_handler iommu_test_handler = {
	.ops = &iommu_test_file_ops,
	.compatible = "iommu-test-v1",
	.flbs = iommu_test_flbs,
};

/* All devices are shut down, and IOMMUs are not. What is fetched stays in the device. */
static void iommu_test_shutdown(void *data)
{
	struct iommu_test *test = data;

	if (!kexec_in_progress || !test->preserved)
		return;
	pci_set_master(test->pdev);
	start_dma(test, EDU_BUFFER, TEST_TO, EDU_DMA_TO_MEMORY);
}

static const struct syscore_ops iommu_test_syscore_ops = {
	.shutdown = iommu_test_shutdown,
};

static struct syscore iommu_test_syscore = {
	.ops = &iommu_test_syscore_ops,
	.data = &iommu_test,
};

static int iommu_test_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	struct iommu_test *test = &iommu_test;

	/* What is to be written after the jump. */
	guard(mutex)(&test->lock);
	if (test->preserved && fetch(test))
		pr_err("it does not read\n");
	return NOTIFY_OK;
}

static struct notifier_block iommu_test_notifier = {
	.notifier_call = iommu_test_reboot,
};

static struct miscdevice iommu_test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "iommu_liveupdate_test",
	.fops = &iommu_test_fops,
	.mode = 0600,
};

static int __init iommu_test_init(void)
{
	int ret;

	if (!liveupdate_enabled())
		return 0;
	ret = misc_register(&iommu_test_device);
	if (ret)
		return ret;
	ret = liveupdate_register_file_handler(&iommu_test_handler);
	if (ret) {
		misc_deregister(&iommu_test_device);
		return ret;
	}
	register_reboot_notifier(&iommu_test_notifier);
	register_syscore(&iommu_test_syscore);
	return 0;
}
device_initcall(iommu_test_init);
