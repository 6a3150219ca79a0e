/* SPDX-License-Identifier: Apache-2.0
 *
 * What a broker says of itself, as tables for people. Pure.
 */
#include "cli/show.h"

#include "cli/grid.h"
#include "cli/units.h"

#include <stdio.h>
#include <string.h>

static void add_count(struct grid *grid, uint64_t count, enum grid_colour colour)
{
    char text[UNITS_TEXT];
    grid_add(grid, units_show_count(count, text), count ? colour : GRID_PLAIN);
}

static void add_ms(struct grid *grid, uint64_t ms)
{
    char text[UNITS_TEXT];
    grid_add(grid, units_show_ms(ms, text), GRID_PLAIN);
}

static void finish(struct grid *grid, bool colours, struct bytes *out)
{
    grid_write(grid, colours, out);
    grid_free(grid);
}

void show_broker(const belt_broker_status *broker, bool colours, struct bytes *out)
{
    char up[UNITS_TEXT], bytes[UNITS_TEXT], budget[UNITS_TEXT], done[UNITS_TEXT], failed[UNITS_TEXT];

    bytes_text(out, "broker ");
    grid_paint(out, broker->name, GRID_BOLD, colours);
    bytes_text(out, " ");
    grid_paint(out, broker->version, GRID_PLAIN, colours);
    bytes_format(out, ", up %s%s: %u clients, %u workers with %u slots, %u jobs; %s done, %s failed; %s of %s kept\n",
                 units_show_ms(broker->uptime_ms, up), broker->draining ? ", shutting down" : "", broker->clients,
                 broker->workers, broker->slots, broker->jobs, units_show_count(broker->done, done),
                 units_show_count(broker->failed, failed), units_show_bytes(broker->bytes, bytes),
                 units_show_bytes(broker->budget, budget));
    if (broker->stalled)
        bytes_format(
            out,
            "%u worker%s not answered for the tasks that %s for %s: 'belt workers' shows which; --timeout of a "
            "job takes tasks back\n",
            broker->stalled, broker->stalled == 1 ? " has" : "s have", broker->stalled == 1 ? "it holds" : "they hold",
            units_show_ms(broker->stalled_ms, up));
    if (broker->failed_let_go)
        bytes_format(out,
                     "%llu failed tasks were let go to stay within the bounds (belt broker --failed-count, "
                     "--failed-bytes); %llu are kept\n",
                     (unsigned long long)broker->failed_let_go, (unsigned long long)broker->failed_kept);
}

void show_queues(const belt_status *status, bool colours, struct bytes *out)
{
    static const char *const heads[] = {"<QUEUE",  "WAITING", "RUNNING", "DONE", "FAILED", "RETRIED",
                                        "WORKERS", "SLOTS",   "RATE",    "TASK", "OLDEST"};
    struct grid grid;
    char text[UNITS_TEXT + 8];

    if (!status->count) {
        bytes_text(out, "no queues: nothing is served and nothing waits\n");
        return;
    }
    grid_init(&grid, heads, sizeof(heads) / sizeof(*heads));
    for (size_t i = 0; i < status->count; i++) {
        const belt_queue_status *queue = status->queues[i];
        grid_add(&grid, queue->function, GRID_PLAIN);
        add_count(&grid, queue->waiting, queue->workers ? GRID_PLAIN : GRID_RED);
        add_count(&grid, queue->running, GRID_GREEN);
        add_count(&grid, queue->done, GRID_PLAIN);
        add_count(&grid, queue->failed, GRID_RED);
        add_count(&grid, queue->retried, GRID_YELLOW);
        add_count(&grid, queue->workers, GRID_PLAIN);
        add_count(&grid, queue->slots, GRID_PLAIN);
        units_show_rate(queue->rate, text);
        grid_add(&grid, strcat(text, "/s"), GRID_PLAIN);
        grid_add(&grid, queue->service_us ? units_show_us(queue->service_us, text) : "-", GRID_PLAIN);
        if (queue->waiting)
            add_ms(&grid, queue->oldest_ms);
        else
            grid_add(&grid, "-", GRID_PLAIN);
    }
    finish(&grid, colours, out);
    for (size_t i = 0; i < status->count; i++)
        if (status->queues[i]->waiting && !status->queues[i]->workers) {
            bytes_text(out, "queue ");
            grid_paint(out, status->queues[i]->function, GRID_PLAIN, colours);
            bytes_text(out, " waits: no connected worker serves it; start one with 'belt worker'\n");
        }
}

