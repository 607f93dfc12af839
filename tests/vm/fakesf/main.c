// SPDX-License-Identifier: GPL-2.0-only
/*
 * fakesf: subfunctions without hardware, for tests.
 *
 * It gives a PCI function what mlx5_core gives one that can have subfunctions, as far as sysfs, devlink and rtnetlink show it:
 *
 *   modprobe or insmod fakesf parent=0000:01:00.0
 *   devlink port add pci/0000:01:00.0 flavour pcisf pfnum 0 sfnum 88
 *   devlink port function set pci/0000:01:00.0/32856 hw_addr 02:00:00:00:00:58 state active
 *
 * Adding a port makes its representor (phys_port_name pf0sf88). Activating its function makes the auxiliary device
 * mlx5_core.sf.<n> with the attribute sfnum, and a driver bound to it makes the function's own network device. What one of
 * the two sends the other receives.
 */
#include <linux/auxiliary_bus.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <net/devlink.h>

#include "fakesf.h"

static char *parent;
module_param(parent, charp, 0444);
MODULE_PARM_DESC(parent, "PCI address of the function that has the subfunctions");

static struct pci_dev *pci_parent;
static struct devlink *main_devlink;

static int __init fakesf_init(void)
{
	unsigned int domain, bus, slot, function;
	struct fakesf *fakesf;
	int err;

	if (!parent || sscanf(parent, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	pci_parent = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	if (!pci_parent)
		return -ENODEV;
	err = auxiliary_driver_register(&function_driver);
	if (err)
		goto put_parent;
	main_devlink = devlink_alloc(&main_devlink_ops, sizeof(*fakesf), &pci_parent->dev);
	if (!main_devlink) {
		err = -ENOMEM;
		goto unregister_driver;
	}
	fakesf = devlink_priv(main_devlink);
	fakesf->dev = &pci_parent->dev;
	INIT_LIST_HEAD(&fakesf->ports);
	ida_init(&fakesf->ids);
	devlink_register(main_devlink);
	return 0;

unregister_driver:
	auxiliary_driver_unregister(&function_driver);
put_parent:
	pci_dev_put(pci_parent);
	return err;
}

static void __exit fakesf_exit(void)
{
	struct fakesf *fakesf = devlink_priv(main_devlink);
	struct port *port, *next;

	devlink_unregister(main_devlink);
	devl_lock(main_devlink);
	list_for_each_entry_safe(port, next, &fakesf->ports, node)
		remove_port(port);
	devl_unlock(main_devlink);
	devlink_free(main_devlink);
	auxiliary_driver_unregister(&function_driver);
	pci_dev_put(pci_parent);
}

module_init(fakesf_init);
module_exit(fakesf_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Subfunctions without hardware, for tests");
