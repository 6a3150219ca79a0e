/* SPDX-License-Identifier: Apache-2.0
 *
 * What a broker says of itself, as JSON. Pure.
 */
#include "cli/show_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* ms since 1970. */
static void set_time(json_t *object, const char *key, uint64_t at)
{
    json_object_set_new(object, key, at ? json_integer((json_int_t)at) : json_null());
}

/* Names and texts of peers may hold anything. */
static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value = json_string(text);

    json_object_set_new(object, key, value ? value : json_string("(not UTF-8)"));
}

static json_t *queue_row(const belt_queue_status *queue)
{
    json_t *row = json_object();

    set_text(row, "queue", queue->function);
    set_number(row, "waiting", queue->waiting);
    set_number(row, "running", queue->running);
    set_number(row, "done", queue->done);
    set_number(row, "failed", queue->failed);
    set_number(row, "retried", queue->retried);
    set_number(row, "workers", queue->workers);
    set_number(row, "slots", queue->slots);
    set_number(row, "jobs", queue->jobs);
    json_object_set_new(row, "rate", json_real(queue->rate));
    set_number(row, "service_us", queue->service_us);
    set_number(row, "oldest_ms", queue->oldest_ms);
    return row;
}

static json_t *worker_row(const belt_worker_status *worker)
{
    json_t *row = json_object(), *functions = json_array();
    const char *at = worker->functions;

    set_text(row, "worker", worker->name);
    while (*at) {
        size_t len = strcspn(at, ",");
        json_array_append_new(functions, json_stringn(at, len));
        at += len + (at[len] == ',');
    }
    json_object_set_new(row, "functions", functions);
    set_text(row, "state", worker->stalled ? "stalled" : worker->leaving ? "leaving" : "ready");
    set_number(row, "slots", worker->slots);
    set_number(row, "running", worker->running);
    set_number(row, "queued", worker->queued);
    set_number(row, "done", worker->done);
    set_number(row, "failed", worker->failed);
    set_number(row, "lost", worker->lost);
    set_number(row, "connected_ms", worker->connected_ms);
    set_number(row, "silent_ms", worker->silent_ms);
    set_number(row, "quiet_ms", worker->quiet_ms);
    set_number(row, "overdue", worker->overdue);
    return row;
}

static json_t *job_row(const belt_job_status *job)
{
    json_t *row = json_object();

    set_number(row, "job", job->job);
    set_text(row, "key", job->key);
    set_text(row, "function", job->function);
    set_text(row, "owner", job->owner);
    set_text(row, "state", job->state);
    json_object_set_new(row, "priority", json_integer(job->priority));
    set_number(row, "total", job->total);
    set_number(row, "waiting", job->waiting);
    set_number(row, "running", job->running);
    set_number(row, "done", job->done);
    set_number(row, "failed", job->failed);
    set_number(row, "retried", job->retried);
    set_number(row, "unread", job->unread);
    set_number(row, "age_ms", job->age_ms);
    set_time(row, "opened_at", job->opened_at);
    set_time(row, "over_at", job->over_at);
    json_object_set_new(row, "past", json_boolean(job->past));
    set_number(row, "readers", job->readers);
    set_number(row, "progress_permille", job->progress_permille);
    set_text(row, "why", job->why);
    return row;
}

static json_t *reader_row(const belt_reader_status *reader)
{
    json_t *row = json_object();

    set_number(row, "job", reader->job);
    set_text(row, "reader", reader->reader);
    set_text(row, "mode", reader->unordered ? "unordered" : "ordered");
    json_object_set_new(row, "connected", json_boolean(reader->connected));
    set_number(row, "acknowledged", reader->acknowledged);
    set_number(row, "unread", reader->unread);
    return row;
}

static json_t *broker_row(const belt_broker_status *broker)
{
    json_t *row = json_object();
    char epoch[32];

    set_text(row, "name", broker->name);
    set_text(row, "version", broker->version);
    /* 64 bits do not fit the numbers of every JSON reader */
    snprintf(epoch, sizeof(epoch), "%016llx", (unsigned long long)broker->epoch);
    set_text(row, "epoch", epoch);
    set_number(row, "uptime_ms", broker->uptime_ms);
    set_number(row, "bytes", broker->bytes);
    set_number(row, "budget", broker->budget);
    set_number(row, "clients", broker->clients);
    set_number(row, "workers", broker->workers);
    set_number(row, "slots", broker->slots);
    set_number(row, "jobs", broker->jobs);
    set_number(row, "accepted", broker->accepted);
    set_number(row, "done", broker->done);
    set_number(row, "failed", broker->failed);
    set_number(row, "retried", broker->retried);
    set_number(row, "stale", broker->stale);
    set_number(row, "refused", broker->refused);
    set_number(row, "overdue", broker->overdue);
    set_number(row, "stalled_workers", broker->stalled);
    json_object_set_new(row, "draining", json_boolean(broker->draining));
    set_number(row, "past", broker->past);
    set_number(row, "failed_kept", broker->failed_kept);
    set_number(row, "failed_let_go", broker->failed_let_go);
    set_number(row, "overslept", broker->overslept);
    return row;
}

json_t *show_json_rows(const belt_status *status)
{
    json_t *rows;

    if (status->what == BELT_STATUS_BROKER)
        return broker_row(status->broker);
    rows = json_array();
    for (size_t i = 0; i < status->count; i++)
        json_array_append_new(rows, status->what == BELT_STATUS_QUEUES    ? queue_row(status->queues[i])
                                    : status->what == BELT_STATUS_WORKERS ? worker_row(status->workers[i])
                                    : status->what == BELT_STATUS_READERS ? reader_row(status->readers[i])
                                                                          : job_row(status->jobs[i]));
    return rows;
}

json_t *show_json_object(const char *schema)
{
    json_t *object = json_object();

    set_text(object, "schema", schema);
    return object;
}

void show_json_write(json_t *object, struct bytes *out)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));

    if (text) {
        bytes_json(out, text);
        bytes_text(out, "\n");
    }
    out->failed |= !text;
    free(text);
    json_decref(object);
}
