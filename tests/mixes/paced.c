/* SPDX-License-Identifier: Apache-2.0
 *
 * See paced.h: events in order of time, and the broker and its clients. The agents are paced_agent.c.
 */
#include "tests/mixes/paced_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a message and a task cost the broker: what it is busy with, others wait for. */
#define BROKER_MESSAGE_NS 2000u
#define BROKER_TASK_NS    400u
#define START_MS          1000u

void *paced_grow(void *array, uint32_t *room, uint32_t need, size_t size)
{
    if (need <= *room)
        return array;
    while (*room < need)
        *room = *room ? *room * 2 : 16;
    array = realloc(array, *room * size);
    if (!array)
        abort();
    return array;
}

/* ---- events ---- */

static bool before(const struct paced_event *a, const struct paced_event *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

void paced_at(struct paced *p, uint64_t when, struct paced_event event)
{
    event.when = when > p->now ? when : p->now;
    event.order = ++p->orders;
    p->heap = paced_grow(p->heap, &p->heap_room, p->heap_count + 1, sizeof(*p->heap));
    uint32_t at = p->heap_count++;
    for (; at && before(&event, &p->heap[(at - 1) / 2]); at = (at - 1) / 2)
        p->heap[at] = p->heap[(at - 1) / 2];
    p->heap[at] = event;
}

static struct paced_event next_event(struct paced *p)
{
    struct paced_event first = p->heap[0], last = p->heap[--p->heap_count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < p->heap_count; at = child) {
        if (child + 1 < p->heap_count && before(&p->heap[child + 1], &p->heap[child]))
            child++;
        if (!before(&p->heap[child], &last))
            break;
        p->heap[at] = p->heap[child];
    }
    p->heap[at] = last;
    return first;
}

uint32_t paced_random(struct paced *p, uint32_t below)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return below ? (uint32_t)((p->random >> 20) % below) : 0;
}

/* ---- messages ---- */

static void *copy(const void *from, size_t size)
{
    void *to = size ? malloc(size) : NULL;
    if (size && !to)
        abort();
    if (size)
        memcpy(to, from, size);
    return to;
}

/* Deep, as far as this cluster's messages are. */
static struct paced_packet *packet_of(uint64_t handle, const struct belt_msg *msg)
{
    struct paced_packet *packet = copy(&(struct paced_packet){.handle = handle, .msg = *msg}, sizeof(*packet));
    switch (msg->type) {
    case BELT_MSG_DISPATCH:
        packet->items = copy(msg->u.dispatch.tasks, msg->u.dispatch.count * sizeof(*msg->u.dispatch.tasks));
        packet->msg.u.dispatch.tasks = packet->items;
        packet->msg.u.dispatch.function = (struct belt_bytes){(const uint8_t *)"f", 1};
        packet->msg.u.dispatch.argument = (struct belt_bytes){0};
        break;
    case BELT_MSG_RESULTS:
        packet->items = copy(msg->u.results.results, msg->u.results.count * sizeof(*msg->u.results.results));
        packet->msg.u.results.results = packet->items;
        break;
    case BELT_MSG_RETURNED:
        packet->items = copy(msg->u.returned.refs, msg->u.returned.count * sizeof(*msg->u.returned.refs));
        packet->msg.u.returned.refs = packet->items;
        break;
    case BELT_MSG_PUSH:
        packet->items = calloc(msg->u.push.count, sizeof(*msg->u.push.tasks));
        packet->msg.u.push.tasks = packet->items;
        break;
    default:
        break;
    }
    return packet;
}

static void packet_free(struct paced_packet *packet)
{
    free(packet->items);
    free(packet);
}

void paced_send(struct paced *p, struct paced_wire *wire, bool up, uint64_t handle, uint64_t leaves,
                struct belt_msg *msg)
{
    uint64_t due = leaves + p->config.hop_us + paced_random(p, p->config.hop_us);
    if (due < wire->due)
        due = wire->due; /* in order */
    wire->due = due;
    if (up)
        msg->seq = wire->seq++;
    p->totals.messages++;
    struct paced_event event = {.type = up ? PACED_TO_BROKER : PACED_TO_PEER, .packet = packet_of(handle, msg)};
    paced_at(p, due, event);
}

