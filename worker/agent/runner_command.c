/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: one process per task, of a command that the operator registered or that came with the job (`exec`).
 * Its output is the result; how it ended is the outcome.
 */
#include "worker/agent/watch.h"
#include "worker/agent/process.h"
#include "worker/agent/process_log.h"
#include "worker/agent/runner.h"
#include "worker/agent/state.h"
#include "worker/agent/wire.h"
#include "worker/agent/command_line.h"
#include "worker/agent/environment.h"
#include "worker/agent/spawn.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void command_refuse(struct agent *agent, const struct process *process, const char *text)
{
    struct slot_table_outcome outcome = {.code = BELT_TASK_FAILED, .timed = true, .exit_status = -1};

    outcome.text = (struct belt_bytes){(const uint8_t *)text, strlen(text)};
    slot_table_answer(agent->table, agent->now, process->slot, &outcome);
}

static void close_input(struct process *process)
{
    if (process->in >= 0)
        close(process->in);
    process->in = -1;
}

/* What fits goes to its standard input now; the rest when it reads. */
static void command_input(struct agent *agent, struct process *process)
{
    agent_process_write(agent, process);
    if (!process->writing)
        close_input(process);
}

/* The variables of its process, `variable` among them; NULL: those of the worker as they are. */
static char **command_environment(const struct agent *agent, const struct belt_agent_function *function, char *variable)
{
    const struct belt_agent_options *options = agent->options;
    char **env, **to;

    if (!variable && !function->clean)
        return NULL;
    env = spawn_environment((char *const[]){variable, NULL});
    if (!env)
        slot_table_no_memory();
    if (!function->clean)
        return env;
    to = env + (variable != NULL);
    for (char **at = to; *at; at++)
        if (environment_passes(*at, options->keep_env, options->keep_env_count))
            *to++ = *at;
    *to = NULL;
    return env;
}

static void command_give(struct agent *agent, struct process *process, const struct slot_table_given *task)
{
    const struct belt_agent_function *function = &agent->options->functions[task->job->function];
    struct belt_bytes payload = {task->payload.data, task->payload.len};
    struct belt_bytes argument = {task->job->argument.data, task->job->argument.len};
    struct command_line line;
    char **env;
    char text[256];

    int rc = function->runner == BELT_RUN_EXEC ? command_line_exec(&line, argument, payload)
                                               : command_line_shell(&line, function->command, payload);
    if (rc != 0) {
        command_refuse(agent, process, line.error);
        return;
    }
    env = command_environment(agent, function, line.variable);
    rc = agent_process_spawn(agent, process, line.argv, env, line.input, function->tty);
    if (spawn_is_short(rc)) {
        agent_process_short(agent, process, rc);
    } else if (rc == E2BIG) {
        command_line_too_long(&line, env ? env : environ, (size_t)sysconf(_SC_ARG_MAX));
        command_refuse(agent, process, line.error);
    } else if (rc != 0) {
        text_print(text, sizeof(text), "cannot run '%.*s': %s", TEXT_UP_TO(line.argv[0], 160), strerror(rc));
        command_refuse(agent, process, text);
    } else if (line.input) {
        if (slot_outbox_payload(&process->queue, task->payload) != 0)
            slot_table_no_memory();
        command_input(agent, process);
    }
    free(env);
    command_line_free(&line);
}

/* Reads what is there; false: nothing more for now. */
static bool command_pull(struct agent *agent, struct process *process)
{
    if (process->out < 0)
        return false;
    ssize_t n = agent_process_read(process->out, &process->captured);
    if (n > 0 && process->captured.len > agent_max_payload(agent)) {
        slot_queue_consume(&process->captured, process->captured.len - process->captured.pos);
        if (!process->over)
            agent_process_fault(agent, process);
        process->over = true;
    }
    if (n == 0) {
        agent_unwatch(agent, process->out);
        close(process->out);
        process->out = -1;
    }
    return n > 0;
}

static void command_output(struct agent *agent, struct process *process)
{
    if (process->writing)
        command_input(agent, process);
    for (int i = 0; i < 4 && command_pull(agent, process); i++)
        continue;
}

/* What had the terminal has ended. Ctrl-C was for all: like a shell, the owner ends when it has ended the task. */
static void command_terminal(struct agent *agent, const struct slot_table_outcome *outcome)
{
    sigset_t stop, before;
    pid_t owner = getppid();

    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    sigprocmask(SIG_BLOCK, &stop, &before);
    spawn_terminal(getpgid(owner));
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (outcome->term_signal != SIGINT && outcome->exit_status != 128 + SIGINT)
        return;
    slot_table_leave(agent->table, agent->now, agent->now);
    kill(owner, SIGINT);
}

/* A grandchild may still hold the output open after the wait for it (process.c): what is here now is the result. */
static void command_ended(struct agent *agent, struct process *process, int status)
{
    struct slot_table_outcome outcome = {.code = BELT_OK, .exit_status = -1};
    char text[96];

    for (size_t before = SIZE_MAX; before != process->captured.len && !process->over;) {
        before = process->captured.len;
        command_pull(agent, process);
    }
    agent_process_read_log(agent, process);
    agent_process_status(status, text, sizeof(text), &outcome);
    if (process->tty)
        command_terminal(agent, &outcome);
    if (outcome.exit_status == 0)
        outcome.text = (struct belt_bytes){NULL, 0};
    else /* a command that crashes has failed; SIGKILL came from outside, and its slot died (PROTOCOL.md §8.2) */
        outcome.code = outcome.term_signal == SIGKILL ? BELT_TASK_LOST : BELT_TASK_FAILED;
    if (process->over) {
        int len =
            snprintf(text, sizeof(text), "the output is larger than the limit of %u bytes", agent_max_payload(agent));
        outcome.code = BELT_RESULT_TOO_LARGE;
        outcome.text = (struct belt_bytes){(const uint8_t *)text, (size_t)len};
    }
    outcome.payload = (struct belt_bytes){process->captured.data, process->over ? 0 : process->captured.len};
    outcome.log = agent_process_log(agent, process);
    slot_table_answer(agent->table, agent->now, process->slot, &outcome);
    if (process->in >= 0 && process->writing)
        agent_unwatch(agent, process->in);
    agent_process_close(agent, process);
}

const struct runner runner_command = {
    .kind = {.persistent = false},
    .give = command_give,
    .output = command_output,
    .ended = command_ended,
};
