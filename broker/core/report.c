/* SPDX-License-Identifier: Apache-2.0
 *
 * What the broker tells of itself: rows of queues, workers, jobs, and the
 * history of jobs that are over (PROTOCOL.md §5.4). Reads, never decides.
 */
#include "parts.h"

#include <stdio.h>

static bool wanted(const struct belt_msg_status *msg, const char *name)
{
    return msg->name.len == 0 || name_equals(name, msg->name);
}

static uint64_t since(const struct core *core, uint64_t then)
{
    return then && core->now > then ? core->now - then : 0;
}

static uint64_t oldest_of(const struct core *core, const struct queue *queue)
{
    uint64_t oldest = 0;
    const struct job *job;
    DL_FOREACH2(queue->active, job, active_next)
    if (since(core, dispatch_oldest(job)) > oldest)
        oldest = since(core, dispatch_oldest(job));
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

static void report_queues(struct core *core, const struct belt_msg_status *msg, struct belt_msg_report *report)
{
    struct queue *queue, *next;
    struct belt_row_queue *rows = update_alloc(core, (HASH_COUNT(core->queues) + 1) * sizeof *rows);
    HASH_ITER(hh, core->queues, queue, next)
    if (wanted(msg, queue->function) && report->count < BELT_MAX_ROWS)
        rows[report->count++] = queue_row(core, queue);
    report->rows.queues = rows;
}

static struct belt_bytes join_functions(struct core *core, const struct agent *agent)
{
    char text[BELT_MAX_TEXT];
    size_t len = 0;
    for (uint32_t i = 0; i < agent->queue_count; i++) {
        const char *name = agent->queues[i]->function;
        if (len + strlen(name) + 5 > sizeof text)
            return update_text(core, "%.*s,...", (int)len, text);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? "," : "", name);
    }
    return update_text(core, "%.*s", (int)len, text);
}

static void report_workers(struct core *core, const struct belt_msg_status *msg, struct belt_msg_report *report)
{
    struct agent *agent;
    struct belt_row_worker *rows = update_alloc(core, (core->workers + 1) * sizeof *rows);
    DL_FOREACH(core->agents, agent)
    {
        if (!wanted(msg, agent->session->name) || report->count >= BELT_MAX_ROWS)
            continue;
        uint32_t running = agent->parts < agent->slots ? agent->parts : agent->slots;
        rows[report->count++] = (struct belt_row_worker){
            .name = name_bytes(agent->session->name),
            .functions = join_functions(core, agent),
            .slots = agent->slots,
            .running = running,
            .queued = agent->held - running,
            .done = agent->done,
            .failed = agent->failed,
            .lost = agent->lost,
            .connected_ms = since(core, agent->connected_ms),
            .silent_ms = since(core, agent->session->heard_ms),
            .state = agent->leaving,
        };
    }
    report->rows.workers = rows;
}

/* A reader that is looked at in the text of a job: more would hide the rest. */
#define READERS_SHOWN 4u

static const char *span_text(uint64_t ms, char *out, size_t size)
{
    uint64_t s = (ms + 999) / 1000;
    if (s < 120)
        snprintf(out, size, "%llu s", (unsigned long long)s);
    else if (s < 7200)
        snprintf(out, size, "%llu min", (unsigned long long)(s + 30) / 60);
    else if (s < 172800)
        snprintf(out, size, "%llu h", (unsigned long long)(s + 1800) / 3600);
    else
        snprintf(out, size, "%llu d", (unsigned long long)(s + 43200) / 86400);
    return out;
}

/* Who has read how far. */
static struct belt_bytes readers_text(struct core *core, const struct job *job)
{
    const struct reader *reader;
    struct belt_bytes text = {0};
    uint32_t shown = 0;
    DL_FOREACH(job->readers, reader)
    if (shown++ < READERS_SHOWN)
        text =
            update_text(core, "%.*s; reader '%s' (%s, %s) stands at %llu of %llu", (int)text.len,
                        text.len ? (const char *)text.data : "", reader->name,
                        reader->mode == BELT_ORDERED ? "ordered" : "unordered", reader->session ? "connected" : "away",
                        (unsigned long long)reader->acked, (unsigned long long)job->next);
    if (shown > READERS_SHOWN)
        text = update_text(core, "%.*s; and %u readers more", (int)text.len, (const char *)text.data,
                           shown - READERS_SHOWN);
    return shown ? text : update_text(core, "; no reader has come yet");
}

