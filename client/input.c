/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs on their way to the I/O thread: drawn from a source, or handed in one by one. See input.h.
 */
#include "client/input.h"

#include "proto/error.h"
#include "client/inside.h"
#include "client/mail.h"
#include "proto/options.h"
#include "proto/codes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Payloads up to CUT_MAX are cut from a chunk: one allocation serves many. */
#define CHUNK_BYTES (64u << 10)
#define CUT_MAX     (4u << 10)
/* While no more tasks than these are under way, somebody may be waiting for each: what is fed leaves at once. Beyond
 * it the I/O thread may end its nap first, and sends many together. */
#define FEW_TASKS 8u

/* What a source fills, with room for what a newer header adds: that has to stay unset. */
union drawn {
    belt_input input;
    unsigned char bytes[CLIENT_INPUT_ROOM];
};

static bool tasks_grow(struct client_mail *mail)
{
    size_t capacity = mail->task_capacity == 0 ? 2 : 2 * mail->task_capacity;
    struct belt_payload *tasks = realloc(mail->tasks, capacity * sizeof(*tasks));

    if (!tasks)
        return false;
    mail->tasks = tasks;
    mail->task_capacity = capacity;
    return true;
}

static void copy_parts(uint8_t *to, const struct client_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->spans[i].len > 0)
            memcpy(to, parts->spans[i].data, parts->spans[i].len);
        to += parts->spans[i].len;
    }
}

static struct belt_payload cut(struct belt_stream *stream, const struct client_parts *parts)
{
    struct belt_payload payload = {0};
    uint32_t len = (uint32_t)parts->len;
    uint8_t *to;

    if (len == 0)
        return payload;
    if (len > CUT_MAX || stream->window.drawn == 0) { /* a job of one task needs no chunk */
        payload.buf = belt_buf_new(len);
        if (!payload.buf)
            return payload;
        to = payload.buf->data;
    } else {
        if (!stream->chunk || CHUNK_BYTES - stream->chunk_used < len) {
            belt_buf_unref(stream->chunk);
            stream->chunk = belt_buf_new(CHUNK_BYTES);
            stream->chunk_used = 0;
            if (!stream->chunk)
                return payload;
        }
        payload.buf = belt_buf_ref(stream->chunk);
        to = stream->chunk->data + stream->chunk_used;
        stream->chunk_used += len;
    }
    copy_parts(to, parts);
    payload.data = to;
    payload.len = len;
    return payload;
}

int client_add_task(struct belt_stream *stream, const struct client_parts *parts, bool *results)
{
    struct client_mail *mail = &stream->mail;
    struct belt_payload payload = cut(stream, parts);
    bool ok;

    if (parts->len > 0 && !payload.buf)
        return belt_error_set(BELT_NO_MEMORY, "out of memory for an input of %zu bytes", parts->len);
    client_window_draw(&stream->window, parts->len);
    pthread_mutex_lock(&mail->lock);
    ok = mail->task_count < mail->task_capacity || tasks_grow(mail);
    if (ok)
        mail->tasks[mail->task_count++] = payload;
    stream->granted_bytes = mail->granted_bytes;
    *results = mail->results.first != NULL;
    client_follow_comparison(stream);
    client_mail_tell(stream);
    pthread_mutex_unlock(&mail->lock);
    if (!ok) {
        belt_payload_clear(&payload);
        return belt_error_set(BELT_NO_MEMORY, "out of memory for an input of %zu bytes", parts->len);
    }
    client_mail_kick(stream, !stream->source && stream->window.drawn - stream->window.taken <= FEW_TASKS);
    return BELT_OK;
}

int client_add_failed(struct belt_stream *stream, unsigned code, const char *text, size_t len)
{
    struct client_result *result = client_result_local(0, code, text, len);

    if (!result || !client_window_fail(&stream->window, &result->shown.index)) {
        client_result_drop(result);
        return belt_error_set(BELT_NO_MEMORY, "out of memory for the error of an input");
    }
    client_results_add(&stream->failed, result);
    return BELT_OK;
}

static int add_too_large(struct belt_stream *stream, size_t len)
{
    char text[240], limit[160];
    int n;

    client_pool_too_large(stream->pool, limit, sizeof(limit));
    n = snprintf(text, sizeof(text), "input %llu has %zu bytes, over the payload limit of %s",
                 (unsigned long long)stream->window.drawn, len, limit);

    if (stream->kind == CLIENT_STREAM_SUBMITS)
        return belt_error_set(BELT_TOO_LARGE, "%s", text);
    return client_add_failed(stream, BELT_TOO_LARGE, text, (size_t)n);
}

