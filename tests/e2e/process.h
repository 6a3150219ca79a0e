/* SPDX-License-Identifier: Apache-2.0
 *
 * Real processes for end-to-end tests: start a command, talk to it, wait with
 * a bound, signal it, and leave nothing behind. Every child has a process
 * group of its own and dies with the test (a test that times out is killed by
 * Criterion, its children are not).
 *
 * Output is collected only inside the calls below, so a test that does not
 * call them is a reader that does not read.
 */
#ifndef BELT_TEST_PROCESS_H
#define BELT_TEST_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process;

struct process_options {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* NAME=VALUE … NULL, added to the test's own environment; may be NULL */
    const char *input;       /* text for standard input, which is then closed; NULL: see stdin_open */
    size_t input_len;        /* 0: strlen(input) */
    bool stdin_open;         /* keep a pipe: process_write() and process_close_stdin() */
    const char *stdin_path;  /* standard input is this file */
    bool stdout_closed;      /* the reader of its standard output is gone before it starts */
    const char *stdout_path; /* standard output is this file; process_out() stays empty */
};

/** Starts it; fails the test when that is impossible. Free with process_free(). */
struct process *process_start(const struct process_options *options);
/** The same for a plain command line: process_run("belt", "ping", NULL) style, with `input` (may be NULL: empty). */
struct process *process_spawn(const char *input, const char *const *argv);
/** Kills its whole group, reaps it, frees. Accepts NULL. */
void process_free(struct process *process);

/** Waits until it has ended and its output is read. False after `timeout_ms`. */
bool process_wait(struct process *process, int timeout_ms);
/** Waits until standard output (or error) contains `text`, or the end of output. True when it does. */
bool process_wait_out(struct process *process, const char *text, int timeout_ms);
bool process_wait_err(struct process *process, const char *text, int timeout_ms);

/** Exit status; -N when it was killed by signal N. Only after process_wait() was true. */
int process_status(const struct process *process);
/** What it wrote until now, NUL-terminated (it may hold NULs: see the length). */
const char *process_out(const struct process *process);
size_t process_out_len(const struct process *process);
const char *process_err(const struct process *process);

/** Writes all of `text` to its standard input (stdin_open). */
void process_write(struct process *process, const char *text);
void process_close_stdin(struct process *process);
/** Closes our end of its standard output: its next write fails with EPIPE. */
void process_close_stdout(struct process *process);

pid_t process_pid(const struct process *process);
/** To the process alone, or to its whole group as a terminal's Ctrl-C would. */
void process_signal(struct process *process, int signal);
void process_signal_group(struct process *process, int signal);
/** Resident memory in KiB, 0 when it is gone. */
long process_rss_kib(const struct process *process);

/** Path of the program `belt` of this build. */
const char *process_belt(void);
/** A TCP port of 127.0.0.1 that is free now. */
int process_free_port(void);
/** Processes (zombies apart) whose environment holds `mark` ("NAME=VALUE"): descendants of a process started with it.
 */
int process_count_marked(const char *mark);
/** Waits until at most `count` of them are left. */
bool process_wait_marked(const char *mark, int count, int timeout_ms);
/** ms on a monotonic clock. */
long long process_now_ms(void);

#endif
