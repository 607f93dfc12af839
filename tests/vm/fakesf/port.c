// SPDX-License-Identifier: GPL-2.0-only
/* Ports of devlink: what an administrator sees of a function. */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <net/devlink.h>

#include "fakesf.h"

#define FIRST_PORT 32768 /* mlx5 numbers the ports of subfunctions from here on */

static struct port *to_port(struct devlink_port *devlink_port)
{
	return container_of(devlink_port, struct port, devlink_port);
}

void remove_port(struct port *port)
{
	if (port->function)
		deactivate(port);
	remove_end(port->representor);
	devl_port_unregister(&port->devlink_port);
	list_del(&port->node);
	kfree(port);
}

static int port_del(struct devlink *devlink, struct devlink_port *devlink_port, struct netlink_ext_ack *ack)
{
	remove_port(to_port(devlink_port));
	return 0;
}

static int mac_get(struct devlink_port *devlink_port, u8 *address, int *length, struct netlink_ext_ack *ack)
{
	ether_addr_copy(address, to_port(devlink_port)->mac);
	*length = ETH_ALEN;
	return 0;
}

static int mac_set(struct devlink_port *devlink_port, const u8 *address, int length, struct netlink_ext_ack *ack)
{
	if (length != ETH_ALEN)
		return -EINVAL;
	ether_addr_copy(to_port(devlink_port)->mac, address);
	return 0;
}

static int state_get(struct devlink_port *devlink_port, enum devlink_port_fn_state *state,
		     enum devlink_port_fn_opstate *opstate, struct netlink_ext_ack *ack)
{
	struct function *function = to_port(devlink_port)->function;
	bool attached = function && function->netdev;

	*state = function ? DEVLINK_PORT_FN_STATE_ACTIVE : DEVLINK_PORT_FN_STATE_INACTIVE;
	*opstate = attached ? DEVLINK_PORT_FN_OPSTATE_ATTACHED : DEVLINK_PORT_FN_OPSTATE_DETACHED;
	return 0;
}

static int state_set(struct devlink_port *devlink_port, enum devlink_port_fn_state state, struct netlink_ext_ack *ack)
{
	struct port *port = to_port(devlink_port);

	if (state == DEVLINK_PORT_FN_STATE_ACTIVE)
		return port->function ? 0 : activate(port);
	if (port->function)
		deactivate(port);
	return 0;
}

static const struct devlink_port_ops port_ops = {
	.port_del = port_del,
	.port_fn_hw_addr_get = mac_get,
	.port_fn_hw_addr_set = mac_set,
	.port_fn_state_get = state_get,
	.port_fn_state_set = state_set,
};

static int port_new(struct devlink *devlink, const struct devlink_port_new_attrs *attrs, struct netlink_ext_ack *ack,
		    struct devlink_port **made)
{
	static const u8 switch_id[] = { 0x02, 0x5e, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x01 };
	struct fakesf *fakesf = devlink_priv(devlink);
	struct port *port;
	int err;

	if (attrs->flavour != DEVLINK_PORT_FLAVOUR_PCI_SF || !attrs->sfnum_valid) {
		NL_SET_ERR_MSG(ack, "Only ports of the flavour pcisf can be added, with an sfnum");
		return -EOPNOTSUPP;
	}
	list_for_each_entry(port, &fakesf->ports, node) {
		if (port->sfnum == attrs->sfnum) {
			NL_SET_ERR_MSG(ack, "There is a subfunction of this number");
			return -EEXIST;
		}
	}
	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port)
		return -ENOMEM;
	port->fakesf = fakesf;
	port->sfnum = attrs->sfnum;
	memcpy(port->devlink_port.attrs.switch_id.id, switch_id, sizeof(switch_id));
	port->devlink_port.attrs.switch_id.id_len = sizeof(switch_id);
	devlink_port_attrs_pci_sf_set(&port->devlink_port, 0, attrs->pfnum, attrs->sfnum, false);
	err = devl_port_register_with_ops(devlink, &port->devlink_port, FIRST_PORT + attrs->sfnum, &port_ops);
	if (err) {
		kfree(port);
		return err;
	}
	port->representor = make_end(fakesf->dev, NULL, &port->devlink_port);
	if (IS_ERR(port->representor)) {
		err = PTR_ERR(port->representor);
		devl_port_unregister(&port->devlink_port);
		kfree(port);
		return err;
	}
	list_add(&port->node, &fakesf->ports);
	*made = &port->devlink_port;
	return 0;
}

static int mode_get(struct devlink *devlink, u16 *mode)
{
	*mode = DEVLINK_ESWITCH_MODE_SWITCHDEV;
	return 0;
}

const struct devlink_ops main_devlink_ops = {
	.port_new = port_new,
	.eswitch_mode_get = mode_get,
};
