/* SPDX-License-Identifier: Apache-2.0
 *
 * Standard error of one slot's process: the end of it for the task's result, and of a private pool's all of it, by
 * lines, to the owner, who shows it while the task runs (log_lines.h). An owner who does not read stops the process at
 * its next line, as a terminal does: nothing is dropped, and nothing piles up here.
 */
#include "worker/agent/place_log.h"
#include "worker/agent/loop.h"
#include "worker/agent/place.h"
#include "worker/agent/state.h"
#include "worker/agent/log_lines.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Why a slot cannot start is in the last line that it wrote, however little of a log results carry. */
#define LOG_KEPT_LEAST 256u
/* At the agent's end the owner has so long to take the last lines. */
#define LOG_LAST_MS 1000

/* ---- the owner's pipe ---- */

static bool log_shown(const struct agent *agent)
{
    return agent->log_fd > 0;
}

/* True: it is written, or nobody reads any more. False: there is no room, and what waits goes on when there is. */
static bool log_put(struct agent *agent, const uint8_t *record, size_t size)
{
    ssize_t n;

    if (!log_shown(agent))
        return true;
    if (agent->log_full)
        return false;
    do {
        n = write(agent->log_fd, record, size);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)size)
        return true;
    if (n < 0 && errno != EAGAIN) {
        agent->log_fd = 0;
        return true;
    }
    agent->log_full = true;
    agent_watch(agent, agent->log_fd, WATCH_LOG, 0, EPOLLOUT);
    return false;
}

static uint64_t log_index(const struct agent *agent, const struct place *place)
{
    const struct slot_table_key *due = slot_table_due(agent->table, place->slot);

    return due ? due->index : LOG_NO_TASK;
}

/* Hands the owner what is there of whole lines, or all at the `end`. False: there is no room for all of it. */
static bool log_say(struct agent *agent, struct place *place, bool end)
{
    uint8_t record[LOG_RECORD_MAX];
    struct slot_queue *lines = &place->unsaid;
    size_t part;

    if (lines->len == lines->pos)
        return true;
    while ((part = log_lines_part(lines->data + lines->pos, lines->len - lines->pos, end)) > 0) {
        size_t size = log_lines_write(record, log_index(agent, place), lines->data + lines->pos, part);
        if (!log_put(agent, record, size))
            return false;
        slot_queue_consume(lines, part);
    }
    return true;
}

/* The task is over: what waits of its lines does so without it, before anybody else's. */
static void log_leave(struct agent *agent, struct place *place)
{
    uint8_t record[LOG_RECORD_MAX];
    struct slot_queue *lines = &place->unsaid;
    size_t part;

    while ((part = log_lines_part(lines->data + lines->pos, lines->len - lines->pos, true)) > 0) {
        size_t size = log_lines_write(record, log_index(agent, place), lines->data + lines->pos, part);
        if (slot_queue_add(&agent->log_left, record, size) != 0)
            slot_table_no_memory();
        slot_queue_consume(lines, part);
    }
}

/* True: all is written that those have left who are gone. */
static bool log_put_left(struct agent *agent)
{
    struct slot_queue *left = &agent->log_left;
    struct log_record record;
    size_t size;

    while ((size = log_lines_read(left->data + left->pos, left->len - left->pos, &record)) > 0) {
        if (!log_put(agent, left->data + left->pos, size))
            return false;
        slot_queue_consume(left, size);
    }
    return true;
}

/* The process is not read from until the owner has taken what it wrote: then it waits, too. */
static void place_mute(struct agent *agent, struct place *place)
{
    place->muted = true;
    if (place->err >= 0)
        agent_unwatch(agent, place->err);
    if (place->program->runner->kind.lasting && place->out >= 0 && !place->ended)
        agent_unwatch(agent, place->out);
}

static void place_unmute(struct agent *agent, struct place *place)
{
    place->muted = false;
    if (place->err >= 0)
        agent_watch(agent, place->err, WATCH_ERR, place->slot, EPOLLIN);
    if (!place->program->runner->kind.lasting)
        return;
    if (place->out >= 0 && !place->ended)
        agent_watch(agent, place->out, WATCH_OUT, place->slot, EPOLLIN);
    place->program->runner->output(agent, place); /* an answer may lie here already */
}

