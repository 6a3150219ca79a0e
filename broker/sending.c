/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core sends, on its way to the peers (sending.h).
 */
#include "broker/sending.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

/* So much of one peer's is given to ZeroMQ, more is parked here: a connection takes it at once or in its own time. */
#define PEER_UNDER_WAY ((size_t)4 << 20)
/* So much is parked for one peer, or waits for the disk, and the core sends it no more deliveries and tasks until it is
 * half of that. */
#define PEER_FULL ((size_t)4 << 20)
/* So much of what it has asked for was not read, and its questions are refused until it is half of that; with so much
 * and one message of any size its connection is given up. */
#define PEER_REPLIES     ((size_t)2 << 20)
#define PEER_REPLIES_MAX ((size_t)4 << 20)
/* The same when all that is on its way is more than half of what may be: each peer may still have this. */
#define PEER_LEAST ((size_t)64 << 10)

void sending_give_up(struct shell *shell, struct peer *peer)
{
    if (peer->gone)
        return;
    if (shell->gone_count == shell->gone_room) {
        uint32_t room = shell->gone_room ? shell->gone_room * 2 : 64;
        uint64_t *gone = realloc(shell->gone, room * sizeof(*gone));
        if (!gone)
            return; /* the next message to it comes here again */
        shell->gone = gone;
        shell->gone_room = room;
    }
    shell->gone[shell->gone_count++] = peer->handle;
    peer->gone = true;
}

static void stop_waiting(struct shell *shell, struct peer *peer)
{
    if (!peer->outbox.first)
        return;
    shell->parked -= peer->outbox.bytes;
    DL_DELETE2(shell->waiting, peer, prev_waiting, next_waiting);
}

/* All that is on its way to peers. */
static size_t out_bytes(const struct shell *shell)
{
    return shell->parked + atomic_load(&shell->peers.flights.bytes);
}

/* A bound of one peer: the usual one, or little when there is much for all of them. */
static size_t bound_of(const struct shell *shell, size_t usual)
{
    return out_bytes(shell) > shell->out_max / 2 ? PEER_LEAST : usual;
}

/* Of what nobody gave credit for. */
static size_t replies_of(const struct peer *peer)
{
    return peer->outbox.bytes - peer->outbox.granted + flight_replies(peer->flight) + peer->held;
}

size_t sending_waits(const struct peer *peer, enum core_full where)
{
    return where == CORE_FULL_LINK ? peer->outbox.bytes : where == CORE_FULL_DISK ? peer->held : replies_of(peer);
}

size_t sending_full_at(const struct shell *shell, enum core_full where)
{
    return bound_of(shell, where == CORE_FULL_REPLIES ? PEER_REPLIES : PEER_FULL);
}

/* More waits for it: the core is told when it is much (tell_full). */
static void press(struct shell *shell, struct peer *peer)
{
    if (peer->pressed)
        return;
    for (int where = CORE_FULL_LINK; where <= CORE_FULL_REPLIES; where++)
        peer->pressed |= sending_waits(peer, (enum core_full)where) > sending_full_at(shell, (enum core_full)where);
    if (peer->pressed)
        DL_APPEND2(shell->pressed, peer, prev_pressed, next_pressed);
}

void sending_calm(struct shell *shell, struct peer *peer)
{
    if (peer->pressed)
        DL_DELETE2(shell->pressed, peer, prev_pressed, next_pressed);
    peer->pressed = false;
}

void sending_forget(struct shell *shell, struct peer *peer)
{
    stop_waiting(shell, peer);
    sending_calm(shell, peer);
    if (peer->link)
        connections_parted(&shell->gate.connections, peer->fd, peer->link, shell_now());
    peers_remove(&shell->peers, peer);
}

/* Credit and windows bound these: to whoever does not read, the core sends no more of them. */
static bool is_granted(uint8_t type)
{
    return type == BELT_MSG_DELIVER || type == BELT_MSG_DISPATCH;
}

static void park(struct shell *shell, struct peer *peer, uint8_t type, struct belt_frames *frames)
{
    size_t before = peer->outbox.bytes;
    bool first = !peer->outbox.first;
    if (!outbox_push(&peer->outbox, frames, is_granted(type))) {
        sending_give_up(shell, peer);
        return;
    }
    if (first)
        DL_APPEND2(shell->waiting, peer, prev_waiting, next_waiting);
    shell->parked += peer->outbox.bytes - before;
}

