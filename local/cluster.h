/* SPDX-License-Identifier: Apache-2.0
 *
 * The children of a private pool: a broker and an agent that end with it.
 */
#ifndef BELT_LOCAL_CLUSTER_H
#define BELT_LOCAL_CLUSTER_H

#include "proto/message.h"
#include "worker/agent.h"

#include <belt/belt.h>
#include <sys/types.h>

/** What advice names the limits of a private pool by: the fields of belt_pool_options, or the options of `belt map`. */
enum belt_pool_words { BELT_WORDS_FIELDS, BELT_WORDS_OPTIONS };

/** What a private pool runs. */
struct local_work {
    const struct belt_agent_function *functions;
    uint32_t count;
    /* NULL, or the two ends of a pipe: all that tasks write to standard error comes out of it while they run, as
     * records of lines (proto/log_lines.h). The caller closes the writing end, which does not wait, behind the
     * call.
     */
    const int *log_pipe;
    enum belt_pool_words words;
};

#define LOCAL_CHILDREN 2u

struct local_cluster;

/**
 * Forks both. `options` are complete. On success `endpoint` (`size` bytes) is the broker's for clients.
 * Call before this process has threads or a ZeroMQ context of its own.
 */
int local_cluster_start(const struct local_work *work, const belt_pool_options *options, char *endpoint, size_t size,
                        struct local_cluster **children);
/** Where external workers connect, and what tells them that the pool is gone; NULL and -1 when it has slots of its own.
 */
const char *local_cluster_workers(const struct local_cluster *children);
int local_cluster_lifeline(const struct local_cluster *children);
/** Whether its slots run a function of this name; true of external workers, which may come at any time. What they do
 * not run nobody ever will. */
bool local_cluster_serves(const struct local_cluster *children, const char *function);
/** The names that they do run, as far as `size` bytes hold them: "a, b, c". */
void local_cluster_names(const struct local_cluster *children, char *text, size_t size);
/** Descriptors that become readable when a child ends; -1 where there is none. */
void local_cluster_fds(const struct local_cluster *children, int fds[LOCAL_CHILDREN]);
/** The agent's process: SIGTSTP stops its tasks, SIGCONT lets them go on, SIGKILL ends them at once. 0: it has ended.
 */
pid_t local_cluster_agent(const struct local_cluster *children);
/** True when a child has ended by itself: says which and why. */
bool local_cluster_ended(struct local_cluster *children, char *text, size_t size);
/** Stops both, within bounded time, and removes what they left. *Takes*. Accepts NULL. */
void local_cluster_stop(struct local_cluster **children);

#endif
