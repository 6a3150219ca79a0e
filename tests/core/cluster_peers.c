/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scripted clients and agents of a story say.
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct belt_bytes bytes_of(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

/* ---- clients ---- */

struct peer *client_new(struct cluster *cluster, const char *name)
{
    struct peer *peer = peer_new(cluster, BELT_ROLE_CLIENT, name);
    peer->alive = true;
    peer_connect(peer);
    return peer;
}

void client_send_open(struct peer *peer, const char *key, const char *function, const struct belt_open_options *options)
{
    struct belt_msg msg = {.type = BELT_MSG_OPEN};
    msg.u.open = (struct belt_msg_open){.ref = ++peer->last_ref, .key = bytes_of(key), .function = bytes_of(function)};
    if (options)
        msg.u.open.options = *options;
    peer_send(peer, msg);
}

uint64_t client_open(struct peer *peer, const char *key, const char *function, const struct belt_open_options *options)
{
    client_send_open(peer, key, function, options);
    const struct belt_msg *msg = peer_expect(peer, BELT_MSG_OPENED);
    cr_assert_eq(msg->u.opened.ref, peer->last_ref);
    return msg->u.opened.job;
}

uint64_t client_take_over(struct peer *peer, const char *key, const char *function,
                          const struct belt_open_options *options)
{
    struct belt_msg msg = {.type = BELT_MSG_OPEN};
    msg.u.open = (struct belt_msg_open){
        .ref = ++peer->last_ref, .key = bytes_of(key), .function = bytes_of(function), .take_over = true};
    if (options)
        msg.u.open.options = *options;
    peer_send(peer, msg);
    return peer_expect(peer, BELT_MSG_OPENED)->u.opened.job;
}

uint64_t client_take_reader(struct peer *peer, uint64_t job, const char *reader)
{
    struct belt_msg msg = {.type = BELT_MSG_SUBSCRIBE};
    msg.u.subscribe = (struct belt_msg_subscribe){.ref = ++peer->last_ref,
                                                  .job = job,
                                                  .reader = bytes_of(reader),
                                                  .cursor = BELT_CURSOR_KEPT,
                                                  .credit = {100, (uint64_t)1 << 40},
                                                  .take_over = true};
    peer_send(peer, msg);
    return peer_expect(peer, BELT_MSG_SUBSCRIBED)->u.subscribed.sub;
}

void client_push_sized(struct peer *peer, uint64_t job, uint64_t first, uint32_t count, uint32_t size)
{
    struct belt_task_item *tasks = calloc(count + 1, sizeof(*tasks));
    struct belt_buf *buf = belt_buf_new(size + 1);
    memset(buf->data, 't', size + 1);
    for (uint32_t i = 0; i < count; i++)
        tasks[i].payload = (struct belt_payload){buf, buf->data, size};
    struct belt_msg msg = {.type = BELT_MSG_PUSH};
    msg.u.push = (struct belt_msg_push){.job = job, .first = first, .tasks = tasks, .count = count};
    peer_send(peer, msg);
    belt_buf_unref(buf);
    free(tasks);
}

void client_push(struct peer *peer, uint64_t job, uint64_t first, uint32_t count)
{
    client_push_sized(peer, job, first, count, 10);
}

void client_end(struct peer *peer, uint64_t job, uint64_t count)
{
    struct belt_msg msg = {.type = BELT_MSG_END};
    msg.u.end = (struct belt_msg_end){.job = job, .count = count};
    peer_send(peer, msg);
}

void client_send_subscribe(struct peer *peer, uint64_t job, const char *reader, uint8_t mode, uint64_t cursor,
                           uint64_t items)
{
    struct belt_msg msg = {.type = BELT_MSG_SUBSCRIBE};
    msg.u.subscribe = (struct belt_msg_subscribe){.ref = ++peer->last_ref,
                                                  .job = job,
                                                  .reader = bytes_of(reader),
                                                  .mode = mode,
                                                  .cursor = cursor,
                                                  .credit = {items, (uint64_t)1 << 40}};
    peer_send(peer, msg);
}

uint64_t client_subscribe(struct peer *peer, uint64_t job, const char *reader, uint8_t mode, uint64_t cursor,
                          uint64_t items)
{
    client_send_subscribe(peer, job, reader, mode, cursor, items);
    const struct belt_msg *msg = peer_expect(peer, BELT_MSG_SUBSCRIBED);
    return msg->u.subscribed.sub;
}

void client_ack(struct peer *peer, uint64_t sub, uint64_t upto, uint64_t items)
{
    struct belt_msg msg = {.type = BELT_MSG_ACK};
    msg.u.ack = (struct belt_msg_ack){.sub = sub, .upto = upto, .credit = {items, (uint64_t)1 << 40}};
    peer_send(peer, msg);
}

void client_cancel(struct peer *peer, uint64_t job)
{
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};
    msg.u.cancel = (struct belt_msg_cancel){.ref = ++peer->last_ref, .job = job};
    peer_send(peer, msg);
}