/* What is kept of a complete job, for whom and how long. */
static struct belt_bytes kept_text(struct core *core, const struct job *job)
{
    struct belt_bytes readers = readers_text(core, job);
    char span[32];
    span_text(job_keep_left(core, job), span, sizeof span);
    return update_text(core, "%llu results wait to be read%.*s; %s %s", (unsigned long long)(job->next - job->released),
                       (int)readers.len, (const char *)readers.data,
                       job_is_attended(job) ? "kept while somebody is connected to it, and then for" : "given up in",
                       span);
}

/* Why the job does not move, in a person's words; empty when it does. */
static struct belt_bytes why_of(struct core *core, const struct job *job)
{
    if (job->state == BELT_JOB_STOPPED && job->running)
        return update_text(core, "cancelled: waiting for %llu running tasks to stop", (unsigned long long)job->running);
    if (job->state == BELT_JOB_STOPPED)
        return name_bytes(job->stopped);
    if (core->store_failed && job->options.durable && job->kept.withheld)
        return update_text(core, "%llu results wait in memory: the disk of the broker is full; reading makes room%.*s",
                           (unsigned long long)(job->log_base + job->log_count - job->kept.place),
                           (int)readers_text(core, job).len, (const char *)readers_text(core, job).data);
    if (job->state == BELT_JOB_COMPLETE)
        return job->released < job->next ? kept_text(core, job) : (struct belt_bytes){0};
    if (job->start_ms)
        return update_text(core, "it starts in %llu s", (unsigned long long)(job->start_ms - core->now + 999) / 1000);
    if (job->expired && job->running)
        return update_text(core, "its deadline has passed: waiting for %llu running tasks to stop",
                           (unsigned long long)job->running);
    if (job->waiting && job->queue->agent_count == 0)
        return update_text(core, "no connected worker serves '%s'", job->queue->function);
    if (job->options.window_bytes && job->unread > job->options.window_bytes)
        return update_text(core, "its reader takes no results: the window (%llu bytes) is full",
                           (unsigned long long)job->options.window_bytes);
    if (job->running == 0 && job->waiting == 0 && job->delays)
        return update_text(core, "%llu tasks wait for another try, the next in %llu ms",
                           (unsigned long long)job->delays,
                           (unsigned long long)(job->due_ms > core->now ? job->due_ms - core->now : 0));
    if (job->running == 0 && job->waiting == 0 && job->next >= job->granted.items)
        return update_text(core, "its reader takes no results: the window (%llu tasks) is full",
                           (unsigned long long)job->options.window_items);
    if (job->running == 0 && job->waiting == 0)
        return update_text(core, "its client sends no tasks");
    if (job->running == 0)
        return update_text(core, "all slots are busy with other jobs");
    return (struct belt_bytes){0};
}

/* Sum over running tasks that tell, in thousandths of a task. */
static uint32_t progress_of(const struct core *core, const struct job *job)
{
    uint64_t permille = 0;
    const struct agent *agent;
    const struct run *run;
    if (job->running == 0)
        return 0;
    DL_FOREACH(core->agents, agent)
    DL_FOREACH(agent->runs, run)
    if (run->job == job && run->progress_total)
        permille += run->progress_done >= run->progress_total
                        ? 1000
                        : (uint64_t)((double)run->progress_done * 1000.0 / (double)run->progress_total);
    return permille < UINT32_MAX ? (uint32_t)permille : UINT32_MAX;
}

static struct belt_row_job job_row(struct core *core, const struct job *job)
{
    return (struct belt_row_job){
        .job = job->id,
        .key = name_bytes(job->key),
        .function = name_bytes(job->queue->function),
        .owner = name_bytes(job->owner_name),
        .state = job->state,
        .priority = job->options.priority,
        .total = job->next,
        .waiting = job->waiting + job->delays,
        .running = job->running,
        .done = job->done,
        .failed = job->failed,
        .retried = job->retried,
        .unread = job->state == BELT_JOB_STOPPED ? 0 : job->done + job->failed - job->released,
        .age_ms = since(core, job->opened_ms),
        .readers = job->reader_count,
        .progress_permille = progress_of(core, job),
        .why = why_of(core, job),
    };
}

static bool job_wanted(const struct belt_msg_status *msg, uint64_t id, const char *key)
{
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)id);
    return wanted(msg, key) || name_equals(number, msg->name);
}

