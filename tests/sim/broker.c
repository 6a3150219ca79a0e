/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker's shell, as broker/shell.c and broker/durability.c do it: messages of a burst, one turn, persist, then
 * send; what promises something is held until the disk has it. It can be killed between any two of these steps.
 */
#include "tests/sim/sim.h"

#include "tests/core/invariants.h"

#include <stdio.h>

void broker_start(struct sim *sim)
{
    sim->config.epoch = sim_hash(sim->seed, ++sim->life) | 1;
    sim->config.first_job = sim->life * 1000000;
    sim->config.wall_ms = sim_wall(sim);
    sim->core = core_new(&sim->config);
    if (!sim->core)
        abort();
    sim->drain_until = 0;
    sim->crash_in = 0;
    if (sim->config.durable) {
        disk_load(sim);
        if (!sim->error[0])
            ledger_restored(sim);
    }
    sim_tell(sim, "broker > life %llu begins", ULL(sim->life));
}

/* ---- messages that wait for the disk ---- */

static void hold(struct sim *sim, const struct core_send *out, struct belt_frames *frames)
{
    struct held *held = malloc(sizeof(*held));
    if (!held)
        abort();
    *held = (struct held){.through = UINT64_MAX, .peer = out->peer, .type = out->msg.type, .frames = *frames};
    if (sim->last_held)
        sim->last_held->next = held;
    else
        sim->first_held = held;
    sim->last_held = held;
}

static struct held *release(struct sim *sim, uint64_t through)
{
    struct held *held = sim->first_held;
    if (!held || held->through > through)
        return NULL;
    sim->first_held = held->next;
    if (!sim->first_held)
        sim->last_held = NULL;
    return held;
}

static void drop_held(struct sim *sim)
{
    struct held *held;
    while ((held = release(sim, UINT64_MAX))) {
        belt_frames_clear(&held->frames);
        free(held);
    }
}

/* ---- its story ---- */

static void tell_message(const struct sim *sim, const char *name, const char *way, const struct belt_msg *msg)
{
    if (!sim->verbose)
        return;
    sim_tell(sim, "  %s %s %s", name, way, belt_msg_name(msg->type));
    const struct belt_msg_dispatch *dispatch = &msg->u.dispatch;
    const struct belt_msg_results *results = &msg->u.results;
    for (uint32_t i = 0; msg->type == BELT_MSG_DISPATCH && i < dispatch->count; i++)
        printf(" %llu/%llu.%u", ULL(dispatch->job), ULL(dispatch->tasks[i].index), dispatch->tasks[i].attempt);
    for (uint32_t i = 0; msg->type == BELT_MSG_RESULTS && i < results->count; i++)
        printf(" %llu: %llu/%llu.%u", ULL(results->first + i), ULL(results->job), ULL(results->results[i].index),
               results->results[i].attempt);
    bool refs = msg->type == BELT_MSG_SYNC || msg->type == BELT_MSG_RETURNED || msg->type == BELT_MSG_DROP;
    for (uint32_t i = 0; refs && i < msg->u.sync.count; i++)
        printf(" %llu/%llu.%u", ULL(msg->u.sync.refs[i].job), ULL(msg->u.sync.refs[i].index),
               msg->u.sync.refs[i].attempt);
    if (msg->type == BELT_MSG_RECORDED)
        printf(" %llu", ULL(msg->u.recorded.upto));
    if (msg->type == BELT_MSG_DELIVER)
        printf(" %llu+%u", ULL(msg->u.deliver.first), msg->u.deliver.count);
    if (msg->type == BELT_MSG_ACK)
        printf(" %llu", ULL(msg->u.ack.upto));
    putchar('\n');
}

/* ---- out ---- */

/* One step of the shell; true: it was the last one. */
static bool strikes(struct sim *sim)
{
    if (sim->crash_in && --sim->crash_in == 0)
        sim->dying = true;
    return sim->dying;
}