static void add_worker_state(struct grid *grid, const belt_worker_status *worker)
{
    char text[64], time[32];

    if (worker->stalled) {
        snprintf(text, sizeof(text), "stalled %s", units_show_ms(worker->quiet_ms, time));
        grid_add(grid, text, GRID_RED);
    } else {
        grid_add(grid, worker->leaving ? "leaving" : "ready", worker->leaving ? GRID_YELLOW : GRID_GREEN);
    }
}

void show_workers(const belt_status *status, bool colours, struct bytes *out)
{
    static const char *const heads[] = {"<WORKER", "<STATE", "SLOTS",     "RUNNING", "QUEUED",    "DONE",
                                        "FAILED",  "LOST",   "CONNECTED", "SILENT",  "<FUNCTIONS"};
    struct grid grid;

    if (!status->count) {
        bytes_text(out, "no workers are connected; start one with 'belt worker'\n");
        return;
    }
    grid_init(&grid, heads, sizeof(heads) / sizeof(*heads));
    for (size_t i = 0; i < status->count; i++) {
        const belt_worker_status *worker = status->workers[i];
        grid_add(&grid, worker->name, GRID_PLAIN);
        add_worker_state(&grid, worker);
        add_count(&grid, worker->slots, GRID_PLAIN);
        add_count(&grid, worker->running, GRID_GREEN);
        add_count(&grid, worker->queued, GRID_PLAIN);
        add_count(&grid, worker->done, GRID_PLAIN);
        add_count(&grid, worker->failed, GRID_RED);
        add_count(&grid, worker->lost, GRID_RED);
        add_ms(&grid, worker->connected_ms);
        add_ms(&grid, worker->silent_ms);
        grid_add(&grid, worker->functions, GRID_PLAIN);
    }
    finish(&grid, colours, out);
}

static void add_progress(struct grid *grid, const belt_job_status *job)
{
    uint64_t finished = job->done + job->failed;
    char text[32];

    /* An open job may still grow: a percentage would lie. */
    if (!strcmp(job->state, "open") || !job->total)
        grid_add(grid, "-", GRID_PLAIN);
    else {
        double share = ((double)finished + (double)job->progress_permille / 1000) / (double)job->total;
        snprintf(text, sizeof(text), "%.0f%%", share > 1 ? 100 : share * 100);
        grid_add(grid, text, GRID_PLAIN);
    }
}

static const char *why_head(const char *state)
{
    if (!strcmp(state, "cancelled"))
        return "is over";
    return strcmp(state, "complete") ? "does not move" : "is kept";
}

