/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's talk with the broker: hello, synchronisation, dispatches in,
 * results out (PROTOCOL.md §6, §8). Moves messages; what they mean is the slot table's.
 */
#include "worker/agent/wire.h"
#include "worker/agent/say.h"
#include "worker/agent/watch.h"
#include "worker/agent/process.h"
#include "worker/agent/state.h"
#include "worker/agent/reach.h"
#include "proto/shortage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

/* Messages that are received in one turn, so that the slots are served in between. */
#define RECEIVE_MAX 64
/* Tasks that may wait here for each slot: enough of them to last from one round trip to the next when each takes some
 * us. */
#define WINDOW_PER_SLOT 2000u
#define WINDOW_BYTES    (64u << 20)
/* A task's progress is told at most this often: it is for people. */
#define PROGRESS_US 250000u
/* When the broker has not answered for this time, the operator is told why. */
#define REACH_US 2000000u

static uint64_t now_ms(const struct agent *agent)
{
    return agent->now / 1000;
}

uint32_t agent_max_payload(const struct agent *agent)
{
    return agent->wire.session.max_payload ? agent->wire.session.max_payload : BELT_MAX_PAYLOAD_DEFAULT;
}

/* ---------------------------------------------------------------- sending */

static bool outbox_empty(const struct agent *agent)
{
    return !agent->wire.outbox.first;
}

static int link_send(struct agent *agent, struct belt_frames *frames)
{
    return belt_link_send_watched(agent->wire.socket, &agent->wire.socket_watch, NULL, frames);
}

static void outbox_flush(struct agent *agent)
{
    struct belt_frames *frames;

    while ((frames = outbox_front(&agent->wire.outbox)) && link_send(agent, frames) == 0)
        outbox_pop(&agent->wire.outbox); /* the link took the references */
}

/* Stamps and sends, in order: what does not go now waits in the outbox. */
static void wire_send(struct agent *agent, struct belt_msg *msg)
{
    struct belt_frames frames = {.count = 0};

    belt_session_stamp(&agent->wire.session, now_ms(agent), msg);
    if (belt_encode(msg, &frames) != BELT_OK) {
        belt_frames_clear(&frames);
        agent_fail(agent, BELT_SYSTEM, "cannot encode a %s message", belt_msg_name(msg->type));
        return;
    }
    if ((!outbox_empty(agent) || link_send(agent, &frames) != 0) && !outbox_push(&agent->wire.outbox, &frames, false))
        slot_table_no_memory();
}

static void wire_hello(struct agent *agent)
{
    const struct belt_agent_options *options = agent->options;
    struct belt_bytes name = {(const uint8_t *)agent->name, strlen(agent->name)};
    uint64_t window = (uint64_t)options->slots * WINDOW_PER_SLOT;
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    struct belt_frames frames = {.count = 0};

    outbox_clear(&agent->wire.outbox); /* numbered for a conversation that is over; all of it is said again */
    msg.u.hello = (struct belt_msg_hello){
        .version = BELT_PROTOCOL_VERSION,
        .role = BELT_ROLE_WORKER,
        .session = {agent->wire.id, sizeof(agent->wire.id)},
        .name = name,
        .worker = {.name = name,
                   .slots = options->slots,
                   .window_items = window < BELT_MAX_HELD ? (uint32_t)window : BELT_MAX_HELD,
                   .window_bytes = WINDOW_BYTES,
                   .functions = agent->functions,
                   .function_count = options->function_count},
    };
    belt_session_stamp(&agent->wire.session, now_ms(agent), &msg);
    int rc = belt_encode(&msg, &frames);
    if (rc != BELT_OK)
        agent_fail(agent, BELT_INVALID, "a name of the worker or of its functions is not valid");
    else if (link_send(agent, &frames) != 0)
        belt_session_unsent(&agent->wire.session, now_ms(agent));
    belt_frames_clear(&frames);
}

static void wire_empty(struct agent *agent, uint8_t type)
{
    struct belt_msg msg = {.type = type};

    wire_send(agent, &msg);
}

/* Everything that is held or not recorded: PROTOCOL.md §8.4. */
static void wire_sync(struct agent *agent)
{
    uint32_t most = slot_table_held(agent->table) + slot_table_unrecorded(agent->table);
    struct belt_task_ref *refs = malloc((most + 1) * sizeof(*refs));

    if (!refs)
        slot_table_no_memory();
    uint32_t count = slot_table_sync(agent->table, refs), at = 0;
    do {
        uint32_t part = count - at < BELT_MAX_BATCH ? count - at : BELT_MAX_BATCH;
        struct belt_msg msg = {.type = BELT_MSG_SYNC};
        msg.u.sync = (struct belt_msg_refs){.refs = refs + at, .count = part, .more = at + part < count};
        wire_send(agent, &msg);
        at += part;
    } while (at < count);
    free(refs);
}

