/* SPDX-License-Identifier: Apache-2.0
 *
 * STATUS and REPORT: the rows of PROTOCOL.md §5.4. A report holds the rows that
 * fit into one header frame; whoever wants the rest asks for the next page.
 */
#include "proto/codec_write.h"

/* No row follows at this length: the longest one (four texts) would not fit. */
#define FULL (BELT_MAX_HEADER - 4 * (BELT_MAX_TEXT + PACK_WORD) - 32 * PACK_WORD)

/* An array whose count is filled in later; returns where. */
static size_t list32(struct writer *w)
{
    if (!pack_room(&w->p, PACK_WORD))
        return 0;
    pack_byte(&w->p, 0xdd);
    size_t at = w->p.len;
    pack_be(&w->p, 0, 4);
    return at;
}

static void patch32(struct writer *w, size_t at, uint32_t value)
{
    size_t len = w->p.len;
    w->p.len = at;
    pack_be(&w->p, value, 4);
    w->p.len = len;
}

/* The functions of one worker may be longer than a text. */
static struct belt_bytes cut(struct belt_bytes bytes)
{
    if (bytes.len > BELT_MAX_TEXT)
        bytes.len = BELT_MAX_TEXT;
    return bytes;
}

static void row_queue(struct writer *w, const struct belt_row_queue *row, bool extended)
{
    pack_array(&w->p, 12u + extended);
    writer_str(w, row->function, BELT_MAX_NAME);
    const uint64_t numbers[] = {row->waiting,    row->running,    row->done,     row->failed,
                                row->retried,    row->workers,    row->slots,    row->jobs,
                                row->rate_milli, row->service_us, row->oldest_ms};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        pack_uint(&w->p, numbers[i]);
    if (extended)
        pack_map(&w->p, 0);
}

static void row_worker(struct writer *w, const struct belt_row_worker *row, bool extended)
{
    pack_array(&w->p, 11u + extended);
    writer_text(w, row->name);
    writer_text(w, cut(row->functions));
    const uint64_t numbers[] = {row->slots, row->running,      row->queued,    row->done, row->failed,
                                row->lost,  row->connected_ms, row->silent_ms, row->state};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        pack_uint(&w->p, numbers[i]);
    if (!extended)
        return;
    pack_map(&w->p, (uint32_t)row->stalled + (row->quiet_ms > 0) + (row->overdue > 0));
    if (row->stalled) {
        writer_key(w, "stalled");
        pack_bool(&w->p, true);
    }
    writer_map_uint(w, "quiet_ms", row->quiet_ms);
    writer_map_uint(w, "overdue", row->overdue);
}

static void row_job(struct writer *w, const struct belt_row_job *row, bool extended)
{
    pack_array(&w->p, 17u + extended);
    pack_uint(&w->p, row->job);
    writer_str(w, row->key, BELT_MAX_KEY);
    writer_str(w, row->function, BELT_MAX_NAME);
    writer_text(w, row->owner);
    pack_uint(&w->p, row->state);
    pack_int(&w->p, row->priority);
    const uint64_t numbers[] = {row->total,   row->waiting, row->running, row->done,    row->failed,
                                row->retried, row->unread,  row->age_ms,  row->readers, row->progress_permille};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        pack_uint(&w->p, numbers[i]);
    writer_text(w, row->why);
    if (!extended)
        return;
    pack_map(&w->p, (uint32_t)row->past + (row->opened_at > 0) + (row->over_at > 0) + (row->keyed > 0));
    if (row->past) {
        writer_key(w, "past");
        pack_bool(&w->p, true);
    }
    writer_map_uint(w, "opened_at", row->opened_at);
    writer_map_uint(w, "over_at", row->over_at);
    writer_map_uint(w, "keyed", row->keyed);
}

