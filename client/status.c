/* SPDX-License-Identifier: Apache-2.0
 *
 * The REPORTs of the broker as the caller's structs: page after page into one
 * array of rows, and one block of words for each page.
 */
#include "client/admin.h"

#include <stdlib.h>
#include <string.h>

/* The words of one page. */
struct words {
    struct words *next;
    char text[];
};

/* The caller's view comes first; what it points to is freed with it. */
struct status {
    belt_status shown;
    void *rows; /* one behind the other */
    union {
        void *any;
        const belt_queue_status **queues;
        const belt_worker_status **workers;
        const belt_job_status **jobs;
        const belt_reader_status **readers;
    } pointers; /* to each of them */
    struct words *words;
};

/* Words are measured and then copied by the same walk: `at` NULL measures. */
struct walk {
    char *at;
    size_t len;
};

static const char *word(struct walk *walk, struct belt_bytes bytes)
{
    char *start = walk->at;

    walk->len += bytes.len + 1;
    if (!start)
        return NULL;
    if (bytes.len > 0)
        memcpy(start, bytes.data, bytes.len);
    start[bytes.len] = '\0';
    walk->at += bytes.len + 1;
    return start;
}

static void put_queue(belt_queue_status *to, const struct belt_row_queue *from, struct walk *walk)
{
    *to = (belt_queue_status){.function = word(walk, from->function),
                              .waiting = from->waiting,
                              .running = from->running,
                              .done = from->done,
                              .failed = from->failed,
                              .retried = from->retried,
                              .workers = from->workers,
                              .slots = from->slots,
                              .jobs = from->jobs,
                              .rate = (double)from->rate_milli / 1000.0,
                              .service_us = from->service_us,
                              .oldest_ms = from->oldest_ms};
}

static void put_worker(belt_worker_status *to, const struct belt_row_worker *from, struct walk *walk)
{
    *to = (belt_worker_status){.name = word(walk, from->name),
                               .functions = word(walk, from->functions),
                               .slots = from->slots,
                               .running = from->running,
                               .queued = from->queued,
                               .done = from->done,
                               .failed = from->failed,
                               .lost = from->lost,
                               .connected_ms = from->connected_ms,
                               .silent_ms = from->silent_ms,
                               .leaving = from->state == 1,
                               .stalled = from->stalled,
                               .quiet_ms = from->quiet_ms,
                               .overdue = from->overdue};
}

