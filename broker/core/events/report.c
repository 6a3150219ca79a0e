/* SPDX-License-Identifier: Apache-2.0
 *
 * What the broker tells of itself: rows of queues, workers, readers and of the
 * broker (PROTOCOL.md §5.4). Reads, never decides. Rows of jobs: report_jobs.c.
 */
#include "broker/core/events/report.h"
#include "broker/core/model/account.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/name.h"
#include "broker/core/model/queue.h"
#include "broker/core/model/row.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/access.h"
#include "broker/core/policy/stalled.h"
#include "broker/core/policy/waiting.h"
#include "broker/core/events/named.h"
#include "broker/core/events/peer.h"
#include "broker/core/events/report_jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wanted(const struct belt_msg_status *msg, const char *name)
{
    return !msg->named || name_equals(name, msg->name);
}

static uint64_t oldest_of(const struct core *core, const struct queue *queue)
{
    uint64_t oldest = 0;
    const struct job *job;
    LIST_EACH (&queue->active, job, waiting.active)
        if (row_since(core, waiting_oldest(job)) > oldest)
            oldest = row_since(core, waiting_oldest(job));
    return oldest;
}

static double rate_of(const struct core *core, const struct queue *queue)
{
    uint64_t span = core->now - queue->rate_ms;
    if (span < 2000)
        return queue->rate;
    return (double)queue->rate_count * 1000.0 / (double)span; /* nothing came for a while: the last figure is stale */
}

static struct belt_row_queue queue_row(const struct core *core, const struct queue *queue)
{
    return (struct belt_row_queue){
        .function = name_bytes(queue->function),
        .waiting = queue->waiting + queue->delayed,
        .running = queue->running,
        .done = queue->done,
        .failed = queue->failed,
        .retried = queue->retried,
        .workers = queue->agent_count,
        .slots = queue->slots,
        .jobs = queue->jobs,
        .rate_milli = (uint64_t)(rate_of(core, queue) * 1000),
        .service_us = (uint64_t)queue->service_us,
        .oldest_ms = oldest_of(core, queue),
    };
}

/* ---- pages of what is kept in no order: sorted, and then those from `offset` on ---- */

struct slice {
    uint64_t from, to;
};

static struct slice slice_of(const struct belt_status_query *query, uint64_t count)
{
    uint64_t from = query->offset < count ? query->offset : count, most = BELT_MAX_ROWS;
    if (query->limit && query->limit < most)
        most = query->limit;
    return (struct slice){from, count - from < most ? count : from + most};
}

static int queue_order(const void *a, const void *b)
{
    return strcmp((*(const struct queue *const *)a)->function, (*(const struct queue *const *)b)->function);
}

/* Who does not see all sees what workers serve, and what jobs of its own use. */
static bool queue_is_seen(const struct session *from, const struct queue *queue)
{
    return access_sees_all(from) || queue->agent_count || share_is_there(queue, from->account);
}

static void report_queues(struct core *core, const struct session *from, const struct belt_msg_status *msg,
                          struct belt_msg_report *report)
{
    const struct queue **all = update_alloc(core, (HASH_COUNT(core->queues) + 1) * sizeof(*all));
    struct queue *queue, *next;
    uint64_t count = 0;
    HASH_ITER (hh, core->queues, queue, next)
        if (wanted(msg, queue->function) && queue_is_seen(from, queue))
            all[count++] = queue;
    qsort(all, count, sizeof(*all), queue_order);
    struct slice slice = slice_of(&msg->query, count);
    struct belt_row_queue *rows = update_alloc(core, (slice.to - slice.from + 1) * sizeof(*rows));
    for (uint64_t i = slice.from; i < slice.to; i++)
        rows[report->count++] = queue_row(core, all[i]);
    report->rows.queues = rows;
    report->total = count;
}

static struct belt_bytes join_functions(struct core *core, const struct agent *agent)
{
    char text[BELT_MAX_TEXT];
    size_t len = 0;
    for (uint32_t i = 0; i < agent->queue_count; i++) {
        const char *name = agent->queues[i]->function;
        if (len + strlen(name) + 5 > sizeof(text))
            return update_text(core, "%.*s,...", (int)len, text);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "," : "", name);
    }
    return update_text(core, "%.*s", (int)len, text);
}

