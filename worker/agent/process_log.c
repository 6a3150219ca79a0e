/* SPDX-License-Identifier: Apache-2.0
 *
 * Standard error of one slot's process: the end of it for the task's result, and of a private pool's all of it, by
 * lines, to the owner, who shows it while the task runs (log_lines.h). An owner who does not read stops the process at
 * its next line, as a terminal does: nothing is dropped, and nothing piles up here.
 */
#include "worker/agent/process_log.h"
#include "worker/agent/say.h"
#include "worker/agent/watch.h"
#include "worker/agent/process.h"
#include "worker/agent/state.h"
#include "proto/log_lines.h"

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
    return agent->log.fd > 0;
}

/* True: it is written, or nobody reads any more. False: there is no room, and what waits goes on when there is. */
static bool log_put(struct agent *agent, const uint8_t *record, size_t size)
{
    ssize_t n;

    if (!log_shown(agent))
        return true;
    if (agent->log.full)
        return false;
    do {
        n = write(agent->log.fd, record, size);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)size)
        return true;
    if (n < 0 && errno != EAGAIN) {
        agent->log.fd = 0;
        return true;
    }
    agent->log.full = true;
    agent_watch(agent, agent->log.fd, WATCH_LOG, 0, EPOLLOUT);
    return false;
}

static uint64_t log_index(const struct agent *agent, const struct process *process)
{
    const struct slot_table_key *due = slot_table_due(agent->table, process->slot);

    return due ? due->index : LOG_NO_TASK;
}

/* Hands the owner what is there of whole lines, or all at the `end`. False: there is no room for all of it. */
static bool log_say(struct agent *agent, struct process *process, bool end)
{
    uint8_t record[LOG_RECORD_MAX];
    struct slot_queue *lines = &process->unsaid;
    size_t part;

    if (lines->len == lines->pos)
        return true;
    while ((part = log_lines_part(lines->data + lines->pos, lines->len - lines->pos, end)) > 0) {
        size_t size = log_lines_write(record, log_index(agent, process), lines->data + lines->pos, part);
        if (!log_put(agent, record, size))
            return false;
        slot_queue_consume(lines, part);
    }
    return true;
}

/* The task is over: what waits of its lines does so without it, before anybody else's. */
static void log_leave(struct agent *agent, struct process *process)
{
    uint8_t record[LOG_RECORD_MAX];
    struct slot_queue *lines = &process->unsaid;
    size_t part;

    while ((part = log_lines_part(lines->data + lines->pos, lines->len - lines->pos, true)) > 0) {
        size_t size = log_lines_write(record, log_index(agent, process), lines->data + lines->pos, part);
        if (slot_queue_add(&agent->log.left, record, size) != 0)
            slot_table_no_memory();
        slot_queue_consume(lines, part);
    }
}

/* True: all is written that those have left who are gone. */
static bool log_put_left(struct agent *agent)
{
    struct slot_queue *left = &agent->log.left;
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
static void process_mute(struct agent *agent, struct process *process)
{
    process->muted = true;
    if (process->err >= 0)
        agent_unwatch(agent, process->err);
    if (process->program->runner->kind.persistent && process->out >= 0 && !process->ended)
        agent_unwatch(agent, process->out);
}

static void process_unmute(struct agent *agent, struct process *process)
{
    process->muted = false;
    if (process->err >= 0)
        agent_watch(agent, process->err, WATCH_ERR, process->slot, EPOLLIN);
    if (!process->program->runner->kind.persistent)
        return;
    if (process->out >= 0 && !process->ended)
        agent_watch(agent, process->out, WATCH_OUT, process->slot, EPOLLIN);
    process->program->runner->output(agent, process); /* an answer may lie here already */
}

void agent_process_log_resume(struct agent *agent)
{
    uint32_t count = slot_table_count(agent->table), first = agent->log.next;

    agent_unwatch(agent, agent->log.fd);
    agent->log.full = false;
    if (!log_put_left(agent))
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct process *process = &agent->processes[(first + i) % count];
        if (!process->muted)
            continue;
        if (!log_say(agent, process, false)) {
            agent->log.next = process->slot; /* it is the first the next time: all come to their turn */
            return;
        }
        process_unmute(agent, process);
    }
}

