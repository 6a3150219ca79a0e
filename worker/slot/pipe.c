/* SPDX-License-Identifier: Apache-2.0
 *
 * Rings with a bell. See slot/pipe.h.
 */
#include "worker/slot/pipe.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void slot_rings_reset(struct slot_rings *rings)
{
    ring_reset(&rings->tasks);
    ring_reset(&rings->answers);
    atomic_store(&rings->rung, 0);
    atomic_store(&rings->closed, false);
}

struct slot_pipe slot_pipe_open(struct slot_rings *rings, int bell, bool agent)
{
    struct ring *tasks = &rings->tasks, *answers = &rings->answers;

    return (struct slot_pipe){
        .rings = rings, .in = agent ? answers : tasks, .out = agent ? tasks : answers, .agent = agent, .bell = bell};
}

/* ---- bells ---- */

static void wake_slot(struct slot_rings *rings)
{
    atomic_fetch_add(&rings->rung, 1);
    syscall(SYS_futex, &rings->rung, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* A socket that is full of rings will wake its reader anyway. */
static int wake_agent(int bell)
{
    ssize_t n;

    do {
        n = send(bell, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n == 1 || errno == EAGAIN ? 0 : -1;
}

static int ring_bell(struct slot_pipe *pipe)
{
    if (!pipe->agent)
        return wake_agent(pipe->bell);
    wake_slot(pipe->rings);
    return 0;
}

/* The agent takes the rings that it has not heard yet: 1: some; 0: the slot has ended; -1: none. */
static int hear(const struct slot_pipe *pipe)
{
    char rings[64];
    ssize_t n;

    do {
        n = recv(pipe->bell, rings, sizeof(rings), MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? 1 : n < 0 && errno == EAGAIN ? -1 : 0;
}

/* The slot sleeps, unless it was woken since `rung` was looked at. */
static void doze(struct slot_pipe *pipe, unsigned rung)
{
    syscall(SYS_futex, &pipe->rings->rung, FUTEX_WAIT, rung, NULL, NULL, 0);
}

static size_t take(struct slot_pipe *pipe, void *to, size_t room)
{
    size_t n = ring_read(pipe->in, to, room);

    if (n > 0 && ring_writer_waits(pipe->in))
        (void)ring_bell(pipe); /* when it is gone, the next read says so */
    return n;
}

static ssize_t agent_read(struct slot_pipe *pipe, void *to, size_t room)
{
    int heard = 0; /* once is enough: whatever rings later is heard by who polls the bell */
    size_t n;

    while ((n = take(pipe, to, room)) == 0) {
        if (ring_broken(pipe->in))
            return 0;
        if (!ring_arm_reader(pipe->in))
            continue;
        if (heard > 0 || (heard = hear(pipe)) < 0)
            return -1;
        if (heard == 0)
            return (ssize_t)take(pipe, to, room); /* its last words */
    }
    return (ssize_t)n;
}

static ssize_t slot_read(struct slot_pipe *pipe, void *to, size_t room)
{
    size_t n;

    while ((n = take(pipe, to, room)) == 0) {
        unsigned rung = atomic_load(&pipe->rings->rung);
        if (ring_broken(pipe->in))
            return 0;
        if (atomic_load(&pipe->rings->closed))
            return (ssize_t)take(pipe, to, room);
        if (ring_arm_reader(pipe->in))
            doze(pipe, rung);
    }
    return (ssize_t)n;
}

ssize_t slot_pipe_read(struct slot_pipe *pipe, void *to, size_t room)
{
    return pipe->agent ? agent_read(pipe, to, room) : slot_read(pipe, to, room);
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

void slot_pipe_sleep(struct slot_pipe *pipe)
{
    unsigned rung = atomic_load(&pipe->rings->rung);

    if (ring_arm_writer(pipe->out))
        doze(pipe, rung);
}

void slot_pipe_close(struct slot_pipe *pipe)
{
    atomic_store(&pipe->rings->closed, true);
    wake_slot(pipe->rings);
}