void show_jobs(const belt_status *status, bool colours, struct bytes *out)
{
    static const char *const heads[] = {"JOB",     "<FUNCTION", "<OWNER", "<STATE", "PRIO",    "TOTAL",
                                        "WAITING", "RUNNING",   "DONE",   "FAILED", "RETRIED", "UNREAD",
                                        "READERS", "SHARE",     "AGE",    "<KEY"};
    struct grid grid;
    char text[32];

    if (!status->count) {
        bytes_text(out, "no jobs\n");
        return;
    }
    grid_init(&grid, heads, sizeof(heads) / sizeof(*heads));
    for (size_t i = 0; i < status->count; i++) {
        const belt_job_status *job = status->jobs[i];
        bool cancelled = !strcmp(job->state, "cancelled");
        snprintf(text, sizeof(text), "%llu", (unsigned long long)job->job);
        grid_add(&grid, text, GRID_BOLD);
        grid_add(&grid, job->function, GRID_PLAIN);
        grid_add(&grid, job->owner, GRID_PLAIN);
        grid_add(&grid, job->state, cancelled ? GRID_YELLOW : GRID_PLAIN);
        snprintf(text, sizeof(text), "%d", job->priority);
        grid_add(&grid, text, GRID_PLAIN);
        add_count(&grid, job->total, GRID_PLAIN);
        add_count(&grid, job->waiting, GRID_PLAIN);
        add_count(&grid, job->running, GRID_GREEN);
        add_count(&grid, job->done, GRID_PLAIN);
        add_count(&grid, job->failed, GRID_RED);
        add_count(&grid, job->retried, GRID_YELLOW);
        add_count(&grid, job->unread, GRID_PLAIN);
        add_count(&grid, job->readers, GRID_PLAIN);
        add_progress(&grid, job);
        add_ms(&grid, job->age_ms);
        grid_add(&grid, job->key, GRID_DIM);
    }
    finish(&grid, colours, out);
    for (size_t i = 0; i < status->count; i++)
        if (*status->jobs[i]->why) {
            bytes_format(out, "job %llu %s: ", (unsigned long long)status->jobs[i]->job,
                         why_head(status->jobs[i]->state));
            grid_paint(out, status->jobs[i]->why, GRID_PLAIN, colours);
            bytes_text(out, "\n");
        }
}

/* How many there are, which may be more than is shown. */
void show_count(const belt_status *status, const char *what, struct bytes *out)
{
    uint64_t past = 0;

    if (status->total > status->count) {
        bytes_format(out, "%zu of %llu %ss are shown\n", status->count, (unsigned long long)status->total, what);
        return;
    }
    if (!status->count)
        return;
    for (size_t i = 0; status->what == BELT_STATUS_JOBS && i < status->count; i++)
        past += status->jobs[i]->past;
    bytes_format(out, "%zu %s%s", status->count, what, status->count == 1 ? "" : "s");
    if (past)
        bytes_format(out, ", %llu of them over and forgotten", (unsigned long long)past);
    bytes_text(out, "\n");
}

static void add_reader(struct grid *grid, const belt_reader_status *reader)
{
    grid_add(grid, reader->reader, GRID_PLAIN);
    grid_add(grid, reader->unordered ? "unordered" : "ordered", GRID_PLAIN);
    grid_add(grid, reader->connected ? "connected" : "away", reader->connected ? GRID_GREEN : GRID_YELLOW);
    add_count(grid, reader->acknowledged, GRID_PLAIN);
    add_count(grid, reader->unread, GRID_PLAIN);
}

void show_all_readers(const belt_status *status, bool colours, struct bytes *out)
{
    static const char *const heads[] = {"JOB", "<READER", "<MODE", "<STATE", "ACKNOWLEDGED", "UNREAD"};
    struct grid grid;

    if (!status->count) {
        bytes_text(out, "no reader has come\n");
        return;
    }
    grid_init(&grid, heads, sizeof(heads) / sizeof(*heads));
    for (size_t i = 0; i < status->count; i++) {
        char job[24];
        snprintf(job, sizeof(job), "%llu", (unsigned long long)status->readers[i]->job);
        grid_add(&grid, job, GRID_PLAIN);
        add_reader(&grid, status->readers[i]);
    }
    finish(&grid, colours, out);
}

void show_readers(const belt_status *status, bool colours, struct bytes *out)
{
    static const char *const heads[] = {"<READER", "<MODE", "<STATE", "ACKNOWLEDGED", "UNREAD"};
    struct grid grid;

    if (!status->count)
        return;
    grid_init(&grid, heads, sizeof(heads) / sizeof(*heads));
    for (size_t i = 0; i < status->count; i++)
        add_reader(&grid, status->readers[i]);
    finish(&grid, colours, out);
}
