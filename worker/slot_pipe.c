/* SPDX-License-Identifier: Apache-2.0
 *
 * Rings with a bell. See slot_pipe.h.
 */
#include "slot_pipe.h"

#include <errno.h>
#include <sys/socket.h>

struct slot_pipe slot_pipe_open(struct slot_rings *rings, int bell, bool agent)
{
    struct ring *tasks = &rings->tasks, *answers = &rings->answers;

    return (struct slot_pipe){.in = agent ? answers : tasks, .out = agent ? tasks : answers, .bell = bell};
}

/* A socket that is full of rings will wake its reader anyway. */
static int ring_bell(const struct slot_pipe *pipe)
{
    ssize_t n;

    do {
        n = send(pipe->bell, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n == 1 || errno == EAGAIN ? 0 : -1;
}

/** Takes the rings that were not heard yet: 1: some; 0: the end; -1: none. */
static int hear(const struct slot_pipe *pipe, bool wait)
{
    char rings[64];
    ssize_t n;

    do {
        n = recv(pipe->bell, rings, sizeof(rings), wait ? 0 : MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? 1 : n < 0 && errno == EAGAIN ? -1 : 0;
}

static size_t take(struct slot_pipe *pipe, void *to, size_t room)
{
    size_t n = ring_read(pipe->in, to, room);

    if (n > 0 && ring_writer_waits(pipe->in))
        (void)ring_bell(pipe); /* when it is gone, the next read says so */
    return n;
}

ssize_t slot_pipe_read(struct slot_pipe *pipe, void *to, size_t room, bool wait)
{
    size_t n;
    int heard = 0; /* who polls the bell and reads to the end needs to hear it once */

    while ((n = take(pipe, to, room)) == 0) {
        if (ring_broken(pipe->in))
            return 0;
        if (!ring_arm_reader(pipe->in))
            continue;
        if (heard > 0 || (heard = hear(pipe, wait)) < 0)
            return -1;
        if (heard == 0)
            return (ssize_t)take(pipe, to, room); /* its last words */
        heard = !wait;
    }
    return (ssize_t)n;
}

size_t slot_pipe_write(struct slot_pipe *pipe, const void *data, size_t len)
{
    size_t n;

    while ((n = ring_write(pipe->out, data, len)) == 0 && len > 0)
        if (ring_broken(pipe->out) || ring_arm_writer(pipe->out))
            break;
    return n;
}

int slot_pipe_tell(struct slot_pipe *pipe)
{
    return ring_reader_waits(pipe->out) ? ring_bell(pipe) : 0;
}

bool slot_pipe_sleep(struct slot_pipe *pipe)
{
    return hear(pipe, true) > 0;
}
