/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper process and the agent's talk with it. See keeper.h.
 */
#include "worker/agent/keeper.h"
#include "worker/slot/task.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The keeper's own side. */
struct kept {
    int fd, signals;
    pid_t *pids; /* by slot number, 0: none */
    uint32_t count;
    const struct belt_agent_options *options;
    const struct keeper *keeper;
    struct slots_shared *shared;
    sigset_t mask;
    const struct belt_signals *spared;
};

static size_t shared_size(uint32_t groups)
{
    return sizeof(struct slots_shared) + groups * sizeof(atomic_int);
}

static void kill_groups(const struct kept *kept)
{
    for (uint32_t i = 0; i < kept->count; i++) {
        pid_t group = atomic_load(&kept->shared->groups[i]);
        if (group > 1)
            kill(-group, SIGKILL);
        if (kept->pids[i] > 1)
            kill(-kept->pids[i], SIGKILL);
    }
}

static int send_event(int fd, const struct keeper_event *event, int io, int log)
{
    struct iovec part = {(void *)(uintptr_t)event, sizeof(*event)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

    if (io >= 0) {
        int fds[2] = {io, log};
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(fds));
        memcpy(CMSG_DATA(header), fds, sizeof(fds));
    }
    ssize_t n;
    do {
        n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

static void slot_signals(const struct kept *kept)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGPIPE};
    struct sigaction plain = {.sa_handler = SIG_DFL};

    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        sigaction(signals[i], &plain, NULL);
    belt_signals_restore(kept->spared);
    task_catch_cancel();
    sigprocmask(SIG_SETMASK, &kept->mask, NULL);
}

/* Unmaps what lies before and behind part `at` of `count` parts of `size` bytes each. Where pages are larger than
 * SLOT_MEMORY_PAGE the kernel may refuse; the slot works all the same. */
static void unmap_others(void *parts, size_t size, uint32_t count, uint32_t at)
{
    uint8_t *bytes = parts;

    if (!parts)
        return;
    if (at > 0)
        (void)munmap(bytes, at * size);
    if (at + 1 < count)
        (void)munmap(bytes + (at + 1) * size, (count - at - 1) * size);
}

/* In the new slot: from here on it has nothing of other slots, and only reads what is everybody's. Processes that its
 * functions fork cannot answer in its place. */
static void keep_to(const struct keeper *keeper, uint32_t slot)
{
    uint32_t at = slot % keeper->memory_count;

    unmap_others(keeper->memories, sizeof(*keeper->memories), keeper->memory_count, at);
    unmap_others(keeper->arenas, arena_size(keeper->units), keeper->memory_count, at);
    (void)mprotect(keeper->shared, shared_size(keeper->shared->slot_count), PROT_READ);
    (void)madvise(keeper_memory(keeper, slot), sizeof(struct slot_memory), MADV_DONTFORK);
}

/* In the new slot. Descriptors that the program had opened itself stay: its functions may use them. */
static _Noreturn void slot_child(struct kept *kept, uint32_t slot, pid_t parent, int io, int log)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    setsid(); /* a process group of its own, and no terminal */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || null < 0)
        _exit(127);
    close(kept->fd);
    close(kept->signals);
    if (dup2(null, 0) < 0)
        _exit(127);
    if (!kept->options->inherit_output && (dup2(log, 1) < 0 || dup2(log, 2) < 0))
        _exit(127);
    close(null);
    close(log);
    slot_signals(kept);
    struct slot_memory *memory = keeper_memory(kept->keeper, slot);
    struct task_ends ends = {.pipe = slot_pipe_open(&memory->rings, io, false),
                             .arena = keeper_arena(kept->keeper, slot),
                             .memory = memory,
                             .shared = kept->shared};
    keep_to(kept->keeper, slot);
    task_slot_run(&ends, kept->options);
}

static int slot_fork(struct kept *kept, uint32_t slot, int io[2], int log[2])
{
    pid_t self = getpid();

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, io) != 0 || pipe2(log, O_CLOEXEC) != 0)
        return errno;
    pid_t pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0) {
        close(io[0]);
        close(log[0]);
        slot_child(kept, slot, self, io[1], log[1]);
    }
    fcntl(log[0], F_SETFL, O_NONBLOCK); /* of the agent's end alone */
    kept->pids[slot] = pid;
    return 0;
}

