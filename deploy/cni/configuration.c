#include "configuration.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#ifndef CONFIGURATION_DIRS  /* tests have their own */
#define CONFIGURATION_DIRS \
    "/etc/cni/net.d", "/etc/kubernetes/cni/net.d", "/var/lib/rancher/k3s/agent/etc/cni/net.d", \
    "/var/snap/microk8s/current/args/cni-network"
#endif

static uint64_t mixed(uint64_t mark, uint64_t value) { return (mark ^ value) * UINT64_C(0x100000001b3); }

/* Not by inotify: a user may have 128 instances of it, and a node may have as many Pods that wait. */
static uint64_t mark_of(const struct stat *found)
{
    uint64_t mark = mixed(UINT64_C(0xcbf29ce484222325), (uint64_t)found->st_ino);
    mark = mixed(mark, (uint64_t)found->st_mtim.tv_sec);
    mark = mixed(mark, (uint64_t)found->st_mtim.tv_nsec);
    return mixed(mark, (uint64_t)found->st_size);
}

struct configuration configuration_look(void)
{
    static const char *const folders[] = {CONFIGURATION_DIRS};
    struct configuration seen = {0, 0};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        DIR *folder = opendir(folders[i]);
        if (!folder)
            continue;
        struct stat found;
        for (struct dirent *entry; (entry = readdir(folder));) {
            if (strcmp(entry->d_name, "..") == 0 || fstatat(dirfd(folder), entry->d_name, &found, 0) != 0)
                continue;
            seen.mark += mark_of(&found);  /* in whatever order they come; "." changes with the names */
            if (found.st_ctim.tv_sec > seen.changed)
                seen.changed = found.st_ctim.tv_sec;  /* no program can set it, as it can the other time */
        }
        closedir(folder);
    }
    return seen;
}
