/* SPDX-License-Identifier: Apache-2.0
 *
 * The streams of a pool on its I/O thread. See flow.h.
 */
#include "client/flow.h"

#include "client/admin.h"
#include "client/connection.h"
#include "client/inside.h"
#include "client/mail.h"
#include "client/wake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

/* Streams that are looked at in one turn, of those that need it now and then. */
#define LOOK_MOST 64u

static size_t bucket(uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15ull) >> 54) & (CLIENT_BUCKETS - 1);
}

/* ---- who is in the tables ---- */

static void leave_job(belt_pool *pool, struct belt_stream *stream)
{
    struct belt_stream **at = &pool->by_job[bucket(stream->job_key)];

    if (stream->job_key == 0)
        return;
    for (; *at != stream; at = &(*at)->by_job)
        ;
    *at = stream->by_job;
    stream->job_key = 0;
}

static void leave_sub(belt_pool *pool, struct belt_stream *stream)
{
    struct belt_stream **at = &pool->by_sub[bucket(stream->sub_key)];

    if (stream->sub_key == 0)
        return;
    for (; *at != stream; at = &(*at)->by_sub)
        ;
    *at = stream->by_sub;
    stream->sub_key = 0;
}

static void leave_ref(belt_pool *pool, struct belt_stream *stream)
{
    struct belt_stream **at = &pool->by_ref[bucket(stream->wire.config.ref)];

    for (; *at != stream; at = &(*at)->by_ref)
        ;
    *at = stream->by_ref;
}

/* The broker's names of it may have changed. Keys are id + 1, so that 0 stands for none. */
static void enter(belt_pool *pool, struct belt_stream *stream)
{
    struct client_stream *wire = &stream->wire;

    if (wire->state >= CLIENT_STREAM_OPEN && wire->state <= CLIENT_STREAM_READING && stream->job_key != wire->job + 1) {
        leave_job(pool, stream);
        stream->job_key = wire->job + 1;
        stream->by_job = pool->by_job[bucket(stream->job_key)];
        pool->by_job[bucket(stream->job_key)] = stream;
    }
    if (wire->state == CLIENT_STREAM_READING && stream->sub_key != wire->sub + 1) {
        leave_sub(pool, stream);
        stream->sub_key = wire->sub + 1;
        stream->by_sub = pool->by_sub[bucket(stream->sub_key)];
        pool->by_sub[bucket(stream->sub_key)] = stream;
    }
}

static void enter_ref(belt_pool *pool, struct belt_stream *stream)
{
    size_t at = bucket(stream->wire.config.ref);

    stream->by_ref = pool->by_ref[at];
    pool->by_ref[at] = stream;
}

static void attach(belt_pool *pool, struct belt_stream *stream)
{
    stream->attached = true;
    enter_ref(pool, stream);
    if (stream->tasks)
        DL_APPEND2(pool->turns, stream, turn_prev, turn_next);
    stream->next = pool->streams;
    if (pool->streams)
        pool->streams->prev = stream;
    pool->streams = stream;
}

/* In the list of those that may have something to send, or not. */
static void set_due(belt_pool *pool, struct belt_stream *stream, bool due)
{
    if (stream->due == due)
        return;
    stream->due = due;
    if (due)
        DL_APPEND2(pool->due, stream, due_prev, due_next);
    else
        DL_DELETE2(pool->due, stream, due_prev, due_next);
}

/* Takes it out of all tables. */
static void detach(belt_pool *pool, struct belt_stream *stream)
{
    set_due(pool, stream, false);
    if (stream->tasks)
        DL_DELETE2(pool->turns, stream, turn_prev, turn_next);
    leave_ref(pool, stream);
    leave_job(pool, stream);
    leave_sub(pool, stream);
    if (stream->prev)
        stream->prev->next = stream->next;
    else
        pool->streams = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
}

/* A closed stream goes when nothing is owed; one that is queued, when its turn comes. True: it is gone. */
static bool forget(belt_pool *pool, struct belt_stream *stream)
{
    if (!stream->closed || !client_stream_settled(&stream->wire) || atomic_load(&stream->queued))
        return false;
    detach(pool, stream);
    if (!stream->tasks || !stream->tasks->detach(stream))
        client_stream_free(stream);
    return true;
}

/* ---- mail ---- */

static unsigned end_code(const struct client_stream *wire)
{
    if (wire->state == CLIENT_STREAM_CANCELLED)
        return BELT_JOB_CANCELLED;
    return wire->state == CLIENT_STREAM_FAILED ? wire->code : wire->done_code;
}