static void row_reader(struct writer *w, const struct belt_row_reader *row, bool extended)
{
    pack_array(&w->p, 7u + extended);
    pack_uint(&w->p, row->job);
    writer_str(w, row->reader, BELT_MAX_KEY);
    const uint64_t numbers[] = {row->mode, row->connected, row->acknowledged, row->unread, row->sent};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        pack_uint(&w->p, numbers[i]);
    if (extended)
        pack_map(&w->p, 0);
}

static void row_broker(struct writer *w, const struct belt_row_broker *row, bool extended)
{
    pack_array(&w->p, 16u + extended);
    writer_text(w, row->name);
    writer_text(w, row->version);
    const uint64_t numbers[] = {row->epoch,   row->uptime_ms, row->bytes, row->budget,   row->clients,
                                row->workers, row->slots,     row->jobs,  row->accepted, row->done,
                                row->failed,  row->retried,   row->stale, row->draining};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        pack_uint(&w->p, numbers[i]);
    if (!extended)
        return;
    pack_map(&w->p, (uint32_t)(row->past > 0) + (row->failed_kept > 0) + (row->failed_let_go > 0) +
                        (row->overslept > 0) + (row->refused > 0) + (row->overdue > 0) + (row->stalled > 0) +
                        (row->stalled_ms > 0));
    writer_map_uint(w, "past", row->past);
    writer_map_uint(w, "failed_kept", row->failed_kept);
    writer_map_uint(w, "failed_let_go", row->failed_let_go);
    writer_map_uint(w, "overslept", row->overslept);
    writer_map_uint(w, "refused", row->refused);
    writer_map_uint(w, "overdue", row->overdue);
    writer_map_uint(w, "stalled", row->stalled);
    writer_map_uint(w, "stalled_ms", row->stalled_ms);
}

void writer_report(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_report *m = &msg->u.report;
    writer_head(w, msg, 3u + m->extended);
    pack_uint(&w->p, m->ref);
    pack_uint(&w->p, m->what);
    size_t count_at = list32(w);
    uint32_t i = 0;
    for (; i < m->count && i < BELT_MAX_ROWS && w->p.len < FULL && w->p.code == BELT_OK; i++) {
        switch (m->what) {
        case BELT_REPORT_QUEUES:
            row_queue(w, &m->rows.queues[i], m->extended);
            break;
        case BELT_REPORT_WORKERS:
            row_worker(w, &m->rows.workers[i], m->extended);
            break;
        case BELT_REPORT_JOBS:
            row_job(w, &m->rows.jobs[i], m->extended);
            break;
        case BELT_REPORT_READERS:
            row_reader(w, &m->rows.readers[i], m->extended);
            break;
        case BELT_REPORT_BROKER:
            row_broker(w, &m->rows.broker[i], m->extended);
            break;
        default:
            writer_refuse(w);
        }
    }
    if (w->p.code == BELT_OK)
        patch32(w, count_at, i);
    if (!m->extended)
        return;
    pack_map(&w->p, m->total > 0);
    writer_map_uint(w, "total", m->total);
}

static void status_options(struct writer *w, const struct belt_status_query *query)
{
    pack_map(&w->p, (uint32_t)(query->after > 0) + query->past + (query->offset > 0) + (query->limit > 0) +
                        (query->states > 0) + (query->function.len > 0) + (query->owner.len > 0));
    writer_map_uint(w, "after", query->after);
    if (query->past) {
        writer_key(w, "past");
        pack_bool(&w->p, true);
    }
    writer_map_uint(w, "offset", query->offset);
    writer_map_uint(w, "limit", query->limit);
    writer_map_uint(w, "states", query->states);
    writer_map_text(w, "function", query->function);
    writer_map_text(w, "owner", query->owner);
}

void writer_status(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_status *m = &msg->u.status;
    writer_head(w, msg, 3u + m->extended);
    pack_uint(&w->p, m->ref);
    pack_uint(&w->p, m->what);
    if (m->extended && !m->named)
        pack_nil(&w->p);
    else
        writer_text(w, m->name);
    if (m->extended)
        status_options(w, &m->query);
}
