/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer's side of its connection to the broker (PROTOCOL.md §6): hello,
 * sequence numbers, heartbeats, loss and return. Pure; used by the client's
 * and the worker's shells alike. The broker's side is broker/core/events/peer.c.
 *
 * A lost message, a new connection, a broker that restarted: each ends in
 * "say hello again", and the upper layer re-synchronises when SESSION_READY
 * is reported.
 */
#ifndef BELT_SESSION_H
#define BELT_SESSION_H

#include "proto/message.h"

enum belt_session_state {
    BELT_SESSION_CONNECTING, /* hello wanted or sent, no welcome yet */
    BELT_SESSION_READY,
    BELT_SESSION_REFUSED /* the broker will not have us: final */
};

/** What the shell has to do now. */
enum belt_session_action {
    BELT_SESSION_NOTHING,
    BELT_SESSION_PASS,     /* the message is for the upper layer */
    BELT_SESSION_WELCOMED, /* connected (again): re-synchronise; see epoch_changed */
    BELT_SESSION_SEND_HELLO,
    BELT_SESSION_SEND_PING,
    BELT_SESSION_RECONNECT, /* the broker was silent for a lease: close the socket, open a new one, then hello */
    BELT_SESSION_FAILED     /* refused: `code` and `text` say why */
};

struct belt_session {
    enum belt_session_state state;
    uint64_t epoch; /* 0 before the first welcome */
    bool epoch_changed;
    uint64_t seq_in, seq_out;
    uint64_t heard_ms; /* when the broker last spoke */
    uint64_t spoke_ms; /* when we last sent */
    uint64_t hello_ms; /* when the last hello was tried; 0: never */
    bool hello_sent;   /* and it waits for its welcome */
    uint64_t retry_ms; /* when the next hello is tried, if none waits */
    uint64_t ping_ms;  /* when the last ping was asked for */
    uint64_t lost_ms;  /* since when not READY */
    uint32_t heartbeat_ms, lease_ms, max_payload;
    unsigned code;
    char text[256];
};

/** `now` in ms on any monotonic clock, the same for all calls. */
void belt_session_init(struct belt_session *session, uint64_t now);

/** Call for each message received, before looking at it. */
enum belt_session_action belt_session_receive(struct belt_session *session, uint64_t now, const struct belt_msg *msg);

/** Call when belt_session_deadline() is reached, until it answers NOTHING. */
enum belt_session_action belt_session_timer(struct belt_session *session, uint64_t now);

/** When belt_session_timer() wants to be called, in ms of the same clock. */
uint64_t belt_session_deadline(const struct belt_session *session);

/** Gives `msg` its sequence number. Call in the order in which messages are sent, HELLO included. */
void belt_session_stamp(struct belt_session *session, uint64_t now, struct belt_msg *msg);

/** Says hello again on this connection: what this peer is has changed. belt_session_timer() asks for it. */
void belt_session_again(struct belt_session *session, uint64_t now);

/** The shell could not send a hello (no connection yet): it is tried again soon. */
void belt_session_unsent(struct belt_session *session, uint64_t now);

#endif
