/* SPDX-License-Identifier: Apache-2.0
 *
 * The children of a private pool. See private.h.
 *
 * Who cleans up: while the pool lives, local_cluster_stop(). When its process dies in any way, a pidfd of it tells
 * both children, whoever else holds copies of its descriptors; when it becomes another program by exec, the lifeline
 * does (a pipe whose only writing end it holds). The agent stops its slots, and the broker's child removes the
 * directory last of all. Where both are killed, too, the next private pool does.
 */
#include "local/cluster.h"

#include "broker/broker.h"
#include "local/directory.h"
#include "proto/error.h"
#include "local/memory.h"
#include "local/process.h"
#include "proto/util/wait.h"
#include "proto/standard_fds.h"
#include "proto/text_cut.h"
#include "proto/shortage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/single_threaded.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Orderly end first; then by force: this long after the tasks have had their time. */
#define STOP_MS 3000u
/* Looks at the clock this often while it waits for a child's end; without a pidfd at the child too. */
#define WAIT_MS 100
#define POLL_MS 5

/* Processes and threads of a pool beside its slots and the broker's own process: two of ZeroMQ in the broker, the agent
 * and the client each, the client's own, one that shows what tasks print, the agent, its keeper. libzmq would abort
 * whichever finds no room. */
#define POOL_PROCESSES 10u

enum { BROKER, AGENT };

struct child {
    pid_t pid; /* 0: none */
    int pidfd; /* -1: none */
    int said;  /* what it says when it fails */
};

