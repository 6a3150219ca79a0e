/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster in one process on virtual time: the real scheduler, codec, session rules, slot table and client
 * streams; around them a network that loses, repeats, delays, cuts and reorders, a disk that commits in groups and
 * fails, and processes that are killed, stopped and started again. Everything random comes from one seed, so a
 * seed is a run.
 *
 *     net.c     randomness, wires, the session of a peer
 *     broker.c  the broker's shell: turns, held messages, crash and restart
 *     disk.c    the store
 *     agent.c   an agent around the slot table; slot.c its processes
 *     client.c  a client's connection; user.c the user of a stream and what is checked of what he is shown
 *     admin.c   who asks for failed tasks, and has them tried again or dropped
 *     ledger.c  what the broker has promised, and whether it keeps it (I9)
 *     stranger.c who has a key that is not for what he tries (S3 to S5)
 *     watch.c   progress (I7); that nobody sleeps with work (I25) is checked by who sleeps, after each of his turns
 *     faults.c  what goes wrong
 *     sim.c     the run
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "broker/record/record.h"
#include "broker/core/core.h"
#include "client/stream.h"
#include "client/window.h"
#include "proto/codec.h"
#include "proto/codes.h"
#include "proto/session.h"

#include <stdlib.h>
#include <string.h>

#define SIM_FUNCTIONS 3u
#define SIM_AGENTS    4u
#define SIM_CLIENTS   4u
#define SIM_JOBS      3u /* of one client */
#define SIM_READERS   2u
#define SIM_INPUTS    250u /* of one job */
#define SIM_SLOTS     8u   /* slot numbers of one agent: slots times programs */
#define SIM_GIVEN     256u
#define SIM_BATCH     64u  /* results in one message */
#define SIM_RETRIES   4u   /* jobs that try failed tasks again */
#define SMALL_WINDOW  100u /* bytes of an agent's window, in some runs */
#define SIM_CHOSEN    8u   /* failed tasks of one of these */
#define ULL(x)        ((unsigned long long)(x))

struct sim;
struct slot_table;

struct packet {
    struct belt_frames frames;
    uint64_t due;
    uint64_t handle; /* of a stray */
    const struct belt_identity *identity;
    bool worker_side;
};

/* One direction of a connection. */
struct wire {
    struct packet *packets;
    size_t count, head, room;
    uint64_t last_due;
    uint64_t block_until; /* nothing passes: it is lost, or it is late */
    bool block_delays;
};

/* What clients and agents have in common: a session on a bad network. */
struct node {
    struct sim *sim;
    char name[16];
    uint8_t role, id[BELT_SESSION_LEN];
    struct belt_identity identity; /* of its key, when the broker has keys */
    struct belt_session session;
    struct wire up, down;
    uint64_t handle; /* 0: the broker does not know this connection (any more) */
    uint64_t full;   /* the handle of which the core was told that it does not read; 0: none */
    bool alive;
    uint64_t asleep_until; /* stopped: neither reads nor speaks */
    uint64_t back_at;      /* not alive: a new one comes then */
    void (*welcomed)(struct node *node);
    void (*receive)(struct node *node, const struct belt_msg *msg);
    void (*fill_hello)(struct node *node, struct belt_msg_hello *hello);
};

/* ---- agents ---- */

struct given {
    struct belt_task_ref ref;
    uint32_t number; /* of the job in the simulator */
    uint64_t input;  /* the task's index there, in whichever job it runs */
    uint32_t function;
    uint32_t us;
};

/* A slot's process. */
struct process {
    bool alive, starting, closing, persistent;
    uint64_t ready_at, dies_at; /* UINT64_MAX: not */
    struct given given[SIM_GIVEN];
    uint32_t at, count;
    uint64_t end_ms; /* of the first given one */
    bool asked;
};

/* A result that the core took, by its number. */
struct taken_result {
    uint64_t number;
    uint32_t job; /* in the simulator */
    uint64_t index;
};

struct agent_model {
    struct node node;
    uint32_t slots, window, mask; /* functions it serves, as bits */
    uint64_t window_bytes;
    uint32_t functions[SIM_FUNCTIONS], function_count;
    struct slot_table *table;
    struct process process[SIM_SLOTS];
    struct taken_result *taken;
    uint32_t taken_count, taken_room;
    bool leaving, said_leaving;
    uint64_t leave_until;
    uint64_t idle_since, starved_since; /* a slot idle while work waits: at the broker, at another agent */
};

