/* SPDX-License-Identifier: Apache-2.0
 *
 * A simulated peer's connection: hello, sequence, heartbeats (crowd.h). A connection that is lost ends the program:
 * on loopback that is a finding.
 */
#include "bench/crowd.h"
#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

_Noreturn void peer_lost(const struct crowd_peer *peer, const char *what, struct belt_bytes why)
{
    fprintf(stderr, "crowd: %s %u: %s: %.*s\n", peer->is_agent ? "agent" : "client",
            (unsigned)(peer - peer->crowd->peers), what, (int)why.len, (const char *)why.data);
    exit(1);
}

void peer_start(struct crowd *crowd, struct crowd_peer *peer, bool is_agent)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = peer};

    *peer = (struct crowd_peer){.crowd = crowd, .is_agent = is_agent, .waits_to_write = true};
    if (getrandom(peer->id, sizeof(peer->id), 0) != (ssize_t)sizeof(peer->id))
        measure_die("random");
    belt_session_init(&peer->session, crowd->now_ms);
    zmtp_connect(&peer->zmtp, is_agent ? crowd->worker_port : crowd->client_port);
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, peer->zmtp.fd, &event) != 0)
        measure_die("epoll");
}

void peer_send(struct crowd_peer *peer, struct belt_msg *msg)
{
    struct belt_frames frames = {0};

    belt_session_stamp(&peer->session, peer->crowd->now_ms, msg);
    if (belt_encode(msg, &frames) != BELT_OK)
        measure_die("encode");
    zmtp_send(&peer->zmtp, &frames);
}

void peer_flush(struct crowd_peer *peer)
{
    bool waits = !zmtp_flush(&peer->zmtp);

    if (waits == peer->waits_to_write)
        return;
    struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = peer};
    if (epoll_ctl(peer->crowd->epoll, EPOLL_CTL_MOD, peer->zmtp.fd, &event) != 0)
        measure_die("epoll");
    peer->waits_to_write = waits;
}

static void say_hello(struct crowd_peer *peer)
{
    static const struct belt_bytes name = {(const uint8_t *)"crowd", 5},
                                   function = {(const uint8_t *)CROWD_FUNCTION, sizeof(CROWD_FUNCTION) - 1};
    struct belt_msg msg = {.type = BELT_MSG_HELLO};

    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = peer->is_agent ? BELT_ROLE_WORKER : BELT_ROLE_CLIENT,
                                          .session = {peer->id, BELT_SESSION_LEN},
                                          .name = name};
    if (peer->is_agent)
        msg.u.hello.worker = (struct belt_worker_props){.name = name,
                                                        .slots = (uint32_t)peer->crowd->slots,
                                                        .window_items = BELT_MAX_HELD,
                                                        .window_bytes = (uint64_t)64 << 20,
                                                        .functions = &function,
                                                        .function_count = 1};
    peer_send(peer, &msg);
}

static void refused(const struct crowd_peer *peer, enum belt_session_action action, const struct belt_msg *msg)
{
    static const char silent[] = "the broker was silent for a lease";

    if (msg && msg->type == BELT_MSG_ERROR)
        peer_lost(peer, "the broker says", msg->u.error.text);
    peer_lost(peer, "lost",
              action == BELT_SESSION_RECONNECT ? (struct belt_bytes){(const uint8_t *)silent, sizeof(silent) - 1}
                                               : (struct belt_bytes){0});
}

static void act(struct crowd_peer *peer, enum belt_session_action action, const struct belt_msg *msg)
{
    struct belt_msg ping = {.type = BELT_MSG_PING};

    if (action == BELT_SESSION_SEND_PING)
        peer_send(peer, &ping);
    else if (action == BELT_SESSION_WELCOMED) {
        peer->crowd->welcomed++;
        if (!peer->is_agent)
            client_begin(peer);
    } else if (action == BELT_SESSION_PASS && peer->is_agent)
        agent_message(peer, msg);
    else if (action == BELT_SESSION_PASS)
        client_message(peer, msg);
    else if (action != BELT_SESSION_NOTHING)
        refused(peer, action, msg);
}

static void receive(void *ctx, const struct belt_frames *frames)
{
    struct crowd_peer *peer = ctx;
    struct belt_msg msg;

    if (!frames->count) {
        say_hello(peer);
        return;
    }
    if (belt_decode(peer->crowd->decoder, frames, &msg) != BELT_OK)
        measure_die("a message of the broker is malformed");
    act(peer, belt_session_receive(&peer->session, peer->crowd->now_ms, &msg), &msg);
}

void peer_event(struct crowd_peer *peer, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !zmtp_read(&peer->zmtp, receive, peer))
        peer_lost(peer, "closed by the broker", (struct belt_bytes){0});
    peer_flush(peer);
    if (!peer->is_agent && peer->session.state == BELT_SESSION_READY) {
        client_pump(peer);
        peer_flush(peer);
    }
}

void peer_timer(struct crowd_peer *peer)
{
    if (!peer->zmtp.open || peer->crowd->now_ms < belt_session_deadline(&peer->session))
        return;
    act(peer, belt_session_timer(&peer->session, peer->crowd->now_ms), NULL);
    peer_flush(peer);
}
