/* SPDX-License-Identifier: Apache-2.0
 *
 * What the runners of lasting slots have in common: answers in, death.
 */
#include "worker/agent/lasting.h"
#include "worker/agent/loop.h"
#include "worker/agent/place.h"
#include "worker/agent/place_log.h"
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

void lasting_started(struct agent *agent, struct place *place, pid_t pid, int in, int out, int err)
{
    place_started(agent, place, pid, in, out, err);
    if (place->rings)
        place->pipe = slot_pipe_open(place->rings, out, true);
    slot_reader_init(&place->reader, place->program->runner->side, agent_max_payload(agent));
    if (place->arena.memory)
        place->reader.shared = (struct belt_bytes){place->arena.memory->bytes, arena_bytes(place->arena.units)};
    if (place->doomed)
        place_kill(agent, place, SIGKILL);
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

void lasting_spawn(struct agent *agent, struct place *place)
{
    char *line = shell_line(place->program->command);
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
    rc = place_spawn(agent, place, argv, env, true, false);

    free(env);
    free(line);
    place->given = place->answered = 0;
    if (spawn_is_short(rc)) {
        place_short(agent, place, rc);
        return;
    }
    if (rc != 0) {
        if (rc == E2BIG)
            snprintf(
                text, sizeof(text),
                "the command has %zu bytes, more than the system takes beside its environment: put it into a script",
                strlen(place->program->command));
        else
            snprintf(text, sizeof(text), "cannot run '/bin/sh': %s", strerror(rc));
        place_lost(agent, place, text);
        return;
    }
    slot_reader_init(&place->reader, place->program->runner->side, agent_max_payload(agent));
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

void lasting_give(struct agent *agent, struct place *place, const struct slot_table_given *task)
{
    const struct slot_task out = task_line(agent, task);

    if (slot_outbox_task(&place->queue, &out, task->payload) != 0)
        slot_table_no_memory();
    place_dirty(agent, place);
}

void lasting_give_counted(struct agent *agent, struct place *place, const struct slot_table_given *task)
{
    place->given++;
    lasting_give(agent, place, task);
}

void lasting_give_at(struct agent *agent, struct place *place, const struct slot_table_given *task, size_t at)
{
    const struct slot_task out = task_line(agent, task);

    if (slot_outbox_task_at(&place->queue, &out, task->payload.len, at) != 0)
        slot_table_no_memory();
    place_dirty(agent, place);
}

/* Tasks that the process has, whatever the table is about to give it. */
static uint64_t stream_owes(const struct place *place)
{
    return (place->rings ? place->due : place->given) - place->answered;
}

/* Between two tasks, where no result can tell it: the log does, now and then. */
static void warn_between(struct agent *agent, const struct place *place)
{
    char command[PLACE_COMMAND];

    if (agent->broke_us != 0 && agent->now - agent->broke_us < BROKE_US)
        return;
    agent->broke_us = agent->now;
    agent_warn(agent,
               "slot %u (%s) broke the slot protocol while it had no task, and is replaced: %s; its standard output "
               "is for answers only, whatever else it prints must go to standard error",
               place->slot, place_command(place, command, sizeof(command)), place->error);
}

void lasting_violation(struct agent *agent, struct place *place, const char *what)
{
    if (place->error[0] == '\0')
        text_print(place->error, sizeof(place->error), "%s", what);
    if (stream_owes(place) == 0) {
        place->blameless = true; /* also of the task that it is about to get */
        warn_between(agent, place);
    }
    place_fault(agent, place);
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
static const char *stream_mismatch(struct agent *agent, const struct place *place, const struct slot_got_message *m,
                                   char *text, size_t size)
{
    const struct slot_table_key *due = stream_owes(place) > 0 ? slot_table_due(agent->table, place->slot) : NULL;

    if (!due)
        return m->named ? mismatch_text(m, NULL, text, size) : "it answered without a task";
    if (m->marked ? m->mark == due->index % 10 : !m->named || (m->job == due->job && m->index == due->index))
        return NULL;
    return mismatch_text(m, due, text, size);
}

/* An answer that lies in shared memory, if it may: `kept` has a reference then. */
static bool stream_answer_at(struct place *place, struct belt_bytes answer, struct belt_payload *kept)
{
    size_t at = (size_t)(answer.data - place->reader.shared.data);

    return arena_answer(&place->arena, place->answered + 1, at, answer.len, kept);
}

static void stream_answer(struct agent *agent, struct place *place, enum slot_got got, const struct slot_got_message *m)
{
    struct slot_table_outcome outcome = {
        .code = got == SLOT_GOT_OK ? BELT_OK : m->code,
        .timed = m->timed,
        .service_us = m->service_us,
        .payload = m->payload,
        .kept = m->kept,
        .text = m->text,
        .log = place_log(agent, place),
        .exit_status = -1,
    };
    char text[120];
    const char *wrong;

    wrong = stream_mismatch(agent, place, m, text, sizeof(text));
    if (wrong) {
        lasting_violation(agent, place, wrong);
        return;
    }
    if (m->shared && !stream_answer_at(place, m->payload, &outcome.kept)) {
        lasting_violation(agent, place, "its answer lies where it has none");
        return;
    }
    if (outcome.log.len > 0 || (place->program->runner->names && !m->named))
        slot_table_one_by_one(agent->table, place->slot);
    slot_table_answer(agent->table, agent->now, place->slot, &outcome);
    if (m->shared)
        belt_payload_clear(&outcome.kept);
    place_log_clear(place);
    place->answered++;
    if (place->program->runner->answered)
        place->program->runner->answered(agent, place);
}

static void stream_parse(struct agent *agent, struct place *place)
{
    struct slot_got_message message;
    enum slot_got got;

    while (place->error[0] == '\0' && (got = slot_reader_next(&place->reader, &message)) != SLOT_GOT_NOTHING) {
        switch (got) {
        case SLOT_GOT_HELLO:
            slot_table_ready(agent->table, place->slot);
            break;
        case SLOT_GOT_UNABLE:
            if (!slot_table_unable(agent->table, place->slot, message.text))
                lasting_violation(agent, place, "it says 'unable' after its hello");
            break;
        case SLOT_GOT_OK:
        case SLOT_GOT_FAIL:
            stream_answer(agent, place, got, &message);
            break;
        case SLOT_GOT_PROGRESS:
            wire_progress(agent, place, message.done, message.total);
            break;
        default:
            lasting_violation(agent, place, place->reader.error);
        }
    }
}

/* One read: more than 0: bytes; 0: the end; -1: nothing there. */
static ssize_t stream_read(struct place *place)
{
    size_t room;
    uint8_t *at = slot_reader_room(&place->reader, &room);
    ssize_t n;

    if (!at)
        slot_table_no_memory();
    do {
        n = place->rings ? slot_pipe_read(&place->pipe, at, room) : read(place->out, at, room);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        slot_reader_filled(&place->reader, (size_t)n);
    return n < 0 && !place->rings && errno != EAGAIN ? 0 : n;
}

static bool stream_pull(struct agent *agent, struct place *place)
{
    if (place->ended || place->out < 0 || place->muted)
        return false;
    ssize_t n = stream_read(place);
    if (n > 0) {
        place_read_log(agent, place); /* what a task wrote before its answer is here now */
        if (!place->muted)
            stream_parse(agent, place);
        return !place->muted;
    }
    if (n == 0) {
        place->ended = true;
        place->ended_us = agent->now;
        agent->hung++;
        agent_unwatch(agent, place->out);
    }
    return false;
}

void lasting_output(struct agent *agent, struct place *place)
{
    int reads = 0;

    if (!place->muted) /* what was read when it was muted */
        stream_parse(agent, place);
    while (reads < READS && stream_pull(agent, place))
        reads++;
    place->unread = place->rings && reads == READS; /* the bell rings for what comes, not for what is there */
    if (place->unread)
        place_dirty(agent, place);
    if (place->writing)
        place_write(agent, place);
}

void lasting_ended(struct agent *agent, struct place *place, int status)
{
    struct slot_table_outcome outcome = {0};
    char text[64];
    char why[sizeof(place->error) + sizeof(text)];

    while (stream_pull(agent, place)) /* its last words */
        continue;
    place_read_log(agent, place);
    stream_parse(agent, place);
    place_status(status, text, sizeof(text), &outcome);
    text_print(why, sizeof(why), "%s", place->error[0] ? place->error : text);
    outcome.text = (struct belt_bytes){(const uint8_t *)why, strlen(why)};
    outcome.log = stream_owes(place) > 0 ? place_log(agent, place) : place_log_start(agent, place);
    if (place->program->runner->look)
        place->program->runner->look(agent, place);
    else if (place->blameless || stream_owes(place) == 0)
        slot_table_look(agent->table, place->slot, 0, false, agent->now); /* it runs none: none is to blame */
    slot_table_died(agent->table, agent->now, place->slot, &outcome);
    place_warn(agent, place);
    place_close(agent, place);
}

void lasting_close(struct agent *agent, struct place *place)
{
    (void)agent;
    if (place->in < 0)
        return;
    if (place->rings) {
        slot_pipe_close(&place->pipe);
    } else {
        if (place->writing)
            agent_unwatch(agent, place->in);
        place->writing = false;
        close(place->in);
        place->in = -1;
    }
}