bool client_parts_measure(struct client_parts *parts)
{
    parts->len = 0;
    for (size_t i = 0; i < parts->count; i++) {
        const belt_span *span = &parts->spans[i];

        if ((!span->data && span->len > 0) || __builtin_add_overflow(parts->len, span->len, &parts->len))
            return false;
    }
    return true;
}

static bool parts_of(const belt_input *input, belt_span *one, struct client_parts *parts)
{
    *one = (belt_span){input->data, input->len};
    *parts = (struct client_parts){.spans = one, .count = 1};
    if (input->parts)
        *parts = (struct client_parts){.spans = input->parts, .count = input->part_count};
    return client_parts_measure(parts);
}

static int add_input(struct belt_stream *stream, int answer, const belt_input *input, bool *results)
{
    static const char bad_parts[] = "the source has given an input without an address";
    struct client_parts parts;
    belt_span one;

    if (stream->kind == CLIENT_STREAM_SUBMITS &&
        answer != BELT_INPUT_READY) /* there is no stream of results to put it into */
        return belt_error_set(BELT_SOURCE_FAILED, "input %llu: %.*s", (unsigned long long)stream->window.drawn,
                              input->data ? (int)input->len : 24,
                              input->data ? (const char *)input->data : "the source has failed it");
    if (answer != BELT_INPUT_READY)
        return client_add_failed(stream, BELT_SOURCE_FAILED, input->data, input->data ? input->len : 0);
    if (!parts_of(input, &one, &parts))
        return client_add_failed(stream, BELT_SOURCE_FAILED, bad_parts, sizeof(bad_parts) - 1);
    if (parts.len > atomic_load(&stream->pool->max_payload))
        return add_too_large(stream, parts.len);
    return client_add_task(stream, &parts, results);
}

/* Whether a result can be given now. */
static bool can_give(struct belt_stream *stream)
{
    bool there;

    if (stream->hand.first ||
        (stream->failed.first && client_window_due(&stream->window, stream->failed.first->shown.index)))
        return true;
    pthread_mutex_lock(&stream->mail.lock);
    there = stream->mail.results.first != NULL;
    pthread_mutex_unlock(&stream->mail.lock);
    return there;
}

bool client_would_draw(const struct belt_stream *stream)
{
    return stream->source && client_window_open(&stream->window, stream->granted_bytes);
}

/* How often this thread has given up its processor to wait for something. */
static long waits(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

/* Asks it. With a descriptor it makes a difference whether it blocks. */
static int ask_source(struct belt_stream *stream, belt_input *input)
{
    bool watched = stream->mail.fd >= 0 && !stream->blocks;
    long before = watched ? waits() : 0;
    int answer = client_source_call(stream, input);

    if (watched && waits() != before)
        stream->blocks = true;
    return answer;
}

int client_draw(struct belt_stream *stream)
{
    bool results;
    int rc = BELT_OK;

    if (!client_would_draw(stream) || client_source_runs(stream))
        return BELT_OK;
    results = can_give(stream);
    /* A source may block for as long as it likes: it is not asked while there is a result to give. */
    while (rc == BELT_OK && !results && client_would_draw(stream)) {
        union drawn drawn = {.bytes = {0}};
        int answer;

        answer = ask_source(stream, &drawn.input);
        if (stream->fate != CLIENT_FATE_NONE)
            return belt_error_set(BELT_CLOSED, "the stream was closed by its own source");
        if (atomic_load(&stream->pool->closing))
            return client_refuse_closed();
        stream->dry = answer == BELT_INPUT_LATER;
        if (stream->dry)
            break;
        if (answer == BELT_INPUT_END)
            stream->window.ended = true;
        else if (!belt_options_unset(drawn.bytes, sizeof(drawn.input), sizeof(drawn.bytes)))
            rc = belt_error_set(BELT_BAD_OPTION,
                                "the source sets a field of belt_input that libbelt " BELT_VERSION " does not know");
        else
            rc = add_input(stream, answer, &drawn.input, &results);
        results =
            results || (stream->failed.first && client_window_due(&stream->window, stream->failed.first->shown.index));
    }
    return rc;
}