void paced_inbox_add(struct paced_inbox *inbox, struct paced_packet *packet)
{
    inbox->packets = paced_grow(inbox->packets, &inbox->room, inbox->count + 1, sizeof(struct paced_packet *));
    inbox->packets[inbox->count++] = packet;
}

/* ---- clients ---- */

static void client_say(struct paced *p, uint32_t client, struct belt_msg *msg)
{
    paced_send(p, &p->clients[client].up, true, client + 1, p->now, msg);
}

static void job_open_it(struct paced *p, uint32_t number)
{
    struct paced_job *job = &p->jobs[number];
    char key[16];
    int len = snprintf(key, sizeof(key), "j%u", number);
    struct belt_msg msg = {.type = BELT_MSG_OPEN};
    msg.u.open.ref = number + 1;
    /* The key lives in the cluster: messages borrow. */
    msg.u.open.key = (struct belt_bytes){(const uint8_t *)memcpy(p->keys + 16 * number, key, 16), (size_t)len};
    msg.u.open.function = (struct belt_bytes){(const uint8_t *)"f", 1};
    msg.u.open.options.priority = job->priority;
    client_say(p, job->client, &msg);
}

static void job_push_it(struct paced *p, struct paced_job *job, uint64_t grant)
{
    if (grant > job->grant)
        job->grant = grant;
    grant = job->done < job->alone && job->alone < job->grant ? job->alone : job->grant;
    while (job->pushed < job->count && job->pushed < grant) {
        uint64_t left = (grant < job->count ? grant : job->count) - job->pushed;
        struct belt_msg msg = {.type = BELT_MSG_PUSH};
        uint32_t count = left < 1000 ? (uint32_t)left : 1000;
        msg.u.push = (struct belt_msg_push){.job = job->id, .first = job->pushed, .count = count};
        client_say(p, job->client, &msg);
        job->pushed += count;
        if (job->pushed == job->count) {
            struct belt_msg end = {.type = BELT_MSG_END, .u.end = {.job = job->id, .count = job->count}};
            client_say(p, job->client, &end);
        }
    }
}

struct paced_job *paced_job_of(struct paced *p, uint64_t id)
{
    return &p->jobs[p->job_of[id]];
}

static void client_hear(struct paced *p, const struct belt_msg *msg)
{
    if (msg->type == BELT_MSG_OPENED) {
        struct paced_job *job = &p->jobs[msg->u.opened.ref - 1];
        job->id = msg->u.opened.job;
        p->job_of = paced_grow(p->job_of, &p->job_room, (uint32_t)job->id + 1, sizeof(*p->job_of));
        p->job_of[job->id] = (uint32_t)(msg->u.opened.ref - 1);
        job_push_it(p, job, msg->u.opened.grant.items);
    } else if (msg->type == BELT_MSG_ACCEPTED) {
        job_push_it(p, paced_job_of(p, msg->u.accepted.job), msg->u.accepted.grant.items);
    } else if (msg->type == BELT_MSG_ERROR) {
        fprintf(stderr, "the broker says: %.*s\n", (int)msg->u.error.text.len, (const char *)msg->u.error.text.data);
        abort();
    }
}

/* ---- the broker ---- */

static void note_results(struct paced *p, const struct belt_msg_results *msg)
{
    struct paced_job *job = paced_job_of(p, msg->job);
    for (uint32_t i = 0; i < msg->count; i++) {
        job->served_us += msg->results[i].service_us;
        if (job->arrived_us)
            job->arrived_us[msg->results[i].index] = p->now - PACED_BEGIN_US;
    }
    if (!job->done)
        job->first_us = p->now - PACED_BEGIN_US;
    bool alone = job->done < job->alone;
    job->done += msg->count;
    if (alone && job->done >= job->alone) /* the client hears of it, and hands in the others */
        paced_at(p, p->now + p->config.hop_us,
                 (struct paced_event){.type = PACED_REST, .number = (uint32_t)(job - p->jobs)});
    p->totals.tasks += msg->count;
    if (job->done < job->count)
        return;
    job->done_us = p->now - PACED_BEGIN_US;
    p->jobs_done++;
}

