/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FAKESF_H
#define FAKESF_H

#include <linux/auxiliary_bus.h>
#include <linux/etherdevice.h>
#include <linux/idr.h>
#include <net/devlink.h>

struct fakesf {
	struct device *dev;
	struct list_head ports;
	struct ida ids;
};

/* A function that is active: the auxiliary device, and its network device while a driver is bound. */
struct function {
	struct auxiliary_device adev;
	struct devlink *devlink;
	struct net_device *netdev;
	struct net_device *representor;
	u8 mac[ETH_ALEN];
	u32 sfnum;
};

struct port {
	struct devlink_port devlink_port;
	struct list_head node;
	struct fakesf *fakesf;
	struct function *function; /* NULL while inactive */
	struct net_device *representor;
	u8 mac[ETH_ALEN];
	u32 sfnum;
};

/* end.c */
struct net_device *make_end(struct device *dev, const u8 *mac, struct devlink_port *port);
void remove_end(struct net_device *netdev);
void connect_ends(struct net_device *one, struct net_device *two, bool together);

/* function.c */
extern struct auxiliary_driver function_driver;
int activate(struct port *port);
void deactivate(struct port *port);

/* port.c */
extern const struct devlink_ops main_devlink_ops;
void remove_port(struct port *port);

#endif
