/* The agent's socket: where it is, and how a call is handed over.
 *
 * Where the agent listens is not read from the configuration on stdin: under a meta plugin that comes from an object that a
 * user wrote, who could then make root connect to any socket of the node. A symbolic link beside this program,
 * `secnet-cni.sock`, leads to the socket; the default is /run/secnet/cni.sock.
 *
 * The wire, numbers unsigned and big-endian (the other side is agent/cni/wire.py):
 *   request   "SCN1", u32 length of environment, u32 length of stdin, environment, stdin
 *             environment: each variable CNI_*, as NAME=VALUE and a zero byte
 *   answer    any number of bytes "." (still at work), then "A", u32 exit status, u32 length of stdout, stdout
 * The plugin keeps its side open until it has the answer: end of file tells the agent that the runtime gave up.
 */
#ifndef SECNET_AGENT_H
#define SECNET_AGENT_H

#include "json.h"

#include <stdint.h>

/* How long to try. ONCE: one attempt. BRIEFLY: 2 s while no process listens, as it is while the agent is replaced. WAIT: until
 * the agent is back and has answered, whether it was ended, replaced or stopped, but at most 3 minutes for its return and 3.5 in
 * all: a kubelet gives up after 4. It ends early when the runtime's configuration changes, and is BRIEFLY where that was less than
 * 15 s ago (see configuration.h). */
enum patience { ONCE, BRIEFLY, WAIT };

/* Hand the call over and wait for the answer: exit status and stdout. False when there is no answer; `agent_problem` says why. */
bool agent_ask(struct span input, enum patience patience, struct span *answer, uint32_t *status);

const char *agent_socket(void);   /* its path, known after agent_ask */
const char *agent_problem(void);  /* one sentence */

/* Whether the socket's directory is there; known after agent_ask. An agent leaves it, with its records, when it stops. */
bool agent_has_place(void);

#endif