static void digest(struct sim *sim, uint64_t peer, uint8_t type, const struct belt_frames *frames)
{
    const struct belt_buf *header = frames->frame[0];
    uint64_t sum = sim_hash(sim_hash(sim->digest, sim->now), peer << 8 | type), part;
    /* Reports tell times of the wall clock, which also change how long they are. */
    size_t len = type == BELT_MSG_FAILURES || type == BELT_MSG_REPORT ? 0 : header->len;
    for (size_t at = 0; at + sizeof(part) <= len; at += sizeof(part)) {
        memcpy(&part, header->data + at, sizeof(part));
        sum = sim_hash(sum, part);
    }
    sim->digest = sim_hash(sum, len);
}

static void leave(struct sim *sim, uint64_t peer, uint8_t type, struct belt_frames *frames)
{
    struct node *node = sim_node_by_handle(sim, peer);
    digest(sim, peer, type, frames);
    if (node)
        wire_send(sim, &node->down, frames, type == BELT_MSG_WELCOME);
    else
        belt_frames_clear(frames);
}

static void send_one(struct sim *sim, struct core_send *out)
{
    struct belt_frames frames = {0};
    bool held = out->held && sim->config.durable;
    if (!held && !core_stamp(sim->core, out->peer, out->msg.type, &out->msg.seq))
        return;
    int code = belt_encode(&out->msg, &frames);
    if (code != BELT_OK) {
        sim_fail(sim, "a %s cannot be encoded: %s", belt_msg_name(out->msg.type), belt_code_name((unsigned)code));
        return;
    }
    if (held) {
        hold(sim, out, &frames);
        return;
    }
    if (sim_node_by_handle(sim, out->peer))
        tell_message(sim, sim_node_by_handle(sim, out->peer)->name, "<", &out->msg);
    ledger_left(sim, out->peer, &out->msg);
    leave(sim, out->peer, out->msg.type, &frames);
}

static void send_held(struct sim *sim)
{
    struct held *held;
    struct belt_msg msg;
    while (!sim->dying && (held = release(sim, sim->disk.durable))) {
        uint64_t seq;
        if (core_stamp(sim->core, held->peer, held->type, &seq)) {
            belt_frames_stamp(&held->frames, seq);
            if (belt_decode(sim->decoder, &held->frames, &msg) != BELT_OK)
                sim_fail(sim, "a held %s cannot be read", belt_msg_name(held->type));
            else
                ledger_left(sim, held->peer, &msg);
            if (sim_node_by_handle(sim, held->peer))
                tell_message(sim, sim_node_by_handle(sim, held->peer)->name, "<", &msg);
            leave(sim, held->peer, held->type, &held->frames);
            held->frames = (struct belt_frames){0};
        }
        belt_frames_clear(&held->frames);
        free(held);
        (void)strikes(sim);
    }
}

static void apply(struct sim *sim, uint64_t *gone, uint32_t *gone_count)
{
    struct core_update *update = sim->update;
    if (sim->verbose && update->trace)
        fputs(update->trace, stdout);
    if (update->record_count && sim->config.durable)
        disk_hand(sim, update);
    for (uint32_t i = 0; i < update->send_count && !strikes(sim); i++) {
        uint64_t peer = update->sends[i].peer;
        send_one(sim, &update->sends[i]);
        if (!sim_node_by_handle(sim, peer) && *gone_count < 16)
            gone[(*gone_count)++] = peer;
    }
    for (uint32_t i = 0; i < update->drop_count; i++) {
        struct node *node = sim_node_by_handle(sim, update->drops[i]);
        if (node)
            node->handle = 0;
    }
    core_update_clear(update);
}

