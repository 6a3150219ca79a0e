/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of jobs, in pages: those that live in the order of their ids, then those
 * that are past in the same order (PROTOCOL.md §5.4, §5.5). Reads, never decides.
 */
#include "broker/core/events/report_jobs.h"
#include "broker/core/journal/history.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/name.h"
#include "broker/core/model/row.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/access.h"
#include "broker/core/events/named.h"

#include <stdlib.h>
#include <string.h>

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

static bool job_fits(const struct session *from, const struct belt_status_query *query, const struct job *job)
{
    return access_to_job(from, ACCESS_LIST, job) == ACCESS_GRANTED &&
           fits(query, job->closing.forgotten ? BELT_JOB_COMPLETE : job->state, name_bytes(job->queue->function),
                name_bytes(job->owner.name));
}

static bool past_fits(const struct session *from, const struct belt_status_query *query, const struct history_job *past)
{
    return access_to_past(from, ACCESS_LIST, history_owner(past)) &&
           fits(query, past->row.state, past->row.function, past->row.owner);
}

static bool fits_all(const struct belt_status_query *query)
{
    return query->states == 0 && query->function.len == 0 && query->owner.len == 0;
}

/* ---- rows ---- */

struct page {
    struct core *core;
    const struct session *from; /* who asks: jobs that it may not see are not there */
    const struct belt_status_query *query;
    struct belt_row_job *rows;
    uint32_t count, room;
};

static struct page page_new(struct core *core, const struct session *from, const struct belt_status_query *query,
                            uint64_t most)
{
    if (most > BELT_MAX_ROWS)
        most = BELT_MAX_ROWS;
    if (query->limit && most > query->limit)
        most = query->limit;
    return (struct page){.core = core,
                         .from = from,
                         .query = query,
                         .rows = update_alloc(core, (most + 1) * sizeof(struct belt_row_job)),
                         .room = (uint32_t)most};
}

static void add_job(struct page *page, const struct job *job)
{
    if (page->count < page->room && job_fits(page->from, page->query, job))
        page->rows[page->count++] = row_job(page->core, job);
}

static void add_past(struct page *page, const struct history_job *past)
{
    if (page->count == page->room || !past_fits(page->from, page->query, past))
        return;
    struct belt_row_job *row = &page->rows[page->count++];
    *row = past->row;
    row->age_ms += row_since(page->core, past->since_ms);
}

static int by_id(const void *a, const void *b)
{
    uint64_t left = (*(const struct history_job *const *)a)->row.job,
             right = (*(const struct history_job *const *)b)->row.job;
    return (left > right) - (left < right);
}

static uint64_t count_past(const struct core *core, const struct history_job *first, bool same_key)
{
    uint64_t count = 0;
    if (!same_key)
        return core->history.count;
    for (; first; first = first->same_key)
        count++;
    return count;
}

/* The history is kept in the order in which jobs were over. */
static struct history_job **past_sorted(struct core *core, struct history_job *first, bool same_key, uint64_t after,
                                        uint32_t *count)
{
    struct history_job **sorted = update_alloc(core, (count_past(core, first, same_key) + 1) * sizeof(*sorted));
    *count = 0;
    for (struct history_job *past = first; past; past = same_key ? past->same_key : past->next)
        if (past->row.job > after)
            sorted[(*count)++] = past;
    qsort(sorted, *count, sizeof(*sorted), by_id);
    return sorted;
}

static void add_all_past(struct page *page, struct history_job *first, bool same_key, uint64_t after)
{
    uint32_t count;
    if (page->count == page->room)
        return;
    struct history_job **sorted = past_sorted(page->core, first, same_key, after, &count);
    for (uint32_t i = 0; i < count; i++)
        add_past(page, sorted[i]);
}

/* Those that somebody calls so: the living one, then those that are past. */
static struct page named_page(struct core *core, const struct session *from, const struct belt_msg_status *msg)
{
    struct catalog_name name = catalog_name(msg->name);
    struct named_jobs named = named_find(core, from, &name);
    uint64_t most = name.is_id ? 1 : named.count + count_past(core, history_of_key(core, name.key), true);
    struct page page = page_new(core, from, &msg->query, most);
    for (uint32_t i = 0; i < named.count; i++)
        add_job(&page, named.jobs[i]);
    if (name.is_id && !named.count && history_find(core, name.id))
        add_past(&page, history_find(core, name.id));
    if (!name.is_id)
        add_all_past(&page, history_of_key(core, name.key), true, 0);
    return page;
}

static struct page next_page(struct core *core, const struct session *from, const struct belt_status_query *query)
{
    struct page page = page_new(core, from, query, core->jobs.count + (uint64_t)core->history.count);
    struct catalog_place place = catalog_from(core, query->after);
    struct job *job;
    while (!query->past && page.count < page.room && (job = catalog_next(&place)))
        add_job(&page, job);
    add_all_past(&page, core->history.first, false, query->past ? query->after : 0);
    return page;
}

static uint64_t count_all(struct core *core, const struct session *from, const struct belt_status_query *query)
{
    struct catalog_place place = catalog_from(core, 0);
    const struct history_job *past;
    const struct job *job;
    uint64_t count = 0;
    if (fits_all(query) && access_sees_all(from))
        return core->jobs.count + (uint64_t)core->history.count;
    while ((job = catalog_next(&place)))
        count += job_fits(from, query, job);
    DL_FOREACH (core->history.first, past)
        count += past_fits(from, query, past);
    return count;
}

void report_jobs(struct core *core, const struct session *from, const struct belt_msg_status *msg,
                 struct belt_msg_report *report)
{
    struct page page = msg->named ? named_page(core, from, msg) : next_page(core, from, &msg->query);
    report->rows.jobs = page.rows;
    report->count = page.count;
    if (msg->named)
        report->total = page.count;
    else if (msg->extended && !msg->query.past && !msg->query.after)
        report->total = count_all(core, from, &msg->query);
}