static uint64_t step_packet(struct paced *p, struct paced_packet *packet)
{
    const struct core_event event = {.type = CORE_MESSAGE,
                                     .now = START_MS + p->now / 1000,
                                     .peer = packet->handle,
                                     .worker_side = packet->handle > p->config.clients,
                                     .msg = &packet->msg};
    uint64_t cost = BROKER_MESSAGE_NS;
    core_step(p->core, &event, p->update);
    if (packet->msg.type == BELT_MSG_RESULTS) {
        note_results(p, &packet->msg.u.results);
        cost += BROKER_TASK_NS * packet->msg.u.results.count;
    } else if (packet->msg.type == BELT_MSG_RETURNED) {
        p->totals.returned += packet->msg.u.returned.count;
    }
    packet_free(packet);
    return cost;
}

static struct paced_wire *wire_to(struct paced *p, uint64_t handle)
{
    return handle > p->config.clients ? &p->agents[handle - p->config.clients - 1].down : &p->clients[handle - 1].down;
}

static uint64_t send_all(struct paced *p, uint64_t cost)
{
    for (uint32_t i = 0; i < p->update->send_count; i++) {
        struct core_send *send = &p->update->sends[i];
        uint64_t seq;
        if (!core_stamp(p->core, send->peer, send->msg.type, &seq))
            continue;
        cost += BROKER_MESSAGE_NS;
        if (send->msg.type == BELT_MSG_DISPATCH)
            cost += send->msg.u.dispatch.count * BROKER_TASK_NS;
        p->totals.recalls += send->msg.type == BELT_MSG_RECALL;
        paced_send(p, wire_to(p, send->peer), false, send->peer, p->now + cost / 1000, &send->msg);
    }
    if (p->update->trace)
        fputs(p->update->trace, stdout);
    core_update_clear(p->update);
    return cost;
}

static void broker_wake(struct paced *p, uint64_t when)
{
    if (when < p->broker_free)
        when = p->broker_free;
    if (p->broker_turn <= when && p->broker_turn >= p->now)
        return;
    p->broker_turn = when;
    paced_at(p, when, (struct paced_event){.type = PACED_BROKER_TURN});
}

static void broker_turn(struct paced *p)
{
    uint64_t cost = 0;
    for (uint32_t i = 0; i < p->inbox.count; i++)
        cost += step_packet(p, p->inbox.packets[i]);
    p->inbox.count = 0;
    core_step(p->core, &(struct core_event){.type = CORE_TURN, .now = START_MS + p->now / 1000}, p->update);
    p->broker_free = p->now + send_all(p, cost) / 1000;
    p->broker_turn = UINT64_MAX;
    uint64_t deadline = core_deadline(p->core);
    if (deadline != UINT64_MAX)
        broker_wake(p, deadline > START_MS ? (deadline - START_MS) * 1000 : 0);
}

/* ---- the run ---- */

static void happen(struct paced *p, const struct paced_event *event)
{
    switch (event->type) {
    case PACED_TO_BROKER:
        paced_inbox_add(&p->inbox, event->packet);
        broker_wake(p, p->now);
        break;
    case PACED_TO_PEER:
        if (event->packet->handle > p->config.clients) {
            paced_agent_hear(p, (uint32_t)(event->packet->handle - p->config.clients - 1), event->packet);
            break;
        }
        client_hear(p, &event->packet->msg);
        packet_free(event->packet);
        break;
    case PACED_BROKER_TURN:
        if (p->broker_turn == event->when)
            broker_turn(p);
        break;
    case PACED_OPEN:
        job_open_it(p, event->number);
        break;
    case PACED_REST:
        p->jobs[event->number].rest_us = p->now - PACED_BEGIN_US;
        job_push_it(p, &p->jobs[event->number], 0);
        break;
    default:
        paced_agent_event(p, event);
    }
}

bool paced_run(struct paced *p, const struct paced_job *job, uint64_t until_us)
{
    while (job ? !job->done_us : p->jobs_done < p->job_count) {
        if (p->heap_count == 0 || (p->heap[0].when > PACED_BEGIN_US && p->heap[0].when - PACED_BEGIN_US > until_us))
            return false;
        struct paced_event event = next_event(p);
        p->now = event.when;
        happen(p, &event);
    }
    return true;
}

