/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that drives the connection when no reader does, and what it takes to drive. See io.h. Who drives is
 * decided in helm.c, here its steps are made: each is one atomic exchange of the whole state.
 *
 * Waking costs a system call, so it is rare: while there was something to do in the last milliseconds the thread
 * only naps (1 ms), and whoever hands over small work lets it nap. Whoever is about to wait wakes it at once.
 */
#include "client/io.h"

#include "client/connection.h"
#include "proto/error.h"
#include "client/flow.h"
#include "local/cluster.h"
#include "local/process.h"
#include "proto/link.h"
#include "client/wake.h"
#include "proto/text_cut.h"
#include "proto/shortage.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#define NAP_MS 1
/* So long after the last work the thread still naps: a loop with a millisecond of its own work per item stays cheap.
 * And so long acknowledgements wait for company. */
#define ACTIVE_MS 5u
/* Messages taken before the streams get their turn. */
#define BURST 64u
/* BYE and the last acknowledgement may take so long to leave. */
#define LINGER_MS 200

/* Nothing goes on from here. */
static void lose(belt_pool *pool, unsigned code, const char *text)
{
    client_connection_lost(pool, code, text);
    client_flow_fail(pool, code, text);
    pool->lost_told = true;
}

/* A message that could not be made has ended the connection, in the middle of a stream's work. */
static void tell_lost(belt_pool *pool)
{
    if (!atomic_load(&pool->lost) || pool->lost_told)
        return;
    pool->lost_told = true;
    client_flow_fail(pool, pool->code, pool->text);
}

static void send_hello(belt_pool *pool)
{
    struct belt_msg msg = {.type = BELT_MSG_HELLO};

    belt_frames_clear(&pool->unsent);
    pool->hello_waits = false;
    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = (uint8_t)pool->role,
                                          .session = {pool->session_id, BELT_SESSION_LEN},
                                          .name = {(const uint8_t *)pool->name, strlen(pool->name)}};
    client_connection_send(pool, &msg);
    if (pool->unsent.count != 0) { /* not connected yet */
        belt_frames_clear(&pool->unsent);
        belt_session_unsent(&pool->session, client_now_ms());
        pool->hello_waits = true;
    }
}

static void reconnect(belt_pool *pool)
{
    belt_frames_clear(&pool->unsent);
    pool->hello_waits = false;
    if (pool->socket)
        zmq_close(pool->socket);
    pool->socket = belt_access_link_dial(&pool->keys, pool->context, pool->endpoint, BELT_MAX_PAYLOAD_CEILING);
    pool->watch.look = true;
    if (!pool->socket) {
        char text[400];

        text_print(text, sizeof(text), "cannot connect to %s: %s", pool->endpoint, zmq_strerror(errno));
        lose(pool, BELT_SYSTEM, text);
    }
}

static void welcomed(belt_pool *pool, const struct belt_msg_welcome *welcome)
{
    belt_access_link_welcomed(&pool->keys, welcome->next_key);
    belt_decoder_limit(pool->decoder, pool->session.max_payload);
    atomic_store(&pool->max_payload, pool->session.max_payload);
    pthread_mutex_lock(&pool->lock);
    pool->ready = true;
    wait_tell(&pool->cond);
    pthread_mutex_unlock(&pool->lock);
    client_flow_welcome(pool);
}

static void act(belt_pool *pool, enum belt_session_action action, const struct belt_msg *msg)
{
    struct belt_msg ping = {.type = BELT_MSG_PING};
    char text[600];

    switch (action) {
    case BELT_SESSION_PASS:
        client_flow_message(pool, msg);
        break;
    case BELT_SESSION_WELCOMED:
        welcomed(pool, &msg->u.welcome);
        break;
    case BELT_SESSION_SEND_HELLO:
        send_hello(pool);
        break;
    case BELT_SESSION_SEND_PING:
        if (client_connection_ready(pool))
            client_connection_send(pool, &ping);
        else /* something of ours waits for room: the silence is not ours to break */
            pool->session.spoke_ms = client_now_ms();
        break;
    case BELT_SESSION_RECONNECT:
        reconnect(pool);
        break;
    case BELT_SESSION_FAILED:
        text_print(text, sizeof(text), "the broker at %s refuses this client: %s", pool->endpoint, pool->session.text);
        lose(pool, pool->session.code, text);
        break;
    case BELT_SESSION_NOTHING:
        break;
    }
}