static struct belt_row_worker worker_row(struct core *core, const struct agent *agent)
{
    uint32_t running = agent->parts < agent->slots ? agent->parts : agent->slots;
    return (struct belt_row_worker){
        .name = name_bytes(agent->session->name),
        .functions = join_functions(core, agent),
        .slots = agent->slots,
        .running = running,
        .queued = agent->held - running,
        .done = agent->done,
        .failed = agent->failed,
        .lost = agent->lost,
        .connected_ms = row_since(core, agent->connected_ms),
        .silent_ms = row_since(core, agent->session->heard_ms),
        .state = agent->state == AGENT_LEAVING,
        .stalled = stalled_seems(core, agent),
        .quiet_ms = stalled_quiet(core, agent),
        .overdue = agent->overdue.count,
    };
}

/* Names need not be unique: among equals the one that came first. */
static int worker_order(const void *a, const void *b)
{
    const struct agent *left = *(const struct agent *const *)a, *right = *(const struct agent *const *)b;
    int order = strcmp(left->session->name, right->session->name);
    if (order == 0)
        order = (left->connected_ms > right->connected_ms) - (left->connected_ms < right->connected_ms);
    return order ? order : memcmp(left->session->id, right->session->id, BELT_SESSION_LEN);
}

static void report_workers(struct core *core, const struct belt_msg_status *msg, struct belt_msg_report *report)
{
    const struct agent **all = update_alloc(core, (core->sessions.workers + 1) * sizeof(*all)), *agent;
    uint64_t count = 0;
    DL_FOREACH (core->agents, agent)
        if (wanted(msg, agent->session->name))
            all[count++] = agent;
    qsort(all, count, sizeof(*all), worker_order);
    struct slice slice = slice_of(&msg->query, count);
    struct belt_row_worker *rows = update_alloc(core, (slice.to - slice.from + 1) * sizeof(*rows));
    for (uint64_t i = slice.from; i < slice.to; i++)
        rows[report->count++] = worker_row(core, all[i]);
    report->rows.workers = rows;
    report->total = count;
}

static int reader_order(const void *a, const void *b)
{
    const struct reader *left = *(const struct reader *const *)a, *right = *(const struct reader *const *)b;
    if (left->job != right->job)
        return left->job->id < right->job->id ? -1 : 1;
    return strcmp(left->name, right->name);
}

static struct belt_row_reader reader_row(const struct reader *reader)
{
    uint64_t results = reader->job->counts.done + reader->job->counts.failed;
    /* All that it has acknowledged has a result, whatever its mode. */
    return (struct belt_row_reader){.job = reader->job->id,
                                    .reader = name_bytes(reader->name),
                                    .mode = reader->mode,
                                    .connected = reader->session != NULL,
                                    .acknowledged = reader->acked,
                                    .unread = results > reader->acked ? results - reader->acked : 0,
                                    .sent = reader->sent};
}

static bool reader_is_seen(const struct session *from, const struct reader *reader)
{
    if (access_to_job(from, ACCESS_READERS, reader->job) == ACCESS_GRANTED)
        return true;
    return reader->account == from->account && access_to_job(from, ACCESS_LIST, reader->job) == ACCESS_GRANTED;
}

/* Readers of one job, or of all. */
static uint64_t find_readers(struct core *core, const struct session *from, const struct belt_msg_status *msg,
                             const struct reader **all)
{
    uint64_t count = 0;
    if (msg->named) {
        struct catalog_name name = catalog_name(msg->name);
        struct named_jobs named = named_find(core, from, &name);
        const struct reader *reader = named.count ? named.jobs[0]->readers.first : NULL;
        for (; reader; reader = reader->next)
            if (reader_is_seen(from, reader))
                all[count++] = reader;
        return count;
    }
    struct reader *reader, *next;
    HASH_ITER (hh, core->readers.by_id, reader, next)
        if (reader_is_seen(from, reader))
            all[count++] = reader;
    return count;
}

