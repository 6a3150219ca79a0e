/* SPDX-License-Identifier: Apache-2.0
 *
 * The children of a private pool: a broker and an agent that end with it.
 */
#ifndef BELT_CLIENT_PRIVATE_H
#define BELT_CLIENT_PRIVATE_H

#include "proto/message.h"
#include "worker/agent.h"

#include <belt/belt.h>
#include <sys/types.h>

/** What advice names the limits of a private pool by: the fields of belt_pool_options, or the options of `belt map`. */
enum belt_pool_words { BELT_WORDS_FIELDS, BELT_WORDS_OPTIONS };

/** What a private pool runs. */
struct client_work {
    const struct belt_agent_function *functions;
    uint32_t count;
    /* NULL, or the two ends of a pipe: all that tasks write to standard error comes out of it while they run, as
     * records of lines (worker/agent/log_lines.h). The caller closes the writing end, which does not wait, behind the
     * call.
     */
    const int *log_pipe;
    enum belt_pool_words words;
};

#define CLIENT_CHILDREN 2u

struct client_private;

/**
 * Forks both. `options` are complete. On success `endpoint` (`size` bytes) is the broker's for clients.
 * Call before this process has threads or a ZeroMQ context of its own.
 */
int client_private_start(const struct client_work *work, const belt_pool_options *options, char *endpoint, size_t size,
                         struct client_private **children);
/** Where external workers connect, and what tells them that the pool is gone; NULL and -1 when it has slots of its own.
 */
const char *client_private_workers(const struct client_private *children);
int client_private_lifeline(const struct client_private *children);
/** Whether its slots run a function of this name; true of external workers, which may come at any time. What they do
 * not run nobody ever will. */
bool client_private_serves(const struct client_private *children, const char *function);
/** The names that they do run, as far as `size` bytes hold them: "a, b, c". */
void client_private_names(const struct client_private *children, char *text, size_t size);
/** Descriptors that become readable when a child ends; -1 where there is none. */
void client_private_fds(const struct client_private *children, int fds[CLIENT_CHILDREN]);
/** The agent's process: SIGTSTP stops its tasks, SIGCONT lets them go on, SIGKILL ends them at once. 0: it has ended.
 */
pid_t client_private_agent(const struct client_private *children);
/** True when a child has ended by itself: says which and why. */
bool client_private_ended(struct client_private *children, char *text, size_t size);
/** Stops both, within bounded time, and removes what they left. *Takes*. Accepts NULL. */
void client_private_stop(struct client_private **children);

#endif