static int slot_start(struct kept *kept, uint32_t slot)
{
    int io[2] = {-1, -1}, log[2] = {-1, -1};
    struct keeper_event event = {.type = KEEPER_STARTED, .slot = slot, .io = -1, .log = -1};

    event.status = slot_fork(kept, slot, io, log);
    event.pid = kept->pids[slot];
    if (event.status != 0)
        event.type = KEEPER_FAILED;
    int rc = send_event(kept->fd, &event, event.status == 0 ? io[0] : -1, log[0]);
    for (int i = 0; i < 2; i++) {
        if (io[i] >= 0)
            close(io[i]);
        if (log[i] >= 0)
            close(log[i]);
    }
    return rc;
}

static int reap(struct kept *kept)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    while (read(kept->signals, &info, sizeof(info)) > 0)
        continue;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (uint32_t i = 0; i < kept->count; i++) {
            if (kept->pids[i] != pid)
                continue;
            struct keeper_event event = {
                .type = KEEPER_DIED, .slot = i, .pid = pid, .status = status, .io = -1, .log = -1};
            kept->pids[i] = 0;
            if (send_event(kept->fd, &event, -1, -1) != 0)
                return -1;
        }
    }
    return 0;
}

static int keeper_loop(struct kept *kept)
{
    struct pollfd polled[2] = {{.fd = kept->fd, .events = POLLIN}, {.fd = kept->signals, .events = POLLIN}};
    uint32_t slot;

    for (;;) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return -1;
        if (polled[1].revents && reap(kept) != 0)
            return -1;
        if (!polled[0].revents)
            continue;
        ssize_t n = recv(kept->fd, &slot, sizeof(slot), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)sizeof(slot) || slot >= kept->count || slot_start(kept, slot) != 0)
            return -1;
    }
}

/* The keeper goes when the agent goes, and not by a signal: all are blocked since before the fork. SIGTERM and its
 * like stay pending, where the agent reads that everybody has got them (keeper_signalled()). */
static _Noreturn void keeper_main(struct kept *kept)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t child;

    setsid(); /* what is meant for the agent's terminal or group does not reach it */
    sigaction(SIGCHLD, &plain, NULL);
    sigaction(SIGTERM, &plain, NULL); /* an ignored signal might not stay pending */
    sigaction(SIGINT, &plain, NULL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    kept->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    kept->pids = calloc(kept->count, sizeof(*kept->pids));
    if (kept->signals >= 0 && kept->pids) {
        prctl(PR_SET_NAME, "belt-keeper");
        keeper_loop(kept);
        kill_groups(kept);
    }
    _exit(0);
}

/* ------------------------------------------------------- the agent's side */

static void *map_shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* All C functions are one program of the slot table, and its slots have numbers in a row. */
static uint32_t memories_wanted(const struct belt_agent_options *options)
{
    for (uint32_t i = 0; i < options->function_count; i++)
        if (options->functions[i].runner == BELT_RUN_C)
            return options->slots;
    return 0;
}

static int map_all(struct keeper *keeper, const struct belt_agent_options *options, uint32_t groups)
{
    keeper->shared = map_shared(shared_size(groups));
    if (!keeper->shared)
        return -1;
    keeper->shared->slot_count = groups;
    keeper->memory_count = memories_wanted(options);
    if (keeper->memory_count > 0)
        keeper->memories = map_shared(keeper->memory_count * sizeof(*keeper->memories));
    keeper->units = arena_units(keeper->memory_count);
    if (keeper->memories) /* no more than speed depends on them */
        keeper->arenas = map_shared(keeper->memory_count * arena_size(keeper->units));
    return keeper->memory_count > 0 && !keeper->memories ? -1 : 0;
}

static void unmap_all(struct keeper *keeper)
{
    if (keeper->arenas)
        munmap(keeper->arenas, keeper->memory_count * arena_size(keeper->units));
    if (keeper->memories)
        munmap(keeper->memories, keeper->memory_count * sizeof(*keeper->memories));
    if (keeper->shared)
        munmap(keeper->shared, shared_size(keeper->shared->slot_count));
    keeper->memories = NULL;
    keeper->arenas = NULL;
    keeper->shared = NULL;
}

