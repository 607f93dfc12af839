#!/bin/bash
# The first process of a node: gives it the file systems of a machine of its own, then keeps its daemons running.
#   node_init.sh NAME FOLDER KUBE KUBELET_ARGUMENT...
# FOLDER/disk is what outlives a power cut; FOLDER/etc has the configuration; FOLDER/hold-DAEMON keeps a daemon from being started.
set -eu
name=$1 folder=$2 kube=$3
shift 3

hostname "$name"
mount --make-rprivate /
# /sys of this network namespace, with the machine's cgroups in it.
mkdir -p "$folder/cgroups"
mount --rbind /sys/fs/cgroup "$folder/cgroups"
umount -l /sys
mount -t sysfs sysfs /sys
mount --rbind "$folder/cgroups" /sys/fs/cgroup
umount -l "$folder/cgroups"
mount -t proc proc /proc
mount --bind "$folder/etc/resolv.conf" /etc/resolv.conf
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/containerd /run/openvswitch /run/lock
while read -r disk place; do
  mkdir -p "$folder/disk/$disk" "$place"
  mount --bind "$folder/disk/$disk" "$place"
done <<PLACES
kubelet /var/lib/kubelet
containerd /var/lib/containerd
secnet /var/lib/secnet
cni /var/lib/cni
etc-cni /etc/cni
opt-cni /opt/cni
ovs /var/lib/openvswitch
etc-kubernetes /etc/kubernetes
log /var/log
PLACES
mkdir -p /etc/cni/net.d /opt/cni/bin /etc/kubernetes/manifests /var/log/pods
mount --make-rshared /

for plugin in bridge host-local loopback portmap ptp tuning; do cp -u "/usr/lib/cni/$plugin" /opt/cni/bin/; done
[ -e "$folder/disk/installed" ] || cp "$folder/etc/10-bridge.conflist" /etc/cni/net.d/
touch "$folder/disk/installed"

keep() { # DAEMON COMMAND...
  local daemon=$1
  shift
  while :; do
    [ -e "$folder/hold-$daemon" ] || "$@" >> "$folder/log/$daemon.log" 2>&1 || true
    sleep 0.5
  done
}

# The database outlives a reboot, as on a real node. The datapath is the userspace one, which needs no kernel module.
export OVS_RUNDIR=/run/openvswitch OVS_LOGDIR=/var/log OVS_DBDIR=/var/lib/openvswitch
[ -e "$OVS_DBDIR/conf.db" ] || ovsdb-tool create "$OVS_DBDIR/conf.db" /usr/share/openvswitch/vswitch.ovsschema
keep ovsdb-server ovsdb-server "$OVS_DBDIR/conf.db" --remote=punix:/run/openvswitch/db.sock \
  --unixctl=/run/openvswitch/ovsdb-server.ctl --pidfile=/run/openvswitch/ovsdb-server.pid &
until ovs-vsctl --timeout=1 --no-wait init 2> /dev/null; do sleep 0.1; done
keep ovs-vswitchd ovs-vswitchd unix:/run/openvswitch/db.sock --unixctl=/run/openvswitch/ovs-vswitchd.ctl \
  --pidfile=/run/openvswitch/ovs-vswitchd.pid --disable-system &
keep containerd containerd --config "$folder/etc/containerd.toml" &

until ctr version > /dev/null 2>&1; do sleep 0.1; done
for image in "$folder"/images/*.tar; do
  [ -e "$folder/disk/loaded-${image##*/}" ] || ctr -n k8s.io images import "$image" >> "$folder/log/images.log" 2>&1
  touch "$folder/disk/loaded-${image##*/}"
done
keep kubelet "$kube" kubelet "$@" &

# A first process takes in the exit status of whatever is orphaned.
while :; do wait -n || sleep 0.2; done