void broker_event(struct sim *sim, struct core_event event)
{
    uint64_t gone[16];
    uint32_t gone_count = 0;
    if (!sim->core || sim->dying)
        return;
    event.now = sim->now;
    event.wall = sim_wall(sim);
    core_step(sim->core, &event, sim->update);
    apply(sim, gone, &gone_count);
    sim->steps++;
    const char *broken = invariants_broken(sim->core);
    if (broken)
        sim_fail(sim, "%s", broken);
    /* The transport says at once that nobody is there (sometimes). */
    for (uint32_t i = 0; i < gone_count; i++)
        if (event.type != CORE_GONE && sim_chance(sim, 5000))
            broker_event(sim, (struct core_event){.type = CORE_GONE, .peer = gone[i]});
}

void broker_message(struct sim *sim, uint64_t handle, bool worker_side, const struct belt_identity *identity,
                    const struct belt_frames *frames)
{
    struct belt_msg msg;
    if (belt_decode(sim->decoder, frames, &msg) != BELT_OK) {
        sim_fail(sim, "the broker cannot read a message: %s", belt_decoder_error(sim->decoder));
        return;
    }
    if (sim_node_by_handle(sim, handle))
        tell_message(sim, sim_node_by_handle(sim, handle)->name, ">", &msg);
    struct core_event event = {.type = CORE_MESSAGE, .peer = handle, .worker_side = worker_side, .msg = &msg};
    event.identity = sim->keyed ? identity : NULL;
    bool synced = msg.type == BELT_MSG_SYNC && !msg.u.sync.more;
    if (msg.type == BELT_MSG_RESULTS)
        ledger_expect(sim, &msg.u.results);
    if (synced)
        ledger_expect_sync(sim, handle);
    broker_event(sim, event);
    if (synced)
        ledger_synced(sim);
    if (msg.type == BELT_MSG_RESULTS && worker_side)
        ledger_results(sim, handle, &msg.u.results);
}

/* ---- its end ---- */

static void stop(struct sim *sim)
{
    struct node *node;
    drop_held(sim);
    core_free(sim->core);
    sim->core = NULL;
    sim->dying = false;
    sim->asleep_until = sim->drain_until = 0;
    for (uint32_t n = 0; (node = sim_node(sim, n)); n++) {
        node->handle = 0;
        if (sim_chance(sim, 5000))
            wire_clear(&node->down);
    }
    sim->back_at = sim->now + 1 + sim_random(sim, sim_chance(sim, 3000) ? 9000 : 300);
    sim->crashes++;
}

void broker_kill(struct sim *sim)
{
    if (!sim->core)
        return;
    sim_tell(sim, "broker > killed");
    disk_crash(sim);
    stop(sim);
}

/* SIGTERM: what is running may end, what is recorded is on disk, then it exits. */
void broker_drain(struct sim *sim)
{
    if (!sim->core || sim->drain_until)
        return;
    sim_tell(sim, "broker > drains");
    sim->drain_until = sim->now + sim_random(sim, 4000);
    broker_event(sim, (struct core_event){.type = CORE_DRAIN});
}

static void drained(struct sim *sim)
{
    struct node *node;
    disk_sync(sim);
    send_held(sim);
    for (uint32_t n = 0; (node = sim_node(sim, n)); n++) {
        struct core_send out = {.peer = node->handle, .msg = {.type = BELT_MSG_BYE}};
        if (node->handle)
            send_one(sim, &out);
    }
    sim_tell(sim, "broker > drained");
    disk_crash(sim);
    stop(sim);
}

/* ---- its loop ---- */

static void turn(struct sim *sim)
{
    broker_event(sim, (struct core_event){.type = CORE_TURN});
    for (struct held *held = sim->first_held; held; held = held->next)
        if (held->through == UINT64_MAX)
            held->through = sim->disk.recorded;
}

/* Whoever waits for a message or a time has nothing to do (I25): a second turn at the same moment finds nothing. What
 * it finds would otherwise have waited for the next message, a heartbeat at the latest. */
