/* SPDX-License-Identifier: Apache-2.0
 *
 * The first process of a container. See first.h.
 */
#include "cli/first.h"

#include "cli/say.h"
#include "proto/shortage.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reaps all that have ended; the program's wait status once it is among them, else -1. */
static int reap(pid_t program)
{
    int status, end = -1;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == program)
            end = status;
    return end;
}

/* What a terminal sends goes to the whole foreground group, so that the program has it already. */
static void hand_on(pid_t program, const siginfo_t *info)
{
    if (info->si_code != SI_KERNEL)
        kill(program, info->si_signo);
}

static _Noreturn void watch(pid_t program, const sigset_t *all)
{
    siginfo_t info;
    int status = -1;

    while (status < 0) {
        if (sigwaitinfo(all, &info) < 0)
            continue;
        if (info.si_signo == SIGCHLD)
            status = reap(program);
        else
            hand_on(program, &info);
    }
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

void first_process(void)
{
    sigset_t all, before;

    if (getpid() != 1)
        return;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t program = fork();
    if (program > 0)
        watch(program, &all);
    if (program < 0)
        say("cannot start a process, so that orphans are not reaped: %s", belt_shortage_text(errno));
    sigprocmask(SIG_SETMASK, &before, NULL);
}