struct slot_memory *keeper_memory(const struct keeper *keeper, uint32_t slot)
{
    return &keeper->memories[slot % keeper->memory_count];
}

struct arena_memory *keeper_arena(const struct keeper *keeper, uint32_t slot)
{
    size_t at = slot % keeper->memory_count * arena_size(keeper->units);

    return keeper->arenas ? (struct arena_memory *)(void *)(keeper->arenas + at) : NULL;
}

int keeper_start(struct keeper *keeper, const struct belt_agent_options *options, uint32_t groups, const sigset_t *mask,
                 const struct belt_signals *spared, int foreign)
{
    int ends[2] = {-1, -1};
    int error;

    *keeper = (struct keeper){.pid = -1, .fd = -1};
    if (map_all(keeper, options, groups) != 0)
        goto fail;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        goto fail;
    if (!options->alone) /* or every slot would write out what was buffered here; who forked us has done it */
        fflush(NULL);
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    keeper->pid = fork();
    if (keeper->pid != 0)
        sigprocmask(SIG_SETMASK, &before, NULL);
    if (keeper->pid < 0)
        goto fail;
    if (keeper->pid == 0) {
        close(ends[0]);
        close(foreign);
        if (options->lifeline_fd > 0)
            close(options->lifeline_fd);
        if (options->owner_fd > 0)
            close(options->owner_fd);
        struct kept kept = {.fd = ends[1],
                            .signals = -1,
                            .count = groups,
                            .options = options,
                            .keeper = keeper,
                            .shared = keeper->shared,
                            .mask = *mask,
                            .spared = spared};
        keeper_main(&kept);
    }
    close(ends[1]);
    keeper->fd = ends[0];
    return 0;
fail:
    error = errno;
    if (ends[0] >= 0) {
        close(ends[0]);
        close(ends[1]);
    }
    unmap_all(keeper);
    errno = error;
    return -1;
}

bool keeper_signalled(const struct keeper *keeper)
{
    const unsigned long long ends = 1ull << (SIGTERM - 1) | 1ull << (SIGINT - 1);
    unsigned long long pending = 0;
    char path[48], text[4096];
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)keeper->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strstr(text, "\nShdPnd:");
    if (!at || sscanf(at, "\nShdPnd: %llx", &pending) != 1)
        return true; /* nobody knows: a task that runs twice is better than one that was cut off */
    return (pending & ends) != 0;
}

int keeper_ask(struct keeper *keeper, uint32_t slot)
{
    ssize_t n;

    do {
        n = send(keeper->fd, &slot, sizeof(slot), MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) /* waiting here while the keeper waits to tell us something would be for ever */
        return 1;
    return n == (ssize_t)sizeof(slot) ? 0 : -1;
}

/* This process had no descriptors left for the ends of a slot that was started: as if it was not. */
static void slot_unreachable(struct keeper_event *event)
{
    if (event->io >= 0)
        close(event->io);
    if (event->pid > 0)
        kill(event->pid, SIGKILL);
    event->type = KEEPER_FAILED;
    event->status = EMFILE;
    event->io = -1;
}

int keeper_next(struct keeper *keeper, struct keeper_event *event)
{
    struct iovec part = {event, sizeof(*event)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct msghdr msg = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t n;

    do {
        n = recvmsg(keeper->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n != (ssize_t)sizeof(*event))
        return -1;
    event->io = event->log = -1;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
    if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len >= CMSG_LEN(sizeof(int)))
        memcpy(&event->io, CMSG_DATA(header), sizeof(int));
    if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len >= CMSG_LEN(2 * sizeof(int)))
        memcpy(&event->log, CMSG_DATA(header) + sizeof(int), sizeof(int));
    if (event->type == KEEPER_STARTED && event->log < 0)
        slot_unreachable(event);
    return 1;
}

void keeper_stop(struct keeper *keeper)
{
    if (keeper->fd >= 0)
        close(keeper->fd);
    keeper->fd = -1;
    if (keeper->pid > 0) {
        while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    keeper->pid = -1;
    unmap_all(keeper);
}