static void look_again(struct sim *sim)
{
    uint64_t gone[16];
    uint32_t gone_count = 0;
    if (sim->error[0] || core_deadline(sim->core) <= sim->now)
        return;
    core_step(sim->core, &(struct core_event){.type = CORE_TURN, .now = sim->now, .wall = sim_wall(sim)}, sim->update);
    if (sim->update->send_count && watch_waits(sim, &sim->update->sends[0]))
        sim_fail(sim, "the broker sleeps until %llu with %s to be sent (I25)", ULL(core_deadline(sim->core)),
                 belt_msg_name(sim->update->sends[0].msg.type));
    else if (sim->update->record_count)
        sim_fail(sim, "the broker sleeps until %llu with something to be recorded (I25)",
                 ULL(core_deadline(sim->core)));
    apply(sim, gone, &gone_count);
}

static bool hear(struct sim *sim)
{
    struct node *node;
    bool any = false;
    for (uint32_t n = 0; (node = sim_node(sim, n)); n++)
        while (!sim->error[0] && !sim->dying && node_to_core(node))
            any = true;
    while (!sim->error[0] && !sim->dying && sim_stray_to_core(sim))
        any = true;
    any |= !sim->error[0] && stranger_run(sim);
    return any;
}

/* In every fourth seed the core is told of clients to which more messages are under way than this, until it is half. */
#define FULL_MESSAGES 3u

static bool is_full(const struct sim *sim, const struct node *node)
{
    bool told = node->full == node->handle;
    return sim->seed % 4 == 3 && node->role != BELT_ROLE_WORKER && node->handle &&
           node->down.count > (told ? FULL_MESSAGES / 2 : FULL_MESSAGES);
}

static bool full_changed(const struct sim *sim, const struct node *node)
{
    return node->handle && is_full(sim, node) != (node->full == node->handle);
}

static void tell_full(struct sim *sim)
{
    struct node *node;
    for (uint32_t n = 0; (node = sim_node(sim, n)); n++) {
        if (!full_changed(sim, node))
            continue;
        bool full = is_full(sim, node);
        node->full = full ? node->handle : 0;
        broker_event(sim, (struct core_event){.type = full ? CORE_FULL : CORE_ROOM, .peer = node->handle});
    }
}

static bool room_is_due(struct sim *sim)
{
    struct node *node;
    for (uint32_t n = 0; (node = sim_node(sim, n)); n++)
        if (full_changed(sim, node))
            return true;
    return false;
}

void broker_run(struct sim *sim)
{
    if (!sim->core && sim->now >= sim->back_at)
        broker_start(sim);
    if (sim->error[0] || (sim->core && sim->now < sim->asleep_until))
        return;
    bool any = hear(sim);
    if (!sim->core)
        return;
    tell_full(sim);
    if (!sim->dying && (any || core_deadline(sim->core) <= sim->now)) {
        turn(sim);
        if (!sim->dying)
            look_again(sim);
    }
    if (!sim->dying && sim->config.durable) {
        disk_run(sim);
        send_held(sim);
    }
    if (sim->dying)
        broker_kill(sim);
    else if (sim->drain_until && (core_drained(sim->core) || sim->now >= sim->drain_until))
        drained(sim);
}

uint64_t broker_deadline(struct sim *sim)
{
    if (!sim->core)
        return sim->back_at;
    uint64_t when = least(core_deadline(sim->core), disk_deadline(sim));
    if (room_is_due(sim))
        when = sim->now;
    when = least(when, sim_stray_deadline(sim));
    if (sim->drain_until)
        when = least(when, sim->drain_until);
    return when < sim->asleep_until ? sim->asleep_until : when;
}

void broker_fini(struct sim *sim)
{
    drop_held(sim);
    core_free(sim->core);
    disk_fini(sim);
    for (uint32_t i = 0; i < sim->stray_count; i++)
        belt_frames_clear(&sim->strays[i].frames);
    free(sim->strays);
    free(sim->finished);
}
