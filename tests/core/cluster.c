/* SPDX-License-Identifier: Apache-2.0
 *
 * The harness: virtual time, delivery of what the core sends, and the checks
 * after each step. What clients and agents say is in cluster_peers.c.
 */
#include "tests/core/cluster.h"

#include "tests/core/invariants.h"
#include "proto/codes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cluster *cluster_new(const struct core_config *config)
{
    struct core_config own = {0};
    if (config)
        own = *config;
    if (!own.epoch)
        own.epoch = CLUSTER_EPOCH;
    own.trace = true;
    own.wall_ms = CLUSTER_START + CLUSTER_WALL;
    struct cluster *cluster = calloc(1, sizeof(*cluster));
    cluster->config = own;
    cluster->core = core_new(&own);
    cluster->update = core_update_new();
    cluster->decoder = belt_decoder_new(own.max_payload ? own.max_payload : BELT_MAX_PAYLOAD_DEFAULT);
    cr_assert(cluster->core && cluster->update && cluster->decoder);
    cluster->now = CLUSTER_START;
    cluster->wall_ahead = CLUSTER_WALL;
    return cluster;
}

static void peer_free(struct peer *peer)
{
    peer_clear(peer);
    belt_frames_clear(&peer->current);
    free(peer->inbox);
    free(peer->held);
    free(peer);
}

void cluster_free(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->peer_count; i++)
        peer_free(cluster->peers[i]);
    core_free(cluster->core);
    disk_clear(&cluster->disk);
    core_update_free(cluster->update);
    belt_decoder_free(cluster->decoder);
    free(cluster->trace);
    free(cluster->notice);
    free(cluster);
}

static struct peer *find_peer(struct cluster *cluster, uint64_t handle)
{
    for (uint32_t i = 0; handle && i < cluster->peer_count; i++)
        if (cluster->peers[i]->handle == handle)
            return cluster->peers[i];
    return NULL;
}

/* ---- what a peer may rely on ---- */

static void check_grant(struct peer *peer, uint64_t job, uint64_t items)
{
    cr_assert(job < 8192);
    cr_assert(items >= peer->job_granted[job], "a grant shrank: %lu, was %lu", (unsigned long)items,
              (unsigned long)peer->job_granted[job]);
    peer->job_granted[job] = items;
}

static void check_deliver(struct peer *peer, const struct belt_msg_deliver *msg)
{
    struct seen *seen = NULL;
    for (uint32_t i = 0; i < peer->seen_count; i++)
        if (peer->seen[i].sub == msg->sub)
            seen = &peer->seen[i];
    cr_assert(seen, "DELIVER on a subscription that %s does not have", peer->name);
    cr_assert_eq(msg->first, seen->next, "deliveries are not contiguous");
    cr_assert_gt(msg->count, 0);
    for (uint32_t i = 0; i < msg->count; i++) {
        cr_assert(!seen->ordered || msg->results[i].index == seen->next, "out of order");
        seen->next++;
        seen->bytes += msg->results[i].payload.len;
    }
}

static void check_subscribed(struct peer *peer, const struct belt_msg_subscribed *msg)
{
    uint32_t i = 0;
    while (i < peer->seen_count && peer->seen[i].sub != msg->sub)
        i++;
    cr_assert(i < 96);
    if (i == peer->seen_count)
        peer->seen[peer->seen_count++] = (struct seen){.sub = msg->sub};
    peer->seen[i].next = msg->cursor;
    peer->seen[i].bytes = 0;
}

static void check_sent(struct peer *peer, const struct belt_msg *msg)
{
    if (msg->type == BELT_MSG_WELCOME) {
        cr_assert_eq(msg->seq, 0);
        peer->seq_in = 0;
        return;
    }
    if (msg->type == BELT_MSG_ERROR && msg->seq == 0)
        return;
    cr_assert_eq(msg->seq, ++peer->seq_in, "a gap in what the broker says");
    if (msg->type == BELT_MSG_OPENED)
        check_grant(peer, msg->u.opened.job, msg->u.opened.grant.items);
    else if (msg->type == BELT_MSG_ACCEPTED)
        check_grant(peer, msg->u.accepted.job, msg->u.accepted.grant.items);
    else if (msg->type == BELT_MSG_SUBSCRIBED)
        check_subscribed(peer, &msg->u.subscribed);
    else if (msg->type == BELT_MSG_DELIVER)
        check_deliver(peer, &msg->u.deliver);
}

