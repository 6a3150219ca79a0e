/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster in one process on virtual time: the real core and codec and the
 * real session rules of a peer, small models of clients and agents, a network that loses, repeats and cuts.
 * Everything random comes from one seed, so a seed is a run.
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "broker/core/state.h"
#include "proto/codec.h"
#include "proto/codes.h"
#include "proto/session.h"

#define SIM_FUNCTIONS 3u
#define SIM_AGENTS 4u
#define SIM_CLIENTS 4u
#define SIM_JOBS 3u /* of one client */
#define SIM_READERS 2u

struct sim;

struct packet {
    struct belt_frames frames;
    uint64_t due;
};

/* One direction of a connection. */
struct wire {
    struct packet *packets;
    size_t count, head, room;
    uint64_t last_due;
};

/* What clients and agents have in common: a session on a bad network. */
struct node {
    struct sim *sim;
    char name[16];
    uint8_t role, id[BELT_SESSION_LEN];
    struct belt_session session;
    struct wire up, down;
    uint64_t handle; /* 0: the broker does not know this connection (any more) */
    bool alive;
    uint64_t asleep_until; /* stopped: neither reads nor speaks */
    uint64_t back_at;      /* not alive: a new one comes then */
    void (*welcomed)(struct node *node);
    void (*receive)(struct node *node, const struct belt_msg *msg);
    void (*fill_hello)(struct node *node, struct belt_msg_hello *hello);
};

struct held {
    struct belt_task_ref ref;
    uint32_t bytes, service_us, function, group;
    bool running, dropped, together;
    uint64_t end_ms;
};

struct outcome {
    struct belt_task_ref ref;
    uint32_t code, service_us;
    uint64_t number;
};

struct agent_model {
    struct node node;
    uint32_t slots, window, mask; /* functions it serves, as bits */
    uint64_t window_bytes;
    struct held *held;
    uint32_t count, room, groups;
    struct outcome *results; /* not recorded */
    uint32_t result_count, result_room;
    uint64_t next_result;
    bool leaving;
    uint64_t idle_since, starved_since; /* a slot idle while work waits: at the broker, at another agent */
};

struct reader_model {
    uint8_t mode;
    char name[8];
    uint64_t sub;
    uint64_t got;   /* deliveries in hand */
    uint64_t taken; /* by the user */
    uint64_t credit;
    uint64_t next_take, pace_ms, stall_from, stall_until;
    uint8_t *seen; /* by index */
    bool subscribed, done, cancelled;
};

struct job_model {
    char key[24], function[8];
    uint64_t id, total, pushed, window;
    struct belt_job_options options;
    struct belt_grant grant;
    uint64_t pushed_bytes;
    bool asked, opened, ended, end_known, cancelling, cancelled;
    uint64_t cancel_at, start_at;
    struct reader_model readers[SIM_READERS];
    uint32_t reader_count;
};

struct client_model {
    struct node node;
    struct job_model jobs[SIM_JOBS];
    uint32_t job_count;
};

struct sim {
    uint64_t seed, random, now, faults_until, last_handle, next_session, fault_at;
    uint32_t loss, repeat; /* per 10000 messages */
    uint64_t latency;
    struct core *core;
    struct core_update *update;
    struct belt_decoder *decoder;
    struct agent_model agents[SIM_AGENTS];
    struct client_model clients[SIM_CLIENTS];
    uint32_t agent_count, client_count;
    bool verbose;
    uint64_t kills; /* of agents: innocents may have been blamed */
    uint64_t steps, delivered;
    char error[512];
};

/* ---- net.c ---- */
uint64_t sim_random(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, uint32_t per_10000);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_core(struct sim *sim, struct core_event event);
void node_start(struct sim *sim, struct node *node, uint8_t role, const char *name);
void node_send(struct node *node, struct belt_msg *msg);
void node_cut(struct node *node, bool tell);
void node_die(struct node *node, bool tell);
void node_run(struct node *node);        /* messages that are due, timers */
uint64_t node_deadline(const struct node *node);
bool node_to_core(struct node *node);    /* hands one due message to the core; false: none */
void node_fini(struct node *node);
bool node_ready(const struct node *node);

/* ---- models ---- */
void agent_start(struct sim *sim, struct agent_model *agent, const char *name);
void agent_run(struct agent_model *agent);
uint64_t agent_deadline(const struct agent_model *agent);
uint32_t agent_busy(const struct agent_model *agent);
void agent_leave(struct agent_model *agent);
void agent_fini(struct agent_model *agent);
void client_start(struct sim *sim, struct client_model *client, const char *name);
void client_run(struct client_model *client);
uint64_t client_deadline(const struct client_model *client);
bool job_finished(const struct job_model *job);
bool client_finished(const struct client_model *client);
void client_fini(struct client_model *client);

/* What task `index` of the job with this id does; decided by the seed, so that every attempt agrees. */
enum fate { FATE_OK, FATE_FAILS, FATE_FAILS_ONCE, FATE_KILLS_SLOT };
enum fate sim_fate(uint64_t job, uint64_t index);
uint32_t sim_size(uint64_t job, uint64_t index);
uint64_t sim_hash(uint64_t a, uint64_t b);

#endif
