/* SPDX-License-Identifier: Apache-2.0
 *
 * What the runners of lasting slots have in common: answers in, death.
 */
#include "agent_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Reads of one slot in one turn of the loop: the others come to their right. */
#define READS 4

void stream_started(struct agent *agent, struct place *place, pid_t pid, int in, int out, int err)
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

void stream_spawn(struct agent *agent, struct place *place)
{
    char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, (char *)(uintptr_t)place->program->command, NULL};
    int rc = place_spawn(agent, place, argv, true);
    char text[160];

    if (rc != 0) {
        snprintf(text, sizeof(text), "cannot run '/bin/sh': %s", strerror(rc));
        place_lost(agent, place, text);
        return;
    }
    slot_reader_init(&place->reader, place->program->runner->side, agent_max_payload(agent));
}

static struct slot_task task_line(const struct agent *agent, const struct slots_given *task)
{
    return (struct slot_task){
        .job = task->job->job,
        .index = task->index,
        .attempt = task->attempt,
        .function = agent->functions[task->job->function],
        .argument = {task->job->argument.data, task->job->argument.len},
    };
}

void stream_give(struct agent *agent, struct place *place, const struct slots_given *task)
{
    const struct slot_task out = task_line(agent, task);

    if (slot_outbox_task(&place->queue, &out, task->payload) != 0)
        slots_no_memory();
    place_dirty(agent, place);
}

void stream_give_at(struct agent *agent, struct place *place, const struct slots_given *task, size_t at)
{
    const struct slot_task out = task_line(agent, task);

    if (slot_outbox_task_at(&place->queue, &out, task->payload.len, at) != 0)
        slots_no_memory();
    place_dirty(agent, place);
}

static void violation(struct agent *agent, struct place *place, const char *what)
{
    if (place->error[0] == '\0')
        snprintf(place->error, sizeof(place->error), "%s", what);
    place_fault(agent, place);
}

/** An answer that lies in shared memory, if it may: `kept` has a reference then. */
static bool stream_answer_at(struct place *place, struct belt_bytes answer, struct belt_payload *kept)
{
    size_t at = (size_t)(answer.data - place->reader.shared.data);

    return arena_answer(&place->arena, place->answered + 1, at, answer.len, kept);
}

static void stream_answer(struct agent *agent, struct place *place, enum slot_got got, const struct slot_got_message *m)
{
    struct slots_outcome outcome = {
        .code = got == SLOT_GOT_OK ? BELT_OK : m->code,
        .timed = m->timed,
        .service_us = m->service_us,
        .payload = m->payload,
        .kept = m->kept,
        .text = m->text,
        .log = place_log(place),
        .exit_status = -1,
    };

    if (m->shared && !stream_answer_at(place, m->payload, &outcome.kept)) {
        violation(agent, place, "its answer lies where it has none");
        return;
    }
    if (outcome.log.len > 0)
        slots_talks(agent->table, place->slot);
    if (!slots_answer(agent->table, agent->now, place->slot, &outcome))
        violation(agent, place, "it answered without a task");
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
            slots_ready(agent->table, place->slot);
            break;
        case SLOT_GOT_OK:
        case SLOT_GOT_FAIL:
            stream_answer(agent, place, got, &message);
            break;
        case SLOT_GOT_PROGRESS:
            wire_progress(agent, place, message.done, message.total);
            break;
        default:
            violation(agent, place, place->reader.error);
        }
    }
}

/** One read: more than 0: bytes; 0: the end; -1: nothing there. */
static ssize_t stream_read(struct place *place)
{
    size_t room;
    uint8_t *at = slot_reader_room(&place->reader, &room);
    ssize_t n;

    if (!at)
        slots_no_memory();
    do {
        n = place->rings ? slot_pipe_read(&place->pipe, at, room) : read(place->out, at, room);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        slot_reader_filled(&place->reader, (size_t)n);
    return n < 0 && !place->rings && errno != EAGAIN ? 0 : n;
}

static bool stream_pull(struct agent *agent, struct place *place)
{
    if (place->ended || place->out < 0)
        return false;
    ssize_t n = stream_read(place);
    if (n > 0) {
        place_read_log(agent, place); /* what a task wrote before its answer is here now */
        stream_parse(agent, place);
        return true;
    }
    if (n == 0) {
        place->ended = true;
        place->ended_us = agent->now;
        agent->hung++;
        agent_unwatch(agent, place->out);
    }
    return false;
}

void stream_output(struct agent *agent, struct place *place)
{
    int reads = 0;

    while (reads < READS && stream_pull(agent, place))
        reads++;
    place->unread = place->rings && reads == READS; /* the bell rings for what comes, not for what is there */
    if (place->unread)
        place_dirty(agent, place);
    if (place->writing)
        place_write(agent, place);
}

void stream_ended(struct agent *agent, struct place *place, int status)
{
    struct slots_outcome outcome = {0};
    char text[64];
    char why[sizeof(place->error) + sizeof(text)];

    while (stream_pull(agent, place)) /* its last words */
        continue;
    place_read_log(agent, place);
    place_status(status, text, sizeof(text), &outcome);
    snprintf(why, sizeof(why), "%s", place->error[0] ? place->error : text);
    outcome.text = (struct belt_bytes){(const uint8_t *)why, strlen(why)};
    outcome.log = place_log(place);
    if (place->program->runner->look)
        place->program->runner->look(agent, place);
    slots_died(agent->table, agent->now, place->slot, &outcome);
    place_warn(agent, place);
    place_close(agent, place);
}

void stream_close(struct agent *agent, struct place *place)
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