static void receive(belt_pool *pool)
{
    for (unsigned i = 0; i < BURST && pool->socket; i++) {
        struct belt_frames frames = {0};
        struct belt_msg msg;
        uint64_t now;

        if (belt_link_recv_watched(pool->socket, &pool->watch, NULL, &frames) <= 0)
            return;
        now = client_now_ms();
        pool->active_ms = now;
        if (frames.count > 0 && belt_decode(pool->decoder, &frames, &msg) == BELT_OK)
            act(pool, belt_session_receive(&pool->session, now, &msg), &msg);
        belt_frames_clear(&frames);
    }
}

static void timers(belt_pool *pool)
{
    uint64_t now = client_now_ms();
    enum belt_session_action action;
    char text[500];

    if (atomic_load(&pool->lost))
        return;
    for (unsigned i = 0; i < 4 && belt_session_deadline(&pool->session) <= now; i++) {
        action = belt_session_timer(&pool->session, now);
        if (action == BELT_SESSION_NOTHING)
            break;
        act(pool, action, NULL);
    }
    if (pool->children && local_cluster_ended(pool->children, text, sizeof(text))) {
        lose(pool, BELT_LOST_BROKER, text);
        return;
    }
    if (pool->lost_timeout_ms >= 0 && pool->ready && pool->session.state != BELT_SESSION_READY &&
        now - pool->session.lost_ms >= (uint64_t)pool->lost_timeout_ms) {
        text_print(text, sizeof(text),
                   "the connection to the broker at %s was lost and did not come back within %lld ms", pool->endpoint,
                   (long long)pool->lost_timeout_ms);
        lose(pool, BELT_LOST_BROKER, text);
    }
}

/* How long the thread may sleep, in ms. */
static long sleep_time(const belt_pool *pool)
{
    uint64_t now = client_now_ms(), deadline = belt_session_deadline(&pool->session);

    if (atomic_load(&pool->lost))
        return -1;
    if (pool->session.state != BELT_SESSION_READY && pool->lost_timeout_ms >= 0 && pool->ready) {
        uint64_t lost = pool->session.lost_ms + (uint64_t)pool->lost_timeout_ms;

        deadline = lost < deadline ? lost : deadline;
    }
    if (deadline == UINT64_MAX)
        return -1;
    return deadline <= now ? 0 : (long)(deadline - now);
}

/* Whether something can be received, or sent when that is wanted. */
static bool may_go_on(belt_pool *pool, bool to_send)
{
    bool can_send = to_send && (belt_link_events(pool->socket) & ZMQ_POLLOUT) != 0;

    pool->watch.sent |= to_send; /* the question may have taken the word of a message from the descriptor */
    return belt_link_look(pool->socket, &pool->watch) || can_send;
}

/* Its time has ended a sleep: counts it when there was something to do meanwhile, which is a fault of this library. */
static void note_overslept(belt_pool *pool, bool talks)
{
    bool owed = atomic_load(&pool->queue) && !client_wake_helm(pool).work;

    if ((talks && belt_link_overslept(pool->socket, &pool->watch)) || owed)
        atomic_fetch_add(&pool->overslept, 1);
}

/* What wakes the driver: its bell, the socket, the end of a child. */
struct alarms {
    struct pollfd items[2 + LOCAL_CHILDREN];
};