static void report_readers(struct core *core, const struct session *from, const struct belt_msg_status *msg,
                           struct belt_msg_report *report)
{
    uint32_t most = msg->named ? BELT_MAX_READERS : HASH_COUNT(core->readers.by_id);
    const struct reader **all = update_alloc(core, (most + 1) * sizeof(*all));
    uint64_t count = find_readers(core, from, msg, all);
    qsort(all, count, sizeof(*all), reader_order);
    struct slice slice = slice_of(&msg->query, count);
    struct belt_row_reader *rows = update_alloc(core, (slice.to - slice.from + 1) * sizeof(*rows));
    for (uint64_t i = slice.from; i < slice.to; i++)
        rows[report->count++] = reader_row(all[i]);
    report->rows.readers = rows;
    report->total = count;
}

static void report_broker(struct core *core, struct belt_msg_report *report)
{
    const struct agent *agent;
    uint64_t stalled = 0, longest = 0;
    DL_FOREACH (core->agents, agent)
        if (stalled_seems(core, agent)) {
            stalled++;
            longest = stalled_quiet(core, agent) > longest ? stalled_quiet(core, agent) : longest;
        }
    struct belt_row_broker *row = update_alloc(core, sizeof(*row));
    *row = (struct belt_row_broker){
        .name = name_bytes(core->config.name),
        .version = name_bytes(core->config.version),
        .epoch = core->config.epoch,
        .uptime_ms = core->now - core->started_ms,
        .bytes = core->memory.bytes,
        .budget = core->config.memory_budget,
        .clients = core->sessions.clients,
        .workers = core->sessions.workers,
        .slots = core->sessions.slots,
        .jobs = core->jobs.count,
        .accepted = core->counts.accepted,
        .done = core->counts.done,
        .failed = core->counts.failed,
        .retried = core->counts.retried,
        .stale = core->counts.stale,
        .draining = core->draining,
        .past = core->history.count,
        .failed_kept = core->dead_letters.count,
        .failed_let_go = core->dead_letters.dropped,
        .overslept = core->counts.overslept,
        .refused = core->counts.refused,
        .overdue = core->counts.overdue,
        .stalled = stalled,
        .stalled_ms = longest,
    };
    report->rows.broker = row;
    report->count = 1;
}

/* As an upper bound: rows that are looked at, of which some are shown. */
static uint64_t cost_of(const struct core *core, const struct session *from, const struct belt_msg_status *msg)
{
    const struct belt_status_query *query = &msg->query;
    bool counted = msg->extended && !query->past && !query->after;
    bool chosen = query->states || query->function.len || query->owner.len || !access_sees_all(from);
    uint64_t jobs = core->jobs.count + (uint64_t)core->history.count;
    switch (msg->what) {
    case BELT_REPORT_QUEUES:
        return HASH_COUNT(core->queues) + core->jobs.count;
    case BELT_REPORT_READERS:
        return msg->named ? BELT_MAX_READERS : HASH_COUNT(core->readers.by_id);
    case BELT_REPORT_JOBS:
        return msg->named                                  ? 1 + HASH_COUNT(core->accounts.by_owner)
               : counted || chosen || jobs < BELT_MAX_ROWS ? jobs
                                                           : BELT_MAX_ROWS;
    default:
        return core->sessions.workers;
    }
}

uint64_t report_status(struct core *core, struct session *from, const struct belt_msg_status *msg)
{
    struct belt_msg_report report = {.ref = msg->ref, .what = msg->what, .extended = msg->extended};
    if (peer_reads_nothing(core, from, msg->ref))
        return 0;
    if (msg->named && msg->name.len == 0) { /* §5.5 */
        update_error(core, from, msg->ref, 0, BELT_BAD_MESSAGE,
                     update_text(core, "the name is empty: it names nothing, and nil stands for all"));
        return 0;
    }
    if (msg->what == BELT_REPORT_QUEUES)
        report_queues(core, from, msg, &report);
    else if (msg->what == BELT_REPORT_WORKERS)
        report_workers(core, msg, &report);
    else if (msg->what == BELT_REPORT_JOBS)
        report_jobs(core, from, msg, &report);
    else if (msg->what == BELT_REPORT_READERS)
        report_readers(core, from, msg, &report);
    else
        report_broker(core, &report);
    update_send(core, from, BELT_MSG_REPORT)->u.report = report;
    return cost_of(core, from, msg);
}