/* ---- a step ---- */

static void inbox_add(struct peer *peer, struct belt_frames *frames)
{
    peer->inbox = realloc(peer->inbox, (peer->inbox_count + 1) * sizeof(*peer->inbox));
    cr_assert(peer->inbox);
    peer->inbox[peer->inbox_count++] = *frames;
}

static void deliver(struct cluster *cluster, struct core_send *out)
{
    struct belt_frames frames = {0};
    struct belt_msg copy;
    if (!core_stamp(cluster->core, out->peer, out->msg.type, &out->msg.seq))
        return;
    cluster->held[out->msg.type] = out->held;
    int code = belt_encode(&out->msg, &frames);
    cr_assert_eq(code, BELT_OK, "the core sent a %s that cannot be encoded: %s", belt_msg_name(out->msg.type),
                 belt_code_name((unsigned)code));
    code = belt_decode(cluster->decoder, &frames, &copy);
    cr_assert_eq(code, BELT_OK, "%s: %s", belt_msg_name(out->msg.type), belt_decoder_error(cluster->decoder));
    struct peer *peer = find_peer(cluster, out->peer);
    if (!peer) {
        belt_frames_clear(&frames);
        return;
    }
    check_sent(peer, &copy);
    inbox_add(peer, &frames);
}

static void keep_trace(struct cluster *cluster)
{
    if (cluster->update->notice) {
        free(cluster->notice);
        cluster->notice = strdup(cluster->update->notice);
    }
    if (!cluster->update->trace)
        return;
    size_t len = strlen(cluster->update->trace);
    if (cluster->trace_len + len + 1 > cluster->trace_room) {
        cluster->trace_room = 2 * (cluster->trace_len + len + 1);
        cluster->trace = realloc(cluster->trace, cluster->trace_room);
        cr_assert(cluster->trace);
    }
    memcpy(cluster->trace + cluster->trace_len, cluster->update->trace, len + 1);
    cluster->trace_len += len;
}

static void step(struct cluster *cluster, struct core_event event)
{
    event.now = cluster->now;
    event.wall = cluster->now + cluster->wall_ahead;
    core_step(cluster->core, &event, cluster->update);
    disk_apply(&cluster->disk, cluster->update);
    for (uint32_t i = 0; i < cluster->update->send_count; i++)
        deliver(cluster, &cluster->update->sends[i]);
    for (uint32_t i = 0; i < cluster->update->drop_count; i++) {
        struct peer *peer = find_peer(cluster, cluster->update->drops[i]);
        if (peer)
            peer->handle = 0;
    }
    keep_trace(cluster);
    core_update_clear(cluster->update);
    const char *broken = invariants_broken(cluster->core);
    cr_assert_null(broken, "%s", broken);
}

void cluster_one_turn(struct cluster *cluster)
{
    step(cluster, (struct core_event){.type = CORE_TURN});
}

void cluster_turn(struct cluster *cluster)
{
    do
        cluster_one_turn(cluster);
    while (core_deadline(cluster->core) == 0);
}

void cluster_restart(struct cluster *cluster)
{
    core_free(cluster->core);
    for (uint32_t i = 0; i < cluster->peer_count; i++) {
        cluster->peers[i]->handle = 0;
        cluster->peers[i]->seen_count = 0;
        memset(cluster->peers[i]->job_granted, 0, sizeof(cluster->peers[i]->job_granted));
    }
    cluster->config.epoch++;
    cluster->config.wall_ms = cluster->now + cluster->wall_ahead;
    cluster->core = core_new(&cluster->config);
    cr_assert(cluster->core);
    cr_assert_eq(disk_restore(&cluster->disk, cluster->core, cluster->now), BELT_OK);
    cluster_turn(cluster);
}

static void after_message(struct cluster *cluster)
{
    if (!cluster->burst)
        cluster_turn(cluster);
}

void cluster_drain(struct cluster *cluster)
{
    step(cluster, (struct core_event){.type = CORE_DRAIN});
    cluster_turn(cluster);
}

