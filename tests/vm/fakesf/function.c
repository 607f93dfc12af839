// SPDX-License-Identifier: GPL-2.0-only
/* Active functions: the auxiliary device, and the driver that makes it usable. */
#include <linux/auxiliary_bus.h>
#include <linux/etherdevice.h>
#include <linux/idr.h>
#include <linux/netdevice.h>
#include <net/devlink.h>

#include "fakesf.h"

#define FIRST_ID 2 /* mlx5 numbers its auxiliary devices from here on */

static struct function *to_function(struct device *dev)
{
	return container_of(to_auxiliary_dev(dev), struct function, adev);
}

static const struct devlink_ops function_devlink_ops = {};

static int function_probe(struct auxiliary_device *adev, const struct auxiliary_device_id *id)
{
	struct function *function = container_of(adev, struct function, adev);
	struct net_device *netdev;

	function->devlink = devlink_alloc(&function_devlink_ops, 0, &adev->dev);
	if (!function->devlink)
		return -ENOMEM;
	netdev = make_end(&adev->dev, function->mac, NULL);
	if (IS_ERR(netdev)) {
		devlink_free(function->devlink);
		return PTR_ERR(netdev);
	}
	function->netdev = netdev;
	connect_ends(netdev, function->representor, true);
	devlink_register(function->devlink);
	return 0;
}

static void function_remove(struct auxiliary_device *adev)
{
	struct function *function = container_of(adev, struct function, adev);

	devlink_unregister(function->devlink);
	connect_ends(function->netdev, function->representor, false);
	remove_end(function->netdev);
	function->netdev = NULL;
	devlink_free(function->devlink);
}

/* The name that mlx5_core gives its own: only so do others find subfunctions where they look for them. */
static const struct auxiliary_device_id function_ids[] = {
	{ .name = "mlx5_core.sf" },
	{},
};

struct auxiliary_driver function_driver = {
	.name = "sf",
	.probe = function_probe,
	.remove = function_remove,
	.id_table = function_ids,
};

static ssize_t sfnum_show(struct device *dev, struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%u\n", to_function(dev)->sfnum);
}
static DEVICE_ATTR_RO(sfnum);

static struct attribute *function_attrs[] = { &dev_attr_sfnum.attr, NULL };
ATTRIBUTE_GROUPS(function);

static void function_release(struct device *dev)
{
	kfree(to_function(dev));
}

int activate(struct port *port)
{
	struct fakesf *fakesf = port->fakesf;
	struct function *function;
	int id, err;

	id = ida_alloc_min(&fakesf->ids, FIRST_ID, GFP_KERNEL);
	if (id < 0)
		return id;
	function = kzalloc(sizeof(*function), GFP_KERNEL);
	if (!function) {
		ida_free(&fakesf->ids, id);
		return -ENOMEM;
	}
	function->sfnum = port->sfnum;
	function->representor = port->representor;
	ether_addr_copy(function->mac, port->mac);
	function->adev.id = id;
	function->adev.name = "sf";
	function->adev.dev.parent = fakesf->dev;
	function->adev.dev.groups = function_groups;
	function->adev.dev.release = function_release;
	err = auxiliary_device_init(&function->adev);
	if (err) {
		kfree(function);
		ida_free(&fakesf->ids, id);
		return err;
	}
	err = __auxiliary_device_add(&function->adev, "mlx5_core");
	if (err) {
		auxiliary_device_uninit(&function->adev); /* frees it */
		ida_free(&fakesf->ids, id);
		return err;
	}
	port->function = function;
	return 0;
}

void deactivate(struct port *port)
{
	int id = port->function->adev.id;

	auxiliary_device_delete(&port->function->adev);
	auxiliary_device_uninit(&port->function->adev);
	port->function = NULL;
	ida_free(&port->fakesf->ids, id);
}
