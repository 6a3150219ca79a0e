/* SPDX-License-Identifier: Apache-2.0
 *
 * Status, cancel by id, ping. See admin.h.
 */
#include "client/admin.h"

#include "client/connection.h"
#include "proto/error.h"
#include "client/failed.h"
#include "client/inside.h"
#include "proto/options.h"
#include "client/wake.h"

#include "proto/text_cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Rows of one status: each job may have this many readers. */
#define ROWS_MAX ((size_t)BELT_MAX_JOBS * BELT_MAX_READERS)

/* ---- on the I/O thread ---- */

/* What a question says is the asker's, who may give up while it is sent: a copy of it. */
struct question {
    struct client_request request;
    char name[BELT_MAX_KEY + 1], reader[BELT_MAX_KEY + 1], function[BELT_MAX_NAME + 1], owner[BELT_MAX_NAME + 1];
    struct belt_msg_failed *failed;
};

static struct belt_bytes copy_text(char *to, size_t room, struct belt_bytes from)
{
    size_t len = from.len < room ? from.len : room - 1;

    if (len > 0)
        memcpy(to, from.data, len);
    to[len] = '\0';
    return (struct belt_bytes){(const uint8_t *)to, len};
}

/* Under the lock. False when out of memory. */
static bool question_copy(struct question *to, const struct client_request *from)
{
    struct belt_status_query *query = &to->request.query;

    to->request = *from;
    if (from->name) {
        snprintf(to->name, sizeof(to->name), "%s", from->name);
        to->request.name = to->name;
    }
    if (from->reader) {
        snprintf(to->reader, sizeof(to->reader), "%s", from->reader);
        to->request.reader = to->reader;
    }
    query->function = copy_text(to->function, sizeof(to->function), from->query.function);
    query->owner = copy_text(to->owner, sizeof(to->owner), from->query.owner);
    to->failed = NULL;
    if (from->failed)
        to->request.failed = to->failed = client_failed_copy(from->failed);
    return !from->failed || to->failed;
}

static void send_request(belt_pool *pool, const struct client_request *request)
{
    struct belt_msg msg;

    if (request->type == CLIENT_REQUEST_STATUS) {
        msg.type = BELT_MSG_STATUS;
        msg.u.status = (struct belt_msg_status){
            .ref = request->ref, .what = request->what, .extended = true, .query = request->query};
        if (request->name) {
            msg.u.status.named = true;
            msg.u.status.name = (struct belt_bytes){(const uint8_t *)request->name, strlen(request->name)};
        }
    } else if (request->type == CLIENT_REQUEST_FAILED) {
        msg.type = BELT_MSG_FAILED;
        msg.u.failed = *request->failed;
        msg.u.failed.ref = request->ref;
    } else {
        msg.type = BELT_MSG_CANCEL;
        msg.u.cancel = (struct belt_msg_cancel){.ref = request->ref, .job = request->job, .forget = request->forget};
        if (request->reader) {
            msg.u.cancel.leaves = true;
            msg.u.cancel.reader = (struct belt_bytes){(const uint8_t *)request->reader, strlen(request->reader)};
        }
    }
    client_connection_send(pool, &msg);
}

static void answer(belt_pool *pool, struct client_request *request, unsigned code, const char *text, size_t len)
{
    request->done = true;
    request->code = code;
    text_print(request->text, sizeof(request->text), "%.*s", (int)len, text);
    wait_tell(&pool->cond);
}

bool client_admin_work(belt_pool *pool)
{
    struct client_request *ready = NULL;
    bool worked = false;

    do {
        ready = NULL;
        pthread_mutex_lock(&pool->lock);
        if (client_connection_ready(pool) && pool->code == BELT_OK)
            for (ready = pool->requests; ready && (ready->sent || ready->done); ready = ready->next)
                ;
        if (ready) {
            struct question question;
            bool copied = question_copy(&question, ready);

            ready->sent = true;
            if (!copied)
                answer(pool, ready, BELT_NO_MEMORY, "out of memory", 13);
            pthread_mutex_unlock(&pool->lock);
            if (copied)
                send_request(pool, &question.request);
            free(question.failed);
            worked = true;
        } else {
            pthread_mutex_unlock(&pool->lock);
        }
    } while (ready);
    return worked;
}

void client_admin_welcome(belt_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (struct client_request *request = pool->requests; request; request = request->next)
        request->sent = false;
    pthread_mutex_unlock(&pool->lock);
    client_admin_work(pool);
}