/* Tells the reader how it stands, with the results that came (NULL: none). */
static void publish(struct belt_stream *stream, struct client_results *results, uint64_t done, uint64_t failed)
{
    struct client_mail *mail = &stream->mail;
    const struct client_stream *wire = &stream->wire;
    uint64_t known = client_stream_compares(wire) ? wire->expected_at : 0, compared = known > 0 ? wire->next : 0;
    bool wake = results != NULL, ended = false;

    pthread_mutex_lock(&mail->lock);
    if (results)
        client_results_move(&mail->results, results);
    mail->done += done;
    mail->failed += failed;
    wake = wake || ((mail->waiting_accepted || mail->feeders > 0) &&
                    (mail->accepted != wire->accepted || mail->end_known != wire->end_known || mail->job != wire->job ||
                     mail->confirmed != wire->confirmed));
    wake = wake || ((mail->waiting_grant || mail->feeders > 0) && mail->granted_bytes < wire->grant.bytes);
    if (mail->start != wire->start || mail->known != known || mail->compared != compared)
        wake = mail->moved = true;
    mail->known = known;
    mail->compared = compared;
    mail->compared_bytes = wire->next_bytes;
    mail->job = wire->config.kind != CLIENT_STREAM_READS || wire->started ? wire->job : 0;
    mail->start = wire->start;
    mail->accepted = wire->accepted;
    mail->end_known = wire->end_known;
    mail->confirmed = wire->confirmed;
    mail->notice = wire->notice;
    mail->granted_bytes = wire->grant.bytes;
    if (!mail->over && (client_stream_complete(wire) || wire->state >= CLIENT_STREAM_FAILED)) {
        mail->over = ended = true;
        mail->code = end_code(wire);
        memcpy(mail->text, wire->text, sizeof(mail->text));
        wake = true;
    }
    if (wake && (mail->waiting || mail->feeders > 0))
        wait_tell(&mail->cond);
    if (stream->tasks)
        stream->tasks->news(stream);
    if (mail->fd >= 0)
        client_fd_update(stream);
    pthread_mutex_unlock(&mail->lock);
    if (ended && stream->tasks && !stream->tasks->ended(stream)) {
        stream->renews = true; /* in its turn: who is here may be in the middle of its messages */
        client_wake_touch(stream);
        client_wake(stream->pool, false);
    }
}

/* What the broker had not taken of a job that is lost gets another one. */
static void renew(belt_pool *pool, struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;
    struct client_stream old = stream->wire;

    leave_ref(pool, stream);
    leave_job(pool, stream);
    leave_sub(pool, stream);
    stream->renews = false;
    if (stream->tasks->renew(stream))
        client_stream_fini(&old);
    enter_ref(pool, stream);
    pthread_mutex_lock(&mail->lock);
    mail->over = stream->wire.state == CLIENT_STREAM_FAILED;
    mail->code = mail->over ? BELT_NO_MEMORY : BELT_OK;
    snprintf(mail->text, sizeof(mail->text), "%s", mail->over ? "out of memory for tasks" : "");
    mail->taken = mail->taken_bytes = mail->job = mail->accepted = 0;
    pthread_mutex_unlock(&mail->lock);
    if (mail->over)
        (void)stream->tasks->ended(stream);
}

static void take_tasks(struct belt_stream *stream, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (stream->wire.state < CLIENT_STREAM_FAILED && client_stream_append(&stream->wire, &stream->spare[i]))
            continue;
        belt_payload_clear(&stream->spare[i]);
        client_stream_fail(&stream->wire, BELT_NO_MEMORY, "out of memory for tasks; use a smaller window");
    }
}

/* Under the mail's lock. */
static void take_unwanted(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;

    for (size_t i = 0; i < mail->unwanted_count; i++)
        if (!client_stream_cancel_task(&stream->wire, mail->unwanted[i]))
            client_stream_fail(&stream->wire, BELT_NO_MEMORY, "out of memory for tasks that are cancelled");
    mail->unwanted_count = 0;
}

/* Takes what the user's thread left. */
static void collect(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;
    struct belt_payload *tasks;
    size_t count, capacity;
    bool ended, cancel, halt, detach;

    pthread_mutex_lock(&mail->lock);
    tasks = mail->tasks;
    count = mail->task_count;
    capacity = mail->task_capacity;
    mail->tasks = stream->spare;
    mail->task_count = 0;
    mail->task_capacity = stream->spare_capacity;
    stream->spare = tasks;
    stream->spare_capacity = capacity;
    ended = mail->ended;
    cancel = mail->cancel;
    halt = mail->halt;
    detach = mail->detach;
    stream->closed = mail->closed;
    client_stream_take(&stream->wire, mail->taken, mail->taken_bytes, mail->window);
    take_unwanted(stream);
    if (atomic_load(&stream->interrupted)) {
        wait_tell(&mail->cond);
        if (mail->fd >= 0)
            client_fd_update(stream);
    }
    pthread_mutex_unlock(&mail->lock);
    take_tasks(stream, count);
    if (ended)
        client_stream_end(&stream->wire);
    if (cancel)
        client_stream_cancel(&stream->wire);
    if (halt)
        client_stream_halt(&stream->wire);
    if (detach)
        client_stream_detach(&stream->wire);
}