/* ---- clients ---- */

struct shown_result {
    uint32_t attempt, code;
    bool there;
};

/* What is known of a failed task that the broker keeps: it must be listed; it was asked for, and there is no answer;
 * the answer came. */
enum letter_state { LETTER_NONE, LETTER_KEPT, LETTER_ASKED, LETTER_RETRIED, LETTER_DROPPED };

struct letter_model {
    uint8_t state;
    uint64_t life;         /* of the broker, when that was heard */
    uint32_t walk, listed; /* the admin's listing that was under way, or the last; and in which it was seen */
};

struct stream_model {
    struct client_stream wire;
    struct client_window window;
    bool live, joined, subscribed, feeder, lost; /* subscribed: in whichever of its lives */
    char name[8];
    uint8_t mode;
    uint64_t join_at, leave_at;
    uint64_t job_key, sub_key, entered;                 /* what its messages are found by, as in client/flow.c */
    uint64_t detached_at, detached_sub, detached_epoch; /* DETACH was said last, of this subscription */
    bool left, detached;                                /* it has arrived for sure */
    struct belt_result_item *hand;                      /* payload: only its length */
    uint64_t hand_at, hand_count, hand_room;
    uint64_t failed[SIM_INPUTS]; /* inputs that the source could not give */
    uint32_t failed_at, failed_count;
    uint64_t taken_tasks, taken_bytes, given, from; /* results before it were not for this reader */
    uint64_t compared;                              /* so many inputs were at the broker before they were drawn */
    uint64_t unsure_since; /* it has pushed tasks of which it was not told that they were accepted; 0: none */
    uint64_t reached;      /* deliveries the user has taken, over all lives of the reader */
    uint64_t credit;
    uint64_t next_take, pace_ms, stall_from, stall_until;
    uint8_t seen[SIM_INPUTS];
};

struct job_model {
    struct client_model *client;
    uint32_t number; /* in the simulator */
    char key[24], function[8];
    uint8_t argument[8];
    uint64_t id, epoch; /* the broker's, as last heard */
    uint64_t inputs, tasks;
    uint64_t input_of[SIM_INPUTS];
    struct belt_open_options options;
    struct belt_grant grant;
    bool durable, asked, cancelling, cancelled, abandoned, gone;
    uint64_t opened_life; /* of the broker, in which it was opened last */
    uint64_t opened_at;   /* OPEN was said first */
    uint64_t cancel_at, start_at, most_taken;
    struct stream_model streams[SIM_READERS];
    uint32_t stream_count;
    /* what any reader was shown, ever */
    struct shown_result shown[SIM_INPUTS];
    struct letter_model letters[SIM_INPUTS];
    uint64_t order[SIM_INPUTS]; /* of completion: index + 1, 0: not known */
    /* what the broker promised */
    uint64_t promised_id, promised_next;
    bool promised_end, promised_gone, deleted;
    bool promised[SIM_INPUTS]; /* this task has its result */
};

struct client_model {
    struct node node;
    struct job_model jobs[SIM_JOBS];
    uint32_t job_count;
};

/* ---- the admin ---- */

/* A job of tasks that had failed. */
struct retried_model {
    struct job_model *of;
    uint64_t id, life, inputs[SIM_CHOSEN];
    uint32_t count, seen; /* results, as bits */
    struct client_stream wire;
    bool partly, over;
};

struct admin_model {
    struct node node;
    bool there, asked, sent, has_retried, final; /* final: it lists once more what is there at the end */
    struct belt_msg_failed question;
    struct job_model *of;               /* what it is about: RETRY, DROP */
    uint64_t indexes[SIM_CHOSEN], life; /* life: in which it was asked first */
    uint64_t next_at, from, last_ref;
    uint32_t walk;
    bool whole; /* the listing under way is of one life of the broker */
    struct retried_model retried[SIM_RETRIES];
    uint32_t retried_count;
};

/* Who has a key that is not for what he tries. */
struct stranger {
    int guise;
    struct belt_identity identity;
    uint64_t handle; /* under which he speaks; 0: he does not at present */
    uint64_t next_at, count;
    bool orders; /* what he says is for administrators alone */
};

/* ---- the disk ---- */

struct disk_change {
    enum core_record_op op;
    uint64_t number, job, through;
    struct store_record row; /* of PUT; its body lies in: */
    struct belt_buf *body;
    bool last; /* of its transaction */
};

