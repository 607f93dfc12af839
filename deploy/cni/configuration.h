/* Whether the runtime's CNI configuration changes while a call waits.
 *
 * containerd and CRI-O hold a lock while plugins are at work. A change of the configuration waits for it, and from then on each
 * other Pod waits for the change. A plugin that waits for minutes therefore has to end when a file there changes.
 */
#ifndef SECNET_CONFIGURATION_H
#define SECNET_CONFIGURATION_H

#include <stdint.h>

/* A number that differs after a file in one of the usual directories was made, written, renamed or removed. */
uint64_t configuration_mark(void);

#endif