static void send_returned(struct agent *agent)
{
    struct belt_task_ref refs[512];
    uint32_t count;

    while ((count = slot_table_take_returned(agent->table, refs, sizeof(refs) / sizeof(*refs))) > 0) {
        struct belt_msg msg = {.type = BELT_MSG_RETURNED};
        msg.u.returned = (struct belt_msg_refs){.refs = refs, .count = count};
        wire_send(agent, &msg);
    }
    if (slot_table_none(agent->table)) /* the broker waits for an answer */
        wire_empty(agent, BELT_MSG_RETURNED);
}

/* A job that asks for `detail` is told where and when each task ran. */
static void result_detail(const struct agent *agent, struct slot_table_result *r)
{
    if (!r->detail)
        return;
    r->plain = false;
    r->extras.host = (struct belt_bytes){(const uint8_t *)agent->name, strlen(agent->name)};
    if (r->started_us > 0)
        r->extras.started_ms = (uint64_t)((int64_t)r->started_us + agent->wire.wall_offset_us) / 1000;
}

/* The broker may have started again with a lower limit since the slot answered: a payload over it would end the
 * connection. */
static void result_limit(const struct agent *agent, struct slot_table_result *r)
{
    static const char text[] = "the result is over the payload limit that the broker has";

    if (r->item.payload.len <= agent_max_payload(agent))
        return;
    r->item.code = BELT_RESULT_TOO_LARGE;
    r->item.payload = (struct belt_payload){0};
    r->extras.text = (struct belt_bytes){(const uint8_t *)text, sizeof(text) - 1};
    r->plain = false;
}

/* One message of results of one job, from number `first`. Returns the number after the last. */
static uint64_t send_batch(struct agent *agent, uint64_t first, uint64_t next)
{
    enum { MOST = 512 };
    static struct slot_table_result results[MOST]; /* the agent is one thread, and these are 70 KiB */
    static struct belt_result_item items[MOST];
    struct belt_batch batch = {0};
    uint32_t count = 0;

    for (uint64_t n = first; n < next && count < MOST; n++) {
        struct slot_table_result *r = &results[count];
        slot_table_result(agent->table, n, r);
        result_limit(agent, r);
        result_detail(agent, r);
        size_t overhead = r->plain ? 16 : 64 + r->extras.text.len + r->extras.log.len + r->extras.host.len;
        if (r->job != results[0].job || !belt_batch_add(&batch, r->item.payload.len, overhead))
            break;
        items[count] = r->item;
        items[count++].extras = r->plain ? NULL : &r->extras;
    }
    struct belt_msg msg = {.type = BELT_MSG_RESULTS};
    msg.u.results = (struct belt_msg_results){.first = first, .job = results[0].job, .results = items, .count = count};
    wire_send(agent, &msg);
    return first + count;
}

void wire_send_news(struct agent *agent)
{
    uint64_t first, next;

    if (agent->wire.session.state != BELT_SESSION_READY)
        return;
    outbox_flush(agent);
    send_returned(agent);
    if (slot_table_results_due(agent->table, agent->now) > agent->now)
        return;
    slot_table_unsent(agent->table, &first, &next);
    while (first < next && outbox_empty(agent) &&
           !agent->done) /* results wait in the table, where they are kept anyway */
        slot_table_sent(agent->table, agent->now, first = send_batch(agent, first, next));
}

void wire_progress(struct agent *agent, struct process *process, uint64_t done, uint64_t total)
{
    struct slot_table_given task;
    struct belt_msg msg = {.type = BELT_MSG_PROGRESS};

    if (!slot_table_running(agent->table, process->slot, &task) || agent->wire.session.state != BELT_SESSION_READY ||
        !outbox_empty(agent) || agent->now - process->told_us < PROGRESS_US)
        return;
    process->told_us = agent->now;
    msg.u.progress = (struct belt_msg_progress){{task.job->job, task.index, task.attempt}, done, total};
    wire_send(agent, &msg);
}

void wire_leaving(struct agent *agent)
{
    if (agent->wire.session.state != BELT_SESSION_READY || agent->wire.said_leaving)
        return;
    agent->wire.said_leaving = true;
    wire_empty(agent, BELT_MSG_LEAVING);
}