static void ping_all(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->peer_count; i++)
        if (cluster->peers[i]->alive && cluster->peers[i]->handle)
            peer_send_type(cluster->peers[i], BELT_MSG_PING);
}

void cluster_advance(struct cluster *cluster, uint64_t ms)
{
    uint64_t until = cluster->now + ms, ping = cluster->now + BELT_HEARTBEAT_MS, stuck = 0;
    while (cluster->now < until) {
        uint64_t next = core_deadline(cluster->core);
        if (next > ping)
            next = ping;
        if (next > until)
            next = until;
        cr_assert(next > cluster->now || stuck++ < 1000, "the core wants a turn at once for ever");
        if (next > cluster->now) {
            cluster->now = next;
            stuck = 0;
        }
        if (cluster->now >= ping) {
            ping_all(cluster);
            ping += BELT_HEARTBEAT_MS;
        }
        cluster_turn(cluster);
    }
}

void cluster_told(struct cluster *cluster, const char *expected)
{
    const char *told = cluster->trace ? cluster->trace : "";
    cr_assert_str_eq(told, expected, "the story is\n%snot\n%s", told, expected);
    cluster_forget_trace(cluster);
}

void cluster_forget_trace(struct cluster *cluster)
{
    free(cluster->trace);
    cluster->trace = NULL;
    cluster->trace_len = cluster->trace_room = 0;
}

/* ---- peers ---- */

struct peer *peer_new(struct cluster *cluster, uint8_t role, const char *name)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    cr_assert(peer && cluster->peer_count < 64);
    peer->cluster = cluster;
    peer->role = role;
    snprintf(peer->name, sizeof(peer->name), "%s", name);
    memset(peer->session, (int)(cluster->peer_count + 1), sizeof(peer->session));
    cluster->peers[cluster->peer_count++] = peer;
    return peer;
}

static void submit(struct peer *peer, const struct belt_msg *msg)
{
    struct cluster *cluster = peer->cluster;
    struct belt_frames frames = {0};
    struct belt_msg copy;
    int code = belt_encode(msg, &frames);
    cr_assert_eq(code, BELT_OK, "%s cannot be encoded: %s", belt_msg_name(msg->type), belt_code_name((unsigned)code));
    code = belt_decode(cluster->decoder, &frames, &copy);
    cr_assert_eq(code, BELT_OK, "%s", belt_decoder_error(cluster->decoder));
    step(cluster, (struct core_event){.type = CORE_MESSAGE,
                                      .peer = peer->handle,
                                      .worker_side = peer->role == BELT_ROLE_WORKER,
                                      .link = peer->link,
                                      .reserved = peer->reserved,
                                      .identity = peer->identity,
                                      .msg = &copy});
    belt_frames_clear(&frames);
    after_message(cluster);
}

void peer_send_at(struct peer *peer, struct belt_msg msg, uint64_t seq)
{
    msg.seq = seq;
    submit(peer, &msg);
}

void peer_send(struct peer *peer, struct belt_msg msg)
{
    msg.seq = ++peer->seq_out;
    submit(peer, &msg);
}

void peer_send_bad(struct peer *peer, unsigned code, const char *text)
{
    peer_send_bad_naming(peer, code, text, (struct belt_named){0});
}

void peer_send_bad_naming(struct peer *peer, unsigned code, const char *text, struct belt_named named)
{
    peer->seq_out++;
    step(peer->cluster, (struct core_event){.type = CORE_BAD,
                                            .peer = peer->handle,
                                            .worker_side = peer->role == BELT_ROLE_WORKER,
                                            .identity = peer->identity,
                                            .code = code,
                                            .text = text,
                                            .named = named});
    after_message(peer->cluster);
}

void peer_send_type(struct peer *peer, enum belt_msg_type type)
{
    peer_send(peer, (struct belt_msg){.type = (uint8_t)type});
}

void peer_cut(struct peer *peer)
{
    peer->handle = 0;
    peer_clear(peer);
}

void peer_gone(struct peer *peer)
{
    uint64_t handle = peer->handle;
    peer_cut(peer);
    step(peer->cluster, (struct core_event){.type = CORE_GONE, .peer = handle});
    after_message(peer->cluster);
}