static const char *state_name(uint8_t state)
{
    static const char *const names[] = {"open", "ended", "complete", "cancelled"};

    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

static void put_job(belt_job_status *to, const struct belt_row_job *from, struct walk *walk)
{
    *to = (belt_job_status){.job = from->job,
                            .key = word(walk, from->key),
                            .function = word(walk, from->function),
                            .owner = word(walk, from->owner),
                            .state = state_name(from->state),
                            .priority = from->priority,
                            .total = from->total,
                            .waiting = from->waiting,
                            .running = from->running,
                            .done = from->done,
                            .failed = from->failed,
                            .retried = from->retried,
                            .unread = from->unread,
                            .age_ms = from->age_ms,
                            .readers = from->readers,
                            .progress_permille = from->progress_permille,
                            .why = word(walk, from->why),
                            .past = from->past,
                            .opened_at = from->opened_at,
                            .over_at = from->over_at};
}

static void put_broker(belt_broker_status *to, const struct belt_row_broker *from, struct walk *walk)
{
    *to = (belt_broker_status){.name = word(walk, from->name),
                               .version = word(walk, from->version),
                               .epoch = from->epoch,
                               .uptime_ms = from->uptime_ms,
                               .bytes = from->bytes,
                               .budget = from->budget,
                               .clients = from->clients,
                               .workers = from->workers,
                               .slots = from->slots,
                               .jobs = from->jobs,
                               .accepted = from->accepted,
                               .done = from->done,
                               .failed = from->failed,
                               .retried = from->retried,
                               .stale = from->stale,
                               .draining = from->draining != 0,
                               .refused = from->refused,
                               .overdue = from->overdue,
                               .stalled = (unsigned)from->stalled,
                               .stalled_ms = from->stalled_ms,
                               .past = from->past,
                               .failed_kept = from->failed_kept,
                               .failed_let_go = from->failed_let_go,
                               .overslept = from->overslept};
}

static void put_reader(belt_reader_status *to, const struct belt_row_reader *from, struct walk *walk)
{
    *to = (belt_reader_status){.job = from->job,
                               .reader = word(walk, from->reader),
                               .unordered = from->mode == BELT_UNORDERED,
                               .connected = from->connected != 0,
                               .acknowledged = from->acknowledged,
                               .unread = from->unread};
}

static void put_rows(const struct belt_msg_report *report, void *rows, struct walk *walk)
{
    for (uint32_t i = 0; i < report->count; i++) {
        switch (report->what) {
        case BELT_STATUS_QUEUES:
            put_queue((belt_queue_status *)rows + i, &report->rows.queues[i], walk);
            break;
        case BELT_STATUS_WORKERS:
            put_worker((belt_worker_status *)rows + i, &report->rows.workers[i], walk);
            break;
        case BELT_STATUS_JOBS:
            put_job((belt_job_status *)rows + i, &report->rows.jobs[i], walk);
            break;
        case BELT_STATUS_READERS:
            put_reader((belt_reader_status *)rows + i, &report->rows.readers[i], walk);
            break;
        default:
            put_broker((belt_broker_status *)rows + i, &report->rows.broker[i], walk);
            break;
        }
    }
}

/* The pointers that a caller walks the rows by: a row may be longer in a later version of the library. */
static void point(struct status *status, belt_status_kind what)
{
    for (size_t i = 0; i < status->shown.count; i++) {
        switch (what) {
        case BELT_STATUS_QUEUES:
            status->pointers.queues[i] = (belt_queue_status *)status->rows + i;
            break;
        case BELT_STATUS_WORKERS:
            status->pointers.workers[i] = (belt_worker_status *)status->rows + i;
            break;
        case BELT_STATUS_JOBS:
            status->pointers.jobs[i] = (belt_job_status *)status->rows + i;
            break;
        case BELT_STATUS_READERS:
            status->pointers.readers[i] = (belt_reader_status *)status->rows + i;
            break;
        case BELT_STATUS_BROKER:
            break;
        }
    }
}

static void show(struct status *status, belt_status_kind what)
{
    belt_status *shown = &status->shown;

    point(status, what);
    shown->what = what;
    shown->queues = what == BELT_STATUS_QUEUES ? status->pointers.queues : NULL;
    shown->workers = what == BELT_STATUS_WORKERS ? status->pointers.workers : NULL;
    shown->jobs = what == BELT_STATUS_JOBS ? status->pointers.jobs : NULL;
    shown->broker = what == BELT_STATUS_BROKER ? status->rows : NULL;
    shown->readers = what == BELT_STATUS_READERS ? status->pointers.readers : NULL;
}

/* Room for so many rows. False when out of memory. */
static bool grow(struct status *status, size_t count, size_t size)
{
    void *rows = realloc(status->rows, (count + 1) * size), *pointers;

    if (!rows)
        return false;
    status->rows = rows;
    pointers = realloc(status->pointers.any, (count + 1) * sizeof(void *));
    if (!pointers)
        return false;
    status->pointers.any = pointers;
    return true;
}

static size_t row_size(unsigned what)
{
    static const size_t sizes[] = {0,
                                   sizeof(belt_queue_status),
                                   sizeof(belt_worker_status),
                                   sizeof(belt_job_status),
                                   sizeof(belt_broker_status),
                                   sizeof(belt_reader_status)};

    return what < sizeof(sizes) / sizeof(sizes[0]) ? sizes[what] : 0;
}

struct belt_status *client_status_new(void)
{
    struct status *status = calloc(1, sizeof(*status));

    return status ? &status->shown : NULL;
}

bool client_status_add(struct belt_status *shown, const struct belt_msg_report *report)
{
    struct status *status = (struct status *)shown;
    size_t size = row_size(report->what);
    struct walk measure = {0}, copy = {0};
    struct words *words;
    char *rows;

    if (size == 0 || (shown->what != 0 && shown->what != report->what))
        return false;
    if (!grow(status, shown->count + report->count, size))
        return false;
    rows = status->rows;
    put_rows(report, rows + shown->count * size, &measure);
    words = malloc(sizeof(*words) + measure.len + 1);
    if (!words)
        return false;
    words->next = status->words;
    status->words = words;
    copy.at = words->text;
    put_rows(report, rows + shown->count * size, &copy);
    shown->count += report->count;
    if (report->total > shown->total)
        shown->total = report->total;
    show(status, (belt_status_kind)report->what);
    return true;
}

void belt_status_free(belt_status **shown)
{
    struct status *status;

    if (!shown || !*shown)
        return;
    status = (struct status *)*shown;
    while (status->words) {
        struct words *next = status->words->next;
        free(status->words);
        status->words = next;
    }
    free(status->pointers.any);
    free(status->rows);
    free(status);
    *shown = NULL;
}
