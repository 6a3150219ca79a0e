/* SPDX-License-Identifier: Apache-2.0
 *
 * Results and their shelf. See result.h.
 */
#include "client/result.h"

#include "proto/codes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct client_shelf {
    atomic_size_t refs;                       /* the owner and each result that is out */
    _Atomic(struct client_result *) returned; /* given back by any thread */
    struct client_result *spare;              /* the owner's */
};

void client_results_init(struct client_results *results)
{
    results->first = NULL;
    results->tail = &results->first;
}

void client_results_add(struct client_results *results, struct client_result *result)
{
    result->next = NULL;
    *results->tail = result;
    results->tail = &result->next;
}

void client_results_move(struct client_results *to, struct client_results *from)
{
    if (!from->first)
        return;
    *to->tail = from->first;
    to->tail = from->tail;
    client_results_init(from);
}

struct client_result *client_results_pop(struct client_results *results)
{
    struct client_result *result = results->first;

    if (result) {
        results->first = result->next;
        if (!results->first)
            results->tail = &results->first;
    }
    return result;
}

void client_results_drop(struct client_results *results)
{
    for (struct client_result *result; (result = client_results_pop(results));)
        client_result_drop(result);
}

struct client_shelf *client_shelf_new(void)
{
    struct client_shelf *shelf = calloc(1, sizeof(*shelf));

    if (shelf) {
        atomic_init(&shelf->refs, 1);
        atomic_init(&shelf->returned, NULL);
    }
    return shelf;
}

static void chain_free(struct client_result *result)
{
    while (result) {
        struct client_result *next = result->next;

        free(result);
        result = next;
    }
}

static void shelf_unref(struct client_shelf *shelf)
{
    if (atomic_fetch_sub_explicit(&shelf->refs, 1, memory_order_acq_rel) != 1)
        return;
    chain_free(atomic_load(&shelf->returned));
    chain_free(shelf->spare);
    free(shelf);
}

void client_shelf_leave(struct client_shelf *shelf)
{
    if (shelf)
        shelf_unref(shelf);
}

static struct client_result *shelf_take(struct client_shelf *shelf)
{
    struct client_result *result;

    if (!shelf->spare)
        shelf->spare = atomic_exchange_explicit(&shelf->returned, NULL, memory_order_acquire);
    result = shelf->spare;
    if (result)
        shelf->spare = result->next;
    else
        result = malloc(sizeof(*result));
    if (!result)
        return NULL;
    memset(result, 0, sizeof(*result));
    result->shelf = shelf;
    atomic_fetch_add_explicit(&shelf->refs, 1, memory_order_relaxed);
    return result;
}

void client_result_drop(struct client_result *result)
{
    struct client_shelf *shelf;

    if (!result)
        return;
    shelf = result->shelf;
    belt_payload_clear(&result->payload);
    free(result->words);
    if (!shelf) {
        free(result);
        return;
    }
    result->words = NULL;
    result->next = atomic_load_explicit(&shelf->returned, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&shelf->returned, &result->next, result, memory_order_release,
                                                  memory_order_relaxed))
        ;
    shelf_unref(shelf);
}

static char *put_word(char *at, const void *data, size_t len)
{
    if (len > 0)
        memcpy(at, data, len);
    at[len] = '\0';
    return at + len + 1;
}

static bool add_extras(struct client_result *result, const struct belt_result_extras *extras)
{
    belt_result *shown = &result->shown;
    char *at;

    shown->started_at = extras->started_ms;
    shown->exit_status = extras->exit_status;
    shown->term_signal = extras->term_signal;
    if (extras->text.len + extras->log.len + extras->host.len == 0)
        return true;
    result->words = malloc(extras->text.len + extras->log.len + extras->host.len + 3);
    if (!result->words)
        return false;
    at = result->words;
    if (extras->text.len > 0)
        shown->text = at;
    at = put_word(at, extras->text.data, extras->text.len);
    shown->host = at;
    at = put_word(at, extras->host.data, extras->host.len);
    shown->log = at;
    shown->log_len = extras->log.len;
    put_word(at, extras->log.data, extras->log.len);
    return true;
}

/* Larger payloads are copied to a buffer of their own: one that is kept must not keep its neighbours. */
#define ROOM_PAYLOAD (4u << 10)