/* It asks and does not read. One answer of any size is never too much. */
static bool is_given_up(struct shell *shell, struct peer *peer)
{
    size_t replies = replies_of(peer);
    bool all = out_bytes(shell) > shell->out_max;
    if (replies <= (all ? PEER_LEAST : PEER_REPLIES_MAX + shell->max_frame))
        return false;
    shell_log(shell, true, "a peer does not read: %zu bytes that it asked for wait for it; its connection is given up",
              replies);
    sending_give_up(shell, peer);
    return true;
}

/* Takes the frames' references on success. */
static int link_send(struct shell *shell, const struct peer *peer, uint8_t type, struct belt_frames *frames)
{
    struct belt_frames sent;
    errno = EAGAIN;
    if (flight_bytes(peer->flight) > bound_of(shell, PEER_UNDER_WAY))
        return -1;
    if (!flight_wrap(peer->flight, frames, !is_granted(type), &sent))
        return -1;
    int rc = belt_link_send_watched(shell->sockets[peer->side], &shell->watch[peer->side], &peer->route, &sent);
    int err = errno;
    belt_frames_clear(rc == 0 ? frames : &sent);
    errno = err;
    return rc;
}

static void send_frames(struct shell *shell, struct peer *peer, uint8_t type, struct belt_frames *frames)
{
    if (!is_granted(type) && is_given_up(shell, peer))
        return;
    if (peer->outbox.first || link_send(shell, peer, type, frames) != 0) {
        if (!peer->outbox.first && errno != EAGAIN) {
            sending_give_up(shell, peer);
            return;
        }
        park(shell, peer, type, frames);
    }
    press(shell, peer);
}

static void hold(struct shell *shell, struct peer *peer, uint8_t type, struct belt_frames *frames)
{
    size_t bytes = belt_frames_bytes(frames);
    if (!durability_hold(shell->durability, peer->handle, type, frames)) {
        sending_give_up(shell, peer);
        return;
    }
    peer->held += bytes;
    press(shell, peer);
}

void sending_message(struct shell *shell, struct core_send *send)
{
    struct belt_frames frames;
    struct peer *peer = peers_find(&shell->peers, send->peer);
    if (!peer || peer->gone)
        return;
    bool held = send->held && shell->durability;
    if (!held && !core_stamp(shell->core, send->peer, send->msg.type, &send->msg.seq))
        return;
    int rc = belt_encode(&send->msg, &frames);
    if (rc != BELT_OK) {
        shell_log(shell, true, "cannot encode %s: code %d; the peer will say hello again",
                  belt_msg_name(send->msg.type), rc);
        return;
    }
    if (held)
        hold(shell, peer, send->msg.type, &frames);
    else
        send_frames(shell, peer, send->msg.type, &frames);
    belt_frames_clear(&frames);
}

void sending_durable(struct shell *shell)
{
    struct held_message *held;
    if (durability_news(shell->durability)) {
        bool works = shell->durability->code == BELT_OK;
        shell_log(shell, true, works ? "the store works again%s" : "durable jobs take no new tasks: %s",
                  works ? "" : committer_error(shell->durability->committer));
        core_store_works(shell->core, works, works ? shell->durability->turn_bytes : shell->durability->spare);
    }
    while ((held = durability_release(shell->durability))) {
        struct peer *peer = peers_find(&shell->peers, held->peer);
        uint64_t seq;
        if (peer)
            peer->held -= belt_frames_bytes(&held->frames);
        if (peer && !peer->gone && core_stamp(shell->core, held->peer, held->type, &seq)) {
            belt_frames_stamp(&held->frames, seq);
            send_frames(shell, peer, held->type, &held->frames);
        }
        durability_free(held);
    }
}

static void retry_one(struct shell *shell, struct peer *peer)
{
    struct belt_frames *frames = NULL;
    size_t before = peer->outbox.bytes;
    while (!peer->gone && (frames = outbox_front(&peer->outbox))) {
        uint8_t type = outbox_front_granted(&peer->outbox) ? BELT_MSG_DELIVER : BELT_MSG_REPORT;
        if (link_send(shell, peer, type, frames) != 0) {
            if (errno != EAGAIN)
                sending_give_up(shell, peer);
            break;
        }
        outbox_pop(&peer->outbox);
    }
    shell->parked -= before - peer->outbox.bytes;
    if (!peer->outbox.first)
        DL_DELETE2(shell->waiting, peer, prev_waiting, next_waiting);
    else
        flight_watch(peer->flight, bound_of(shell, PEER_UNDER_WAY) / 2);
}

void sending_retry(struct shell *shell)
{
    struct peer *peer, *next;
    DL_FOREACH_SAFE2(shell->waiting, peer, next, next_waiting)
    retry_one(shell, peer);
}
