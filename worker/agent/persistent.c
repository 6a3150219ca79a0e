/* SPDX-License-Identifier: Apache-2.0
 *
 * What the runners of persistent slots have in common: answers in, death.
 */
#include "worker/agent/persistent.h"
#include "worker/agent/say.h"
#include "worker/agent/watch.h"
#include "worker/agent/process.h"
#include "worker/agent/process_log.h"
#include "worker/agent/state.h"
#include "worker/agent/wire.h"
#include "worker/agent/simple_command.h"
#include "worker/agent/spawn.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads of one slot in one turn of the loop: the others come to their right. */
#define READS 4
/* Slots that break the protocol between tasks are told of once in so long. */
#define BROKE_US 10000000u

void persistent_started(struct agent *agent, struct process *process, pid_t pid, int in, int out, int err)
{
    agent_process_started(agent, process, pid, in, out, err);
    if (process->rings)
        process->pipe = slot_pipe_open(process->rings, out, true);
    slot_reader_init(&process->reader, process->program->runner->side, agent_max_payload(agent));
    if (process->arena.memory)
        process->reader.shared = (struct belt_bytes){process->arena.memory->bytes, arena_bytes(process->arena.units)};
    if (process->doomed)
        agent_process_kill(agent, process, SIGKILL);
}

/* The line for the shell: a simple command replaces the shell, so that signals and exit status are its own. *Gives*.
 */
static char *shell_line(const char *command)
{
    char *line;

    if (asprintf(&line, "%s%s", command_is_simple(command) ? "exec " : "", command) < 0)
        slot_table_no_memory();
    return line;
}

void persistent_spawn(struct agent *agent, struct process *process)
{
    char *line = shell_line(process->program->command);
    char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, line, NULL};
    char limit[48], start[48];
    char *const more[] = {limit, start, NULL}; /* SLOTS.md, "What a slot finds in its environment" */
    char **env = spawn_environment(more);
    char text[200];
    int rc;

    if (!env)
        slot_table_no_memory();
    snprintf(limit, sizeof(limit), "BELT_SLOT_MAX_PAYLOAD=%u", agent_max_payload(agent));
    snprintf(start, sizeof(start), "BELT_SLOT_START_MS=%llu", (unsigned long long)agent->options->start_ms);
    rc = agent_process_spawn(agent, process, argv, env, true, false);

    free(env);
    free(line);
    process->given = process->answered = 0;
    if (spawn_is_short(rc)) {
        agent_process_short(agent, process, rc);
        return;
    }
    if (rc != 0) {
        if (rc == E2BIG)
            snprintf(
                text, sizeof(text),
                "the command has %zu bytes, more than the system takes beside its environment: put it into a script",
                strlen(process->program->command));
        else
            snprintf(text, sizeof(text), "cannot run '/bin/sh': %s", strerror(rc));
        agent_process_lost(agent, process, text);
        return;
    }
    slot_reader_init(&process->reader, process->program->runner->side, agent_max_payload(agent));
}

static struct slot_task task_line(const struct agent *agent, const struct slot_table_given *task)
{
    return (struct slot_task){
        .job = task->job->job,
        .index = task->index,
        .attempt = task->attempt,
        .function = agent->functions[task->job->function],
        .argument = {task->job->argument.data, task->job->argument.len},
    };
}

void persistent_give(struct agent *agent, struct process *process, const struct slot_table_given *task)
{
    const struct slot_task out = task_line(agent, task);

    if (slot_outbox_task(&process->queue, &out, task->payload) != 0)
        slot_table_no_memory();
    agent_process_dirty(agent, process);
}

void persistent_give_counted(struct agent *agent, struct process *process, const struct slot_table_given *task)
{
    process->given++;
    persistent_give(agent, process, task);
}

void persistent_give_at(struct agent *agent, struct process *process, const struct slot_table_given *task, size_t at)
{
    const struct slot_task out = task_line(agent, task);

    if (slot_outbox_task_at(&process->queue, &out, task->payload.len, at) != 0)
        slot_table_no_memory();
    agent_process_dirty(agent, process);
}