struct disk {
    struct disk_change *rows; /* what is there, by number */
    uint32_t count, room;
    struct disk_change *queue;
    uint32_t queued, queue_room, flying; /* the first of the queue are being committed */
    uint64_t done_at;                    /* UINT64_MAX: nothing is */
    uint64_t last_number, recorded, durable;
    uint64_t full_until, slow_until;
    uint64_t tight_until; /* commits succeed, but nothing that grows may come */
    bool failing;
};

struct held {
    struct held *next;
    uint64_t through, peer;
    uint8_t type;
    struct belt_frames frames;
};

struct sim {
    uint64_t seed, random, now, faults_until, last_handle, next_session, fault_at;
    bool jumps;      /* of the broker's wall clock */
    bool timed;      /* a durable job has a start or a deadline: after a restart these go by the wall clock (§9.2) */
    uint64_t digest; /* of all that left the broker, and when */
    uint32_t loss, repeat; /* per 10000 messages */
    uint64_t latency;
    struct core_config config;
    struct core *core; /* NULL: the broker does not run */
    struct core_update *update;
    struct belt_decoder *decoder;
    struct record_decoder *records;
    struct disk disk;
    struct held *first_held, *last_held;
    uint64_t life, back_at, asleep_until, drain_until;
    uint32_t crash_in; /* steps of its shell until it is killed, 0: not */
    bool dying;
    bool fresh[SIM_BATCH];          /* the results under way whose tasks were running */
    struct belt_task_ref *finished; /* tasks that run at an agent, as the broker knows, and have their result there */
    uint32_t finished_count, finished_room;
    uint64_t entered;
    struct packet *strays; /* of connections that were given up */
    uint32_t stray_count, stray_room;
    struct agent_model agents[SIM_AGENTS];
    struct client_model clients[SIM_CLIENTS];
    struct admin_model admin;
    bool keyed; /* the broker has keys */
    struct stranger stranger;
    uint32_t agent_count, client_count;
    bool verbose;
    uint64_t steps, delivered, kills, crashes, virtual_ms;
    char error[512];
};