/* ---- out ---- */

static void pump(belt_pool *pool, struct belt_stream *stream, bool idle)
{
    struct belt_msg msg;

    atomic_fetch_add(&pool->pumped, 1);
    client_stream_limit(&stream->wire, pool->session.max_payload);
    while (client_connection_ready(pool) && client_stream_send(&stream->wire, idle, &msg))
        client_connection_send(pool, &msg);
    if (stream->tasks)
        stream->tasks->pump(stream);
    if (stream->wire.state == CLIENT_STREAM_FAILED)
        publish(stream, NULL, 0, 0);
    set_due(pool, stream, !idle || !client_connection_ready(pool)); /* what waits for company, or for room */
}

/* Looks at some of the streams that have to be looked at now and then. */
static void look_around(belt_pool *pool)
{
    struct belt_stream *last = pool->turns ? pool->turns->turn_prev : NULL, *stream;
    uint64_t now = client_now_ms();

    for (unsigned i = 0; last && i < LOOK_MOST; i++) {
        stream = pool->turns;
        DL_DELETE2(pool->turns, stream, turn_prev, turn_next); /* the next time begins with others */
        DL_APPEND2(pool->turns, stream, turn_prev, turn_next);
        stream->tasks->look(stream, now);
        if (stream == last)
            return;
    }
}

/* Of many streams that wait for their results those are looked at that had a message or a call since the last time. */
void client_flow_pump(belt_pool *pool, bool idle)
{
    struct belt_stream *next;

    for (struct belt_stream *stream = pool->due; stream && client_connection_ready(pool); stream = next) {
        next = stream->due_next;
        pump(pool, stream, idle);
        (void)forget(pool, stream);
    }
    if (idle)
        look_around(pool);
}

static void stream_work(belt_pool *pool, struct belt_stream *stream)
{
    bool compared;

    if (!stream->attached)
        attach(pool, stream);
    if (stream->renews)
        renew(pool, stream);
    compared = client_stream_compares(&stream->wire);
    collect(stream);
    if (stream->tasks)
        stream->tasks->collect(stream);
    if (atomic_load(&pool->lost))
        client_stream_fail(&stream->wire, pool->code, pool->text);
    pump(pool, stream, false);
    if (forget(pool, stream))
        return;
    if (stream->wire.state >= CLIENT_STREAM_FAILED || compared)
        publish(stream, NULL, 0, 0);
}

/* In the order in which they came: what a reader that was left has acknowledged goes before who subscribes after it.
 */
static struct belt_stream *take_queue(belt_pool *pool)
{
    struct belt_stream *newest = atomic_exchange(&pool->queue, NULL), *oldest = NULL;

