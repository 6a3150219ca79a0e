/* SPDX-License-Identifier: Apache-2.0
 *
 * One slot's process as the agent holds it: descriptors, buffers, signals.
 * Reads and writes without waiting; decides nothing.
 */
#include "worker/agent/place.h"
#include "worker/agent/loop.h"
#include "worker/agent/place_log.h"
#include "worker/agent/runner.h"
#include "worker/agent/state.h"
#include "proto/text_cut.h"
#include "worker/agent/spawn.h"
#include "proto/shortage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES (64u << 10)
/* Something that a command started (as `>(tee log)` does) may write for so long after its end: a filter that has seen
 * the end of its input is through within milliseconds, on a busy machine some more. */
#define HELD_US 500000u
/* Memory that was not used for so long may go; looked at when the agent wakes anyway, with each heartbeat at least. */
#define REST_US 1000000u
/* A system that has no room for processes is told of at most so often. */
#define SHORT_SAID_US 60000000u

static void group_note(struct agent *agent, const struct place *place, pid_t group)
{
    atomic_store(&agent->keeper.shared->groups[place->slot], group);
}

void place_started(struct agent *agent, struct place *place, pid_t pid, int in, int out, int err)
{
    place->pid = pid;
    place->in = in;
    place->out = out;
    place->err = err;
    place->starting = place->ended = place->over = place->writing = place->blameless = place->muted = false;
    place->error[0] = '\0';
    group_note(agent, place, pid);
    HASH_ADD_INT(agent->by_pid, pid, place);
    agent_watch(agent, out, WATCH_OUT, place->slot, EPOLLIN);
    agent_watch(agent, err, WATCH_ERR, place->slot, EPOLLIN);
}

static void place_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void place_close(struct agent *agent, struct place *place)
{
    if (place->pid > 0) {
        HASH_DEL(agent->by_pid, place);
        group_note(agent, place, 0);
    }
    if (place->ended)
        agent->hung--;
    if (place->lingers)
        agent->lingering--;
    place->lingers = place->settled = place->killed = place->muted = false;
    place->held_until = 0;
    place->pid = 0;
    if (place->in == place->out)
        place->in = -1;
    place_close_fd(&place->in);
    place_close_fd(&place->out);
    place_close_fd(&place->err);
    slot_reader_free(&place->reader);
    arena_close(&place->arena);
    slot_outbox_clear(&place->queue);
    slot_queue_consume(&place->captured, place->captured.len - place->captured.pos);
    place_log_clear(place);
    place->ended = place->doomed = place->starting = place->writing = place->unread = false;
}

ssize_t place_read(int fd, struct slot_queue *queue)
{
    uint8_t *room = slot_queue_room(queue, READ_BYTES);
    ssize_t n;

    if (!room)
        slot_table_no_memory();
    do {
        n = read(fd, room, READ_BYTES);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        queue->len += (size_t)n;
    return n < 0 && errno != EAGAIN ? 0 : n;
}

static void write_watch(struct agent *agent, struct place *place, bool on)
{
    if (place->writing == on)
        return;
    place->writing = on;
    if (on)
        agent_watch(agent, place->in, WATCH_IN, place->slot, EPOLLOUT);
    else
        agent_unwatch(agent, place->in);
}

/* As much as the ring has room for. One that is gone is found by its bell. */
static void write_ring(struct place *place)
{
    struct belt_bytes part;
    size_t n;

    while (slot_outbox_parts(&place->queue, &part, 1) > 0 &&
           (n = slot_pipe_write(&place->pipe, part.data, part.len)) > 0)
        slot_outbox_sent(&place->queue, n);
    (void)slot_pipe_tell(&place->pipe);
    place->writing = !slot_outbox_empty(&place->queue);
}

static ssize_t write_pipe(const struct place *place)
{
    enum { MOST = 16 };
    struct belt_bytes parts[MOST];
    struct iovec io[MOST];
    unsigned count = slot_outbox_parts(&place->queue, parts, MOST);

    for (unsigned i = 0; i < count; i++)
        io[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].len};
    return writev(place->in, io, (int)count);
}

