/* SPDX-License-Identifier: Apache-2.0
 *
 * Randomness, the network, and the broker's shell of the simulator.
 */
#include "sim.h"

#include "tests/core/invariants.h"

#include <stdarg.h>
#include <stdio.h>

uint64_t sim_hash(uint64_t a, uint64_t b)
{
    uint64_t z = a * 0x9e3779b97f4a7c15u + b + 0x632be59bd9b4e019u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_random(struct sim *sim, uint64_t below)
{
    return sim_hash(sim->seed, ++sim->random) % below;
}

bool sim_chance(struct sim *sim, uint32_t per_10000)
{
    return sim_random(sim, 10000) < per_10000;
}

enum fate sim_fate(uint64_t job, uint64_t index)
{
    uint64_t roll = sim_hash(job, index) % 100;
    return roll < 2 ? FATE_FAILS : roll < 5 ? FATE_FAILS_ONCE : roll < 6 ? FATE_KILLS_SLOT : FATE_OK;
}

uint32_t sim_size(uint64_t job, uint64_t index)
{
    uint64_t roll = sim_hash(job + 1000, index);
    return 8u + (uint32_t)(roll % 50 == 0 ? 20000 : roll % 64);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->error[0])
        return;
    int at = snprintf(sim->error, sizeof sim->error, "[%llu] ", (unsigned long long)sim->now);
    va_list args;
    va_start(args, format);
    vsnprintf(sim->error + at, sizeof sim->error - (size_t)at, format, args);
    va_end(args);
}

/* ---- wires ---- */

static void wire_put(struct sim *sim, struct wire *wire, struct belt_frames frames)
{
    if (wire->count == wire->room) {
        size_t room = wire->room ? wire->room * 2 : 16;
        struct packet *packets = malloc(room * sizeof *packets);
        if (!packets)
            abort();
        for (size_t i = 0; i < wire->count; i++)
            packets[i] = wire->packets[(wire->head + i) % wire->room];
        free(wire->packets);
        wire->packets = packets;
        wire->room = room;
        wire->head = 0;
    }
    uint64_t due = sim->now + sim_random(sim, sim->latency + 1);
    if (due < wire->last_due)
        due = wire->last_due;
    wire->last_due = due;
    wire->packets[(wire->head + wire->count++) % wire->room] = (struct packet){frames, due};
}

static bool wire_take(struct sim *sim, struct wire *wire, struct belt_frames *frames)
{
    if (wire->count == 0 || wire->packets[wire->head].due > sim->now)
        return false;
    *frames = wire->packets[wire->head].frames;
    wire->head = (wire->head + 1) % wire->room;
    wire->count--;
    return true;
}

static void wire_clear(struct wire *wire)
{
    for (size_t i = 0; i < wire->count; i++)
        belt_frames_clear(&wire->packets[(wire->head + i) % wire->room].frames);
    wire->count = 0;
    wire->last_due = 0;
}

static void send_on(struct sim *sim, struct wire *wire, const struct belt_msg *msg)
{
    bool bad = sim->now < sim->faults_until;
    struct belt_frames frames = {0};
    int code = belt_encode(msg, &frames);
    if (code != BELT_OK) {
        sim_fail(sim, "a %s cannot be encoded: %s", belt_msg_name(msg->type), belt_code_name((unsigned)code));
        return;
    }
    /* A hello starts the count anew, so nothing can tell a repeated one; transports do not repeat. */
    if (bad && msg->seq > 0 && sim_chance(sim, sim->repeat)) {
        struct belt_frames again = {.count = frames.count};
        for (uint32_t i = 0; i < frames.count; i++)
            again.frame[i] = belt_buf_ref(frames.frame[i]);
        wire_put(sim, wire, again);
    }
    if (bad && sim_chance(sim, sim->loss))
        belt_frames_clear(&frames);
    else
        wire_put(sim, wire, frames);
}

/* ---- the broker's shell ---- */

static struct node *node_at(struct sim *sim, uint32_t n)
{
    if (n < sim->agent_count)
        return &sim->agents[n].node;
    n -= sim->agent_count;
    return n < sim->client_count ? &sim->clients[n].node : NULL;
}

static struct node *node_by_handle(struct sim *sim, uint64_t handle)
{
    struct node *node;
    for (uint32_t n = 0; (node = node_at(sim, n)); n++)
        if (handle && node->handle == handle)
            return node;
    return NULL;
}

static void apply(struct sim *sim, uint64_t *gone, uint32_t *gone_count)
{
    for (uint32_t i = 0; i < sim->update->send_count; i++) {
        struct core_send *out = &sim->update->sends[i];
        if (!core_stamp(sim->core, out->peer, out->msg.type, &out->msg.seq))
            continue;
        struct node *node = node_by_handle(sim, out->peer);
        if (node)
            send_on(sim, &node->down, &out->msg);
        else if (*gone_count < 16)
            gone[(*gone_count)++] = out->peer;
    }
    for (uint32_t i = 0; i < sim->update->drop_count; i++) {
        struct node *node = node_by_handle(sim, sim->update->drops[i]);
        if (node)
            node->handle = 0;
    }
    if (sim->verbose && sim->update->trace)
        fputs(sim->update->trace, stdout);
    core_update_clear(sim->update);
}