struct local_cluster {
    char directory[LOCAL_DIRECTORY_MAX + 1];
    char workers[LOCAL_DIRECTORY_MAX + 16];
    int lock;  /* of the directory, until the broker has it */
    int owner; /* a pidfd of this process */
    struct local_own_fd lifeline;
    int lifeline_read;
    int ready[2];
    uint64_t kill_ms;
    uint32_t slots;       /* wanted, and */
    uint32_t *slots_room; /* how many of them there are processes for: in memory that the broker's process shares */
    bool external;        /* it has a broker, and no agent of its own */
    uint64_t memory;      /* the broker's budget and */
    uint32_t max_payload;
    const char *memory_option; /* what its owner raises the budget with */
    struct child child[LOCAL_CHILDREN];
    char *names; /* of the functions that its slots serve, each ended by NUL, the last by another one */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- the functions ---- */

static bool copy_names(struct local_cluster *self, const struct belt_agent_function *functions, uint32_t count)
{
    size_t size = 1;
    char *at;

    for (uint32_t i = 0; i < count; i++)
        size += strlen(functions[i].name) + 1;
    self->names = at = calloc(1, size);
    for (uint32_t i = 0; at && i < count; i++)
        at = stpcpy(at, functions[i].name) + 1;
    return at != NULL;
}

bool local_cluster_serves(const struct local_cluster *children, const char *function)
{
    const char *name = children->names;

    if (children->external)
        return true;
    while (*name != '\0' && strcmp(name, function) != 0)
        name += strlen(name) + 1;
    return *name != '\0';
}

const char *local_cluster_workers(const struct local_cluster *children)
{
    return children->external ? children->workers : NULL;
}

int local_cluster_lifeline(const struct local_cluster *children)
{
    return children->external ? children->lifeline_read : -1;
}

void local_cluster_names(const struct local_cluster *children, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (const char *name = children->names; *name != '\0'; name += strlen(name) + 1) {
        size_t len = strlen(name) + (used > 0 ? 2 : 0);

        if (used + len + sizeof(", …") > size) {
            strcpy(text + used, ", …");
            return;
        }
        used += (size_t)sprintf(text + used, "%s%s", used > 0 ? ", " : "", name);
    }
}

/* ---- in the child ---- */

/* The user's signal handlers and mask are not ours, nor is his terminal's Ctrl-C. */
static void become_child(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;
    int null;

    setpgid(0, 0);
    for (int signal = 1; signal < NSIG; signal++)
        sigaction(signal, &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    __fpurge(stdout); /* what could not be flushed is its owner's to write */
    __fpurge(stderr);
    standard_fds_fill();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

/* Closes what the broker must not hold open: pipes of the user, for one. */
static void keep_only(const int *kept, size_t count)
{
    unsigned first = STDERR_FILENO + 1;

    for (;;) { /* the gaps between the kept ones, in order */
        unsigned next = ~0u;

        for (size_t i = 0; i < count; i++)
            if (kept[i] >= 0 && (unsigned)kept[i] >= first && (unsigned)kept[i] < next)
                next = (unsigned)kept[i];
        if (next == ~0u) {
            close_range(first, ~0u, 0);
            return;
        }
        if (next > first)
            close_range(first, next - 1, 0);
        first = next + 1;
    }
}

/* In the broker's process, before anything else of the pool runs that would be counted, too. */
static int look_for_room(struct local_cluster *self, char *error, size_t size)
{
    unsigned room;
    int lacking;

    if (self->external) /* whoever starts its workers sees */
        return BELT_OK;
    room = belt_shortage_processes(POOL_PROCESSES + self->slots, &lacking);
    if (room > POOL_PROCESSES) {
        *self->slots_room = room - POOL_PROCESSES;
        return BELT_OK;
    }
    snprintf(error, size, "%u more processes and threads are needed: %s", POOL_PROCESSES + 1,
             belt_shortage_text(lacking));
    return BELT_SYSTEM;
}

static void run_broker(struct local_cluster *self, int said)
{
    char clients[LOCAL_DIRECTORY_MAX + 16], error[512] = "";
    const int kept[] = {self->lifeline_read, self->owner, self->lock, self->ready[1], said};
    struct belt_broker_options options = {.clients = clients,
                                          .workers = self->workers,
                                          .name = "private",
                                          .max_payload = self->max_payload,
                                          .memory_budget = self->memory,
                                          .memory_option = self->memory_option,
                                          .drain_ms = 1,
                                          .quiet = true,
                                          .ready_fd = self->ready[1],
                                          .lifeline_fd = self->lifeline_read,
                                          .owner_fd = self->owner};
    sigset_t ends;
    int rc;

    /* The broker's loop takes these; they must not hit the cleaning up behind it. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    snprintf(clients, sizeof(clients), "ipc://%s/clients", self->directory);
    dup2(STDIN_FILENO, STDOUT_FILENO); /* /dev/null: a reader of our standard output must see its end */
    keep_only(kept, sizeof(kept) / sizeof(kept[0]));
    prctl(PR_SET_NAME, "belt-broker");
    rc = look_for_room(self, error, sizeof(error));
    if (rc == BELT_OK)
        rc = belt_broker_run(&options, error, sizeof(error));
    if (rc != BELT_OK)
        say(said, error);
    local_directory_remove(self->directory);
    _exit(rc == BELT_OK ? 0 : 1);
}

static void run_agent(struct local_cluster *self, int said, const struct local_work *work,
                      const belt_pool_options *given)
{
    char error[512] = "";
    struct belt_agent_options options = {.broker = self->workers,
                                         .name = "local",
                                         .slots = self->slots,
                                         .slots_room = *self->slots_room,
                                         .functions = work->functions,
                                         .function_count = work->count,
                                         .drain_ms = 1,
                                         .kill_ms = belt_agent_kill_ms((uint64_t)given->kill_after_ms),
                                         .log_bytes = belt_agent_log_bytes((uint64_t)given->log_bytes),
                                         .log_fd = work->log_pipe ? work->log_pipe[1] : 0,
                                         .max_tasks_per_slot = given->max_tasks_per_slot,
                                         .inherit_output = given->inherit_output,
                                         .slot_init = given->slot_init,
                                         .slot_exit = given->slot_exit,
                                         .slot_ctx = given->slot_ctx,
                                         .lifeline_fd = self->lifeline_read,
                                         .owner_fd = self->owner,
                                         .start_ms = given->start_timeout_ms,
                                         .alone = true,
                                         .reaper = true,
                                         .quiet = true};
    int rc;

    if (work->log_pipe)
        close(work->log_pipe[0]);
    prctl(PR_SET_NAME, "belt-agent");
    rc = belt_agent_run(&options, error, sizeof(error));
    if (rc != BELT_OK)
        say(said, error);
    _exit(rc == BELT_OK ? 0 : 1);
}

/* ---- in the parent ---- */

/* Or a slot that prints would print what is buffered here once more. Beside other threads, of which one may wait
 * within a stream for as long as it likes, only the standard streams, and only if they are free. */
static void flush_streams(void)
{
    FILE *const standard[] = {stdout, stderr};

    if (__libc_single_threaded) {
        fflush(NULL);
        return;
    }
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
        if (ftrylockfile(standard[i]) != 0)
            continue;
        fflush(standard[i]);
        funlockfile(standard[i]);
    }
}

static int fork_child(struct local_cluster *self, int which, const struct local_work *work,
                      const belt_pool_options *options)
{
    pid_t pid;
    int said[2];

    if (standard_pipe(said) != 0)
        return belt_error_set(BELT_SYSTEM, "cannot make a pipe for a private pool: %s", belt_shortage_text(errno));
    flush_streams();
    pid = fork();
    if (pid == 0) {
        close_fd(&said[0]);
        become_child();
        if (which == BROKER)
            run_broker(self, said[1]);
        close_fd(&self->ready[0]);
        run_agent(self, said[1], work, options);
    }
    close_fd(&said[1]);
    if (pid < 0) {
        int saved = errno;

        close_fd(&said[0]);
        return belt_error_set(BELT_SYSTEM, "cannot start a process for a private pool: %s", belt_shortage_text(saved));
    }
    setpgid(pid, pid); /* whoever comes first */
    self->child[which].pid = pid;
    self->child[which].said = said[0];
    self->child[which].pidfd = standard_fd_above(pidfd_open(pid, 0));
    return BELT_OK;
}

/* Reaps one child if it has ended. True: it has, `text` tells. */
static bool reap(struct child *child, const char *what, char *text, size_t size)
{
    char said[512] = "";
    int status;
    pid_t pid;
    ssize_t n;

    if (child->pid == 0)
        return false;
    do
        pid = waitpid(child->pid, &status, WNOHANG);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return false;
    fcntl(child->said, F_SETFL, O_NONBLOCK);
    n = read(child->said, said, sizeof(said) - 1);
    said[n > 0 ? n : 0] = '\0';
    if (n > 0)
        text_print(text, size, "the private %s cannot go on: %s", what, said);
    else if (pid > 0 && WIFSIGNALED(status))
        snprintf(text, size, "the private %s was ended by signal %d (%s): close the pool and open another", what,
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "the private %s ended unexpectedly: close the pool and open another", what);
    child->pid = 0;
    close_fd(&child->pidfd);
    close_fd(&child->said);
    return true;
}

pid_t local_cluster_agent(const struct local_cluster *children)
{
    return children->child[AGENT].pid;
}

bool local_cluster_ended(struct local_cluster *children, char *text, size_t size)
{
    return reap(&children->child[BROKER], "broker", text, size) || reap(&children->child[AGENT], "agent", text, size);
}

void local_cluster_fds(const struct local_cluster *children, int fds[LOCAL_CHILDREN])
{
    for (unsigned i = 0; i < LOCAL_CHILDREN; i++)
        fds[i] = children->child[i].pidfd;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* Until the broker says where it listens. */
static int await_ready(struct local_cluster *self, const belt_pool_options *options)
{
    int64_t timeout_ms = options->connect_timeout_ms;
    uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : now_ms() + (uint64_t)timeout_ms;
    char line[2 * LOCAL_DIRECTORY_MAX + 32], text[600];

    for (;;) {
        struct pollfd ready = {.fd = self->ready[0], .events = POLLIN};
        uint64_t now = now_ms();
        ssize_t n;

        if (now >= deadline)
            return belt_error_set(BELT_NO_BROKER, "the private broker did not start within %lld ms",
                                  (long long)timeout_ms);
        (void)wait_poll(&ready, 1, deadline - now > 100 ? 100 : (int)(deadline - now));
        if (wait_signalled() && options->signals_interrupt)
            return belt_error_set(BELT_INTERRUPTED, "the start of the private broker was interrupted by a signal");
        if (local_cluster_ended(self, text, sizeof(text)))
            return belt_error_set(BELT_SYSTEM, "cannot open a private pool: %s", text);
        if ((ready.revents & (POLLIN | POLLHUP)) == 0)
            continue;
        n = read(self->ready[0], line, sizeof(line));
        if (n > 0)
            return BELT_OK;
        if (n == 0) { /* it is ending: its status is a moment away */
            struct timespec moment = {.tv_nsec = 1000000};

            nanosleep(&moment, NULL);
        }
    }
}

/* With the lock of the process: no fork takes a copy of the lifeline before it is known as one. */
static int open_lifeline(struct local_cluster *self)
{
    int ends[2];
    bool made;

    local_process_lock();
    made = standard_pipe(ends) == 0;
    self->lifeline_read = ends[0];
    self->lifeline.fd = ends[1];
    if (ends[1] >= 0)
        local_process_own(&self->lifeline);
    local_process_unlock();
    self->owner = standard_fd_above(pidfd_open(getpid(), 0));
    if (!made || self->owner < 0 || standard_pipe(self->ready) != 0)
        return belt_error_set(BELT_SYSTEM, "cannot make a pipe for a private pool: %s", belt_shortage_text(errno));
    return BELT_OK;
}

static int start(struct local_cluster *self, const struct local_work *work, const belt_pool_options *options)
{
    int rc = local_directory_make(self->directory, &self->lock);

    self->kill_ms = (uint64_t)options->kill_after_ms;
    self->external = options->external_workers;
    self->slots = belt_agent_slots((uint32_t)options->slots);
    self->slots_room = mmap(NULL, sizeof(*self->slots_room), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self->slots_room == MAP_FAILED) {
        self->slots_room = NULL;
        rc = belt_error_set(BELT_NO_MEMORY, "cannot open a private pool: %s", belt_shortage_text(ENOMEM));
    }
    if (rc == BELT_OK)
        rc = open_lifeline(self);
    if (rc != BELT_OK)
        return rc;
    snprintf(self->workers, sizeof(self->workers), "ipc://%s/workers", self->directory);
    rc = fork_child(self, BROKER, work, options);
    close_fd(&self->ready[1]);
    close_fd(&self->lock);
    if (rc == BELT_OK) /* an agent that comes too early would wait for its next try to connect */
        rc = await_ready(self, options);
    if (rc == BELT_OK && !self->external)
        rc = fork_child(self, AGENT, work, options);
    if (!self->external)
        close_fd(&self->lifeline_read);
    close_fd(&self->owner);
    return rc;
}

/* What the machine has: payloads may be as large as the protocol carries, if they fit. */
static void set_limits(struct local_cluster *self, const belt_pool_options *options, enum belt_pool_words words)
{
    uint64_t memory = options->memory > 0 ? options->memory : local_memory("") / 2, most = memory;

    if (memory > 0 && memory < BELT_MEMORY_BUDGET_LEAST)
        most = memory = BELT_MEMORY_BUDGET_LEAST;
    if (memory == 0) /* nobody knows */
        most = memory = BELT_MEMORY_BUDGET_DEFAULT;
    if (options->max_payload > 0)
        most = options->max_payload;
    self->memory = memory;
    self->max_payload = most < BELT_MAX_PAYLOAD_CEILING ? (uint32_t)most : BELT_MAX_PAYLOAD_CEILING;
    self->memory_option = words == BELT_WORDS_OPTIONS ? "--memory" : "memory in the options of the pool";
}

int local_cluster_start(const struct local_work *work, const belt_pool_options *options, char *endpoint, size_t size,
                        struct local_cluster **children)
{
    struct local_cluster *self = calloc(1, sizeof(*self));
    int rc;

    *children = NULL;
    if (!self)
        return belt_error_set(BELT_NO_MEMORY, "cannot open a private pool: out of memory");
    self->lifeline_read = self->lifeline.fd = self->lock = self->owner = self->ready[0] = self->ready[1] = -1;
    for (unsigned i = 0; i < LOCAL_CHILDREN; i++)
        self->child[i].pidfd = self->child[i].said = -1;
    set_limits(self, options, work->words);
    if (copy_names(self, work->functions, work->count))
        rc = start(self, work, options);
    else
        rc = belt_error_set(BELT_NO_MEMORY, "cannot open a private pool: out of memory");
    close_fd(&self->ready[0]);
    snprintf(endpoint, size, "ipc://%s/clients", self->directory);
    if (rc == BELT_OK)
        *children = self;
    else
        local_cluster_stop(&self);
    return rc;
}

/* True once it has ended by itself. */
static bool await_end(struct child *child, uint64_t deadline)
{
    char text[600];

    while (child->pid != 0 && !reap(child, "", text, sizeof(text))) {
        struct pollfd fd = {.fd = child->pidfd, .events = POLLIN};

        if (now_ms() >= deadline)
            return false;
        (void)poll(&fd, 1, child->pidfd >= 0 ? WAIT_MS : POLL_MS);
    }
    return true;
}

static void stop_child(struct child *child, uint64_t deadline)
{
    pid_t pid = child->pid;

    if (pid != 0)
        kill(pid, SIGTERM); /* a process forked otherwise than by fork() may hold the lifeline open */
    if (!await_end(child, deadline)) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        await_end(child, UINT64_MAX);
    }
    close_fd(&child->pidfd);
    close_fd(&child->said);
}

void local_cluster_stop(struct local_cluster **children)
{
    struct local_cluster *self;

    if (!children || !*children)
        return;
    self = *children;
    uint64_t deadline = now_ms() + self->kill_ms + STOP_MS;
    local_process_close(&self->lifeline); /* the orderly way */
    stop_child(&self->child[AGENT], deadline);
    stop_child(&self->child[BROKER], deadline);
    local_directory_remove(self->directory);
    close_fd(&self->lifeline_read);
    close_fd(&self->owner);
    close_fd(&self->lock);
    close_fd(&self->ready[0]);
    close_fd(&self->ready[1]);
    if (self->slots_room)
        munmap(self->slots_room, sizeof(*self->slots_room));
    free(self->names);
    free(self);
    *children = NULL;
}
