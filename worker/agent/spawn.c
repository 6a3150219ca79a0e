/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting processes by vfork. See spawn.h. In the child only
 * async-signal-safe calls are made, and nothing of the parent's memory is changed but
 * what says that it failed.
 */
#include "worker/agent/spawn.h"
#include "proto/standard_fds.h"

#include "proto/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child needs, laid out before the vfork. */
struct child {
    char *const *argv, *const *env;
    int in, out, err;
    pid_t parent;
    const sigset_t *mask;
    bool tty;
    volatile int failed; /* errno of the child, read by the parent when it goes on */
};

/* SIGTTOU must be blocked. */
void spawn_terminal(pid_t group)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return;
    tcsetpgrp(fd, group);
    close(fd);
}

/* All signals are blocked. Nobody would see that Ctrl-Z has stopped it, so that is ignored. */
static void take_terminal(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGTSTP, &ignore, NULL);
    setpgid(0, 0);
    spawn_terminal(getpgrp());
}

static void child_run(struct child *child)
{
    belt_signals_default(); /* of what the agent, or whoever started it, may have changed */
    if (child->tty)
        take_terminal();
    else
        setsid(); /* a process group of its own, and no terminal: opening /dev/tty fails at once */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != child->parent) /* it died before the signal was set */
        _exit(127);
    /* The ends are above 2 (spawn_start), so none is overwritten before its turn; dup2 clears close-on-exec. */
    if (dup2(child->in, 0) >= 0 && dup2(child->out, 1) >= 0 && dup2(child->err, 2) >= 0) {
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        sigprocmask(SIG_SETMASK, child->mask, NULL);
        execvpe(child->argv[0], child->argv, child->env);
    }
    child->failed = errno ? errno : EINVAL;
    _exit(127);
}

static __attribute__((noinline)) pid_t child_start(struct child *child)
{
    pid_t pid = vfork();

    if (pid == 0)
        child_run(child);
    return pid;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int make_input(const struct spawn *spawn, int ends[2])
{
    ends[0] = ends[1] = -1;
    if (spawn->input)
        return standard_pipe(ends);
    ends[0] = standard_fd_above(open("/dev/null", O_RDONLY | O_CLOEXEC));
    return ends[0] < 0 ? -1 : 0;
}

static void nonblocking(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
}

static bool is_named(const char *variable, char *const *names)
{
    for (; *names; names++) {
        size_t len = (size_t)(strchrnul(*names, '=') - *names);
        if (strncmp(variable, *names, len) == 0 && variable[len] == '=')
            return true;
    }
    return false;
}

char **spawn_environment(char *const *more)
{
    size_t count = 0, to = 0;
    char **env;

    for (char *const *at = more; *at; at++)
        count++;
    for (char *const *at = environ; *at; at++)
        count++;
    env = malloc((count + 1) * sizeof(*env));
    if (!env)
        return NULL;
    for (char *const *at = more; *at; at++)
        env[to++] = *at;
    for (char *const *at = environ; *at; at++)
        if (!is_named(*at, more))
            env[to++] = *at;
    env[to] = NULL;
    return env;
}

bool spawn_is_short(int error)
{
    return error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM;
}

int spawn_start(struct spawn *spawn)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    int rc = 0;
    sigset_t all, before;

    spawn->pid = -1;
    spawn->in = spawn->out = spawn->err = -1;
    if (make_input(spawn, in) != 0 || standard_pipe(out) != 0 || standard_pipe(err) != 0) {
        rc = errno;
        goto out;
    }
    struct child child = {.argv = spawn->argv,
                          .env = spawn->env ? spawn->env : environ,
                          .in = in[0],
                          .out = out[1],
                          .err = err[1],
                          .parent = getpid(),
                          .tty = spawn->tty,
                          .mask = &spawn->mask};
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before); /* no handler of ours may run in the child */
    spawn->pid = child_start(&child);
    rc = spawn->pid < 0 ? errno : child.failed;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        while (spawn->pid > 0 && waitpid(spawn->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        goto out;
    }
    spawn->in = in[1];
    spawn->out = out[0];
    spawn->err = err[0];
    in[1] = out[0] = err[0] = -1;
    nonblocking(spawn->in);
    nonblocking(spawn->out);
    nonblocking(spawn->err);
out:
    for (int i = 0; i < 2; i++) {
        close_end(&in[i]);
        close_end(&out[i]);
        close_end(&err[i]);
    }
    return rc;
}
