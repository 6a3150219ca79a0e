/* SPDX-License-Identifier: Apache-2.0
 *
 * One turn of the broker: receive -> decode -> core_step … CORE_TURN -> send
 * (shell.h). Decides nothing.
 */
#include "broker/shell.h"
#include "broker/joining.h"
#include "broker/sending.h"
#include "proto/terminal_text.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <utlist.h>
#include <zmq.h>

/* A burst ends after so many messages or so long: batches form, and answers do not wait for a peer that never pauses.
 */
#define BURST_MESSAGES 1000u
#define BURST_NS       1000000
/* So many at once, and more are looked for before the turn: fewer are answered without another look. */
#define BURST_LEAST 4u
/* Messages from one socket before the other one has its turn. */
#define SIDE_MESSAGES 64u
/* ZeroMQ does not tell when a ROUTER's peer has room again. */
#define RETRY_MS 10

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t shell_now(void)
{
    return now_ns() / 1000000u;
}

uint64_t shell_wall(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* Zero when the kernel has none at this moment: the core's own generator goes on. */
static uint64_t draw(struct shell *shell)
{
    if (!shell->random_count) {
        ssize_t got = getrandom(shell->random, sizeof(shell->random), GRND_NONBLOCK);
        shell->random_count = got > 0 ? (uint32_t)got / sizeof(*shell->random) : 0;
    }
    return shell->random_count ? shell->random[--shell->random_count] : 0;
}

void shell_log(const struct shell *shell, bool warning, const char *format, ...)
{
    char line[1024], shown[TERMINAL_TEXT_ROOM(sizeof(line))];
    if (shell->quiet && !warning)
        return;
    va_list args;
    va_start(args, format);
    terminal_text(shown, sizeof(shown), line, text_format(line, sizeof(line), format, args), 0);
    va_end(args);
    fprintf(stderr, "belt broker: %s\n", shown);
}

/* Persist, then send. A queue that is full makes the loop wait for the disk: there is no promise without it. */
static void persist(struct shell *shell)
{
    while (!durability_records(shell->durability, shell->update)) {
        struct pollfd item = {.fd = durability_fd(shell->durability), .events = POLLIN};
        poll(&item, 1, 100);
        sending_durable(shell);
    }
}

static void apply(struct shell *shell)
{
    struct core_update *update = shell->update;
    if (update->record_count && shell->durability)
        persist(shell);
    for (uint32_t i = 0; i < update->send_count; i++)
        sending_message(shell, &update->sends[i]);
    for (uint32_t i = 0; i < update->drop_count; i++) {
        struct peer *peer = peers_find(&shell->peers, update->drops[i]);
        if (peer)
            sending_forget(shell, peer);
    }
    if (update->notice)
        shell_log(shell, true, "%s", update->notice);
    if (update->trace)
        fputs(update->trace, stderr);
    core_update_clear(update);
}

/* A core whose books do not add up would lose tasks or results sooner or later: it ends where that is seen first. */
static void check_books(struct shell *shell)
{
    char text[512];
    if (core_check_sometimes(shell->core, text, sizeof(text)))
        return;
    shell_log(shell, true, "the books of the scheduler do not add up, which is a fault of this program: %s", text);
    abort();
}

static void step(struct shell *shell, const struct core_event *event)
{
    core_step(shell->core, event, shell->update);
    if (shell->check)
        check_books(shell);
    const struct core_update *update = shell->update;
    if (update->send_count || update->drop_count || update->record_count || update->trace || update->notice)
        apply(shell);
}

/* Sending to one that is gone may show that another one is. What the core makes of it may be a turn's to do. */
static void tell_gone(struct shell *shell, uint64_t now)
{
    shell->again |= shell->gone_count > 0;
    for (uint32_t i = 0; i < shell->gone_count; i++) {
        struct core_event event = {.type = CORE_GONE, .now = now, .peer = shell->gone[i]};
        struct peer *peer = peers_find(&shell->peers, event.peer);
        if (!peer)
            continue;
        event.worker_side = peer->side == BROKER_WORKERS;
        step(shell, &event);
    }
    shell->gone_count = 0;
}

static void tell_full_of(struct shell *shell, uint64_t now, struct peer *peer, enum core_full where)
{
    struct core_event event = {.type = CORE_ROOM, .now = now, .peer = peer->handle, .where = where};
    size_t most = sending_full_at(shell, where);
    bool full = sending_waits(peer, where) > (peer->full[where] ? most / 2 : most);
    if (full == peer->full[where])
        return;
    peer->full[where] = full;
    if (full)
        event.type = CORE_FULL;
    event.worker_side = peer->side == BROKER_WORKERS;
    shell->again = true;
    step(shell, &event);
}

static void tell_full(struct shell *shell, uint64_t now)
{
    struct peer *peer, *next;
    DL_FOREACH_SAFE2(shell->pressed, peer, next, next_pressed)
    {
        for (int where = CORE_FULL_LINK; where <= CORE_FULL_REPLIES; where++)
            tell_full_of(shell, now, peer, (enum core_full)where);
        if (!peer->full[CORE_FULL_LINK] && !peer->full[CORE_FULL_DISK] && !peer->full[CORE_FULL_REPLIES])
            sending_calm(shell, peer);
    }
}

/* ---- in ---- */

/* The connection that a HELLO came over: it says how many sessions came with it, and which places it may take. */
static void find_link(struct shell *shell, struct core_event *event, int source)
{
    const struct connection *connection = gate_find(&shell->gate, source, event->now);
    event->link = connection ? connection->id : 0;
    event->reserved = connection && connection->reserved;
}

/* It was welcome, unless the core has forgotten it. */
static void note_greeting(struct shell *shell, const struct core_event *event, int source)
{
    struct peer *peer = peers_find(&shell->peers, event->peer);
    if (!peer || !event->link)
        return;
    peer->fd = source;
    peer->link = event->link;
    connections_greeted(&shell->gate.connections, source);
}

/* At once: its next question may lie in the same burst. */
static void tell_replies(struct shell *shell, uint64_t now, uint64_t handle)
{
    struct peer *peer = shell->pressed ? peers_find(&shell->peers, handle) : NULL;
    if (peer && peer->pressed)
        tell_full_of(shell, now, peer, CORE_FULL_REPLIES);
}

/* With the key of a token nobody is a peer yet. */
static void take_token(struct shell *shell, enum broker_side side, const struct belt_route *route,
                       const struct belt_frames *frames)
{
    struct belt_msg msg;
    joining_answer(shell, side, route, belt_decode(shell->decoder, frames, &msg) == BELT_OK ? &msg : NULL);
}

/* The scheduler takes it for gone, before anything else that it says. */
static void take_refused(struct shell *shell, enum broker_side side, const struct belt_route *route, bool tell)
{
    struct peer *peer = peers_known(&shell->peers, side, route);
    if (tell)
        joining_refuse(shell, side, route);
    if (peer)
        sending_give_up(shell, peer);
}

static void take_message(struct shell *shell, uint64_t now, enum broker_side side, const struct belt_route *route,
                         const struct belt_frames *frames)
{
    struct belt_msg msg;
    const struct belt_identity *identity = NULL;
    enum sender sender = senders_identify(&shell->senders, (int)side, shell->wall, &identity);
    if (sender == SENDER_TOKEN)
        take_token(shell, side, route, frames);
    if (sender == SENDER_REFUSED || sender == SENDER_CUT)
        take_refused(shell, side, route, sender == SENDER_REFUSED);
    if (sender != SENDER_KNOWN)
        return;
    struct peer *peer = peers_at(&shell->peers, side, route);
    if (!peer) {
        if (shell->refused++ == 0)
            shell_log(shell, true, "more than %u peers: messages of others are ignored", shell->peers.max);
        return;
    }
    if (peer->gone)
        return;
    struct core_event event = {.type = CORE_MESSAGE,
                               .now = now,
                               .wall = shell->wall,
                               .peer = peer->handle,
                               .worker_side = side == BROKER_WORKERS,
                               .identity = identity};
    event.msg = &msg;
    int rc = belt_decode(shell->decoder, frames, &msg);
    if (rc != BELT_OK) {
        event.type = CORE_BAD;
        event.code = (unsigned)rc;
        event.text = belt_decoder_error(shell->decoder);
        event.msg = NULL;
        belt_decoder_named(shell->decoder, frames, &event.named);
    }
    if (rc == BELT_OK && msg.type == BELT_MSG_JOIN) {
        joining_answer(shell, side, route, &msg);
        return;
    }
    int source = shell->watch[side].source;
    bool hello = rc == BELT_OK && msg.type == BELT_MSG_HELLO;
    if (hello)
        find_link(shell, &event, source);
    step(shell, &event);
    if (hello)
        note_greeting(shell, &event, source);
    tell_replies(shell, now, event.peer);
}

/* What a turn records is one transaction: it must not be larger than what the store has in reserve for it. */
static bool is_turn_full(const struct shell *shell, enum broker_side side)
{
    return shell->durability && shell->burst_bytes[side] > shell->durability->turn_bytes;
}

/* Up to SIDE_MESSAGES from one socket, within the time of a burst: each may hold a thousand tasks. Returns how many. */
static uint32_t take_some(struct shell *shell, uint64_t now, enum broker_side side)
{
    uint32_t count = 0;
    uint64_t begun = now_ns();
    while (now_ns() - begun < BURST_NS && count < SIDE_MESSAGES && !is_turn_full(shell, side)) {
        struct belt_route route;
        struct belt_frames frames;
        if (belt_link_recv_watched(shell->sockets[side], &shell->watch[side], &route, &frames) != 1)
            break;
        shell->burst_bytes[side] += belt_frames_bytes(&frames);
        take_message(shell, now, side, &route, &frames);
        belt_frames_clear(&frames);
        count++;
    }
    return count;
}

static void watch_connections(struct shell *shell, uint64_t now)
{
    char line[256];
    gate_turn(&shell->gate, now);
    if (gate_tell(&shell->gate, now, line, sizeof(line)))
        shell_log(shell, true, "%s", line);
}

/* Changes of the list hold from the next message on. */
static void watch_keys(struct shell *shell, uint64_t now)
{
    char line[512];
    struct keys *keys = shell->senders.keys;
    if (!keys)
        return;
    if (keys_turn(keys, now)) {
        shell_log(shell, false, "the list of keys was read again: it has %u", keys->keyring->count);
        if (*keys->told)
            shell_log(shell, true, "%s", keys->told);
    }
    if (senders_tell(&shell->senders, now, line, sizeof(line)))
        shell_log(shell, true, "%s", line);
}

void shell_turn(struct shell *shell)
{
    uint64_t start = now_ns(), now = start;
    uint32_t total = 0, some;
    shell->wall = shell_wall();
    memset(shell->burst_bytes, 0, sizeof(shell->burst_bytes));
    watch_connections(shell, now / 1000000u);
    watch_keys(shell, now / 1000000u);
    while ((some = take_some(shell, now / 1000000u, BROKER_CLIENTS) +
                   take_some(shell, now / 1000000u, BROKER_WORKERS)) >= BURST_LEAST) {
        total += some;
        now = now_ns();
        if (total >= BURST_MESSAGES || now - start >= BURST_NS)
            break;
        shell->watch[BROKER_CLIENTS].look = shell->watch[BROKER_WORKERS].look = true; /* more may have come meanwhile */
    }
    sending_retry(shell);
    tell_gone(shell, now / 1000000u);
    shell->again = false;
    step(shell,
         &(struct core_event){.type = CORE_TURN, .now = now / 1000000u, .wall = shell->wall, .random = draw(shell)});
    if (shell->durability) {
        durability_turn_over(shell->durability);
        sending_durable(shell);
    }
    tell_full(shell, now / 1000000u);
    tell_gone(shell, now / 1000000u);
}

void shell_slept(struct shell *shell, int timeout_ms)
{
    for (int side = 0; side < 2 && timeout_ms >= BELT_OVERSLEPT_MS; side++)
        if (belt_link_overslept(shell->sockets[side], &shell->watch[side]))
            shell_log(shell, true,
                      "a message of a %s was slept through for up to %d ms (%llu so far): this is a fault of Belt, "
                      "please report it",
                      side == BROKER_WORKERS ? "worker" : "client", timeout_ms,
                      (unsigned long long)core_overslept(shell->core));
}

void shell_drain(struct shell *shell)
{
    step(shell, &(struct core_event){.type = CORE_DRAIN, .now = shell_now()});
}

bool shell_bye(struct shell *shell)
{
    static const char text[] = "the broker shuts down";
    struct peer *peer;
    for (peer = shell->peers.by_handle; peer; peer = peer->by_handle.next) {
        struct core_send bye = {.peer = peer->handle, .msg = {.type = BELT_MSG_BYE}};
        bye.msg.u.bye.text = (struct belt_bytes){(const uint8_t *)text, sizeof(text) - 1};
        if (!peer->outbox.first) /* one that does not read finds out by its lease */
            sending_message(shell, &bye);
    }
    return shell->peers.count > 0;
}

long shell_timeout(const struct shell *shell, uint64_t now)
{
    uint64_t deadline = core_deadline(shell->core), gate = gate_due(&shell->gate);
    deadline = gate < deadline ? gate : deadline;
    if (shell->senders.keys && shell->senders.keys->look_at < deadline)
        deadline = shell->senders.keys->look_at;
    uint64_t wait = deadline > now ? deadline - now : 0;
    if (shell->waiting && wait > RETRY_MS)
        wait = RETRY_MS;
    if (shell->again)
        return 0;
    if (deadline == UINT64_MAX && !shell->waiting)
        return -1;
    return wait < 3600000u ? (long)wait : 3600000;
}

void shell_fini(struct shell *shell)
{
    peers_fini(&shell->peers);
    gate_fini(&shell->gate);
    free(shell->gone);
    shell->gone = NULL;
}
