#include "annotations.h"

enum request pod_request(struct span runtime_config)
{
    struct member handed = {.key = "io.kubernetes.cri.pod-annotations"}, networks = {.key = "k8s.v1.cni.cncf.io/networks"};
    if (!runtime_config.len || !json_object(runtime_config, &handed, 1) || !handed.value.len)
        return UNKNOWN;
    if (json_is_null(handed.value))
        return NOTHING;  /* how Go writes a map that was never made */
    if (!json_object(handed.value, &networks, 1))
        return UNKNOWN;
    return !networks.value.len || json_is_blank(networks.value) ? NOTHING : NETWORKS;
}
