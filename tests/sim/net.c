/* SPDX-License-Identifier: Apache-2.0
 *
 * Randomness, the network, and a peer's end of its connection (proto/session.c decides there).
 */
#include "tests/sim/sim.h"

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

/* It jumps every few seconds, back and forth. To where is not drawn: a run without jumps is the same but for them. */
uint64_t sim_wall(const struct sim *sim)
{
    uint64_t wall = 1700000000000u + sim->now, width = sim->timed ? 120000 : 2 * 86400000u;
    return sim->jumps ? wall + sim_hash(sim->seed + 99, sim->now / 2500) % width - width / 2 : wall;
}

bool sim_chance(struct sim *sim, uint32_t per_10000)
{
    return sim_random(sim, 10000) < per_10000;
}

enum fate sim_fate(const struct sim *sim, uint32_t number, uint64_t index)
{
    uint64_t roll = sim_hash(sim->seed + number, index) % 100;
    return roll < 2 ? FATE_FAILS : roll < 5 ? FATE_FAILS_ONCE : roll < 6 ? FATE_KILLS_SLOT : FATE_OK;
}

uint32_t sim_size(const struct sim *sim, uint32_t number, uint64_t index)
{
    uint64_t roll = sim_hash(sim->seed + number + 1000, index);
    return 8u + (uint32_t)(roll % 50 == 0 ? 20000 : roll % 64);
}

/* Results are larger than inputs where the broker's memory is small: there is no room for all that come. */
static uint32_t payload_size(const struct sim *sim, uint32_t number, uint64_t index, uint32_t salt)
{
    uint32_t size = sim_size(sim, number, index);
    return salt == 2 && sim->config.memory_budget ? size * (size < 100 ? 40 : 3) : size;
}

static uint64_t content(uint32_t number, uint64_t index, uint32_t salt)
{
    return (uint64_t)salt << 56 | (uint64_t)number << 32 | index;
}

struct belt_payload sim_payload(const struct sim *sim, uint32_t number, uint64_t index, uint32_t salt)
{
    uint32_t size = payload_size(sim, number, index, salt);
    uint64_t what = content(number, index, salt);
    struct belt_buf *buf = belt_buf_new(size);
    if (!buf)
        abort();
    memset(buf->data, 'p', size);
    memcpy(buf->data, &what, sizeof(what));
    return (struct belt_payload){buf, buf->data, size};
}

uint64_t sim_payload_index(struct belt_payload payload)
{
    uint64_t what;
    memcpy(&what, payload.data, sizeof(what));
    return what & UINT32_MAX;
}

bool sim_payload_is(const struct sim *sim, struct belt_payload payload, uint32_t number, uint64_t index, uint32_t salt)
{
    uint64_t what = content(number, index, salt);
    return payload.len == payload_size(sim, number, index, salt) && memcmp(payload.data, &what, sizeof(what)) == 0;
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->error[0])
        return;
    int at = snprintf(sim->error, sizeof(sim->error), "[%llu] ", ULL(sim->now));
    va_list args;
    va_start(args, format);
    vsnprintf(sim->error + at, sizeof(sim->error) - (size_t)at, format, args);
    va_end(args);
}

void sim_tell(const struct sim *sim, const char *format, ...)
{
    if (!sim->verbose)
        return;
    va_list args;
    va_start(args, format);
    printf("[%5llu] ", ULL(sim->now));
    vprintf(format, args);
    if (format[0] != ' ')
        putchar('\n');
    va_end(args);
}

/* ---- wires ---- */