/* Tasks that the process has, whatever the table is about to give it. */
static uint64_t stream_owes(const struct process *process)
{
    return (process->rings ? process->due : process->given) - process->answered;
}

/* Between two tasks, where no result can tell it: the log does, now and then. */
static void warn_between(struct agent *agent, const struct process *process)
{
    char command[PROCESS_COMMAND];

    if (agent->broke_us != 0 && agent->now - agent->broke_us < BROKE_US)
        return;
    agent->broke_us = agent->now;
    agent_warn(agent,
               "slot %u (%s) broke the slot protocol while it had no task, and is replaced: %s; its standard output "
               "is for answers only, whatever else it prints must go to standard error",
               process->slot, agent_process_command(process, command, sizeof(command)), process->error);
}

void persistent_violation(struct agent *agent, struct process *process, const char *what)
{
    if (process->error[0] == '\0')
        text_print(process->error, sizeof(process->error), "%s", what);
    if (stream_owes(process) == 0) {
        process->blameless = true; /* also of the task that it is about to get */
        warn_between(agent, process);
    }
    agent_process_fault(agent, process);
}

/* Says which task was answered in place of which. */
static const char *mismatch_text(const struct slot_got_message *m, const struct slot_table_key *due, char *text,
                                 size_t size)
{
    int len = m->named ? snprintf(text, size, "it answered task %llu.%llu", (unsigned long long)m->job,
                                  (unsigned long long)m->index)
                       : snprintf(text, size, "it answered another task");

    if (due)
        snprintf(text + len, size - (size_t)len, ", and task %llu.%llu was due", (unsigned long long)due->job,
                 (unsigned long long)due->index);
    else
        snprintf(text + len, size - (size_t)len, ", and had none");
    return text;
}

/* What the answer says against being that of the task that is due; NULL: nothing. */
static const char *stream_mismatch(struct agent *agent, const struct process *process, const struct slot_got_message *m,
                                   char *text, size_t size)
{
    const struct slot_table_key *due = stream_owes(process) > 0 ? slot_table_due(agent->table, process->slot) : NULL;

    if (!due)
        return m->named ? mismatch_text(m, NULL, text, size) : "it answered without a task";
    if (m->marked ? m->mark == due->index % 10 : !m->named || (m->job == due->job && m->index == due->index))
        return NULL;
    return mismatch_text(m, due, text, size);
}

/* An answer that lies in shared memory, if it may: `kept` has a reference then. */
static bool stream_answer_at(struct process *process, struct belt_bytes answer, struct belt_payload *kept)
{
    size_t at = (size_t)(answer.data - process->reader.shared.data);

    return arena_answer(&process->arena, process->answered + 1, at, answer.len, kept);
}

static void stream_answer(struct agent *agent, struct process *process, enum slot_got got,
                          const struct slot_got_message *m)
{
    struct slot_table_outcome outcome = {
        .code = got == SLOT_GOT_OK ? BELT_OK : m->code,
        .timed = m->timed,
        .service_us = m->service_us,
        .payload = m->payload,
        .kept = m->kept,
        .text = m->text,
        .log = agent_process_log(agent, process),
        .exit_status = -1,
    };
    char text[120];
    const char *wrong;

    wrong = stream_mismatch(agent, process, m, text, sizeof(text));
    if (wrong) {
        persistent_violation(agent, process, wrong);
        return;
    }
    if (m->shared && !stream_answer_at(process, m->payload, &outcome.kept)) {
        persistent_violation(agent, process, "its answer lies where it has none");
        return;
    }
    if (outcome.log.len > 0 || (process->program->runner->names && !m->named))
        slot_table_one_by_one(agent->table, process->slot);
    slot_table_answer(agent->table, agent->now, process->slot, &outcome);
    if (m->shared)
        belt_payload_clear(&outcome.kept);
    agent_process_log_clear(process);
    process->answered++;
    if (process->program->runner->answered)
        process->program->runner->answered(agent, process);
}