static void report_jobs(struct core *core, const struct belt_msg_status *msg, struct belt_msg_report *report)
{
    struct job *job, *next;
    size_t most = core->jobs + core->history_count;
    struct belt_row_job *rows = update_alloc(core, ((most < BELT_MAX_ROWS ? most : BELT_MAX_ROWS) + 1) * sizeof *rows);
    for (uint32_t i = 0; i < core->history_count; i++) {
        struct past_job *past = &core->history[(core->history_head + i) % BELT_MAX_HISTORY];
        if (!job_wanted(msg, past->row.job, past->key) || report->count >= BELT_MAX_ROWS)
            continue;
        rows[report->count] = past->row;
        rows[report->count].key = name_bytes(past->key);
        rows[report->count].function = name_bytes(past->function);
        rows[report->count].owner = name_bytes(past->owner);
        rows[report->count].why = name_bytes(past->why);
        rows[report->count++].age_ms = since(core, past->opened_ms);
    }
    HASH_ITER(by_id, core->by_job, job, next)
    if (job_wanted(msg, job->id, job->key) && report->count < BELT_MAX_ROWS)
        rows[report->count++] = job_row(core, job);
    report->rows.jobs = rows;
}

/* Readers of one job, or of all. */
static void report_readers(struct core *core, const struct belt_msg_status *msg, struct belt_msg_report *report)
{
    struct reader *reader, *next;
    uint32_t most = HASH_COUNT(core->readers) < BELT_MAX_ROWS ? HASH_COUNT(core->readers) : BELT_MAX_ROWS;
    struct belt_row_reader *rows = update_alloc(core, (most + 1) * sizeof *rows);
    HASH_ITER(hh, core->readers, reader, next)
    {
        const struct job *job = reader->job;
        uint64_t results = job->done + job->failed;
        if (!job_wanted(msg, job->id, job->key) || report->count >= most)
            continue;
        /* All that it has acknowledged has a result, whatever its mode. */
        rows[report->count++] =
            (struct belt_row_reader){.job = job->id,
                                     .reader = name_bytes(reader->name),
                                     .mode = reader->mode,
                                     .connected = reader->session != NULL,
                                     .acknowledged = reader->acked,
                                     .unread = results > reader->acked ? results - reader->acked : 0,
                                     .sent = reader->sent};
    }
    report->rows.readers = rows;
}

static void report_broker(struct core *core, struct belt_msg_report *report)
{
    struct belt_row_broker *row = update_alloc(core, sizeof *row);
    *row = (struct belt_row_broker){
        .name = name_bytes(core->config.name),
        .version = name_bytes(core->config.version),
        .epoch = core->config.epoch,
        .uptime_ms = core->now - core->started_ms,
        .bytes = core->bytes,
        .budget = core->config.memory_budget,
        .clients = core->clients,
        .workers = core->workers,
        .slots = core->slots,
        .jobs = core->jobs,
        .accepted = core->accepted,
        .done = core->done,
        .failed = core->failed,
        .retried = core->retried,
        .stale = core->stale,
        .draining = core->draining,
    };
    report->rows.broker = row;
    report->count = 1;
}

void report_status(struct core *core, struct session *from, const struct belt_msg_status *msg)
{
    struct belt_msg_report report = {.ref = msg->ref, .what = msg->what};
    if (msg->what == BELT_REPORT_QUEUES)
        report_queues(core, msg, &report);
    else if (msg->what == BELT_REPORT_WORKERS)
        report_workers(core, msg, &report);
    else if (msg->what == BELT_REPORT_JOBS)
        report_jobs(core, msg, &report);
    else if (msg->what == BELT_REPORT_READERS)
        report_readers(core, msg, &report);
    else
        report_broker(core, &report);
    update_send(core, from, BELT_MSG_REPORT)->u.report = report;
}

void report_remember(struct core *core, const struct job *job)
{
    uint32_t at = (core->history_head + core->history_count) % BELT_MAX_HISTORY;
    if (core->history_count == BELT_MAX_HISTORY)
        core->history_head = (core->history_head + 1) % BELT_MAX_HISTORY;
    else
        core->history_count++;
    struct past_job *past = &core->history[at];
    past->row = job_row(core, job);
    memcpy(past->why, job->stopped, sizeof past->why);
    past->opened_ms = job->opened_ms;
    memcpy(past->key, job->key, sizeof past->key);
    memcpy(past->function, job->queue->function, sizeof past->function);
    memcpy(past->owner, job->owner_name, sizeof past->owner);
}
