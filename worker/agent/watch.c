/* SPDX-License-Identifier: Apache-2.0
 *
 * The descriptors that the agent's loop waits for. See watch.h.
 */
#include "worker/agent/watch.h"
#include "proto/shortage.h"
#include "worker/agent/say.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

void agent_watch(struct agent *agent, int fd, enum agent_watch what, uint32_t slot, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)slot << 8 | what};

    if (epoll_ctl(agent->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        agent_fail(agent, BELT_SYSTEM, "cannot watch a descriptor: %s", belt_shortage_text(errno));
}

void agent_unwatch(struct agent *agent, int fd)
{
    epoll_ctl(agent->epoll, EPOLL_CTL_DEL, fd, NULL);
}