void client_forget(struct peer *peer, uint64_t job)
{
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};
    msg.u.cancel = (struct belt_msg_cancel){.ref = ++peer->last_ref, .job = job, .forget = true};
    peer_send(peer, msg);
}

void client_halt(struct peer *peer, uint64_t job)
{
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};
    msg.u.cancel = (struct belt_msg_cancel){.ref = ++peer->last_ref, .job = job, .waiting = true};
    peer_send(peer, msg);
}

void client_cancel_task(struct peer *peer, uint64_t job, uint64_t index)
{
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};
    msg.u.cancel = (struct belt_msg_cancel){.ref = ++peer->last_ref, .job = job, .one = true, .task = index};
    peer_send(peer, msg);
}

void client_halt_task(struct peer *peer, uint64_t job, uint64_t index)
{
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};
    msg.u.cancel =
        (struct belt_msg_cancel){.ref = ++peer->last_ref, .job = job, .waiting = true, .one = true, .task = index};
    peer_send(peer, msg);
}

static size_t add_index(char *text, size_t len, size_t room, const struct belt_result_item *item)
{
    cr_assert(len + 24 < room);
    return len + (size_t)snprintf(text + len, room - len, "%s%llu%s", len ? " " : "", (unsigned long long)item->index,
                                  item->code ? "!" : "");
}

const char *client_read(struct peer *peer)
{
    static char text[1 << 16];
    size_t len = 0;
    const struct belt_msg *msg;
    text[0] = 0;
    while ((msg = peer_next(peer))) {
        if (msg->type == BELT_MSG_DONE)
            len += (size_t)snprintf(text + len, sizeof(text) - len, ".");
        for (uint32_t i = 0; msg->type == BELT_MSG_DELIVER && i < msg->u.deliver.count; i++)
            len = add_index(text, len, sizeof(text), &msg->u.deliver.results[i]);
    }
    return text;
}

uint64_t client_job(struct peer *peer, const char *function, uint32_t count, const struct belt_open_options *options)
{
    uint64_t job = client_open(peer, "", function, options);
    client_push(peer, job, 0, count);
    client_end(peer, job, count);
    peer_clear(peer);
    return job;
}

/* ---- administrators ---- */

const struct belt_msg *admin_failed(struct peer *peer, uint8_t action, const char *function, uint64_t job,
                                    uint64_t index)
{
    struct belt_msg msg = {.type = BELT_MSG_FAILED};
    msg.u.failed = (struct belt_msg_failed){.ref = ++peer->last_ref,
                                            .action = action,
                                            .function = bytes_of(function),
                                            .job = job,
                                            .indexes = &index,
                                            .count = index != UINT64_MAX};
    peer_send(peer, msg);
    return peer_next(peer);
}

const char *admin_list(struct peer *peer, const char *function)
{
    static char text[4096];
    size_t len = 0;
    const struct belt_msg *msg = admin_failed(peer, BELT_FAILED_LIST, function, 0, UINT64_MAX);
    cr_assert_eq(msg->type, BELT_MSG_FAILURES);
    text[0] = 0;
    for (uint32_t i = 0; i < msg->u.failures.letter_count && len < sizeof(text) - 64; i++) {
        const struct belt_letter *letter = &msg->u.failures.letters[i];
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%lu.%lu!%u", i ? " " : "",
                                (unsigned long)letter->job, (unsigned long)letter->index, letter->code);
    }
    return text;
}

/* ---- agents ---- */

struct peer *agent_new(struct cluster *cluster, const char *name, uint32_t slots, uint32_t window,
                       const char *functions)
{
    struct peer *peer = peer_new(cluster, BELT_ROLE_WORKER, name);
    peer->slots = slots;
    peer->window_items = window;
    peer->window_bytes = 1 << 20;
    peer->functions = functions;
    peer->alive = true;
    peer_connect(peer);
    agent_sync(peer);
    return peer;
}

static void hold(struct peer *peer, const struct belt_msg_dispatch *msg, const struct belt_task_item *item)
{
    if (peer->held_count == peer->held_room) {
        peer->held_room = peer->held_room ? peer->held_room * 2 : 16;
        peer->held = realloc(peer->held, peer->held_room * sizeof(*peer->held));
        cr_assert(peer->held);
    }
    peer->held[peer->held_count++] =
        (struct held_task){{msg->job, item->index, item->attempt}, msg->together, item->payload.len};
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < peer->held_count; i++)
        bytes += peer->held[i].bytes;
    cr_assert(peer->held_count <= peer->window_items, "%s holds %u tasks, its window is %u", peer->name,
              peer->held_count, peer->window_items);
    cr_assert(peer->held_count == 1 || bytes <= peer->window_bytes, "%s holds %lu bytes", peer->name,
              (unsigned long)bytes);
}

