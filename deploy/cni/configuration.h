/* Whether the runtime's CNI configuration changes while a call waits, or changed a moment before.
 *
 * containerd and CRI-O hold a lock while plugins are at work. A change of the configuration waits for it, and from then on each
 * other Pod waits for the change. A plugin that waits for minutes therefore has to end when a file there changes. It is the last
 * of its chain, so the change may have come before it was started, while the plugins before it were at work.
 *
 * A plugin is not told where the runtime reads. Looked at are the directories of
 *   containerd and CRI-O by default, RKE2, GKE   /etc/cni/net.d
 *   OpenShift                                    /etc/kubernetes/cni/net.d
 *   k3s                                          /var/lib/rancher/k3s/agent/etc/cni/net.d
 *   MicroK8s                                     /var/snap/microk8s/current/args/cni-network
 * In any other, a change waits for the Pods that wait.
 */
#ifndef SECNET_CONFIGURATION_H
#define SECNET_CONFIGURATION_H

#include <stdint.h>

/* mark: a number that differs after a file in one of these directories was made, written, renamed or removed.
 * changed: when that happened last, in seconds since 1970; 0 without such a directory. */
struct configuration { uint64_t mark; int64_t changed; };

struct configuration configuration_look(void);

#endif