void sim_core(struct sim *sim, struct core_event event)
{
    uint64_t gone[16];
    uint32_t gone_count = 0;
    event.now = sim->now;
    core_step(sim->core, &event, sim->update);
    apply(sim, gone, &gone_count);
    sim->steps++;
    const char *broken = invariants_broken(sim->core);
    if (broken)
        sim_fail(sim, "%s", broken);
    /* The transport says at once that nobody is there (sometimes). */
    for (uint32_t i = 0; i < gone_count; i++)
        if (event.type != CORE_GONE && sim_chance(sim, 5000))
            sim_core(sim, (struct core_event){.type = CORE_GONE, .peer = gone[i]});
}

/* ---- nodes ---- */

void node_start(struct sim *sim, struct node *node, uint8_t role, const char *name)
{
    node->sim = sim;
    node->role = role;
    snprintf(node->name, sizeof node->name, "%s", name);
    uint64_t id[2] = {++sim->next_session, sim->seed};
    memcpy(node->id, id, sizeof node->id);
    belt_session_init(&node->session, sim->now);
    node->alive = true;
    node->asleep_until = 0;
    node->handle = 0;
}

bool node_ready(const struct node *node)
{
    return node->alive && node->session.state == BELT_SESSION_READY;
}

void node_send(struct node *node, struct belt_msg *msg)
{
    belt_session_stamp(&node->session, node->sim->now, msg);
    send_on(node->sim, &node->up, msg);
}

void node_cut(struct node *node, bool tell)
{
    struct sim *sim = node->sim;
    uint64_t handle = node->handle;
    wire_clear(&node->up);
    wire_clear(&node->down);
    node->handle = 0;
    if (tell && handle)
        sim_core(sim, (struct core_event){.type = CORE_GONE, .peer = handle});
}

void node_die(struct node *node, bool tell)
{
    node_cut(node, tell);
    node->alive = false;
    node->back_at = node->sim->now + 100 + sim_random(node->sim, 8000);
}

void node_fini(struct node *node)
{
    wire_clear(&node->up);
    wire_clear(&node->down);
    free(node->up.packets);
    free(node->down.packets);
}

static void say_hello(struct node *node)
{
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = node->role,
                                          .session = {node->id, BELT_SESSION_LEN},
                                          .name = {(const uint8_t *)node->name, strlen(node->name)}};
    if (node->fill_hello)
        node->fill_hello(node, &msg.u.hello);
    node_send(node, &msg);
}

static void act(struct node *node, enum belt_session_action action, const struct belt_msg *msg)
{
    switch (action) {
    case BELT_SESSION_NOTHING:
        break;
    case BELT_SESSION_PASS:
        node->receive(node, msg);
        break;
    case BELT_SESSION_WELCOMED:
        node->welcomed(node);
        break;
    case BELT_SESSION_RECONNECT:
        node_cut(node, false);
        break;
    case BELT_SESSION_SEND_HELLO:
        say_hello(node);
        break;
    case BELT_SESSION_SEND_PING:
        node_send(node, &(struct belt_msg){.type = BELT_MSG_PING});
        break;
    case BELT_SESSION_FAILED:
        sim_fail(node->sim, "%s was refused: %u %s", node->name, node->session.code, node->session.text);
        break;
    }
}

static bool asleep(const struct node *node)
{
    return !node->alive || node->sim->now < node->asleep_until;
}

void node_run(struct node *node)
{
    struct sim *sim = node->sim;
    struct belt_frames frames;
    struct belt_msg msg;
    while (!asleep(node) && wire_take(sim, &node->down, &frames)) {
        if (belt_decode(sim->decoder, &frames, &msg) != BELT_OK)
            sim_fail(sim, "%s cannot read: %s", node->name, belt_decoder_error(sim->decoder));
        else
            act(node, belt_session_receive(&node->session, sim->now, &msg), &msg);
        belt_frames_clear(&frames);
    }
    for (int i = 0; i < 16 && !asleep(node) && belt_session_deadline(&node->session) <= sim->now; i++) {
        enum belt_session_action action = belt_session_timer(&node->session, sim->now);
        if (action == BELT_SESSION_NOTHING)
            break;
        act(node, action, NULL);
    }
}

uint64_t node_deadline(const struct node *node)
{
    uint64_t up = node->up.count ? node->up.packets[node->up.head].due : UINT64_MAX;
    if (!node->alive)
        return node->back_at < up ? node->back_at : up;
    uint64_t down = node->down.count ? node->down.packets[node->down.head].due : UINT64_MAX;
    uint64_t timer = belt_session_deadline(&node->session);
    uint64_t own = down < timer ? down : timer;
    if (own < node->asleep_until)
        own = node->asleep_until;
    return own < up ? own : up;
}

bool node_to_core(struct node *node)
{
    struct sim *sim = node->sim;
    struct belt_frames frames;
    struct belt_msg msg;
    if (!wire_take(sim, &node->up, &frames))
        return false;
    if (!node->handle)
        node->handle = ++sim->last_handle;
    if (belt_decode(sim->decoder, &frames, &msg) != BELT_OK)
        sim_fail(sim, "the broker cannot read %s: %s", node->name, belt_decoder_error(sim->decoder));
    else
        sim_core(sim, (struct core_event){.type = CORE_MESSAGE,
                                          .peer = node->handle,
                                          .worker_side = node->role == BELT_ROLE_WORKER,
                                          .msg = &msg});
    belt_frames_clear(&frames);
    return true;
}