static const _Alignas(BELT_ALIGNMENT) char nothing[BELT_ALIGNMENT]; /* what a result of no bytes points to */

static size_t padded(size_t len)
{
    return (len + BELT_ALIGNMENT - 1) / BELT_ALIGNMENT * BELT_ALIGNMENT;
}

static bool is_aligned(const struct belt_payload *payload)
{
    return payload->len == 0 || (uintptr_t)payload->data % BELT_ALIGNMENT == 0;
}

/* A buffer with room for `size` bytes from its first aligned one on. */
static struct belt_buf *aligned_new(size_t size, size_t *first)
{
    struct belt_buf *buf = belt_buf_new(size + BELT_ALIGNMENT - 1);

    if (buf)
        *first = padded((uintptr_t)buf->data) - (uintptr_t)buf->data;
    return buf;
}

bool client_room_open(struct client_room *room, const struct belt_result_item *items, uint32_t count)
{
    size_t size = 0;

    *room = (struct client_room){NULL, 0};
    for (uint32_t i = 0; i < count; i++)
        if (!is_aligned(&items[i].payload) && items[i].payload.len <= ROOM_PAYLOAD)
            size += padded((size_t)items[i].payload.len + 1);
    if (size == 0)
        return true;
    room->buf = aligned_new(size, &room->used);
    return room->buf != NULL;
}

void client_room_close(struct client_room *room)
{
    belt_buf_unref(room->buf);
    room->buf = NULL;
}

/* The payload where a caller may read what it sent, a double or a struct; .buf is NULL when out of memory. */
static struct belt_payload align(const struct belt_payload *payload, struct client_room *room)
{
    struct belt_payload copy = {.len = payload->len};
    size_t at = room->used;

    if (is_aligned(payload))
        return belt_payload_ref(*payload);
    if (payload->len > ROOM_PAYLOAD) {
        copy.buf = aligned_new((size_t)payload->len + 1, &at);
    } else {
        copy.buf = belt_buf_ref(room->buf);
        room->used += padded((size_t)payload->len + 1);
    }
    if (copy.buf) {
        memcpy(copy.buf->data + at, payload->data, payload->len);
        copy.buf->data[at + payload->len] = '\0'; /* nobody may count on it, but what is read too far ends there */
        copy.data = copy.buf->data + at;
    }
    return copy;
}

struct client_result *client_result_new(struct client_shelf *shelf, const struct belt_result_item *item,
                                        struct client_room *room)
{
    struct client_result *result = shelf_take(shelf);

    if (!result)
        return NULL;
    result->task = item->index;
    result->shown.index = item->index;
    result->shown.code = item->code;
    result->shown.attempt = item->attempt;
    result->shown.service_us = item->service_us;
    result->shown.text = item->code == BELT_OK ? "" : belt_code_text(item->code);
    result->shown.host = result->shown.log = "";
    result->shown.exit_status = -1;
    if (item->extras && !add_extras(result, item->extras)) {
        client_result_drop(result);
        return NULL;
    }
    result->payload = align(&item->payload, room);
    if (result->payload.len > 0 && !result->payload.buf) {
        client_result_drop(result);
        return NULL;
    }
    result->shown.data = result->payload.len > 0 ? (const void *)result->payload.data : nothing;
    result->shown.len = result->payload.len;
    return result;
}

struct client_result *client_result_local(uint64_t index, unsigned code, const char *text, size_t len)
{
    struct client_result *result = calloc(1, sizeof(*result));

    if (!result)
        return NULL;
    result->shown = (belt_result){.index = index,
                                  .code = code,
                                  .data = nothing,
                                  .log = "",
                                  .host = "",
                                  .exit_status = -1,
                                  .text = belt_code_text(code)};
    if (text) {
        result->words = malloc(len + 1);
        if (!result->words) {
            free(result);
            return NULL;
        }
        put_word(result->words, text, len);
        result->shown.text = result->words;
    }
    return result;
}

void belt_result_free(belt_result **result)
{
    if (!result || !*result)
        return;
    client_result_drop((struct client_result *)*result);
    *result = NULL;
}

void belt_results_free(belt_result ***results, size_t count)
{
    if (!results || !*results)
        return;
    for (size_t i = 0; i < count; i++)
        belt_result_free(&(*results)[i]);
    free(*results);
    *results = NULL;
}
