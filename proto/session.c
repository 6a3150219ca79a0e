/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer's side of its connection (session.h, PROTOCOL.md §6). Decides when to
 * say hello, to ping and to connect anew; sends nothing itself.
 */
#include "proto/session.h"
#include "proto/text_cut.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A hello that found no connection: the socket connects by itself, look again soon; the sooner the shorter it lasts. */
#define RETRY_MAX_MS 50u
/* The broker said BYE: give it time to close its end, so that the hello does not go to the one that leaves. */
#define BYE_PAUSE_MS 200u
/* Before the first welcome nothing is known of the broker's lease, and somebody waits for the start. */
#define FIRST_WELCOME_MS 2000u

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void belt_session_init(struct belt_session *session, uint64_t now)
{
    *session = (struct belt_session){
        .state = BELT_SESSION_CONNECTING,
        .heard_ms = now,
        .spoke_ms = now,
        .lost_ms = now,
        .retry_ms = now,
        .heartbeat_ms = BELT_HEARTBEAT_MS,
        .lease_ms = BELT_LEASE_MS,
        .max_payload = BELT_MAX_PAYLOAD_DEFAULT,
    };
}

/* Back to the start: a hello is wanted at `retry_ms`. */
static void lose(struct belt_session *session, uint64_t now, uint64_t retry_ms)
{
    if (session->state == BELT_SESSION_READY)
        session->lost_ms = now;
    session->state = BELT_SESSION_CONNECTING;
    session->hello_sent = false;
    session->retry_ms = retry_ms;
}

static uint64_t retry_after(const struct belt_session *session, uint64_t now)
{
    uint64_t lasts = session->state == BELT_SESSION_READY ? 0 : now - session->lost_ms;
    return now + min_u64(1 + lasts / 4, RETRY_MAX_MS);
}

static enum belt_session_action want_hello(struct belt_session *session, uint64_t now)
{
    lose(session, now, retry_after(session, now));
    return BELT_SESSION_SEND_HELLO;
}

static enum belt_session_action fail(struct belt_session *session, unsigned code, const char *text, size_t len)
{
    session->state = BELT_SESSION_REFUSED;
    session->code = code;
    text_print(session->text, sizeof(session->text), "%.*s",
               (int)(len < sizeof(session->text) ? len : sizeof(session->text)), len ? text : "");
    return BELT_SESSION_FAILED;
}

static enum belt_session_action welcomed(struct belt_session *session, const struct belt_msg_welcome *welcome)
{
    if (welcome->version != BELT_PROTOCOL_VERSION) {
        static const char text[] = "the broker answered with a protocol version that this program does not speak";
        return fail(session, BELT_BAD_VERSION, text, sizeof(text) - 1);
    }
    session->state = BELT_SESSION_READY;
    session->seq_in = 1;
    session->epoch_changed = session->epoch != 0 && session->epoch != welcome->epoch;
    session->epoch = welcome->epoch;
    session->heartbeat_ms = welcome->heartbeat_ms ? welcome->heartbeat_ms : BELT_HEARTBEAT_MS;
    session->lease_ms = welcome->lease_ms ? welcome->lease_ms : BELT_LEASE_MS;
    if (session->lease_ms <= session->heartbeat_ms) /* such a lease would end between two heartbeats */
        session->heartbeat_ms = session->lease_ms > 1 ? session->lease_ms / 2 : 1;
    session->max_payload = welcome->max_payload ? welcome->max_payload : BELT_MAX_PAYLOAD_DEFAULT;
    return BELT_SESSION_WELCOMED;
}

/* An ERROR while no welcome came: §6.1. */
static enum belt_session_action refused(struct belt_session *session, const struct belt_msg_error *error)
{
    switch (error->code) {
    case BELT_BAD_VERSION:
    case BELT_BAD_ROLE:
    case BELT_BAD_MESSAGE:
    case BELT_LIMIT:
    case BELT_NOT_ALLOWED:
        return fail(session, error->code, (const char *)error->text.data, error->text.len);
    default:
        /* SYNC_LOST answers what was sent before our hello, and the hello is on its way: one is enough. */
        return BELT_SESSION_NOTHING;
    }
}

static enum belt_session_action receive_connecting(struct belt_session *session, const struct belt_msg *msg)
{
    if (!session->hello_sent)
        return BELT_SESSION_NOTHING;
    if (msg->type == BELT_MSG_WELCOME)
        return welcomed(session, &msg->u.welcome);
    if (msg->type == BELT_MSG_ERROR && msg->seq == 0)
        return refused(session, &msg->u.error);
    return BELT_SESSION_NOTHING;
}