/* ---- answers: a broker may have any fault, and this program must not come to harm by it ---- */

/* Jobs come in the order of their ids, those that live first, and behind those of the page before. */
static bool jobs_in_order(const struct belt_status_query *query, const struct belt_msg_report *report)
{
    uint64_t after = query->after;
    bool past = query->past;

    for (uint32_t i = 0; i < report->count; i++) {
        const struct belt_row_job *row = &report->rows.jobs[i];
        if (row->past == past ? row->job <= after : past)
            return false;
        after = row->job;
        past = row->past;
    }
    return true;
}

static const char *report_fault(const struct client_request *request, const struct belt_msg_report *report)
{
    if (report->what != request->what)
        return "a report of something else";
    if (report->what == BELT_STATUS_BROKER && report->count != 1)
        return "a report of no broker, or of several";
    if (report->what == BELT_STATUS_JOBS && !jobs_in_order(&request->query, report))
        return "jobs that are not in their order";
    if (request->status->count + report->count > ROWS_MAX)
        return "more rows than a broker can have";
    return NULL;
}

static const char *failures_fault(const struct client_request *request, const struct belt_msg_failures *failures)
{
    uint64_t from = request->failed->from;

    for (uint32_t i = 0; i < failures->letter_count; i++) {
        if (failures->letters[i].serial < from || failures->letters[i].serial == UINT64_MAX)
            return "failed tasks that are not in their order";
        from = failures->letters[i].serial + 1;
    }
    return NULL;
}

/* What makes the message no answer to the question; NULL: nothing does. Under the lock. */
static const char *answer_fault(const struct client_request *request, const struct belt_msg *msg)
{
    static const uint8_t wanted[] = {[CLIENT_REQUEST_STATUS] = BELT_MSG_REPORT,
                                     [CLIENT_REQUEST_FAILED] = BELT_MSG_FAILURES,
                                     [CLIENT_REQUEST_CANCEL] = BELT_MSG_CANCELLED};

    if (msg->type == BELT_MSG_ERROR)
        return msg->u.error.code == BELT_OK ? "an error without a code" : NULL;
    if (msg->type != wanted[request->type])
        return "a message of another kind";
    if (msg->type == BELT_MSG_REPORT)
        return report_fault(request, &msg->u.report);
    if (msg->type == BELT_MSG_FAILURES)
        return failures_fault(request, &msg->u.failures);
    return NULL;
}

void client_admin_message(belt_pool *pool, uint64_t ref, const struct belt_msg *msg)
{
    struct client_request *request;
    const char *fault;
    char text[128];

    pthread_mutex_lock(&pool->lock);
    for (request = pool->requests; request && (request->ref != ref || request->done); request = request->next)
        ;
    if (!request) {
        pthread_mutex_unlock(&pool->lock);
        return;
    }
    fault = answer_fault(request, msg);
    if (fault) {
        int len = snprintf(text, sizeof(text), "%s, which is no answer to the question", fault);
        answer(pool, request, BELT_BAD_MESSAGE, text, (size_t)len);
    } else if (msg->type == BELT_MSG_ERROR) {
        answer(pool, request, msg->u.error.code, (const char *)msg->u.error.text.data, msg->u.error.text.len);
    } else if (msg->type == BELT_MSG_REPORT) {
        bool added = client_status_add(request->status, &msg->u.report);
        answer(pool, request, added ? BELT_OK : BELT_NO_MEMORY, "out of memory", 13);
    } else if (msg->type == BELT_MSG_FAILURES) {
        request->failures = client_failures_new(&msg->u.failures);
        answer(pool, request, request->failures ? BELT_OK : BELT_NO_MEMORY, "out of memory", 13);
    } else {
        answer(pool, request, BELT_OK, "", 0);
    }
    pthread_mutex_unlock(&pool->lock);
}

void client_admin_fail(belt_pool *pool, unsigned code, const char *text)
{
    pthread_mutex_lock(&pool->lock);
    for (struct client_request *request = pool->requests; request; request = request->next)
        if (!request->done)
            answer(pool, request, code, text, strlen(text));
    pthread_mutex_unlock(&pool->lock);
}

/* ---- on the asking thread ---- */

static void unlink_request(belt_pool *pool, const struct client_request *request)
{
    struct client_request **at = &pool->requests;

    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
}

static void link_requests(belt_pool *pool, struct client_request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        requests[i].ref = atomic_fetch_add(&pool->refs, 1) + 1;
        requests[i].next = pool->requests;
        pool->requests = &requests[i];
    }
}

