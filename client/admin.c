/* SPDX-License-Identifier: Apache-2.0
 *
 * Status, cancel by id, ping. See admin.h.
 */
#include "admin.h"

#include "error.h"
#include "failed.h"
#include "io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- on the I/O thread ---- */

static void send_request(belt_pool *pool, struct client_request *request)
{
    struct belt_msg msg;

    if (request->type == CLIENT_REQUEST_STATUS) {
        msg.type = BELT_MSG_STATUS;
        msg.u.status = (struct belt_msg_status){.ref = request->ref, .what = request->what};
        if (request->name != NULL)
            msg.u.status.name = (struct belt_bytes){(const uint8_t *)request->name, strlen(request->name)};
    } else if (request->type == CLIENT_REQUEST_FAILED) {
        msg.type = BELT_MSG_FAILED;
        msg.u.failed = *request->failed;
        msg.u.failed.ref = request->ref;
    } else {
        msg.type = BELT_MSG_CANCEL;
        msg.u.cancel = (struct belt_msg_cancel){.ref = request->ref, .job = request->job};
    }
    request->sent = true;
    client_io_send(pool, &msg);
}

static void answer(belt_pool *pool, struct client_request *request, unsigned code, const char *text, size_t len)
{
    request->done = true;
    request->code = code;
    snprintf(request->text, sizeof(request->text), "%.*s", (int)len, text);
    pthread_cond_broadcast(&pool->cond);
}

bool client_admin_work(belt_pool *pool)
{
    struct client_request *ready = NULL;
    bool worked = false;

    do {
        ready = NULL;
        pthread_mutex_lock(&pool->lock);
        if (client_io_ready(pool) && pool->code == BELT_OK)
            for (ready = pool->requests; ready != NULL && (ready->sent || ready->done); ready = ready->next)
                ;
        if (ready != NULL) {
            struct client_request copy = *ready; /* the asker may give up while it is sent */
            struct belt_msg_failed *failed = NULL;
            char name[BELT_MAX_KEY + 1];

            snprintf(name, sizeof(name), "%s", ready->name != NULL ? ready->name : "");
            copy.name = name;
            ready->sent = true;
            if (ready->failed != NULL && (failed = client_failed_copy(ready->failed)) == NULL)
                answer(pool, ready, BELT_NO_MEMORY, "out of memory", 13);
            copy.failed = failed;
            pthread_mutex_unlock(&pool->lock);
            if (copy.type != CLIENT_REQUEST_FAILED || failed != NULL)
                send_request(pool, &copy);
            free(failed);
            worked = true;
        } else {
            pthread_mutex_unlock(&pool->lock);
        }
    } while (ready != NULL);
    return worked;
}

void client_admin_welcome(belt_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (struct client_request *request = pool->requests; request != NULL; request = request->next)
        request->sent = false;
    pthread_mutex_unlock(&pool->lock);
    client_admin_work(pool);
}

void client_admin_message(belt_pool *pool, uint64_t ref, const struct belt_msg *msg)
{
    struct client_request *request;

    pthread_mutex_lock(&pool->lock);
    for (request = pool->requests; request != NULL && (request->ref != ref || request->done); request = request->next)
        ;
    if (request == NULL) {
        pthread_mutex_unlock(&pool->lock);
        return;
    }
    if (msg->type == BELT_MSG_ERROR) {
        answer(pool, request, msg->u.error.code, (const char *)msg->u.error.text.data, msg->u.error.text.len);
    } else if (msg->type == BELT_MSG_REPORT) {
        request->status = client_status_new(&msg->u.report);
        answer(pool, request, request->status != NULL ? BELT_OK : BELT_NO_MEMORY, "out of memory", 13);
    } else if (msg->type == BELT_MSG_FAILURES) {
        request->failures = client_failures_new(&msg->u.failures);
        answer(pool, request, request->failures != NULL ? BELT_OK : BELT_NO_MEMORY, "out of memory", 13);
    } else {
        answer(pool, request, BELT_OK, "", 0);
    }
    pthread_mutex_unlock(&pool->lock);
}

void client_admin_fail(belt_pool *pool, unsigned code, const char *text)
{
    pthread_mutex_lock(&pool->lock);
    for (struct client_request *request = pool->requests; request != NULL; request = request->next)
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

int client_admin_ask(belt_pool *pool, struct client_request *request, int64_t timeout_ms)
{
    uint64_t deadline = client_deadline(timeout_ms);
    int rc = client_pool_check(pool);

    if (rc != BELT_OK)
        return rc;
    request->ref = atomic_fetch_add(&pool->refs, 1) + 1;
    pthread_mutex_lock(&pool->lock);
    request->next = pool->requests;
    pool->requests = request;
    pthread_mutex_unlock(&pool->lock);
    client_io_kick(pool, true);
    pthread_mutex_lock(&pool->lock);
    if (pool->code != BELT_OK && !request->done) {
        request->done = true;
        request->code = pool->code;
        memcpy(request->text, pool->text, sizeof(request->text));
    }
    while (!request->done && client_wait(&pool->cond, &pool->lock, deadline))
        ;
    unlink_request(pool, request);
    pthread_mutex_unlock(&pool->lock);
    if (!request->done)
        return client_error(BELT_AGAIN, "the broker at %s did not answer within %lld ms; call again", pool->endpoint,
                            (long long)timeout_ms);
    if (request->code != BELT_OK)
        return client_error((int)request->code, "the broker at %s answers: %s", pool->endpoint, request->text);
    return BELT_OK;
}

int belt_status_get(belt_pool *pool, belt_what what, const char *name, int64_t timeout_ms, belt_status **status)
{
    struct client_request request = {.type = CLIENT_REQUEST_STATUS, .what = (uint8_t)what, .name = name};
    int rc;

    if (pool == NULL || status == NULL || what < BELT_QUEUES || what > BELT_READERS ||
        (name != NULL && strlen(name) > BELT_MAX_KEY))
        return client_error(BELT_INVALID,
                            "belt_status_get: pool, status and what are needed, a name has at most %u bytes",
                            BELT_MAX_KEY);
    *status = NULL;
    rc = client_admin_ask(pool, &request, timeout_ms);
    if (rc == BELT_OK)
        *status = request.status;
    else
        belt_status_free(&request.status);
    return rc;
}

int belt_job_cancel(belt_pool *pool, uint64_t job, int64_t timeout_ms)
{
    struct client_request request = {.type = CLIENT_REQUEST_CANCEL, .job = job};

    if (pool == NULL)
        return client_error(BELT_INVALID, "belt_job_cancel: a pool is needed");
    return client_admin_ask(pool, &request, timeout_ms);
}

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

int belt_ping(belt_pool *pool, int64_t timeout_ms, uint64_t *us)
{
    belt_status *status = NULL;
    uint64_t began = now_us();
    int rc = belt_status_get(pool, BELT_BROKER, NULL, timeout_ms, &status);

    if (us != NULL)
        *us = now_us() - began;
    belt_status_free(&status);
    return rc;
}