static void stream_parse(struct agent *agent, struct process *process)
{
    struct slot_got_message message;
    enum slot_got got;

    while (process->error[0] == '\0' && (got = slot_reader_next(&process->reader, &message)) != SLOT_GOT_NOTHING) {
        switch (got) {
        case SLOT_GOT_HELLO:
            slot_table_ready(agent->table, process->slot);
            break;
        case SLOT_GOT_UNABLE:
            if (!slot_table_unable(agent->table, process->slot, message.text))
                persistent_violation(agent, process, "it says 'unable' after its hello");
            break;
        case SLOT_GOT_OK:
        case SLOT_GOT_FAIL:
            stream_answer(agent, process, got, &message);
            break;
        case SLOT_GOT_PROGRESS:
            wire_progress(agent, process, message.done, message.total);
            break;
        default:
            persistent_violation(agent, process, process->reader.error);
        }
    }
}

/* One read: more than 0: bytes; 0: the end; -1: nothing there. */
static ssize_t stream_read(struct process *process)
{
    size_t room;
    uint8_t *at = slot_reader_room(&process->reader, &room);
    ssize_t n;

    if (!at)
        slot_table_no_memory();
    do {
        n = process->rings ? slot_pipe_read(&process->pipe, at, room) : read(process->out, at, room);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        slot_reader_filled(&process->reader, (size_t)n);
    return n < 0 && !process->rings && errno != EAGAIN ? 0 : n;
}

static bool stream_pull(struct agent *agent, struct process *process)
{
    if (process->ended || process->out < 0 || process->muted)
        return false;
    ssize_t n = stream_read(process);
    if (n > 0) {
        agent_process_read_log(agent, process); /* what a task wrote before its answer is here now */
        if (!process->muted)
            stream_parse(agent, process);
        return !process->muted;
    }
    if (n == 0) {
        process->ended = true;
        process->ended_us = agent->now;
        agent->hung++;
        agent_unwatch(agent, process->out);
    }
    return false;
}

void persistent_output(struct agent *agent, struct process *process)
{
    int reads = 0;

    if (!process->muted) /* what was read when it was muted */
        stream_parse(agent, process);
    while (reads < READS && stream_pull(agent, process))
        reads++;
    process->unread = process->rings && reads == READS; /* the bell rings for what comes, not for what is there */
    if (process->unread)
        agent_process_dirty(agent, process);
    if (process->writing)
        agent_process_write(agent, process);
}

void persistent_ended(struct agent *agent, struct process *process, int status)
{
    struct slot_table_outcome outcome = {0};
    char text[64];
    char why[sizeof(process->error) + sizeof(text)];

    while (stream_pull(agent, process)) /* its last words */
        continue;
    agent_process_read_log(agent, process);
    stream_parse(agent, process);
    agent_process_status(status, text, sizeof(text), &outcome);
    text_print(why, sizeof(why), "%s", process->error[0] ? process->error : text);
    outcome.text = (struct belt_bytes){(const uint8_t *)why, strlen(why)};
    outcome.log =
        stream_owes(process) > 0 ? agent_process_log(agent, process) : agent_process_log_start(agent, process);
    if (process->program->runner->look)
        process->program->runner->look(agent, process);
    else if (process->blameless || stream_owes(process) == 0)
        slot_table_look(agent->table, process->slot, 0, false, agent->now); /* it runs none: none is to blame */
    slot_table_died(agent->table, agent->now, process->slot, &outcome);
    agent_process_warn(agent, process);
    agent_process_close(agent, process);
}

void persistent_close(struct agent *agent, struct process *process)
{
    (void)agent;
    if (process->in < 0)
        return;
    if (process->rings) {
        slot_pipe_close(&process->pipe);
    } else {
        if (process->writing)
            agent_unwatch(agent, process->in);
        process->writing = false;
        close(process->in);
        process->in = -1;
    }
}