static void watch_alarms(belt_pool *pool, bool talks, struct alarms *alarms)
{
    int fds[LOCAL_CHILDREN] = {-1, -1};

    if (pool->children && !atomic_load(&pool->lost))
        local_cluster_fds(pool->children, fds);
    alarms->items[0] = (struct pollfd){.fd = pool->wake_fd, .events = POLLIN};
    alarms->items[1] = (struct pollfd){.fd = talks ? belt_link_fd(pool->socket) : -1, .events = POLLIN};
    for (unsigned i = 0; i < LOCAL_CHILDREN; i++)
        alarms->items[2 + i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
}

/* Sleeps. False when nothing but the time has ended it. */
static bool sleep_until_alarm(belt_pool *pool, struct alarms *alarms, int timeout)
{
    int ready = wait_poll(alarms->items, 2 + LOCAL_CHILDREN, timeout);
    uint64_t drained;

    client_wake_step(pool, client_helm_end_wait, 0);
    if (ready > 0 && alarms->items[1].revents != 0)
        pool->watch.look = true;
    if (ready > 0 && alarms->items[0].revents != 0 && read(pool->wake_fd, &drained, sizeof(drained)) > 0)
        pool->active_ms = client_now_ms();
    return ready != 0;
}

/* Waits for messages, for a wake-up, for the next timer; at most `most` ms (-1: no limit). Whoever calls it calls
 * work() afterwards: the word of what others have left is taken here. */
static void wait(belt_pool *pool, bool nap, long most)
{
    bool talks = pool->socket && !atomic_load(&pool->lost);
    bool to_send = pool->unsent.count > 0 || pool->hello_waits;
    long timer = sleep_time(pool), timeout = timer < INT_MAX ? timer : INT_MAX;
    struct alarms alarms;

    if (nap && (timeout < 0 || timeout > NAP_MS))
        timeout = NAP_MS;
    if (most >= 0 && (timeout < 0 || timeout > most))
        timeout = most;
    watch_alarms(pool, talks, &alarms);
    if (talks && may_go_on(pool, to_send))
        pool->watch.sent |= client_wake_step(pool, client_helm_take_word, 0) != 0;
    else if (!client_wake_step(pool, client_helm_begin_wait, nap))
        pool->watch.sent = true; /* the descriptor is not looked at now: the next time the socket is asked */
    else if (!sleep_until_alarm(pool, &alarms, (int)timeout) && !nap)
        note_overslept(pool, talks && timeout >= BELT_OVERSLEPT_MS);
    if (pool->hello_waits && talks && (belt_link_events(pool->socket) & ZMQ_POLLOUT) != 0)
        send_hello(pool); /* connected: sooner than the session's own retry */
}

static void acknowledge(belt_pool *pool)
{
    pool->acked_ms = client_now_ms();
    client_flow_pump(pool, true);
}

/* Does what there is to do. */
static void work(belt_pool *pool)
{
    if (client_connection_flush(pool)) /* the streams that found no room are told by nobody else */
        client_flow_pump(pool, false);
    receive(pool);
    timers(pool);
    if (client_flow_work(pool))
        pool->active_ms = client_now_ms();
    if (client_now_ms() - pool->acked_ms >= ACTIVE_MS)
        acknowledge(pool);
    tell_lost(pool);
}

/* A round of the I/O thread at the helm. It waits first, as client_io_turn() does: whoever has taken the word of work
 * does the work before somebody else is at the helm, who would know nothing of it. */
static void turn(belt_pool *pool)
{
    bool nap = client_now_ms() - pool->active_ms < ACTIVE_MS;

    if (!nap)
        acknowledge(pool);
    if (client_wake_helm(pool).wanted == 0)
        wait(pool, nap, -1);
    work(pool);
}

/* ---- who drives ---- */

/* The name of a stream in the helm's state; never 0. */
static uint32_t number_of(const struct belt_stream *stream)
{
    uint32_t number = (uint32_t)stream->wire.config.ref;

    return number != 0 ? number : 1;
}

/* Its reader may drive: nobody else would be served between his calls. */
static bool is_alone(const belt_pool *pool, const struct belt_stream *stream)
{
    return stream && pool->streams == stream && !stream->next;
}

bool client_io_take(struct belt_stream *stream, bool later)
{
    belt_pool *pool = stream->pool;

    if (!client_wake_step(pool, client_helm_take_reader, later ? number_of(stream) : 0))
        return false;
    if (is_alone(pool, stream))
        return true;
    client_io_leave(stream);
    return false;
}

void client_io_forgo(struct belt_stream *stream)
{
    client_wake_step(stream->pool, client_helm_forgo, number_of(stream));
}

void client_io_turn(belt_pool *pool, uint64_t deadline)
{
    uint64_t now = client_now_ms();
    long most = deadline == UINT64_MAX ? -1 : deadline <= now ? 0 : (long)(deadline - now);

    if (now - pool->active_ms >= ACTIVE_MS)
        acknowledge(pool);
    else if (most < 0 || most > (long)ACTIVE_MS)
        most = ACTIVE_MS; /* then they go, if nothing has come */
    wait(pool, false, most);
    work(pool);
}

void client_io_leave(struct belt_stream *stream)
{
    client_wake_ring(stream->pool, client_wake_step(stream->pool, client_helm_leave, 0));
}

/* The I/O thread lets the reader `number` drive, who waits for it. The lock keeps his stream from being closed
 * meanwhile. False when he may not. */
static bool hand_over(belt_pool *pool, uint32_t number)
{
    struct belt_stream *stream = pool->streams;

    if (!is_alone(pool, stream) || number_of(stream) != number) {
        client_wake_step(pool, client_helm_release, 0);
        return false;
    }
    pthread_mutex_lock(&stream->mail.lock);
    client_wake_step(pool, client_helm_hand_over, 0);
    wait_tell(&stream->mail.cond);
    pthread_mutex_unlock(&stream->mail.lock);
    return true;
}

/* Sleeps while a reader drives, or did within the last nap. */
static void stand_by(belt_pool *pool)
{
    struct pollfd item = {.fd = pool->standby_fd, .events = POLLIN};
    uint64_t drained;

    client_wake_step(pool, client_helm_stand_by, 0);
    do {
        if (poll(&item, 1, NAP_MS) == 0 && client_wake_step(pool, client_helm_deepen, 0)) { /* he sleeps: so do we */
            if (!atomic_load(&pool->stop))
                poll(&item, 1, -1);
            client_wake_step(pool, client_helm_rouse, 0);
        }
        if (read(pool->standby_fd, &drained, sizeof(drained)) > 0)
            break;
    } while (client_wake_step(pool, client_helm_look_again, 0) && !atomic_load(&pool->stop));
    client_wake_step(pool, client_helm_come_back, 0);
}

/* The I/O thread, until the pool closes: a round at the helm where nobody else is. */
static void drive(belt_pool *pool)
{
    uint32_t reader;

    while (!atomic_load(&pool->stop)) {
        if (!client_wake_step(pool, client_helm_take, 0)) {
            stand_by(pool);
            continue;
        }
        turn(pool);
        reader = client_wake_step(pool, client_helm_give, 0);
        if (reader != 0 && hand_over(pool, reader))
            stand_by(pool);
    }
}

static void *run(void *argument)
{
    belt_pool *pool = argument;
    struct belt_msg bye = {.type = BELT_MSG_BYE};

    client_wake_step(pool, client_helm_take, 0);
    reconnect(pool);
    client_wake_step(pool, client_helm_release, 0);
    drive(pool);
    while (!client_wake_step(pool, client_helm_take, 0)) /* who is at it sees that the pool closes */
        stand_by(pool);
    client_flow_work(pool);
    client_flow_pump(pool, true);
    if (client_connection_ready(pool) && !atomic_load(&pool->lost))
        client_connection_send(pool, &bye);
    lose(pool, BELT_CLOSED, "the pool was closed");
    client_flow_work(pool); /* who came in the meantime */
    return NULL;            /* and nobody is at the helm again */
}

/* A thread that takes no signal: those are for the user's threads. */
static int start_thread(belt_pool *pool)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&pool->thread, NULL, run, pool);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