uint32_t agent_take(struct peer *peer)
{
    const struct belt_msg *msg;
    struct belt_frames *others = NULL;
    size_t count = 0;
    while ((msg = peer_next(peer))) {
        for (uint32_t i = 0; msg->type == BELT_MSG_DISPATCH && i < msg->u.dispatch.count; i++)
            hold(peer, &msg->u.dispatch, &msg->u.dispatch.tasks[i]);
        if (msg->type == BELT_MSG_DISPATCH || msg->type == BELT_MSG_RECORDED)
            continue;
        others = realloc(others, (count + 1) * sizeof(*others));
        others[count++] = peer->current;
        peer->current = (struct belt_frames){0};
    }
    free(peer->inbox);
    peer->inbox = others;
    peer->inbox_count = count;
    peer->inbox_read = 0;
    return peer->held_count;
}

static struct belt_task_ref release(struct peer *peer, uint32_t place)
{
    cr_assert_lt(place, peer->held_count);
    struct belt_task_ref ref = peer->held[place].ref;
    peer->held_count--;
    memmove(&peer->held[place], &peer->held[place + 1], (peer->held_count - place) * sizeof(*peer->held));
    return ref;
}

void agent_send_result(struct peer *peer, uint64_t number, struct belt_task_ref ref, unsigned code, uint32_t size,
                       uint32_t service_us)
{
    struct belt_buf *buf = belt_buf_new(size + 1);
    memset(buf->data, 'r', size + 1);
    struct belt_result_item item = {.index = ref.index,
                                    .attempt = ref.attempt,
                                    .code = code,
                                    .service_us = service_us,
                                    .payload = {buf, buf->data, size}};
    struct belt_msg msg = {.type = BELT_MSG_RESULTS};
    msg.u.results = (struct belt_msg_results){.first = number, .job = ref.job, .results = &item, .count = 1};
    peer_send(peer, msg);
    belt_buf_unref(buf);
}

void agent_result_sized(struct peer *peer, uint32_t place, unsigned code, uint32_t size, uint32_t service_us)
{
    struct belt_task_ref ref = release(peer, place);
    agent_send_result(peer, peer->results++, ref, code, size, service_us);
}

void agent_result(struct peer *peer, uint32_t place, unsigned code)
{
    agent_result_sized(peer, place, code, 8, 50000);
}

void agent_finish(struct peer *peer, uint32_t count)
{
    while (count--)
        agent_result(peer, 0, BELT_OK);
}

void agent_work(struct peer *peer)
{
    for (uint32_t held; (held = agent_take(peer));)
        agent_finish(peer, held);
}

void agent_return(struct peer *peer, uint32_t place)
{
    struct belt_task_ref ref = release(peer, place);
    struct belt_msg msg = {.type = BELT_MSG_RETURNED};
    msg.u.returned = (struct belt_msg_refs){.refs = &ref, .count = 1};
    peer_send(peer, msg);
}

void agent_return_last(struct peer *peer, uint32_t count)
{
    struct belt_task_ref *refs = calloc(count + 1, sizeof(*refs));
    cr_assert(refs);
    for (uint32_t i = 0; i < count; i++)
        refs[i] = release(peer, peer->held_count - 1);
    struct belt_msg msg = {.type = BELT_MSG_RETURNED, .u.returned = {.refs = refs, .count = count}};
    peer_send(peer, msg);
    free(refs);
}

void agent_sync_refs(struct peer *peer, const struct belt_task_ref *refs, uint32_t count, bool more)
{
    struct belt_msg msg = {.type = BELT_MSG_SYNC};
    msg.u.sync = (struct belt_msg_refs){.refs = refs, .count = count, .more = more};
    peer_send(peer, msg);
}

void agent_sync(struct peer *peer)
{
    struct belt_task_ref refs[256];
    uint32_t count = 0;
    for (; count < peer->held_count; count++)
        refs[count] = peer->held[count].ref;
    agent_sync_refs(peer, refs, count, false);
}

const char *agent_holds(struct peer *peer)
{
    static char text[4096];
    size_t len = 0;
    agent_take(peer);
    text[0] = 0;
    for (uint32_t i = 0; i < peer->held_count && len < 4000; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu.%llu/%u", i ? " " : "",
                                (unsigned long long)peer->held[i].ref.job, (unsigned long long)peer->held[i].ref.index,
                                peer->held[i].ref.attempt);
    return text;
}