static bool all_done(const struct client_request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!requests[i].done)
            return false;
    return true;
}

/* Those that have no answer get this one. Under the lock. */
static void end_requests(struct client_request *requests, size_t count, unsigned code, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (requests[i].done)
            continue;
        requests[i].done = true;
        requests[i].code = code;
        text_print(requests[i].text, sizeof(requests[i].text), "%s", text);
    }
}

static void ask_all(belt_pool *pool, struct client_request *requests, size_t count, int64_t timeout_ms)
{
    uint64_t deadline = client_deadline(timeout_ms);
    bool stopped = false;

    pthread_mutex_lock(&pool->lock);
    link_requests(pool, requests, count);
    pthread_mutex_unlock(&pool->lock);
    client_wake(pool, true);
    pthread_mutex_lock(&pool->lock);
    if (pool->code != BELT_OK)
        end_requests(requests, count, pool->code, pool->text);
    while (!all_done(requests, count) && !stopped && wait_sleep(&pool->cond, &pool->lock, deadline))
        stopped = client_pool_signalled(pool);
    end_requests(requests, count, stopped ? BELT_INTERRUPTED : BELT_AGAIN, "");
    for (size_t i = 0; i < count; i++)
        unlink_request(pool, &requests[i]);
    pthread_mutex_unlock(&pool->lock);
}

int client_admin_ask_all(belt_pool *pool, struct client_request *requests, size_t count, int64_t timeout_ms)
{
    int rc = client_pool_enter(pool, "the broker cannot be asked");

    if (rc != BELT_OK)
        return rc;
    ask_all(pool, requests, count, timeout_ms);
    if (atomic_load(&pool->closing))
        rc = belt_error_set(BELT_CLOSED, "the pool was closed");
    client_pool_leave(pool);
    return rc;
}

int client_admin_ask(belt_pool *pool, struct client_request *request, int64_t timeout_ms)
{
    int rc = client_admin_ask_all(pool, request, 1, timeout_ms);

    if (rc != BELT_OK)
        return rc;
    if (request->code == BELT_AGAIN)
        return belt_error_set(BELT_AGAIN, "the broker at %s did not answer within %lld ms; call again", pool->endpoint,
                              (long long)timeout_ms);
    if (request->code == BELT_INTERRUPTED)
        return belt_error_set(BELT_INTERRUPTED, "the wait for the broker at %s was interrupted by a signal",
                              pool->endpoint);
    if (request->code != BELT_OK)
        return belt_error_set((int)request->code, "the broker at %s answers: %s", pool->endpoint, request->text);
    return BELT_OK;
}

/* ---- status ---- */

static struct belt_bytes text_of(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, text ? strlen(text) : 0};
}

static bool is_name(const char *text, size_t most)
{
    return !text || (*text != '\0' && strlen(text) <= most);
}

static int check_status(const belt_pool *pool, belt_status_kind what, const char *name,
                        const belt_status_options *options, belt_status **status)
{
    if (!pool || !status || what < BELT_STATUS_QUEUES || what > BELT_STATUS_READERS)
        return belt_error_set(BELT_INVALID, "a pool, a place for the status and what to ask for are needed");
    if (!is_name(name, BELT_MAX_KEY))
        return belt_error_set(BELT_INVALID, "a name has 1 to %u bytes; NULL stands for all", BELT_MAX_KEY);
    if (!is_name(options->function, BELT_MAX_NAME) || !is_name(options->owner, BELT_MAX_NAME))
        return belt_error_set(BELT_INVALID, "function and owner have 1 to %u bytes; NULL stands for any",
                              BELT_MAX_NAME);
    if (options->states >= 1u << (BELT_JOB_STOPPED + 1))
        return belt_error_set(BELT_INVALID, "states has bits for the states 0 to %d", BELT_JOB_STOPPED);
    return BELT_OK;
}

/* Where the next page begins; false: there is none. */
static bool next_page(struct client_request *request, size_t before, uint64_t limit)
{
    const belt_status *status = request->status;

    if (status->count == before || request->what == BELT_STATUS_BROKER ||
        (request->name && request->what == BELT_STATUS_JOBS))
        return false;
    if (limit > 0 && status->count >= limit)
        return false;
    if (request->what != BELT_STATUS_JOBS && status->count >= status->total)
        return false;
    request->query.offset = status->count;
    if (request->what == BELT_STATUS_JOBS) {
        request->query.offset = 0;
        request->query.after = status->jobs[status->count - 1]->job;
        request->query.past = status->jobs[status->count - 1]->past;
    }
    if (limit > 0)
        request->query.limit = (uint32_t)(limit - status->count < UINT32_MAX ? limit - status->count : UINT32_MAX);
    return true;
}

