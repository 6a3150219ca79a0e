/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the paced cluster, for its own files: paced.c (events, broker, clients) and paced_agent.c.
 */
#ifndef TESTS_PACED_PARTS_H
#define TESTS_PACED_PARTS_H

#include "tests/mixes/paced.h"

#include "broker/core/core.h"
#include "worker/table/slot_table.h"

#include <stddef.h>

/* Jobs begin when everybody has said hello. */
#define PACED_BEGIN_US 100000u
#define PACED_NAME     12u /* bytes of a peer's name */

enum paced_event_type {
    PACED_TO_BROKER,
    PACED_TO_PEER,
    PACED_BROKER_TURN,
    PACED_OPEN,
    PACED_REST, /* what comes behind the first tasks of a job is handed in */
    PACED_AGENT_TURN,
    PACED_SLOT_NEXT, /* a task of the slot ends, or one begins, or both */
    PACED_SLOT_SAID  /* its answers are at the agent */
};

struct paced_packet {
    uint64_t handle;
    struct belt_msg msg;
    void *items;
};

struct paced_event {
    uint64_t when, order;
    enum paced_event_type type;
    uint32_t agent, slot, number;
    struct paced_packet *packet;
};

struct paced_wire {
    uint64_t due, seq;
};

struct paced_inbox {
    struct paced_packet **packets;
    uint32_t count, room;
};

/* A task in a slot's hands. */
struct paced_task {
    uint64_t arrives;
    uint32_t us;
};

struct paced_slot {
    /* [at, end): unanswered, of which those below `next` have begun and those below `ended` ended */
    struct paced_task *ring;
    uint32_t room;
    uint64_t at, next, ended, end;
    uint64_t said; /* answers that are at the agent end here */
    uint64_t flushed, flushed_us, typical_us;
    bool running, waking;
    bool heard; /* in the agent's list */
};

struct paced_agent {
    struct paced_wire up, down;
    struct slot_table *table;
    struct paced_slot *slots;
    struct paced_inbox inbox;
    uint32_t *heard, heard_count;
    uint64_t turn, free;
};

struct paced_client {
    struct paced_wire up, down;
};

struct paced {
    struct paced_config config;
    uint64_t now, orders, random;
    struct paced_event *heap;
    uint32_t heap_count, heap_room;
    struct core *core;
    struct core_update *update;
    struct paced_inbox inbox;
    uint64_t broker_turn, broker_free;
    struct paced_agent *agents;
    struct paced_client *clients;
    uint8_t *sessions;
    char *keys, *names;
    struct paced_job *jobs;
    uint32_t job_count, jobs_done;
    uint32_t *job_of, job_room; /* place of the job with this id */
    struct paced_totals totals;
};

void *paced_grow(void *array, uint32_t *room, uint32_t need, size_t size);
void paced_at(struct paced *p, uint64_t when, struct paced_event event);
uint32_t paced_random(struct paced *p, uint32_t below);
void paced_send(struct paced *p, struct paced_wire *wire, bool up, uint64_t handle, uint64_t leaves,
                struct belt_msg *msg);
void paced_inbox_add(struct paced_inbox *inbox, struct paced_packet *packet); /* takes */
struct paced_job *paced_job_of(struct paced *p, uint64_t id);

void paced_agents_new(struct paced *p);
void paced_agents_free(struct paced *p);
void paced_agent_hear(struct paced *p, uint32_t number, struct paced_packet *packet); /* takes */
void paced_agent_event(struct paced *p, const struct paced_event *event);

#endif