void agent_process_log_finish(struct agent *agent)
{
    struct pollfd room = {.fd = agent->log.fd, .events = POLLOUT};
    uint64_t until = agent_clock_us() + LOG_LAST_MS * 1000u;

    while (log_shown(agent) && !agent->orphan && agent_clock_us() < until) {
        agent_unwatch(agent, agent->log.fd);
        agent->log.full = false;
        if (log_put_left(agent))
            break;
        (void)poll(&room, 1, LOG_LAST_MS / 10);
    }
}

/* ---- one process ---- */

static size_t log_len(const struct process *process)
{
    return process->log.len - process->log.pos;
}

/* Only the last `kept` bytes are. */
static void log_keep(struct process *process, size_t kept)
{
    size_t len = log_len(process);

    if (len <= kept)
        return;
    process->log_begins_line = process->log.data[process->log.pos + len - kept - 1] == '\n';
    slot_queue_consume(&process->log, len - kept);
    process->log_cut += len - kept;
}

void agent_process_read_log(struct agent *agent, struct process *process)
{
    size_t kept = agent->options->log_bytes;
    ssize_t n = 0;

    if (kept < LOG_KEPT_LEAST)
        kept = LOG_KEPT_LEAST;
    /* Bounded: one that writes without end must not keep the agent here. */
    for (int i = 0; process->err >= 0 && !process->muted && i < 16; i++) {
        n = agent_process_read(process->err, &process->log);
        if (n <= 0)
            break;
        if (log_shown(agent) &&
            slot_queue_add(&process->unsaid, process->log.data + process->log.len - n, (size_t)n) != 0)
            slot_table_no_memory();
        if (!log_say(agent, process, false))
            process_mute(agent, process);
        log_keep(process, kept);
    }
    if (process->err >= 0 && !process->muted && n == 0) {
        agent_unwatch(agent, process->err);
        close(process->err);
        process->err = -1;
    }
}

/* The log goes on with a whole line, or at least a whole character, and begins with what was left out. */
static void log_note(struct process *process)
{
    const uint8_t *data = process->log.data + process->log.pos;
    size_t len = log_len(process), skip = 0;
    const uint8_t *line = len > 0 ? memchr(data, '\n', len) : NULL;
    char note[BELT_LOG_NOTE];

    if (process->log_begins_line)
        skip = 0;
    else if (line && line + 1 < data + len)
        skip = (size_t)(line + 1 - data);
    else
        while (skip < 3 && skip < len && (data[skip] & 0xc0) == 0x80)
            skip++;
    slot_queue_consume(&process->log, skip);
    len -= skip;
    size_t size = (size_t)snprintf(note, sizeof(note), "[%llu bytes of standard error are left out]\n",
                                   (unsigned long long)(process->log_cut + skip));
    if (!slot_queue_room(&process->log, size))
        slot_table_no_memory();
    uint8_t *to = process->log.data + process->log.pos;
    memmove(to + size, to, len);
    memcpy(to, note, size);
    process->log.len += size;
    process->log_cut = 0;
}

struct belt_bytes agent_process_log(struct agent *agent, struct process *process)
{
    if (!log_say(agent, process, true))
        log_leave(agent, process);
    log_keep(process, agent->options->log_bytes);
    if (process->log_cut > 0)
        log_note(process);
    return (struct belt_bytes){process->log.data + process->log.pos, log_len(process)};
}

struct belt_bytes agent_process_log_start(struct agent *agent, struct process *process)
{
    if (!log_say(agent, process, true))
        log_leave(agent, process);
    return (struct belt_bytes){process->log.data + process->log.pos, log_len(process)};
}

void agent_process_log_clear(struct process *process)
{
    slot_queue_consume(&process->log, log_len(process));
    process->log_cut = 0;
}

void agent_process_log_last(struct agent *agent, struct process *process)
{
    agent_process_read_log(agent, process);
    if (!log_say(agent, process, true))
        log_leave(agent, process);
}
