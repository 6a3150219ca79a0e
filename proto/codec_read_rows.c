/* SPDX-License-Identifier: Apache-2.0
 *
 * STATUS and its answer REPORT: the rows of PROTOCOL.md §5.4.
 */
#include "proto/codec_read.h"

#include <string.h>

/* Of what a later broker adds to a row. */
#define ROW_DEPTH 3u

/* ---- what a row has beyond its fields, in an extended report ---- */

struct row_map {
    const char *const *names;
    uint64_t *const *numbers; /* where they go; NULL: a bool */
    bool *flag;
    int count;
    uint32_t mask;
};

static bool read_row_map(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    struct row_map *map = into;
    int at = reader_find_key(d, key, map->names, map->count, &map->mask);
    if (at < 0)
        return false;
    if (at == map->count) /* §5.4: what is not known is passed over */
        return scan_skip(&d->s, "row", ROW_DEPTH);
    return map->numbers[at] ? scan_u64(&d->s, map->names[at], map->numbers[at])
                            : scan_bool(&d->s, map->names[at], map->flag);
}

static bool row_more(struct belt_decoder *d, struct row_map map)
{
    return !d->optional || reader_map(d, "row", read_row_map, &map);
}

static uint32_t fields(const struct belt_decoder *d, uint32_t count)
{
    return count + d->optional;
}

static bool no_more(struct belt_decoder *d)
{
    return row_more(d, (struct row_map){0});
}

static bool row_queue(struct belt_decoder *d, struct belt_row_queue *row)
{
    struct scanner *s = &d->s;
    return scan_tuple(s, NULL, fields(d, 12)) && scan_bytes(s, "function", SCAN_STR, BELT_MAX_NAME, &row->function) &&
           scan_u64(s, "waiting", &row->waiting) && scan_u64(s, "running", &row->running) &&
           scan_u64(s, "done", &row->done) && scan_u64(s, "failed", &row->failed) &&
           scan_u64(s, "retried", &row->retried) && scan_u32(s, "workers", &row->workers) &&
           scan_u32(s, "slots", &row->slots) && scan_u32(s, "jobs", &row->jobs) &&
           scan_u64(s, "rate_milli", &row->rate_milli) && scan_u64(s, "service_us", &row->service_us) &&
           scan_u64(s, "oldest_ms", &row->oldest_ms) && no_more(d);
}

static bool row_worker(struct belt_decoder *d, struct belt_row_worker *row)
{
    static const char *const names[] = {"stalled", "quiet_ms", "overdue"};
    uint64_t *const numbers[] = {NULL, &row->quiet_ms, &row->overdue};
    struct scanner *s = &d->s;
    row->stalled = false;
    row->quiet_ms = row->overdue = 0;
    return scan_tuple(s, NULL, fields(d, 11)) && scan_text(s, "name", &row->name) &&
           scan_text(s, "functions", &row->functions) && scan_u32(s, "slots", &row->slots) &&
           scan_u32(s, "running", &row->running) && scan_u32(s, "queued", &row->queued) &&
           scan_u64(s, "done", &row->done) && scan_u64(s, "failed", &row->failed) && scan_u64(s, "lost", &row->lost) &&
           scan_u64(s, "connected_ms", &row->connected_ms) && scan_u64(s, "silent_ms", &row->silent_ms) &&
           scan_u8(s, "state", 1, &row->state) && row_more(d, (struct row_map){names, numbers, &row->stalled, 3, 0});
}

