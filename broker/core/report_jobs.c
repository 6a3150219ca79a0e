/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of jobs, in pages: those that live in the order of their ids, then those
 * that are past in the same order (PROTOCOL.md §5.4, §5.5). Reads, never decides.
 */
#include "report_jobs.h"
#include "catalog.h"
#include "job.h"
#include "name.h"
#include "past.h"
#include "report.h"
#include "update.h"

#include <stdio.h>

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
    if (job->halted && job->running)
        return update_text(core, "it begins nothing more: waiting for %llu running tasks",
                           (unsigned long long)job->running);
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

struct belt_row_job report_row(struct core *core, const struct job *job)
{
    return (struct belt_row_job){
        .job = job->id,
        .key = name_bytes(job->key),
        .function = name_bytes(job->queue->function),
        .owner = name_bytes(job->owner_name),
        .state = job->forgotten ? BELT_JOB_COMPLETE : job->state,
        .priority = job->options.priority,
        .total = job->next,
        .waiting = job->waiting + job->delays,
        .running = job->running,
        .done = job->done,
        .failed = job->failed,
        .retried = job->retried,
        .unread = job->state == BELT_JOB_STOPPED ? 0 : job->done + job->failed - job->released,
        .age_ms = report_since(core, job->opened_ms) + job->age_before_ms,
        .readers = job->reader_count,
        .progress_permille = job->progress_permille < UINT32_MAX ? (uint32_t)job->progress_permille : UINT32_MAX,
        .why = why_of(core, job),
        .opened_at = job->options.opened_at,
        .over_at = job->options.over_at,
    };
}

/* ---- which ones ---- */

static bool is_or_any(struct belt_bytes wanted, struct belt_bytes is)
{
    return wanted.len == 0 || (wanted.len == is.len && memcmp(wanted.data, is.data, is.len) == 0);
}

static bool fits(const struct belt_status_query *query, uint8_t state, struct belt_bytes function,
                 struct belt_bytes owner)
{
    return (query->states == 0 || (query->states & (1u << state))) && is_or_any(query->function, function) &&
           is_or_any(query->owner, owner);
}

static bool job_fits(const struct belt_status_query *query, const struct job *job)
{
    return fits(query, job->forgotten ? BELT_JOB_COMPLETE : job->state, name_bytes(job->queue->function),
                name_bytes(job->owner_name));
}

static bool past_fits(const struct belt_status_query *query, const struct past_job *past)
{
    return fits(query, past->row.state, past->row.function, past->row.owner);
}

static bool fits_all(const struct belt_status_query *query)
{
    return query->states == 0 && query->function.len == 0 && query->owner.len == 0;
}

/* ---- rows ---- */

struct page {
    struct core *core;
    const struct belt_status_query *query;
    struct belt_row_job *rows;
    uint32_t count, room;
};

static struct page page_new(struct core *core, const struct belt_status_query *query, uint64_t most)
{
    if (most > BELT_MAX_ROWS)
        most = BELT_MAX_ROWS;
    if (query->limit && most > query->limit)
        most = query->limit;
    return (struct page){.core = core,
                         .query = query,
                         .rows = update_alloc(core, (most + 1) * sizeof(struct belt_row_job)),
                         .room = (uint32_t)most};
}

static void add_job(struct page *page, const struct job *job)
{
    if (page->count < page->room && job_fits(page->query, job))
        page->rows[page->count++] = report_row(page->core, job);
}

static void add_past(struct page *page, const struct past_job *past)
{
    if (page->count == page->room || !past_fits(page->query, past))
        return;
    struct belt_row_job *row = &page->rows[page->count++];
    *row = past->row;
    row->age_ms += report_since(page->core, past->since_ms);
}

static int by_id(const void *a, const void *b)
{
    uint64_t left = (*(const struct past_job *const *)a)->row.job,
             right = (*(const struct past_job *const *)b)->row.job;
    return (left > right) - (left < right);
}

static uint64_t count_past(const struct core *core, const struct past_job *first, bool same_key)
{
    uint64_t count = 0;
    if (!same_key)
        return core->past_count;
    for (; first; first = first->same_key)
        count++;
    return count;
}

/* The history is kept in the order in which jobs were over. */
static struct past_job **past_sorted(struct core *core, struct past_job *first, bool same_key, uint64_t after,
                                     uint32_t *count)
{
    struct past_job **sorted = update_alloc(core, (count_past(core, first, same_key) + 1) * sizeof *sorted);
    *count = 0;
    for (struct past_job *past = first; past; past = same_key ? past->same_key : past->next)
        if (past->row.job > after)
            sorted[(*count)++] = past;
    qsort(sorted, *count, sizeof *sorted, by_id);
    return sorted;
}

static void add_all_past(struct page *page, struct past_job *first, bool same_key, uint64_t after)
{
    uint32_t count;
    if (page->count == page->room)
        return;
    struct past_job **sorted = past_sorted(page->core, first, same_key, after, &count);
    for (uint32_t i = 0; i < count; i++)
        add_past(page, sorted[i]);
}

/* Those that somebody calls so: the living one, then those that are past. */
static struct page named_page(struct core *core, const struct belt_msg_status *msg)
{
    struct catalog_name name = catalog_name(msg->name);
    const struct job *job = catalog_living(core, &name);
    uint64_t most = name.is_id ? 1 : 1 + count_past(core, past_of_key(core, name.key), true);
    struct page page = page_new(core, &msg->query, most);
    if (job)
        add_job(&page, job);
    if (name.is_id && !job && past_find(core, name.id))
        add_past(&page, past_find(core, name.id));
    if (!name.is_id)
        add_all_past(&page, past_of_key(core, name.key), true, 0);
    return page;
}

static struct page next_page(struct core *core, const struct belt_status_query *query)
{
    struct page page = page_new(core, query, core->jobs + (uint64_t)core->past_count);
    struct catalog_place place = catalog_from(core, query->after);
    struct job *job;
    while (!query->past && page.count < page.room && (job = catalog_next(&place)))
        add_job(&page, job);
    add_all_past(&page, core->past, false, query->past ? query->after : 0);
    return page;
}

static uint64_t count_all(struct core *core, const struct belt_status_query *query)
{
    struct catalog_place place = catalog_from(core, 0);
    const struct past_job *past;
    const struct job *job;
    uint64_t count = 0;
    if (fits_all(query))
        return core->jobs + (uint64_t)core->past_count;
    while ((job = catalog_next(&place)))
        count += job_fits(query, job);
    DL_FOREACH(core->past, past)
    count += past_fits(query, past);
    return count;
}

void report_jobs(struct core *core, const struct belt_msg_status *msg, struct belt_msg_report *report)
{
    struct page page = msg->named ? named_page(core, msg) : next_page(core, &msg->query);
    report->rows.jobs = page.rows;
    report->count = page.count;
    if (msg->named)
        report->total = page.count;
    else if (msg->extended && !msg->query.past && !msg->query.after)
        report->total = count_all(core, &msg->query);
}