void wire_bye(struct agent *agent)
{
    static const char text[] = "the worker leaves";
    struct belt_msg msg = {.type = BELT_MSG_BYE};

    if (agent->wire.session.state != BELT_SESSION_READY)
        return;
    msg.u.bye.text = (struct belt_bytes){(const uint8_t *)text, sizeof(text) - 1};
    wire_send(agent, &msg);
}

/* -------------------------------------------------------------- receiving */

static void wire_welcomed(struct agent *agent, const struct belt_msg_welcome *welcome)
{
    belt_access_link_welcomed(&agent->wire.keys, welcome->next_key);
    if (agent->wire.apart_said) /* also when quiet: what was said is not true any more */
        agent_say("reached the broker at %s", agent->options->broker);
    agent->wire.apart_us = 0;
    agent->wire.apart_said = agent->wire.apart_logged = false;
    if (!agent->wire.welcomed)
        agent_log(agent, "connected to %s: %u slots, %u functions", agent->options->broker, agent->options->slots,
                  agent->options->function_count);
    else
        agent_log(agent, "connected again to %s", agent->options->broker);
    agent->wire.welcomed = true;
    belt_decoder_limit(agent->wire.decoder, agent_max_payload(agent));
    atomic_store(&agent->keeper.shared->max_payload, agent_max_payload(agent));
    slot_table_resend(agent->table);
    wire_sync(agent);
    agent->wire.said_leaving = false;
    if (agent->leaving)
        wire_leaving(agent);
}

static void wire_message(struct agent *agent, const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_DISPATCH:
        slot_table_dispatch(agent->table, agent->now, &msg->u.dispatch);
        break;
    case BELT_MSG_RECORDED:
        slot_table_recorded(agent->table, msg->u.recorded.upto);
        break;
    case BELT_MSG_RECALL:
        slot_table_recall(agent->table, agent->now, msg->u.recall.count);
        break;
    case BELT_MSG_DROP:
        slot_table_drop(agent->table, agent->now, msg->u.drop.refs, msg->u.drop.count);
        break;
    case BELT_MSG_ERROR:
        agent_log(agent, "the broker says: %.*s", (int)msg->u.error.text.len, (const char *)msg->u.error.text.data);
        break;
    default: /* another role's message: not for us, nothing changes */
        break;
    }
}

static void wire_reconnect(struct agent *agent)
{
    if (agent->wire.welcomed && !agent->wire.apart_logged)
        agent_log(agent, "no word from the broker at %s: connecting anew", agent->options->broker);
    agent->wire.apart_logged = true;
    wire_close(agent);
    if (wire_open(agent) != 0)
        agent_fail(agent, BELT_SYSTEM, "cannot open a socket to %s: %s", agent->options->broker,
                   belt_shortage_advice(errno) ? belt_shortage_text(errno) : zmq_strerror(errno));
}

static void wire_act(struct agent *agent, enum belt_session_action action, const struct belt_msg *msg)
{
    switch (action) {
    case BELT_SESSION_NOTHING:
        break;
    case BELT_SESSION_PASS:
        wire_message(agent, msg);
        break;
    case BELT_SESSION_WELCOMED:
        wire_welcomed(agent, &msg->u.welcome);
        break;
    case BELT_SESSION_SEND_HELLO:
        wire_hello(agent);
        break;
    case BELT_SESSION_SEND_PING:
        wire_empty(agent, BELT_MSG_PING);
        break;
    case BELT_SESSION_RECONNECT:
        wire_reconnect(agent);
        break;
    case BELT_SESSION_FAILED:
        agent_fail(agent, (int)agent->wire.session.code, "the broker at %s refused this worker: %s",
                   agent->options->broker, agent->wire.session.text);
    }
}

void wire_receive(struct agent *agent)
{
    struct belt_frames frames = {.count = 0};
    struct belt_msg msg;

    for (int i = 0; i < RECEIVE_MAX && !agent->done; i++) {
        if (belt_link_recv_watched(agent->wire.socket, &agent->wire.socket_watch, NULL, &frames) != 1)
            return;
        if (frames.count > 0 && belt_decode(agent->wire.decoder, &frames, &msg) == BELT_OK)
            wire_act(agent, belt_session_receive(&agent->wire.session, now_ms(agent), &msg), &msg);
        else /* its number is missed, and hello is said again */
            agent_log(agent, "a malformed message from the broker: %s", belt_decoder_error(agent->wire.decoder));
        belt_frames_clear(&frames);
    }
}