void place_write(struct agent *agent, struct place *place)
{
    ssize_t n = 0;

    if (place->in < 0)
        return;
    if (place->rings) {
        write_ring(place);
        return;
    }
    while (!slot_outbox_empty(&place->queue)) {
        n = write_pipe(place);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        slot_outbox_sent(&place->queue, (size_t)n);
    }
    if (n < 0 && errno != EAGAIN) /* nobody reads it: not an error, the process says how it ended */
        slot_outbox_clear(&place->queue);
    write_watch(agent, place, !slot_outbox_empty(&place->queue));
}

void place_dirty(struct agent *agent, struct place *place)
{
    if (place->dirty)
        return;
    place->dirty = true;
    agent->dirty[agent->dirty_count++] = place->slot;
}

void place_kill(struct agent *agent, struct place *place, int number)
{
    (void)agent;
    if (place->settled) /* its number may be somebody else's */
        return;
    if (place->pid > 0) {
        if (kill(-place->pid, number) != 0 && errno == ESRCH && !place->lingers)
            kill(place->pid, number); /* a slot that was forked a moment ago has no group yet */
        if (number == SIGKILL)
            place->killed = true;
    } else if (place->starting && number != SIGSTOP && number != SIGCONT) {
        place->doomed = true;
    }
}

void place_fault(struct agent *agent, struct place *place)
{
    slot_table_end(agent->table, agent->now, place->slot);
}

/* Whether somebody of its process group is there still. */
static bool group_lives(const struct place *place)
{
    while (waitpid(-place->pid, NULL, WNOHANG) >
           0) /* it has become our child: we are the first process of a container */
        continue;
    return !place->killed && kill(-place->pid, 0) == 0;
}

/* Of a command that has ended: whether another process can still write to its output. */
static bool output_held(struct agent *agent, struct place *place)
{
    place->program->runner->output(agent, place);
    place_read_log(agent, place);
    return !place->over && (place->out >= 0 || place->err >= 0);
}

/* Whether the output of a command that has ended is waited for still. */
static bool held(struct agent *agent, const struct place *place)
{
    bool open = place->out >= 0 || place->err >= 0;

    if (!open || place->over || place->killed)
        return false;
    if (agent->now < place->held_until)
        return true;
    if (!agent->held_said)
        agent_warn(agent,
                   "a command has ended, and a process that it started still holds its output: what that writes later "
                   "than %u ms after the command's end is lost; let the command wait for it, or send its output "
                   "elsewhere (this is said once)",
                   HELD_US / 1000);
    agent->held_said = true;
    return false;
}

/* Nobody of its process group is there any more; what they wrote waits to be shown. */
static void place_settle(struct agent *agent, struct place *place)
{
    place->settled = place->lingers = true;
    agent->lingering++;
    group_note(agent, place, 0);
}

/* Whether somebody still runs, or writes, whose end is waited for. */
static bool lives(struct agent *agent, const struct place *place)
{
    if (place->muted)
        return true;
    if (place->settled)
        return false;
    return place->held_until ? held(agent, place) : group_lives(place);
}

void place_ended(struct agent *agent, struct place *place, int status)
{
    bool rest =
        place->program->runner->kind.lasting || WIFSIGNALED(status) || slot_table_ends(agent->table, place->slot);
    bool held_open = !rest && output_held(agent, place);

    place->status = status;
    place_read_log(agent, place);
    if (place->muted && !group_lives(place)) {
        place_settle(agent, place);
        return;
    }
    if (held_open) {
        place->lingers = true;
        place->held_until = agent->now + HELD_US;
        agent->lingering++;
        return;
    }
    if (!rest || !group_lives(place)) {
        place->program->runner->ended(agent, place, status);
        return;
    }
    place->lingers = true;
    agent->lingering++;
    slot_table_remains(agent->table, agent->now, place->slot);
}

