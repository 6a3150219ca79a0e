/* SPDX-License-Identifier: Apache-2.0
 *
 * Many clients and agents in one process that speak the protocol with its real codec (bench_crowd): what a broker
 * costs when it has many of them. They run nothing: a dispatch is answered at once with its own payloads.
 */
#ifndef BELT_BENCH_CROWD_H
#define BELT_BENCH_CROWD_H

#include "bench/zmtp.h"

#include "proto/session.h"

#define CROWD_FUNCTION "crowd"

struct crowd;

struct crowd_job {
    uint64_t id, sub;
    uint64_t sent, accepted, taken, acked;
    struct belt_grant grant;
};

struct crowd_peer {
    struct crowd *crowd;
    struct zmtp zmtp;
    struct belt_session session;
    uint8_t id[BELT_SESSION_LEN];
    bool is_agent, waits_to_write;
    uint64_t results;       /* agent: how many it has sent */
    struct crowd_job *jobs; /* client: crowd->jobs of them */
    uint32_t turn;          /* the job that pushes first */
};

struct crowd {
    /* the command line */
    uint64_t clients, jobs, window, size, agents, slots, service_us, tasks, fill, idle_ms;
    uint16_t client_port, worker_port;

    int epoll;
    struct belt_decoder *decoder;
    struct belt_payload payload; /* of each task */
    struct crowd_peer *peers;    /* the clients first */
    uint32_t peer_count;
    uint32_t welcomed, opened; /* peers, jobs */
    uint64_t now_ms;
    uint64_t accepted, taken;        /* tasks, results */
    uint64_t taken_ns, pause_ns;     /* when the last result came, and the longest time without one */
    uint64_t dispatches, deliveries; /* messages */
};

/* ---- crowd_peer.c: connections ---- */
void peer_start(struct crowd *crowd, struct crowd_peer *peer, bool is_agent);
void peer_send(struct crowd_peer *peer, struct belt_msg *msg);
/* Handles what epoll told. */
void peer_event(struct crowd_peer *peer, uint32_t events);
/* Writes what is queued, and asks to be told when the socket takes more. */
void peer_flush(struct crowd_peer *peer);
void peer_timer(struct crowd_peer *peer);
_Noreturn void peer_lost(const struct crowd_peer *peer, const char *what, struct belt_bytes why);

/* ---- crowd_agent.c ---- */
void agent_serve(struct crowd_peer *peer); /* from now on it takes dispatches */
void agent_message(struct crowd_peer *peer, const struct belt_msg *msg);

/* ---- crowd_client.c ---- */
void client_begin(struct crowd_peer *peer); /* opens its jobs */
void client_message(struct crowd_peer *peer, const struct belt_msg *msg);
void client_pump(struct crowd_peer *peer); /* acknowledges, pushes */

#endif