void wire_reach(struct agent *agent)
{
    char text[REACH_TEXT];
    ssize_t n = read(agent->wire.reach_fd, text, sizeof(text) - 1);

    agent_unwatch(agent, agent->wire.reach_fd);
    close(agent->wire.reach_fd);
    agent->wire.reach_fd = -1;
    if (n <= 0 || agent->wire.apart_us == 0)
        return;
    text[n] = '\0';
    agent->wire.apart_said = true;
    agent_warn(agent, "cannot reach the broker at %s: %s (trying again until it answers)", agent->options->broker,
               text);
}

/* When nobody has answered for a while, a helper process looks for the reason, which is said once. */
static void reach_look(struct agent *agent)
{
    if (agent->wire.apart_us == 0 && agent->wire.session.state != BELT_SESSION_READY)
        agent->wire.apart_us = agent->now;
    if (agent->wire.apart_us == 0 || agent->wire.apart_said || agent->wire.reach_fd >= 0 || agent->options->alone ||
        agent->now - agent->wire.apart_us < REACH_US)
        return;
    agent->wire.reach_fd = reach_start(agent->options->broker);
    if (agent->wire.reach_fd >= 0)
        agent_watch(agent, agent->wire.reach_fd, WATCH_REACH, 0, EPOLLIN);
    else
        agent->wire.apart_us = agent->now; /* no descriptor, or no memory: later */
}

void wire_timer(struct agent *agent)
{
    const struct belt_agent_options *options = agent->options;

    reach_look(agent);
    while (!agent->done && now_ms(agent) >= belt_session_deadline(&agent->wire.session)) {
        enum belt_session_action action = belt_session_timer(&agent->wire.session, now_ms(agent));
        if (action == BELT_SESSION_NOTHING)
            break;
        wire_act(agent, action, NULL);
    }
    if (!agent->wire.welcomed && options->connect_timeout_ms > 0 &&
        now_ms(agent) - agent->wire.started_ms >= options->connect_timeout_ms)
        agent_fail(agent, BELT_NO_BROKER,
                   "no broker answers at %s after %llu ms: check the address (workers have an endpoint of their own) "
                   "and that it runs",
                   options->broker, (unsigned long long)options->connect_timeout_ms);
}

uint64_t wire_deadline_us(const struct agent *agent)
{
    uint64_t when = belt_session_deadline(&agent->wire.session);

    if (agent->wire.apart_us > 0 && !agent->wire.apart_said && agent->wire.reach_fd < 0 && !agent->options->alone &&
        (agent->wire.apart_us + REACH_US) / 1000 + 1 < when)
        when = (agent->wire.apart_us + REACH_US) / 1000 + 1;

    if (!agent->wire.welcomed && agent->options->connect_timeout_ms > 0 &&
        agent->wire.started_ms + agent->options->connect_timeout_ms < when)
        when = agent->wire.started_ms + agent->options->connect_timeout_ms;
    uint64_t due =
        agent->wire.session.state == BELT_SESSION_READY ? slot_table_results_due(agent->table, agent->now) : UINT64_MAX;
    when = when > UINT64_MAX / 1000 ? UINT64_MAX : when * 1000;
    return due > agent->now && due < when ? due : when;
}

bool wire_ready(struct agent *agent)
{
    bool to_send = agent->wire.session.state == BELT_SESSION_READY && !outbox_empty(agent);
    bool can_send = to_send && (belt_link_events(agent->wire.socket) & ZMQ_POLLOUT) != 0;

    agent->wire.socket_watch.sent |=
        to_send; /* the question may have taken the word of a message from the descriptor */
    return belt_link_look(agent->wire.socket, &agent->wire.socket_watch) || can_send;
}

int wire_open(struct agent *agent)
{
    agent->wire.socket =
        belt_access_link_dial(&agent->wire.keys, agent->wire.context, agent->options->broker, BELT_MAX_PAYLOAD_CEILING);
    agent->wire.socket_fd = agent->wire.socket ? belt_link_fd(agent->wire.socket) : -1;
    if (agent->wire.socket_fd < 0)
        return -1;
    agent_watch(agent, agent->wire.socket_fd, WATCH_BROKER, 0, EPOLLIN);
    agent->wire.socket_watch.look = true;
    return 0;
}

void wire_close(struct agent *agent)
{
    outbox_clear(&agent->wire.outbox);
    if (!agent->wire.socket)
        return;
    agent_unwatch(agent, agent->wire.socket_fd);
    zmq_close(agent->wire.socket);
    agent->wire.socket = NULL;
}