static bool row_job(struct belt_decoder *d, struct belt_row_job *row)
{
    static const char *const names[] = {"past", "opened_at", "over_at", "keyed"};
    uint64_t *const numbers[] = {NULL, &row->opened_at, &row->over_at, &row->keyed};
    struct scanner *s = &d->s;
    row->past = false;
    row->opened_at = row->over_at = row->keyed = 0;
    return scan_tuple(s, NULL, fields(d, 17)) && scan_u64(s, "job", &row->job) && scan_key(s, "key", &row->key) &&
           scan_bytes(s, "function", SCAN_STR, BELT_MAX_NAME, &row->function) && scan_text(s, "owner", &row->owner) &&
           scan_u8(s, "state", BELT_JOB_STOPPED, &row->state) &&
           scan_i32(s, "priority", INT32_MIN, INT32_MAX, &row->priority) && scan_u64(s, "total", &row->total) &&
           scan_u64(s, "waiting", &row->waiting) && scan_u64(s, "running", &row->running) &&
           scan_u64(s, "done", &row->done) && scan_u64(s, "failed", &row->failed) &&
           scan_u64(s, "retried", &row->retried) && scan_u64(s, "unread", &row->unread) &&
           scan_u64(s, "age_ms", &row->age_ms) && scan_u32(s, "readers", &row->readers) &&
           scan_u32(s, "progress_permille", &row->progress_permille) && scan_text(s, "why", &row->why) &&
           row_more(d, (struct row_map){names, numbers, &row->past, 4, 0});
}

static bool row_reader(struct belt_decoder *d, struct belt_row_reader *row)
{
    struct scanner *s = &d->s;
    return scan_tuple(s, NULL, fields(d, 7)) && scan_u64(s, "job", &row->job) && scan_key(s, "reader", &row->reader) &&
           scan_u8(s, "mode", BELT_UNORDERED, &row->mode) && scan_u8(s, "connected", 1, &row->connected) &&
           scan_u64(s, "acknowledged", &row->acknowledged) && scan_u64(s, "unread", &row->unread) &&
           scan_u64(s, "sent", &row->sent) && no_more(d);
}

static bool row_broker(struct belt_decoder *d, struct belt_row_broker *row)
{
    static const char *const names[] = {"past",    "failed_kept", "failed_let_go", "overslept",
                                        "refused", "overdue",     "stalled",       "stalled_ms"};
    uint64_t *const numbers[] = {&row->past,    &row->failed_kept, &row->failed_let_go, &row->overslept,
                                 &row->refused, &row->overdue,     &row->stalled,       &row->stalled_ms};
    struct scanner *s = &d->s;
    row->past = row->failed_kept = row->failed_let_go = row->overslept = row->refused = row->overdue = row->stalled =
        row->stalled_ms = 0;
    return scan_tuple(s, NULL, fields(d, 16)) && scan_text(s, "name", &row->name) &&
           scan_text(s, "version", &row->version) && scan_u64(s, "epoch", &row->epoch) &&
           scan_u64(s, "uptime_ms", &row->uptime_ms) && scan_u64(s, "bytes", &row->bytes) &&
           scan_u64(s, "budget", &row->budget) && scan_u32(s, "clients", &row->clients) &&
           scan_u32(s, "workers", &row->workers) && scan_u32(s, "slots", &row->slots) &&
           scan_u32(s, "jobs", &row->jobs) && scan_u64(s, "accepted", &row->accepted) &&
           scan_u64(s, "done", &row->done) && scan_u64(s, "failed", &row->failed) &&
           scan_u64(s, "retried", &row->retried) && scan_u64(s, "stale", &row->stale) &&
           scan_u8(s, "draining", 1, &row->draining) && row_more(d, (struct row_map){names, numbers, NULL, 8, 0});
}

/* One loop for all: `rows` is the array of the kind that `what` names. */
#define READ_ROWS(d, m, type, member, read)                                                                            \
    do {                                                                                                               \
        type *rows = reader_room(d, &(d)->items, (m)->count, sizeof(type));                                            \
        if (!rows)                                                                                                     \
            return false;                                                                                              \
        for (uint32_t i = 0; i < (m)->count; i++) {                                                                    \
            (d)->s.item = i;                                                                                           \
            if (!read(d, &rows[i]))                                                                                    \
                return false;                                                                                          \
        }                                                                                                              \
        (m)->rows.member = rows;                                                                                       \
    } while (0)