int belt_status_get(belt_pool *pool, belt_status_kind what, const char *name, const belt_status_options *given,
                    int64_t timeout_ms, belt_status **status)
{
    belt_status_options options;
    size_t before = 0;
    int rc;

    belt_status_options_init(&options);
    rc = belt_options_read(&options, sizeof(options), given, "BELT_STATUS_OPTIONS_INIT");
    if (rc == BELT_OK)
        rc = check_status(pool, what, name, &options, status);
    if (rc != BELT_OK)
        return rc;
    *status = NULL;
    struct client_request request = {.type = CLIENT_REQUEST_STATUS, .what = (uint8_t)what, .name = name};
    uint64_t limit = options.limit;
    request.query = (struct belt_status_query){.function = text_of(options.function),
                                               .owner = text_of(options.owner),
                                               .states = (uint8_t)options.states,
                                               .limit = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX};
    request.status = client_status_new();
    if (!request.status)
        return belt_error_set(BELT_NO_MEMORY, "out of memory");
    do {
        before = request.status->count;
        request.done = request.sent = false;
        rc = client_admin_ask(pool, &request, timeout_ms);
    } while (rc == BELT_OK && next_page(&request, before, limit));
    if (rc == BELT_OK)
        *status = request.status;
    else
        belt_status_free(&request.status);
    return rc;
}

/* ---- cancelling ---- */

/* On their way at a time: the broker acknowledges many that are on disk together. */
#define CANCELS_AT_A_TIME 256u

static int cancel_job(belt_pool *pool, uint64_t job, bool forget, int64_t timeout_ms)
{
    struct client_request request = {.type = CLIENT_REQUEST_CANCEL, .job = job, .forget = forget};

    if (!pool)
        return belt_error_set(BELT_INVALID, "a pool is needed");
    return client_admin_ask(pool, &request, timeout_ms);
}

int belt_job_cancel(belt_pool *pool, uint64_t job, int64_t timeout_ms)
{
    return cancel_job(pool, job, false, timeout_ms);
}

int belt_job_forget(belt_pool *pool, uint64_t job, int64_t timeout_ms)
{
    return cancel_job(pool, job, true, timeout_ms);
}

int belt_reader_remove(belt_pool *pool, uint64_t job, const char *reader, int64_t timeout_ms)
{
    struct client_request request = {.type = CLIENT_REQUEST_CANCEL, .job = job, .reader = reader};

    if (!pool || !reader || strlen(reader) > BELT_MAX_KEY)
        return belt_error_set(BELT_INVALID, "a pool and the name of a reader, of %u bytes at the most, are needed",
                              BELT_MAX_KEY);
    return client_admin_ask(pool, &request, timeout_ms);
}

int client_cancel_all(belt_pool *pool, struct client_cancel *cancels, size_t count, bool forget, int64_t timeout_ms)
{
    struct client_request *requests = calloc(CANCELS_AT_A_TIME, sizeof(*requests));
    int rc = BELT_OK;

    if (!requests)
        return belt_error_set(BELT_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        cancels[i].code = BELT_AGAIN;
    for (size_t first = 0, some; rc == BELT_OK && first < count; first += some) {
        some = count - first < CANCELS_AT_A_TIME ? count - first : CANCELS_AT_A_TIME;
        for (size_t i = 0; i < some; i++)
            requests[i] =
                (struct client_request){.type = CLIENT_REQUEST_CANCEL, .job = cancels[first + i].job, .forget = forget};
        rc = client_admin_ask_all(pool, requests, some, timeout_ms);
        for (size_t i = 0; rc == BELT_OK && i < some; i++) {
            cancels[first + i].code = requests[i].code;
            text_print(cancels[first + i].text, sizeof(cancels[first + i].text), "%s", requests[i].text);
        }
    }
    free(requests);
    return rc;
}

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

int belt_pool_ping(belt_pool *pool, int64_t timeout_ms, uint64_t *us)
{
    belt_status *status = NULL;
    uint64_t began = now_us();
    int rc = belt_status_get(pool, BELT_STATUS_BROKER, NULL, NULL, timeout_ms, &status);

    if (us)
        *us = now_us() - began;
    belt_status_free(&status);
    return rc;
}
