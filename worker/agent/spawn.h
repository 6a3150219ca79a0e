/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting processes: commands, coprocesses, filters. One way for all, by
 * vfork, because a fork would copy the page tables of the agent for each task and
 * posix_spawn cannot set the parent-death signal.
 */
#ifndef BELT_WORKER_AGENT_SPAWN_H
#define BELT_WORKER_AGENT_SPAWN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spawn {
    char *const *argv; /* searched in PATH */
    char *const *env;  /* its environment; NULL: that of this process */
    bool tty;          /* it stays in this session and gets its terminal, instead of a session of its own */
    bool input;        /* a pipe to its standard input; else /dev/null */
    sigset_t mask;     /* its signal mask */
    /* filled by spawn_start(), non-blocking ends of the agent: */
    pid_t pid;
    int in, out, err; /* -1: none */
};

/**
 * Starts argv[0] in a process group of its own that dies with the calling thread.
 * 0, or the errno of what failed (with nothing left open).
 */
int spawn_start(struct spawn *spawn);
/** Whether `error` of a start says that the system had no room (descriptors, processes, memory): it may have later. */
bool spawn_is_short(int error);

/** The terminal goes back to this process group. */
void spawn_terminal(pid_t group);

/** This process's environment with the variables of `more` (NAME=VALUE …, NULL), which take the place of those of the
 * same name. *Gives* the array, which borrows the strings; NULL when out of memory. */
char **spawn_environment(char *const *more);

#endif