    while (newest) {
        struct belt_stream *next = newest->queue_next;

        newest->queue_next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool client_flow_work(belt_pool *pool)
{
    struct belt_stream *stream = take_queue(pool);
    bool worked = stream != NULL;

    while (stream) {
        struct belt_stream *next = stream->queue_next;

        atomic_store(&stream->queued, false);
        stream_work(pool, stream);
        stream = next;
    }
    return client_admin_work(pool) || worked;
}

/* ---- in ---- */

static void deliver(struct belt_stream *stream, const struct belt_msg_deliver *msg, uint32_t skip)
{
    struct client_results results;
    struct client_room room;
    bool roomy;
    uint64_t done = 0;

    if (stream->tasks) {
        stream->tasks->deliver(stream, msg, skip);
        publish(stream, NULL, 0, 0);
        return;
    }
    roomy = client_room_open(&room, msg->results + skip, msg->count - skip);
    client_results_init(&results);
    for (uint32_t i = skip; i < msg->count; i++) {
        struct client_result *result = roomy ? client_result_new(stream->shelf, &msg->results[i], &room) : NULL;

        if (!result) {
            client_stream_fail(&stream->wire, BELT_NO_MEMORY, "out of memory for results; use a smaller window");
            break;
        }
        done += result->shown.code == BELT_OK;
        client_results_add(&results, result);
    }
    client_room_close(&room);
    publish(stream, &results, done, msg->count - skip - done);
}

static void stream_message(belt_pool *pool, struct belt_stream *stream, const struct belt_msg *msg)
{
    uint32_t skip;

    switch (client_stream_receive(&stream->wire, msg, &skip)) {
    case CLIENT_STREAM_RESULTS:
        deliver(stream, &msg->u.deliver, skip);
        break;
    case CLIENT_STREAM_CHANGED:
        enter(pool, stream);
        publish(stream, NULL, 0, 0);
        break;
    case CLIENT_STREAM_NOTHING:
        break;
    }
    pump(pool, stream, false);
    (void)forget(pool, stream);
}

static void to_ref(belt_pool *pool, uint64_t ref, const struct belt_msg *msg)
{
    struct belt_stream *stream = pool->by_ref[bucket(ref)];

    while (stream && stream->wire.config.ref != ref)
        stream = stream->by_ref;
    if (stream)
        stream_message(pool, stream, msg);
    else
        client_admin_message(pool, ref, msg);
}

static void to_job(belt_pool *pool, uint64_t job, const struct belt_msg *msg)
{
    struct belt_stream *next;

    for (struct belt_stream *stream = pool->by_job[bucket(job + 1)]; stream; stream = next) {
        next = stream->by_job;
        if (stream->job_key == job + 1)
            stream_message(pool, stream, msg);
    }
}

static void to_sub(belt_pool *pool, uint64_t sub, const struct belt_msg *msg)
{
    struct belt_stream *stream = pool->by_sub[bucket(sub + 1)];

    while (stream && stream->sub_key != sub + 1)
        stream = stream->by_sub;
    if (stream)
        stream_message(pool, stream, msg);
}

void client_flow_message(belt_pool *pool, const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_OPENED:
        to_ref(pool, msg->u.opened.ref, msg);
        break;
    case BELT_MSG_SUBSCRIBED:
        to_ref(pool, msg->u.subscribed.ref, msg);
        break;
    case BELT_MSG_CANCELLED:
        to_ref(pool, msg->u.cancelled.ref, msg);
        break;
    case BELT_MSG_REPORT:
        to_ref(pool, msg->u.report.ref, msg);
        break;
    case BELT_MSG_FAILURES:
        to_ref(pool, msg->u.failures.ref, msg);
        break;
    case BELT_MSG_ACCEPTED:
        to_job(pool, msg->u.accepted.job, msg);
        break;
    case BELT_MSG_ENDED:
        to_job(pool, msg->u.ended.job, msg);
        break;
    case BELT_MSG_NOTICE:
        to_job(pool, msg->u.notice.job, msg);
        break;
    case BELT_MSG_DELIVER:
        to_sub(pool, msg->u.deliver.sub, msg);
        break;
    case BELT_MSG_DONE:
        to_sub(pool, msg->u.done.sub, msg);
        break;
    case BELT_MSG_ERROR:
        if (msg->u.error.ref != 0)
            to_ref(pool, msg->u.error.ref, msg);
        else if (msg->u.error.job != 0)
            to_job(pool, msg->u.error.job, msg);
        break;
    default:
        break;
    }
}

/* ---- all of them ---- */

void client_flow_welcome(belt_pool *pool)
{
    for (struct belt_stream *stream = pool->streams; stream; stream = stream->next) {
        client_stream_resync(&stream->wire);
        if (stream->tasks)
            stream->tasks->resync(stream);
        set_due(pool, stream, true);
    }
    client_admin_welcome(pool);
    client_flow_pump(pool, true);
}

void client_flow_fail(belt_pool *pool, unsigned code, const char *text)
{
    for (struct belt_stream *stream = pool->streams; stream; stream = stream->next) {
        client_stream_fail(&stream->wire, code, text);
        publish(stream, NULL, 0, 0);
    }
    client_admin_fail(pool, code, text);
}

/* The pool goes and the stream stays, until its own close. */
static void orphan(belt_pool *pool, struct belt_stream *stream)
{
    bool closed;

    detach(pool, stream);
    pthread_mutex_lock(&stream->mail.lock);
    closed = stream->mail.closed || stream->tasks;
    stream->orphaned = !closed;
    pthread_mutex_unlock(&stream->mail.lock);
    if (closed && (!stream->tasks || !stream->tasks->detach(stream)))
        client_stream_free(stream);
}

void client_flow_free(belt_pool *pool)
{
    struct belt_stream *queued = atomic_exchange(&pool->queue, NULL);

    for (; queued; queued = queued->queue_next)
        if (!queued->attached)
            attach(pool, queued);
    client_flow_fail(pool, BELT_CLOSED, "the pool was closed"); /* those that came last */
    for (struct belt_stream *stream = pool->streams; stream; stream = stream->next)
        client_stream_await(stream);
    while (pool->streams)
        orphan(pool, pool->streams);
}
