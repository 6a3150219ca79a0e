/* SPDX-License-Identifier: Apache-2.0
 *
 * What an agent does with a process that its keeper has started, when the agent has no descriptors left for its ends
 * (worker/agent/keeper.h): as if it was not started.
 */
#include "worker/agent/keeper.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* As a keeper does: the event, and the slot's two ends with it. */
static void tell(int fd, const struct keeper_event *event, const int ends[2])
{
    struct iovec part = {(void *)(uintptr_t)event, sizeof(*event)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct msghdr msg = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(header), ends, 2 * sizeof(int));
    cr_assert_eq(sendmsg(fd, &msg, 0), (ssize_t)sizeof(*event), "%s", strerror(errno));
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Leaves room for so many descriptors, from the lowest that is free on. */
static void leave_room(unsigned room)
{
    struct rlimit limit;
    int lowest = dup(STDIN_FILENO);
    cr_assert_geq(lowest, 0);
    close(lowest);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)lowest + room;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static pid_t start_slot(void)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void a_slot_starts_with_room_for(unsigned room)
{
    int agent[2], io[2], log[2], ends[2], status = 0;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, agent), 0);
    cr_assert_eq(pipe(io), 0);
    cr_assert_eq(pipe(log), 0);
    ends[0] = io[0], ends[1] = log[0];
    struct keeper keeper = {.pid = -1, .fd = agent[0]};
    pid_t slot = start_slot();
    tell(agent[1], &(struct keeper_event){.type = KEEPER_STARTED, .slot = 3, .pid = slot, .io = -1, .log = -1}, ends);
    leave_room(room);
    unsigned before = open_descriptors();

    struct keeper_event event;
    cr_assert_eq(keeper_next(&keeper, &event), 1);
    cr_assert_eq(event.slot, 3u);
    if (room < 2) {
        cr_assert_eq(event.type, (uint32_t)KEEPER_FAILED);
        cr_assert_eq(event.status, EMFILE, "the agent takes it for a shortage, and tries again");
        cr_assert_eq(event.io, -1);
        cr_assert_eq(open_descriptors(), before, "an end is left open");
    } else {
        cr_assert_eq(event.type, (uint32_t)KEEPER_STARTED);
        cr_assert_eq(open_descriptors(), before + 2);
        kill(slot, SIGKILL);
    }
    cr_assert_eq(waitpid(slot, &status, 0), slot);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the process that nobody can talk to is ended");
    cr_assert_eq(keeper_next(&keeper, &event), 0, "and that is all");
}

Test(keeper, a_slot_whose_ends_find_no_descriptor_was_not_started, .timeout = 60)
{
    a_slot_starts_with_room_for(0);
}

Test(keeper, nor_one_of_whose_ends_one_finds_none, .timeout = 60)
{
    a_slot_starts_with_room_for(1);
}

Test(keeper, a_slot_whose_ends_find_room_was_started, .timeout = 60)
{
    a_slot_starts_with_room_for(2);
}
