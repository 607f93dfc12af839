/* What the Pod of a call asks for, as far as the runtime says it.
 *
 * containerd since 1.5 and CRI-O since 1.29 hand the Pod's annotations to a plugin whose entry declares the capability
 * `io.kubernetes.cri.pod-annotations`, as an object of strings in `runtimeConfig`.
 */
#ifndef SECNET_ANNOTATIONS_H
#define SECNET_ANNOTATIONS_H

#include "json.h"

/* UNKNOWN: the runtime hands no annotations. NOTHING: the Pod has no networks annotation, or a blank one, as the agent reads it
 * (agent/model/pod.py). NETWORKS: it has one, whatever it says. */
enum request { UNKNOWN, NOTHING, NETWORKS };

/* runtime_config: the value of that key; len 0 when there is none. */
enum request pod_request(struct span runtime_config);

#endif