int client_io_start(belt_pool *pool)
{
    int rc;

    belt_link_seed();
    pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool->standby_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    local_process_lock(); /* a process that another thread forks meanwhile could never make a context of its own */
    pool->context = pool->wake_fd < 0 || pool->standby_fd < 0 ? NULL : belt_link_context();
    rc = errno;
    local_process_unlock();
    if (!pool->context)
        return belt_error_set(BELT_SYSTEM, "cannot open a pool: %s", belt_shortage_text(rc));
    pool->decoder = belt_decoder_new(BELT_MAX_PAYLOAD_CEILING);
    if (!pool->decoder)
        return belt_error_set(BELT_NO_MEMORY, "cannot open a pool: out of memory");
    belt_session_init(&pool->session, client_now_ms());
    rc = start_thread(pool);
    if (rc != 0)
        return belt_error_set(BELT_SYSTEM, "cannot start the pool's I/O thread: %s", belt_shortage_text(rc));
    pool->magic = CLIENT_POOL_MAGIC;
    return BELT_OK;
}

void client_io_leave_soon(belt_pool *pool)
{
    atomic_store(&pool->stop, true);
    client_wake(pool, true);
    client_wake_raise(pool->wake_fd); /* whatever the state says: a reader may be at the helm */
    client_wake_raise(pool->standby_fd);
}

void client_io_stop(belt_pool *pool)
{
    if (pool->magic != CLIENT_POOL_MAGIC)
        return;
    client_io_leave_soon(pool);
    pthread_join(pool->thread, NULL);
}

void client_io_close(belt_pool *pool)
{
    int linger = LINGER_MS;

    belt_frames_clear(&pool->unsent);
    if (pool->socket) {
        if (pool->session.state != BELT_SESSION_READY || pool->children)
            linger = 0;
        zmq_setsockopt(pool->socket, ZMQ_LINGER, &linger, sizeof(linger));
        zmq_close(pool->socket);
    }
    if (pool->context)
        while (zmq_ctx_term(pool->context) != 0 && errno == EINTR)
            ;
    belt_decoder_free(pool->decoder);
}