static bool connection_lost(const struct belt_msg *msg)
{
    const struct belt_msg_error *error = &msg->u.error;
    return msg->type == BELT_MSG_ERROR && error->code == BELT_SYNC_LOST &&
           (msg->seq == 0 || (error->ref == 0 && error->job == 0));
}

static enum belt_session_action receive_ready(struct belt_session *session, uint64_t now, const struct belt_msg *msg)
{
    if (msg->type == BELT_MSG_WELCOME) /* the answer to a second hello: the count starts again */
        return welcomed(session, &msg->u.welcome);
    if (connection_lost(msg))
        return want_hello(session, now);
    if (msg->type == BELT_MSG_ERROR && msg->seq == 0 && msg->u.error.code == BELT_NOT_ALLOWED) /* our key was revoked */
        return fail(session, BELT_NOT_ALLOWED, (const char *)msg->u.error.text.data, msg->u.error.text.len);
    if (msg->seq < session->seq_in)
        return BELT_SESSION_NOTHING;
    if (msg->type == BELT_MSG_BYE) {
        lose(session, now, now + BYE_PAUSE_MS);
        return BELT_SESSION_NOTHING;
    }
    if (msg->seq > session->seq_in)
        return want_hello(session, now);
    session->seq_in++;
    return msg->type == BELT_MSG_PONG ? BELT_SESSION_NOTHING : BELT_SESSION_PASS;
}

enum belt_session_action belt_session_receive(struct belt_session *session, uint64_t now, const struct belt_msg *msg)
{
    session->heard_ms = now;
    switch (session->state) {
    case BELT_SESSION_CONNECTING:
        return receive_connecting(session, msg);
    case BELT_SESSION_READY:
        return receive_ready(session, now, msg);
    case BELT_SESSION_REFUSED:
        break;
    }
    return BELT_SESSION_NOTHING;
}

static uint64_t welcome_due(const struct belt_session *session)
{
    uint64_t wait = session->lease_ms;
    if (session->epoch == 0)
        wait = min_u64(wait, FIRST_WELCOME_MS);
    return session->hello_ms + wait;
}

/* Silence of either side asks for a ping: a peer that only talks must hear something within the lease too. */
static uint64_t ping_due(const struct belt_session *session)
{
    return max_u64(min_u64(session->spoke_ms, session->heard_ms), session->ping_ms) + session->heartbeat_ms;
}

static enum belt_session_action reconnect(struct belt_session *session, uint64_t now)
{
    lose(session, now, now);
    return BELT_SESSION_RECONNECT;
}

enum belt_session_action belt_session_timer(struct belt_session *session, uint64_t now)
{
    if (session->state == BELT_SESSION_REFUSED)
        return BELT_SESSION_NOTHING;
    if (session->state == BELT_SESSION_CONNECTING) {
        if (session->hello_sent)
            return now >= welcome_due(session) ? reconnect(session, now) : BELT_SESSION_NOTHING;
        return now >= session->retry_ms ? want_hello(session, now) : BELT_SESSION_NOTHING;
    }
    if (now >= session->heard_ms + session->lease_ms)
        return reconnect(session, now);
    if (now >= ping_due(session)) {
        session->ping_ms = now;
        return BELT_SESSION_SEND_PING;
    }
    return BELT_SESSION_NOTHING;
}

uint64_t belt_session_deadline(const struct belt_session *session)
{
    if (session->state == BELT_SESSION_REFUSED)
        return UINT64_MAX;
    if (session->state == BELT_SESSION_CONNECTING)
        return session->hello_sent ? welcome_due(session) : session->retry_ms;
    return min_u64(session->heard_ms + session->lease_ms, ping_due(session));
}

void belt_session_stamp(struct belt_session *session, uint64_t now, struct belt_msg *msg)
{
    session->spoke_ms = now;
    if (msg->type != BELT_MSG_HELLO) {
        msg->seq = session->seq_out++;
        return;
    }
    lose(session, now, retry_after(session, now));
    msg->seq = 0;
    session->seq_out = 1;
    session->hello_sent = true;
    session->hello_ms = now;
}

void belt_session_again(struct belt_session *session, uint64_t now)
{
    if (session->state == BELT_SESSION_READY)
        lose(session, now, now);
}

void belt_session_unsent(struct belt_session *session, uint64_t now)
{
    lose(session, now, retry_after(session, now));
}