void peer_is_full(struct peer *peer, bool held, bool full)
{
    step(peer->cluster, (struct core_event){.type = full ? CORE_FULL : CORE_ROOM,
                                            .peer = peer->handle,
                                            .where = held ? CORE_FULL_DISK : CORE_FULL_LINK});
    after_message(peer->cluster);
}

void peer_say_hello(struct peer *peer)
{
    struct belt_bytes functions[8];
    uint32_t count = 0;
    char names[256];
    snprintf(names, sizeof(names), "%s", peer->functions ? peer->functions : "");
    for (char *rest = names, *name; (name = strsep(&rest, ",")) && *name;)
        functions[count++] = (struct belt_bytes){(uint8_t *)name, strlen(name)};
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    msg.u.hello = (struct belt_msg_hello){
        .version = BELT_PROTOCOL_VERSION,
        .role = peer->role,
        .session = {peer->session, BELT_SESSION_LEN},
        .name = {(uint8_t *)peer->name, strlen(peer->name)},
    };
    if (peer->role == BELT_ROLE_WORKER)
        msg.u.hello.worker = (struct belt_worker_props){.slots = peer->slots,
                                                        .window_items = peer->window_items,
                                                        .window_bytes = peer->window_bytes,
                                                        .functions = functions,
                                                        .function_count = count};
    if (!peer->handle)
        peer->handle = ++peer->cluster->last_handle;
    peer->seq_out = 0;
    submit(peer, &msg);
}

void peer_connect(struct peer *peer)
{
    peer_clear(peer);
    peer_say_hello(peer);
    const struct belt_msg *msg = peer_expect(peer, BELT_MSG_WELCOME);
    cr_assert_eq(msg->u.welcome.epoch, peer->cluster->config.epoch);
}

/* The next frames of the inbox, decoded; NULL: none. */
static const struct belt_msg *take(struct peer *peer, struct belt_msg *msg)
{
    if (peer->inbox_read == peer->inbox_count)
        return NULL;
    belt_frames_clear(&peer->current);
    peer->current = peer->inbox[peer->inbox_read++];
    cr_assert_eq(belt_decode(peer->cluster->decoder, &peer->current, msg), BELT_OK);
    return msg;
}

static struct belt_msg taken;

const struct belt_msg *peer_next(struct peer *peer)
{
    const struct belt_msg *msg;
    do
        msg = take(peer, &taken);
    while (msg && msg->type == BELT_MSG_PONG);
    return msg;
}

const struct belt_msg *peer_expect(struct peer *peer, enum belt_msg_type type)
{
    const struct belt_msg *msg = peer_next(peer);
    cr_assert(msg, "%s got nothing, not %s", peer->name, belt_msg_name(type));
    cr_assert_eq(msg->type, type, "%s got %s, not %s%s%.*s", peer->name, belt_msg_name(msg->type), belt_msg_name(type),
                 msg->type == BELT_MSG_ERROR ? ": " : "", msg->type == BELT_MSG_ERROR ? (int)msg->u.error.text.len : 0,
                 msg->type == BELT_MSG_ERROR ? (const char *)msg->u.error.text.data : "");
    return msg;
}

const struct belt_msg *peer_skip_to(struct peer *peer, enum belt_msg_type type)
{
    const struct belt_msg *msg;
    while ((msg = take(peer, &taken)))
        if (msg->type == type)
            return msg;
    return NULL;
}

struct belt_msg_error peer_expect_error(struct peer *peer, unsigned code)
{
    const struct belt_msg *msg = peer_expect(peer, BELT_MSG_ERROR);
    cr_assert_eq(msg->u.error.code, code, "the error is %s (%.*s), not %s", belt_code_name(msg->u.error.code),
                 (int)msg->u.error.text.len, (const char *)msg->u.error.text.data, belt_code_name(code));
    cr_assert_gt(msg->u.error.text.len, 0, "an error without a text");
    return msg->u.error;
}

void peer_expect_nothing(struct peer *peer)
{
    const struct belt_msg *msg = peer_next(peer);
    cr_assert_null(msg, "%s got %s", peer->name, belt_msg_name(msg->type));
}

void peer_clear(struct peer *peer)
{
    for (size_t i = peer->inbox_read; i < peer->inbox_count; i++)
        belt_frames_clear(&peer->inbox[i]);
    peer->inbox_read = peer->inbox_count = 0;
}
