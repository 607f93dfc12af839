// SPDX-License-Identifier: GPL-2.0-only
/* Network devices: two ends of a cable. */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "fakesf.h"

struct end {
	struct net_device __rcu *other;
};

/* Both have a carrier while both are up. The caller holds the rtnl lock. */
static void update_carrier(struct net_device *dev)
{
	struct end *end = netdev_priv(dev);
	struct net_device *other = rtnl_dereference(end->other);

	if (other && netif_running(dev) && netif_running(other)) {
		netif_carrier_on(dev);
		netif_carrier_on(other);
		return;
	}
	netif_carrier_off(dev);
	if (other)
		netif_carrier_off(other);
}

static int end_open(struct net_device *dev)
{
	netif_start_queue(dev);
	update_carrier(dev);
	return 0;
}

static int end_stop(struct net_device *dev)
{
	struct end *end = netdev_priv(dev);
	struct net_device *other = rtnl_dereference(end->other);

	netif_stop_queue(dev);
	netif_carrier_off(dev);
	if (other)
		netif_carrier_off(other);
	return 0;
}

static netdev_tx_t end_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct end *end = netdev_priv(dev);
	unsigned int length = skb->len;
	struct net_device *other;

	rcu_read_lock();
	other = rcu_dereference(end->other);
	if (!other) {
		kfree_skb(skb);
		DEV_STATS_INC(dev, tx_dropped);
	} else if (dev_forward_skb(other, skb) == NET_RX_SUCCESS) {
		dev_sw_netstats_tx_add(dev, 1, length);
		dev_sw_netstats_rx_add(other, length);
	} else {
		DEV_STATS_INC(dev, tx_dropped);
	}
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

static const struct net_device_ops end_ops = {
	.ndo_open = end_open,
	.ndo_stop = end_stop,
	.ndo_start_xmit = end_xmit,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

struct net_device *make_end(struct device *dev, const u8 *mac, struct devlink_port *port)
{
	struct net_device *netdev = alloc_etherdev(sizeof(struct end));
	int err;

	if (!netdev)
		return ERR_PTR(-ENOMEM);
	netdev->netdev_ops = &end_ops;
	netdev->max_mtu = ETH_MAX_MTU - ETH_HLEN;
	netdev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	SET_NETDEV_DEV(netdev, dev);
	if (port)
		SET_NETDEV_DEVLINK_PORT(netdev, port);
	if (mac && is_valid_ether_addr(mac))
		eth_hw_addr_set(netdev, mac);
	else
		eth_hw_addr_random(netdev);
	netif_carrier_off(netdev);
	err = register_netdev(netdev);
	if (err) {
		free_netdev(netdev);
		return ERR_PTR(err);
	}
	return netdev;
}

void remove_end(struct net_device *netdev)
{
	unregister_netdev(netdev);
	free_netdev(netdev);
}

void connect_ends(struct net_device *one, struct net_device *two, bool together)
{
	struct end *first = netdev_priv(one), *second = netdev_priv(two);

	rtnl_lock();
	rcu_assign_pointer(first->other, together ? two : NULL);
	rcu_assign_pointer(second->other, together ? one : NULL);
	update_carrier(one);
	update_carrier(two);
	rtnl_unlock();
	synchronize_net(); /* nothing still sends into what the caller may free */
}