static bool read_rows(struct belt_decoder *d, struct belt_msg_report *m)
{
    switch (m->what) {
    case BELT_REPORT_QUEUES:
        READ_ROWS(d, m, struct belt_row_queue, queues, row_queue);
        return true;
    case BELT_REPORT_WORKERS:
        READ_ROWS(d, m, struct belt_row_worker, workers, row_worker);
        return true;
    case BELT_REPORT_JOBS:
        READ_ROWS(d, m, struct belt_row_job, jobs, row_job);
        return true;
    case BELT_REPORT_READERS:
        READ_ROWS(d, m, struct belt_row_reader, readers, row_reader);
        return true;
    default:
        if (m->count != 1)
            return scan_fail(&d->s, BELT_BAD_MESSAGE, NULL, "a broker's report has one row");
        READ_ROWS(d, m, struct belt_row_broker, broker, row_broker);
        return true;
    }
}

/* ---- the messages ---- */

struct report_options {
    struct belt_msg_report *to;
    uint32_t mask;
};

static bool read_report_option(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"total"};
    struct report_options *options = into;
    switch (reader_find_key(d, key, names, 1, &options->mask)) {
    case 0:
        return scan_u64(&d->s, "total", &options->to->total);
    case 1:
        return scan_skip(&d->s, "options", ROW_DEPTH);
    default:
        return false;
    }
}

bool reader_report(struct belt_decoder *d, struct belt_msg *msg)
{
    struct scanner *s = &d->s;
    struct belt_msg_report *m = &msg->u.report;
    struct report_options options = {.to = m};
    m->extended = d->optional;
    m->total = 0;
    if (!scan_u64(s, "ref", &m->ref) || !scan_u8(s, "what", BELT_REPORT_READERS, &m->what))
        return false;
    if (m->what == 0)
        return scan_fail(s, BELT_BAD_MESSAGE, "what", "is 0, 1 to %d are allowed", BELT_REPORT_READERS);
    if (!scan_array(s, "rows", BELT_MAX_ROWS, &m->count))
        return false;
    s->list = "rows";
    if (!read_rows(d, m))
        return false;
    s->list = NULL;
    return !d->optional || reader_map(d, "options", read_report_option, &options);
}

struct status_options {
    struct belt_status_query *query;
    uint32_t mask;
};

static bool read_status_option(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"after", "past", "offset", "limit", "states", "function", "owner"};
    struct status_options *options = into;
    struct belt_status_query *query = options->query;
    struct scanner *s = &d->s;
    switch (reader_find_key(d, key, names, 7, &options->mask)) {
    case 0:
        return scan_u64(s, "after", &query->after);
    case 1:
        return scan_bool(s, "past", &query->past);
    case 2:
        return scan_u64(s, "offset", &query->offset);
    case 3:
        return scan_u32(s, "limit", &query->limit);
    case 4:
        return scan_u8(s, "states", (1u << (BELT_JOB_STOPPED + 1)) - 1, &query->states);
    case 5:
        return scan_text(s, "function", &query->function);
    case 6:
        return scan_text(s, "owner", &query->owner);
    case 7:
        return reader_unknown_option(d, key);
    default:
        return false;
    }
}

bool reader_status(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_status *m = &msg->u.status;
    struct status_options options = {.query = &m->query};
    memset(m, 0, sizeof(*m));
    m->extended = d->optional;
    if (!scan_u64(&d->s, "ref", &m->ref) || !scan_u8(&d->s, "what", BELT_REPORT_READERS, &m->what))
        return false;
    if (m->what == 0)
        return reader_bad(d, "what", "is 0, 1 to 5 are allowed");
    if (!d->optional)
        return scan_text(&d->s, "name", &m->name) && ((m->named = m->name.len > 0), true);
    if (!scan_nil(&d->s)) {
        m->named = true;
        if (!scan_text(&d->s, "name", &m->name))
            return false;
    }
    return reader_options(d, read_status_option, &options);
}