/* ---- net.c ---- */
uint64_t sim_wall(const struct sim *sim); /* the broker's wall clock, in ms */
uint64_t sim_random(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, uint32_t per_10000);
uint64_t sim_hash(uint64_t a, uint64_t b);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_tell(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct node *sim_node(struct sim *sim, uint32_t n);
struct node *sim_node_by_handle(struct sim *sim, uint64_t handle);
void wire_send(struct sim *sim, struct wire *wire, struct belt_frames *frames, bool first); /* takes the frames */
void wire_clear(struct wire *wire);
void node_start(struct sim *sim, struct node *node, uint8_t role, const char *name);
void node_send(struct node *node, struct belt_msg *msg);
void node_cut(struct node *node, bool tell);
void node_die(struct node *node, bool tell);
void node_run(struct node *node); /* messages that are due, timers */
uint64_t node_deadline(const struct node *node);
bool node_to_core(struct node *node); /* hands one due message to the core; false: none */
bool sim_stray_to_core(struct sim *sim);
uint64_t sim_stray_deadline(const struct sim *sim);
void node_fini(struct node *node);
bool node_ready(const struct node *node);
static inline bool node_asleep(const struct node *node)
{
    return !node->alive || node->sim->now < node->asleep_until;
}

/* ---- broker.c ---- */
void broker_start(struct sim *sim);
void broker_event(struct sim *sim, struct core_event event);
void broker_message(struct sim *sim, uint64_t handle, bool worker_side, const struct belt_identity *identity,
                    const struct belt_frames *frames);
void broker_run(struct sim *sim);
uint64_t broker_deadline(struct sim *sim);
void broker_kill(struct sim *sim);
void broker_drain(struct sim *sim);
void broker_fini(struct sim *sim);

/* ---- disk.c ---- */
void disk_hand(struct sim *sim, const struct core_update *update);
void disk_run(struct sim *sim);
void disk_crash(struct sim *sim);
void disk_sync(struct sim *sim); /* all that waits is committed */
void disk_load(struct sim *sim);
uint64_t disk_deadline(const struct sim *sim);
void disk_fini(struct sim *sim);

/* ---- ledger.c ---- */
void ledger_left(struct sim *sim, uint64_t peer, const struct belt_msg *msg);
void ledger_expect(struct sim *sim, const struct belt_msg_results *msg);
void ledger_results(struct sim *sim, uint64_t peer, const struct belt_msg_results *msg);
void ledger_expect_sync(struct sim *sim, uint64_t peer);
void ledger_synced(struct sim *sim);
void ledger_deleted(struct sim *sim, uint64_t job);
void ledger_restored(struct sim *sim);
void ledger_settled(struct sim *sim); /* all has been read: nothing but a few lines is on disk */
void ledger_readers(struct sim *sim);
void ledger_empty(struct sim *sim);
void ledger_tell(const struct sim *sim);
struct job_model *sim_job(struct sim *sim, uint32_t number);

/* ---- agent.c, slot.c ---- */
void agent_start(struct sim *sim, struct agent_model *agent, const char *name);
void agent_run(struct agent_model *agent);
uint64_t agent_deadline(const struct agent_model *agent);
void agent_leave(struct agent_model *agent);
void agent_fini(struct agent_model *agent);
bool agent_has_result(const struct agent_model *agent, const struct belt_task_ref *ref);
uint64_t agent_unstarted_job(const struct agent_model *agent, uint32_t mask, uint32_t n);
uint32_t agent_held(const struct agent_model *agent);
bool agent_waits(const struct agent_model *agent); /* for RECORDED, on a connection that works */
bool process_act(struct agent_model *agent);       /* true: there was something to do */
bool process_run(struct agent_model *agent);
uint64_t process_deadline(const struct agent_model *agent);
void process_kill_one(struct agent_model *agent);

/* ---- client.c, reader.c ---- */
void client_start(struct sim *sim, struct client_model *client, const char *name);
void client_run(struct client_model *client);
uint64_t client_deadline(const struct client_model *client);
bool job_finished(const struct job_model *job);
/* Less than `wait` has passed since it was opened. Not known of a durable job after a restart: it goes by the wall
 * clock. */
bool job_is_early(const struct sim *sim, const struct job_model *job, uint64_t wait);
bool client_finished(const struct client_model *client);
void client_crash(struct client_model *client);
void client_fini(struct client_model *client);
void user_init(struct sim *sim, struct job_model *job, uint32_t place);
void user_reset(struct job_model *job, uint32_t place);
void user_fini(struct stream_model *stream);
void user_draw(struct job_model *job, struct stream_model *stream);
void user_take(struct job_model *job, struct stream_model *stream);
void user_results(struct job_model *job, struct stream_model *stream, const struct belt_msg_deliver *msg,
                  uint32_t skip);
bool user_finished(const struct stream_model *stream);
uint64_t user_deadline(const struct job_model *job, const struct stream_model *stream);

/* ---- admin.c ---- */
void admin_start(struct sim *sim);
void admin_run(struct sim *sim);
uint64_t admin_deadline(const struct sim *sim);
bool admin_finished(const struct sim *sim);
void admin_failed(struct sim *sim, struct job_model *job, const struct belt_result_item *item); /* it was shown */
void admin_dispatched(struct sim *sim, const struct job_model *job, uint64_t id, uint64_t index, uint64_t input);
void admin_fini(struct sim *sim);

/* ---- stranger.c ---- */
void stranger_name(struct node *node); /* gives the node its key */
bool stranger_run(struct sim *sim);    /* true: he said something */
void stranger_left(struct sim *sim, const struct belt_msg *msg);
struct job;
bool stranger_has(const struct job *job);

/* ---- watch.c, faults.c ---- */
/* Somebody waits for a message that a turn has left (I25). Of tasks only an idle slot does: what lies ahead at an agent
 * may change from turn to turn, and whose turn it is may have a task that does not fit into a window of few bytes.
 * Tasks are taken back from others at times of their own: that is I7's. */
bool watch_waits(struct sim *sim, const struct core_send *send);
void watch_progress(struct sim *sim);
void faults_run(struct sim *sim);

/* What task `index` of job `number` does; decided by the seed, so that every attempt agrees. */
enum fate { FATE_OK, FATE_FAILS, FATE_FAILS_ONCE, FATE_KILLS_SLOT };
enum fate sim_fate(const struct sim *sim, uint32_t number, uint64_t index);
uint32_t sim_size(const struct sim *sim, uint32_t number, uint64_t index);
struct belt_payload sim_payload(const struct sim *sim, uint32_t number, uint64_t index, uint32_t salt);
uint64_t sim_payload_index(struct belt_payload payload); /* of the task whose input or result it is */
bool sim_payload_is(const struct sim *sim, struct belt_payload payload, uint32_t number, uint64_t index, uint32_t salt);

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