void places_linger(struct agent *agent)
{
    for (uint32_t i = 0; agent->lingering > 0 && i < slot_table_count(agent->table); i++) {
        struct place *place = &agent->places[i];
        if (!place->lingers)
            continue;
        place_read_log(agent, place);
        if (lives(agent, place))
            continue;
        place->program->runner->ended(agent, place, place->status);
    }
}

int place_spawn(struct agent *agent, struct place *place, char *const *argv, char *const *env, bool input, bool tty)
{
    struct spawn spawn = {.argv = argv, .env = env, .tty = tty, .input = input, .mask = agent->slot_mask};
    int rc = spawn_start(&spawn);

    if (rc == 0)
        place_started(agent, place, spawn.pid, spawn.in, spawn.out, spawn.err);
    place->tty = rc == 0 && tty;
    return rc;
}

void place_status(int status, char *text, size_t size, struct slot_table_outcome *outcome)
{
    outcome->exit_status = -1;
    outcome->term_signal = 0;
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        outcome->term_signal = WTERMSIG(status);
        snprintf(text, size, "killed by signal %d%s%s%s", WTERMSIG(status), name ? " (SIG" : "", name ? name : "",
                 name ? ")" : "");
    } else {
        outcome->exit_status = WEXITSTATUS(status);
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    }
    outcome->text = (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

void place_lost(struct agent *agent, struct place *place, const char *why)
{
    struct slot_table_outcome outcome = {.exit_status = -1, .text = {(const uint8_t *)why, strlen(why)}};

    place->starting = false;
    slot_table_died(agent->table, agent->now, place->slot, &outcome);
    place_warn(agent, place);
}

void place_short(struct agent *agent, struct place *place, int error)
{
    char command[PLACE_COMMAND];

    place->starting = false;
    slot_table_short(agent->table, agent->now, place->slot, strerror(error));
    if (agent->leaving || (agent->short_us != 0 && agent->now - agent->short_us < SHORT_SAID_US))
        return;
    agent->short_us = agent->now;
    agent_warn(agent,
               "no process can be started for %s: its task waits and starting is tried again: %s, or use fewer slots",
               place_command(place, command, sizeof(command)), belt_shortage_text(error));
}

const char *place_command(const struct place *place, char *text, size_t size)
{
    const char *command = place->program->command;
    size_t line, len;

    if (!command)
        return place->program->runner == &runner_c ? "the C functions" : "a command";
    line = strcspn(command, "\n");
    len = text_cut_at(command, line, size - 8);
    snprintf(text, size, "'%.*s%s'", (int)len, command, command[len] ? "…" : "");
    return text;
}

void place_warn(struct agent *agent, const struct place *place)
{
    uint32_t failures = agent->leaving ? 0 : slot_table_failures(agent->table, place->slot);
    char command[PLACE_COMMAND];

    if (failures == SLOT_TABLE_FAILURES) /* once, until one answers */
        agent_warn(agent, "the slots of %s cannot start: %s; %s, and starting is tried again from time to time",
                   place_command(place, command, sizeof(command)), slot_table_why(agent->table, place->slot),
                   agent->options->alone ? "their tasks fail" : "their functions are left to other workers");
    else if (failures > 0)
        agent_log(agent, "slot %u ended before it answered a task (%u in a row): %s", place->slot, failures,
                  slot_table_why(agent->table, place->slot));
}

void places_rest(struct agent *agent)
{
    if (agent->now - agent->rested_us < REST_US)
        return;
    agent->rested_us = agent->now;
    for (uint32_t i = 0; i < slot_table_count(agent->table); i++) {
        struct place *place = &agent->places[i];
        if (place->pid > 0 && place->program->runner->rest)
            place->program->runner->rest(agent, place);
    }
}