static void wire_put(struct sim *sim, struct wire *wire, struct belt_frames frames)
{
    if (wire->count == wire->room) {
        size_t room = wire->room ? wire->room * 2 : 16;
        struct packet *packets = malloc(room * sizeof(*packets));
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
    if (wire->block_delays && due < wire->block_until)
        due = wire->block_until;
    if (due < wire->last_due)
        due = wire->last_due;
    wire->last_due = due;
    wire->packets[(wire->head + wire->count++) % wire->room] = (struct packet){.frames = frames, .due = due};
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

void wire_clear(struct wire *wire)
{
    for (size_t i = 0; i < wire->count; i++)
        belt_frames_clear(&wire->packets[(wire->head + i) % wire->room].frames);
    wire->count = 0;
    wire->last_due = 0;
}

void wire_send(struct sim *sim, struct wire *wire, struct belt_frames *frames, bool first)
{
    bool bad = sim->now < sim->faults_until;
    bool blocked = sim->now < wire->block_until && !wire->block_delays;
    /* A hello starts the count anew, so nothing can tell a repeated one; transports do not repeat. */
    if (bad && !first && sim_chance(sim, sim->repeat)) {
        struct belt_frames again = {.count = frames->count};
        for (uint32_t i = 0; i < frames->count; i++)
            again.frame[i] = belt_buf_ref(frames->frame[i]);
        wire_put(sim, wire, again);
    }
    if (blocked || (bad && sim_chance(sim, sim->loss)))
        belt_frames_clear(frames);
    else
        wire_put(sim, wire, *frames);
}

/* ---- connections that were given up: what they carried may still arrive, after what the new one carries ---- */

static void stray_add(struct sim *sim, const struct node *node, struct packet packet)
{
    if (sim->stray_count == sim->stray_room) {
        sim->stray_room = sim->stray_room ? sim->stray_room * 2 : 16;
        sim->strays = realloc(sim->strays, sim->stray_room * sizeof(*sim->strays));
        if (!sim->strays)
            abort();
    }
    packet.handle = node->handle;
    packet.identity = &node->identity;
    packet.worker_side = node->role == BELT_ROLE_WORKER;
    sim->strays[sim->stray_count++] = packet;
}

static void let_stray(struct node *node)
{
    struct sim *sim = node->sim;
    uint64_t delay = sim_random(sim, 4000);
    for (size_t i = 0; i < node->up.count && sim->stray_count < 64; i++) {
        struct packet packet = node->up.packets[(node->up.head + i) % node->up.room];
        packet.due += delay;
        for (uint32_t k = 0; k < packet.frames.count; k++)
            (void)belt_buf_ref(packet.frames.frame[k]);
        stray_add(sim, node, packet);
    }
}

bool sim_stray_to_core(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->stray_count; i++) {
        struct packet packet = sim->strays[i];
        if (packet.due > sim->now)
            continue;
        memmove(&sim->strays[i], &sim->strays[i + 1], (--sim->stray_count - i) * sizeof(packet));
        if (sim->core)
            broker_message(sim, packet.handle ? packet.handle : ++sim->last_handle, packet.worker_side, packet.identity,
                           &packet.frames);
        belt_frames_clear(&packet.frames);
        return true;
    }
    return false;
}

uint64_t sim_stray_deadline(const struct sim *sim)
{
    uint64_t when = UINT64_MAX;
    for (uint32_t i = 0; i < sim->stray_count; i++)
        when = least(when, sim->strays[i].due);
    return when;
}

/* ---- nodes ---- */

struct node *sim_node(struct sim *sim, uint32_t n)
{
    if (n < sim->agent_count)
        return &sim->agents[n].node;
    n -= sim->agent_count;
    if (n < sim->client_count)
        return &sim->clients[n].node;
    return n == sim->client_count && sim->admin.there ? &sim->admin.node : NULL;
}

struct node *sim_node_by_handle(struct sim *sim, uint64_t handle)
{
    struct node *node;
    for (uint32_t n = 0; (node = sim_node(sim, n)); n++)
        if (handle && node->handle == handle)
            return node;
    return NULL;
}

void node_start(struct sim *sim, struct node *node, uint8_t role, const char *name)
{
    char keep[sizeof(node->name)];
    snprintf(keep, sizeof(keep), "%s", name);
    node->sim = sim;
    node->role = role;
    memcpy(node->name, keep, sizeof(keep));
    stranger_name(node);
    uint64_t id[2] = {++sim->next_session, sim->seed};
    memcpy(node->id, id, sizeof(node->id));
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
    struct belt_frames frames = {0};
    belt_session_stamp(&node->session, node->sim->now, msg);
    int code = belt_encode(msg, &frames);
    if (code != BELT_OK)
        sim_fail(node->sim, "a %s cannot be encoded: %s", belt_msg_name(msg->type), belt_code_name((unsigned)code));
    else
        wire_send(node->sim, &node->up, &frames, msg->type == BELT_MSG_HELLO);
}

void node_cut(struct node *node, bool tell)
{
    struct sim *sim = node->sim;
    uint64_t handle = node->handle;
    if (sim->now < sim->faults_until && sim_chance(sim, 5000))
        let_stray(node);
    wire_clear(&node->up);
    wire_clear(&node->down);
    node->handle = 0;
    if (tell && handle)
        broker_event(sim, (struct core_event){.type = CORE_GONE, .peer = handle});
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
    if (!node->sim->core && sim_chance(node->sim, 5000)) { /* nobody listens, as the transport knows */
        belt_session_unsent(&node->session, node->sim->now);
        return;
    }
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

void node_run(struct node *node)
{
    struct sim *sim = node->sim;
    struct belt_frames frames;
    struct belt_msg msg;
    while (!node_asleep(node) && wire_take(sim, &node->down, &frames)) {
        if (belt_decode(sim->decoder, &frames, &msg) != BELT_OK)
            sim_fail(sim, "%s cannot read: %s", node->name, belt_decoder_error(sim->decoder));
        else
            act(node, belt_session_receive(&node->session, sim->now, &msg), &msg);
        belt_frames_clear(&frames);
    }
    for (int i = 0; i < 16 && !node_asleep(node) && belt_session_deadline(&node->session) <= sim->now; i++) {
        enum belt_session_action action = belt_session_timer(&node->session, sim->now);
        if (action == BELT_SESSION_NOTHING)
            break;
        act(node, action, NULL);
    }
}

uint64_t node_deadline(const struct node *node)
{
    uint64_t up = node->up.count ? node->up.packets[node->up.head].due : UINT64_MAX;
    if (node->sim->core && up < node->sim->asleep_until)
        up = node->sim->asleep_until;
    if (!node->alive)
        return least(node->back_at, up);
    uint64_t down = node->down.count ? node->down.packets[node->down.head].due : UINT64_MAX;
    uint64_t own = least(down, belt_session_deadline(&node->session));
    if (own < node->asleep_until)
        own = node->asleep_until;
    return least(own, up);
}

bool node_to_core(struct node *node)
{
    struct sim *sim = node->sim;
    struct belt_frames frames;
    if (!wire_take(sim, &node->up, &frames))
        return false;
    if (sim->core) {
        if (!node->handle)
            node->handle = ++sim->last_handle;
        broker_message(sim, node->handle, node->role == BELT_ROLE_WORKER, &node->identity, &frames);
    }
    belt_frames_clear(&frames);
    return true;
}