void place_log_resume(struct agent *agent)
{
    uint32_t count = slot_table_count(agent->table), first = agent->log_next;

    agent_unwatch(agent, agent->log_fd);
    agent->log_full = false;
    if (!log_put_left(agent))
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct place *place = &agent->places[(first + i) % count];
        if (!place->muted)
            continue;
        if (!log_say(agent, place, false)) {
            agent->log_next = place->slot; /* it is the first the next time: all come to their turn */
            return;
        }
        place_unmute(agent, place);
    }
}

void place_log_finish(struct agent *agent)
{
    struct pollfd room = {.fd = agent->log_fd, .events = POLLOUT};
    uint64_t until = agent_clock_us() + LOG_LAST_MS * 1000u;

    while (log_shown(agent) && !agent->orphan && agent_clock_us() < until) {
        agent_unwatch(agent, agent->log_fd);
        agent->log_full = false;
        if (log_put_left(agent))
            break;
        (void)poll(&room, 1, LOG_LAST_MS / 10);
    }
}

/* ---- one process ---- */

static size_t log_len(const struct place *place)
{
    return place->log.len - place->log.pos;
}

/* Only the last `kept` bytes are. */
static void log_keep(struct place *place, size_t kept)
{
    size_t len = log_len(place);

    if (len <= kept)
        return;
    place->log_begins_line = place->log.data[place->log.pos + len - kept - 1] == '\n';
    slot_queue_consume(&place->log, len - kept);
    place->log_cut += len - kept;
}

void place_read_log(struct agent *agent, struct place *place)
{
    size_t kept = agent->options->log_bytes;
    ssize_t n = 0;

    if (kept < LOG_KEPT_LEAST)
        kept = LOG_KEPT_LEAST;
    /* Bounded: one that writes without end must not keep the agent here. */
    for (int i = 0; place->err >= 0 && !place->muted && i < 16; i++) {
        n = place_read(place->err, &place->log);
        if (n <= 0)
            break;
        if (log_shown(agent) && slot_queue_add(&place->unsaid, place->log.data + place->log.len - n, (size_t)n) != 0)
            slot_table_no_memory();
        if (!log_say(agent, place, false))
            place_mute(agent, place);
        log_keep(place, kept);
    }
    if (place->err >= 0 && !place->muted && n == 0) {
        agent_unwatch(agent, place->err);
        close(place->err);
        place->err = -1;
    }
}

/* The log goes on with a whole line, or at least a whole character, and begins with what was left out. */
static void log_note(struct place *place)
{
    const uint8_t *data = place->log.data + place->log.pos;
    size_t len = log_len(place), skip = 0;
    const uint8_t *line = len > 0 ? memchr(data, '\n', len) : NULL;
    char note[BELT_LOG_NOTE];

    if (place->log_begins_line)
        skip = 0;
    else if (line && line + 1 < data + len)
        skip = (size_t)(line + 1 - data);
    else
        while (skip < 3 && skip < len && (data[skip] & 0xc0) == 0x80)
            skip++;
    slot_queue_consume(&place->log, skip);
    len -= skip;
    size_t size = (size_t)snprintf(note, sizeof(note), "[%llu bytes of standard error are left out]\n",
                                   (unsigned long long)(place->log_cut + skip));
    if (!slot_queue_room(&place->log, size))
        slot_table_no_memory();
    uint8_t *to = place->log.data + place->log.pos;
    memmove(to + size, to, len);
    memcpy(to, note, size);
    place->log.len += size;
    place->log_cut = 0;
}

struct belt_bytes place_log(struct agent *agent, struct place *place)
{
    if (!log_say(agent, place, true))
        log_leave(agent, place);
    log_keep(place, agent->options->log_bytes);
    if (place->log_cut > 0)
        log_note(place);
    return (struct belt_bytes){place->log.data + place->log.pos, log_len(place)};
}

struct belt_bytes place_log_start(struct agent *agent, struct place *place)
{
    if (!log_say(agent, place, true))
        log_leave(agent, place);
    return (struct belt_bytes){place->log.data + place->log.pos, log_len(place)};
}

void place_log_clear(struct place *place)
{
    slot_queue_consume(&place->log, log_len(place));
    place->log_cut = 0;
}

void place_log_last(struct agent *agent, struct place *place)
{
    place_read_log(agent, place);
    if (!log_say(agent, place, true))
        log_leave(agent, place);
}