static void hello(struct paced *p, uint64_t handle, struct paced_wire *wire, bool worker)
{
    static const struct belt_bytes function = {(const uint8_t *)"f", 1};
    uint8_t *id = p->sessions + BELT_SESSION_LEN * (handle - 1);
    memcpy(id, &handle, sizeof(handle));
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION};
    msg.u.hello.role = worker ? BELT_ROLE_WORKER : BELT_ROLE_CLIENT;
    msg.u.hello.session = (struct belt_bytes){id, BELT_SESSION_LEN};
    char *name = p->names + PACED_NAME * (handle - 1);
    int len = snprintf(name, PACED_NAME, "%c%u", worker ? 'w' : 'c',
                       (uint32_t)(worker ? handle - p->config.clients : handle));
    msg.u.hello.name = (struct belt_bytes){(const uint8_t *)name, (size_t)len};
    if (worker) {
        uint64_t window = (uint64_t)p->config.slots * 2000; /* as worker/agent/wire.c has it */
        msg.u.hello.worker = (struct belt_worker_props){
            .name = msg.u.hello.name, .slots = p->config.slots, .functions = &function, .function_count = 1};
        msg.u.hello.worker.window_bytes = 64u << 20;
        msg.u.hello.worker.window_items = window < BELT_MAX_HELD ? (uint32_t)window : BELT_MAX_HELD;
    }
    paced_send(p, wire, true, handle, 0, &msg);
    if (!worker)
        return;
    struct belt_msg sync = {.type = BELT_MSG_SYNC};
    paced_send(p, wire, true, handle, 0, &sync);
}

struct paced *paced_new(const struct paced_config *config, struct paced_job *jobs, uint32_t job_count)
{
    struct paced *p = calloc(1, sizeof(*p));
    /* Nobody says PING here, and nobody waits for it. */
    const struct core_config core = {.name = "paced",
                                     .version = "0",
                                     .epoch = 1,
                                     .lease_ms = 1u << 30,
                                     .heartbeat_ms = 1u << 29,
                                     .memory_budget = (uint64_t)1 << 40,
                                     .ack_ms = 5,
                                     .trace = config->trace};
    if (!p)
        abort();
    p->config = *config;
    p->random = config->seed * 0x9e3779b97f4a7c15ull + 1;
    p->jobs = jobs;
    p->job_count = job_count;
    p->broker_turn = UINT64_MAX;
    p->core = core_new(&core);
    p->update = core_update_new();
    p->clients = calloc(config->clients, sizeof(*p->clients));
    p->sessions = calloc(config->clients + config->agents, BELT_SESSION_LEN);
    p->names = calloc(config->clients + config->agents, PACED_NAME);
    p->keys = calloc(job_count, 16);
    if (!p->names || !p->core || !p->update || !p->clients || !p->sessions || !p->keys)
        abort();
    paced_agents_new(p);
    for (uint32_t i = 0; i < config->clients; i++)
        hello(p, i + 1, &p->clients[i].up, false);
    for (uint32_t i = 0; i < config->agents; i++)
        hello(p, config->clients + i + 1, &p->agents[i].up, true);
    for (uint32_t i = 0; i < job_count; i++)
        paced_at(p, jobs[i].start_us + PACED_BEGIN_US, (struct paced_event){.type = PACED_OPEN, .number = i});
    return p;
}

uint64_t paced_now(const struct paced *p)
{
    return p->now;
}

struct paced_totals paced_totals(const struct paced *p)
{
    return p->totals;
}

void paced_free(struct paced *p)
{
    for (uint32_t i = 0; i < p->heap_count; i++)
        if (p->heap[i].packet)
            packet_free(p->heap[i].packet);
    for (uint32_t i = 0; i < p->inbox.count; i++)
        packet_free(p->inbox.packets[i]);
    paced_agents_free(p);
    core_update_free(p->update);
    core_free(p->core);
    free(p->inbox.packets);
    free(p->heap);
    free(p->clients);
    free(p->sessions);
    free(p->keys);
    free(p->names);
    free(p->job_of);
    free(p);
}
