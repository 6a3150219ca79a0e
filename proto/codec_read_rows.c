/* SPDX-License-Identifier: Apache-2.0
 *
 * REPORT: the rows of PROTOCOL.md §5.4.
 */
#include "codec_read.h"

static bool row_queue(struct scanner *s, struct belt_row_queue *row)
{
    return scan_tuple(s, NULL, 12) && scan_bytes(s, "function", SCAN_STR, BELT_MAX_NAME, &row->function) &&
           scan_u64(s, "waiting", &row->waiting) && scan_u64(s, "running", &row->running) &&
           scan_u64(s, "done", &row->done) && scan_u64(s, "failed", &row->failed) &&
           scan_u64(s, "retried", &row->retried) && scan_u32(s, "workers", &row->workers) &&
           scan_u32(s, "slots", &row->slots) && scan_u32(s, "jobs", &row->jobs) &&
           scan_u64(s, "rate_milli", &row->rate_milli) && scan_u64(s, "service_us", &row->service_us) &&
           scan_u64(s, "oldest_ms", &row->oldest_ms);
}

static bool row_worker(struct scanner *s, struct belt_row_worker *row)
{
    return scan_tuple(s, NULL, 11) && scan_text(s, "name", &row->name) && scan_text(s, "functions", &row->functions) &&
           scan_u32(s, "slots", &row->slots) && scan_u32(s, "running", &row->running) &&
           scan_u32(s, "queued", &row->queued) && scan_u64(s, "done", &row->done) &&
           scan_u64(s, "failed", &row->failed) && scan_u64(s, "lost", &row->lost) &&
           scan_u64(s, "connected_ms", &row->connected_ms) && scan_u64(s, "silent_ms", &row->silent_ms) &&
           scan_u8(s, "state", 1, &row->state);
}

static bool row_job(struct scanner *s, struct belt_row_job *row)
{
    return scan_tuple(s, NULL, 17) && scan_u64(s, "job", &row->job) && scan_key(s, "key", &row->key) &&
           scan_bytes(s, "function", SCAN_STR, BELT_MAX_NAME, &row->function) && scan_text(s, "owner", &row->owner) &&
           scan_u8(s, "state", BELT_JOB_STOPPED, &row->state) &&
           scan_i32(s, "priority", INT32_MIN, INT32_MAX, &row->priority) && scan_u64(s, "total", &row->total) &&
           scan_u64(s, "waiting", &row->waiting) && scan_u64(s, "running", &row->running) &&
           scan_u64(s, "done", &row->done) && scan_u64(s, "failed", &row->failed) &&
           scan_u64(s, "retried", &row->retried) && scan_u64(s, "unread", &row->unread) &&
           scan_u64(s, "age_ms", &row->age_ms) && scan_u32(s, "readers", &row->readers) &&
           scan_u32(s, "progress_permille", &row->progress_permille) && scan_text(s, "why", &row->why);
}

static bool row_reader(struct scanner *s, struct belt_row_reader *row)
{
    return scan_tuple(s, NULL, 7) && scan_u64(s, "job", &row->job) && scan_key(s, "reader", &row->reader) &&
           scan_u8(s, "mode", BELT_UNORDERED, &row->mode) && scan_u8(s, "connected", 1, &row->connected) &&
           scan_u64(s, "acknowledged", &row->acknowledged) && scan_u64(s, "unread", &row->unread) &&
           scan_u64(s, "sent", &row->sent);
}

static bool row_broker(struct scanner *s, struct belt_row_broker *row)
{
    return scan_tuple(s, NULL, 16) && scan_text(s, "name", &row->name) && scan_text(s, "version", &row->version) &&
           scan_u64(s, "epoch", &row->epoch) && scan_u64(s, "uptime_ms", &row->uptime_ms) &&
           scan_u64(s, "bytes", &row->bytes) && scan_u64(s, "budget", &row->budget) &&
           scan_u32(s, "clients", &row->clients) && scan_u32(s, "workers", &row->workers) &&
           scan_u32(s, "slots", &row->slots) && scan_u32(s, "jobs", &row->jobs) &&
           scan_u64(s, "accepted", &row->accepted) && scan_u64(s, "done", &row->done) &&
           scan_u64(s, "failed", &row->failed) && scan_u64(s, "retried", &row->retried) &&
           scan_u64(s, "stale", &row->stale) && scan_u8(s, "draining", 1, &row->draining);
}

/* One loop for all: `rows` is the array of the kind that `what` names. */
#define READ_ROWS(d, m, type, member, read)                                                                            \
    do {                                                                                                               \
        type *rows = reader_room(d, &(d)->items, (m)->count, sizeof(type));                                            \
        if (!rows)                                                                                                     \
            return false;                                                                                              \
        for (uint32_t i = 0; i < (m)->count; i++) {                                                                    \
            (d)->s.item = i;                                                                                           \
            if (!read(&(d)->s, &rows[i]))                                                                              \
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

bool reader_report(struct belt_decoder *d, struct belt_msg *msg)
{
    struct scanner *s = &d->s;
    struct belt_msg_report *m = &msg->u.report;
    if (!scan_u64(s, "ref", &m->ref) || !scan_u8(s, "what", BELT_REPORT_READERS, &m->what))
        return false;
    if (m->what == 0)
        return scan_fail(s, BELT_BAD_MESSAGE, "what", "is 0, 1 to %d are allowed", BELT_REPORT_READERS);
    if (!scan_array(s, "rows", BELT_MAX_ROWS, &m->count))
        return false;
    s->list = "rows";
    return read_rows(d, m);
}
