/* SPDX-License-Identifier: Apache-2.0
 *
 * Reader and writer of SLOTS.md. Pure. See slot/protocol.h.
 */
#include "worker/slot/protocol.h"
#include "proto/text_cut.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One read takes up to this much: many small messages, one copy. */
#define READ_ROOM  (64u << 10)
#define READ_LEAST 4096u

/* Up to this a buffer that had to grow is kept while its messages are large: new pages cost more than the copy.
 * After so many uses that needed less than a quarter of it, it goes. */
#define KEEP_BYTES (4u << 20)
#define KEEP_USES  16u

/* Whether an emptied buffer of `cap` bytes, `used` of which were needed, is given back. */
static bool buffer_outgrown(size_t cap, size_t used, unsigned *small)
{
    if (cap <= 4 * READ_ROOM)
        return false;
    *small = used < cap / 4 ? *small + 1 : 0;
    return cap > KEEP_BYTES || *small > KEEP_USES;
}

/* ------------------------------------------------------------------ queue */

void slot_queue_free(struct slot_queue *queue)
{
    free(queue->data);
    *queue = (struct slot_queue){0};
}

uint8_t *slot_queue_room(struct slot_queue *queue, size_t len)
{
    if (queue->pos > 0 && queue->cap - queue->len < len) {
        memmove(queue->data, queue->data + queue->pos, queue->len - queue->pos);
        queue->len -= queue->pos;
        queue->pos = 0;
    }
    if (queue->cap - queue->len < len) {
        size_t cap = queue->cap ? queue->cap : READ_LEAST;
        while (cap - queue->len < len)
            cap *= 2;
        uint8_t *data = realloc(queue->data, cap);
        if (!data)
            return NULL;
        queue->data = data;
        queue->cap = cap;
    }
    return queue->data + queue->len;
}

int slot_queue_add(struct slot_queue *queue, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    uint8_t *room = slot_queue_room(queue, len);
    if (!room)
        return -1;
    memcpy(room, data, len);
    queue->len += len;
    return 0;
}

void slot_queue_consume(struct slot_queue *queue, size_t len)
{
    assert(len <= queue->len - queue->pos);
    queue->pos += len;
    if (queue->pos < queue->len)
        return;
    bool outgrown = buffer_outgrown(queue->cap, queue->len, &queue->small);
    queue->pos = queue->len = 0;
    if (outgrown) /* one large message must not be paid for ever */
        slot_queue_free(queue);
}

/* ----------------------------------------------------------------- writer */

/* Lines are built without printf, where they are to stand: they are on the way of every task. */

static uint8_t *put_bytes(uint8_t *to, struct belt_bytes bytes)
{
    if (bytes.len > 0)
        memcpy(to, bytes.data, bytes.len);
    return to + bytes.len;
}

/* `before` and the number in decimal. */
static uint8_t *put_number(uint8_t *to, char before, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof(digits);

    *to++ = (uint8_t)before;
    while (value >= 10) {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
    *to++ = (uint8_t)('0' + value);
    memcpy(to, digits + at, sizeof(digits) - at);
    return to + (sizeof(digits) - at);
}

/* Ends the line and appends both byte strings: the message is what stands from the end of the queue up to there. */
static int put_end(struct slot_queue *queue, uint8_t *to, struct belt_bytes one, struct belt_bytes two)
{
    *to++ = '\n';
    to = put_bytes(put_bytes(to, one), two);
    queue->len = (size_t)(to - queue->data);
    return 0;
}

/* `at`: where a payload in shared memory lies; NULL: it is not there. */
static int write_task(struct slot_queue *queue, const struct slot_task *task, struct belt_bytes payload,
                      const size_t *at)
{
    assert(task->function.len <= BELT_MAX_NAME);
    uint8_t *to = slot_queue_room(queue, SLOT_MAX_LINE + task->argument.len + payload.len);
    if (!to)
        return -1;
    memcpy(to, "task", 4);
    to = put_number(to + 4, ' ', task->job);
    to = put_number(to, '.', task->index);
    *to++ = ' ';
    to = put_bytes(to, task->function);
    to = put_number(to, ' ', task->attempt);
    to = put_number(to, ' ', task->argument.len);
    to = put_number(to, ' ', task->payload.len);
    if (at)
        to = put_number(to, ' ', *at);
    return put_end(queue, to, task->argument, payload);
}

int slot_write_task(struct slot_queue *queue, const struct slot_task *task)
{
    return write_task(queue, task, task->payload, NULL);
}

int slot_write_task_line(struct slot_queue *queue, const struct slot_task *task)
{
    return write_task(queue, task, (struct belt_bytes){NULL, 0}, NULL);
}

int slot_write_task_at(struct slot_queue *queue, const struct slot_task *task, size_t at)
{
    return write_task(queue, task, (struct belt_bytes){NULL, 0}, &at);
}

int slot_write_hello(struct slot_queue *queue)
{
    static const char hello[] = "belt-slot 1\n";

    return slot_queue_add(queue, hello, sizeof(hello) - 1);
}

int slot_write_unable(struct slot_queue *queue, struct belt_bytes text)
{
    uint8_t *to = slot_queue_room(queue, SLOT_MAX_LINE + text.len);

    if (!to)
        return -1;
    memcpy(to, "unable", 6);
    return put_end(queue, put_number(to + 6, ' ', text.len), text, (struct belt_bytes){NULL, 0});
}

/* Of the task that is answered, what tells it from its neighbours (SHARED_MEMORY.md); NULL: nothing. */
static uint8_t *put_mark(uint8_t *to, const struct slot_task *task)
{
    if (!task)
        return to;
    to[0] = ' ';
    to[1] = '#';
    to[2] = (uint8_t)('0' + task->index % 10);
    return to + 3;
}

static int write_ok(struct slot_queue *queue, const struct slot_task *task, size_t len, struct belt_bytes payload,
                    uint64_t service_us, const size_t *at)
{
    uint8_t *to = slot_queue_room(queue, SLOT_MAX_LINE + payload.len);

    if (!to)
        return -1;
    memcpy(to, "ok", 2);
    to = put_number(to + 2, ' ', len);
    to = put_number(to, ' ', service_us);
    if (at)
        to = put_number(to, ' ', *at);
    return put_end(queue, put_mark(to, task), payload, (struct belt_bytes){NULL, 0});
}

int slot_write_ok(struct slot_queue *queue, const struct slot_task *task, struct belt_bytes payload,
                  uint64_t service_us)
{
    return write_ok(queue, task, payload.len, payload, service_us, NULL);
}

int slot_write_ok_line(struct slot_queue *queue, const struct slot_task *task, size_t len, uint64_t service_us)
{
    return write_ok(queue, task, len, (struct belt_bytes){NULL, 0}, service_us, NULL);
}

int slot_write_ok_at(struct slot_queue *queue, const struct slot_task *task, size_t len, uint64_t service_us, size_t at)
{
    return write_ok(queue, task, len, (struct belt_bytes){NULL, 0}, service_us, &at);
}

int slot_write_fail(struct slot_queue *queue, const struct slot_task *task, unsigned code, struct belt_bytes text,
                    struct belt_bytes payload, uint64_t service_us)
{
    uint8_t *to = slot_queue_room(queue, SLOT_MAX_LINE + text.len + payload.len);
    if (!to)
        return -1;
    memcpy(to, "fail", 4);
    to = put_number(to + 4, ' ', text.len);
    to = put_number(to, ' ', payload.len);
    to = put_number(to, ' ', service_us);
    to = put_number(to, ' ', code);
    return put_end(queue, put_mark(to, task), text, payload);
}

int slot_write_progress(struct slot_queue *queue, uint64_t done, uint64_t total)
{
    uint8_t *to = slot_queue_room(queue, SLOT_MAX_LINE);

    if (!to)
        return -1;
    memcpy(to, "progress", 8);
    to = put_number(to + 8, ' ', done);
    to = put_number(to, ' ', total);
    return put_end(queue, to, (struct belt_bytes){NULL, 0}, (struct belt_bytes){NULL, 0});
}

/* ----------------------------------------------------------------- reader */

void slot_reader_init(struct slot_reader *reader, enum slot_side side, uint32_t max_payload)
{
    *reader = (struct slot_reader){.side = side, .max_payload = max_payload};
}

static void reader_drop(struct slot_reader *reader)
{
    free(reader->data);
    reader->data = NULL;
    reader->pos = reader->len = reader->cap = reader->scanned = 0;
}

static void large_drop(struct slot_reader *reader)
{
    belt_buf_unref(reader->large);
    reader->large = NULL;
    reader->large_told = false;
}

void slot_reader_free(struct slot_reader *reader)
{
    reader_drop(reader);
    large_drop(reader);
}

static void reader_compact(struct slot_reader *reader)
{
    size_t rest = reader->len - reader->pos;

    if (reader->pos > 0 && rest > 0)
        memmove(reader->data, reader->data + reader->pos, rest);
    if (rest == 0 && buffer_outgrown(reader->cap, reader->len, &reader->small))
        reader_drop(reader);
    reader->pos = 0;
    reader->len = rest;
}

uint8_t *slot_reader_room(struct slot_reader *reader, size_t *room)
{
    if (reader->large_told)
        large_drop(reader);
    if (reader->large) {
        *room = reader->large->len - reader->large_at;
        return reader->large->data + reader->large_at;
    }
    if (reader->cap - reader->len < READ_LEAST || reader->pos == reader->len)
        reader_compact(reader);
    if (reader->cap - reader->len < READ_LEAST) {
        /* Doubling: at most as much again as really arrived, whatever lengths were announced. */
        size_t cap = reader->cap ? 2 * reader->cap : READ_ROOM;
        uint8_t *data = realloc(reader->data, cap);
        if (!data)
            return NULL;
        reader->data = data;
        reader->cap = cap;
    }
    *room = reader->cap - reader->len;
    return reader->data + reader->len;
}

void slot_reader_filled(struct slot_reader *reader, size_t len)
{
    if (reader->large) {
        assert(len <= reader->large->len - reader->large_at);
        reader->large_at += len;
        return;
    }
    assert(len <= reader->cap - reader->len);
    reader->len += len;
}

bool slot_reader_pending(const struct slot_reader *reader)
{
    return reader->pos < reader->len || (reader->large && !reader->large_told);
}

/* What is left of the line being parsed. */
struct words {
    const char *at, *end;
};

/* Decimal without sign or leading blanks, followed by a blank, a dot or the end; false otherwise. */
static bool words_number(struct words *words, char after, uint64_t *value)
{
    const char *start = words->at;

    *value = 0;
    while (words->at < words->end && *words->at >= '0' && *words->at <= '9') {
        uint64_t digit = (uint64_t)(*words->at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
        words->at++;
    }
    if (words->at == start)
        return false;
    if (words->at == words->end)
        return after == '\n' || after == '?';
    if (*words->at != (after == '?' ? ' ' : after))
        return false;
    words->at++;
    return true;
}

/* An optional number, where the line has not come to its end or to a name: false when it is none. */
static bool words_optional(struct words *words, bool *there, uint64_t *value)
{
    *there = words->at < words->end && *words->at != 'i' && *words->at != '#';
    return !*there || words_number(words, '?', value);
}

static enum slot_got reader_bad(struct slot_reader *reader, enum slot_got got, const char *what, const char *line,
                                size_t len)
{
    char shown[100];
    size_t n = len < sizeof(shown) - 1 ? len : sizeof(shown) - 1;

    for (size_t i = 0; i < n; i++)
        shown[i] = line[i] >= ' ' && line[i] <= '~' ? line[i] : '?';
    shown[n] = '\0';
    text_print(reader->error, sizeof(reader->error), "%s: \"%s\"%s", what, shown, n < len ? " ..." : "");
    reader->broken = true;
    return got;
}

/* Length of the line at the reading position, or SIZE_MAX when its end is not there yet. */
static size_t reader_line(struct slot_reader *reader)
{
    const uint8_t *from = reader->data + reader->pos;
    size_t rest = reader->len - reader->pos;
    const uint8_t *end = rest > reader->scanned ? memchr(from + reader->scanned, '\n', rest - reader->scanned) : NULL;

    reader->scanned = end ? 0 : rest;
    return end ? (size_t)(end - from) : SIZE_MAX;
}

static bool starts(struct words *words, const char *keyword)
{
    size_t len = strlen(keyword);

    if ((size_t)(words->end - words->at) < len || memcmp(words->at, keyword, len) != 0)
        return false;
    words->at += len;
    return true;
}

/* What a line announces. */
struct announced {
    enum slot_got got;
    uint64_t one, two; /* lengths of the bytes that follow */
    uint64_t one_limit, two_limit;
    uint64_t at; /* where the second of them lies, when message.shared */
};

/* The task that an answer names, as the last word of its line; true without one, too. */
static bool parse_name(struct words *words, struct slot_got_message *m)
{
    if (words->at == words->end)
        return true;
    if (*words->at == '#' && words->end - words->at == 2 && words->at[1] >= '0' && words->at[1] <= '9') {
        m->marked = true;
        m->mark = (uint8_t)(words->at[1] - '0');
        return true;
    }
    m->named = starts(words, "id=");
    return m->named && words_number(words, '.', &m->job) && words_number(words, '\n', &m->index);
}

static bool parse_fail(struct words *words, struct slot_got_message *m, struct announced *a)
{
    uint64_t code = BELT_TASK_FAILED;
    bool coded = false;

    if (!words_number(words, ' ', &a->one) || !words_number(words, '?', &a->two) ||
        !words_optional(words, &m->timed, &m->service_us) || !words_optional(words, &coded, &code) ||
        !parse_name(words, m))
        return false;
    /* Other codes speak of the worker or the broker: a task speaks for itself only. */
    m->code = code == BELT_RESULT_TOO_LARGE || code == BELT_TASK_REFUSED ? (unsigned)code : BELT_TASK_FAILED;
    a->got = SLOT_GOT_FAIL;
    return true;
}

static bool parse_answer(struct words *words, struct slot_got_message *m, struct announced *a)
{
    if (starts(words, "ok ")) {
        a->got = SLOT_GOT_OK;
        return words_number(words, '?', &a->two) && words_optional(words, &m->timed, &m->service_us) &&
               words_optional(words, &m->shared, &a->at) && parse_name(words, m);
    }
    if (starts(words, "fail "))
        return parse_fail(words, m, a);
    if (starts(words, "progress ")) {
        a->got = SLOT_GOT_PROGRESS;
        return words_number(words, ' ', &m->done) && words_number(words, '\n', &m->total);
    }
    if (starts(words, "unable ")) {
        a->got = SLOT_GOT_UNABLE;
        return words_number(words, '\n', &a->one);
    }
    a->got = SLOT_GOT_HELLO;
    return starts(words, "belt-slot 1") && words->at == words->end;
}

static bool parse_task(struct words *words, struct slot_got_message *m, struct announced *a)
{
    uint64_t attempt;

    a->got = SLOT_GOT_TASK;
    if (!starts(words, "task ") || !words_number(words, '.', &m->task.job) || !words_number(words, ' ', &m->task.index))
        return false;
    const char *blank = memchr(words->at, ' ', (size_t)(words->end - words->at));
    if (!blank || blank == words->at || blank - words->at > (ptrdiff_t)BELT_MAX_NAME)
        return false;
    m->task.function = (struct belt_bytes){(const uint8_t *)words->at, (size_t)(blank - words->at)};
    words->at = blank + 1;
    if (!words_number(words, ' ', &attempt) || attempt > UINT32_MAX)
        return false;
    m->task.attempt = (uint32_t)attempt;
    return words_number(words, ' ', &a->one) && words_number(words, '?', &a->two) &&
           words_optional(words, &m->shared, &a->at) && words->at == words->end;
}

/* An answer whose payload of `size` bytes is large and not whole yet: what is there moves to its own buffer, the rest
 * is read to there. False when out of memory: it is read like any other. */
static bool large_begin(struct slot_reader *reader, size_t line, size_t size, const struct slot_got_message *m)
{
    reader->large = belt_buf_new(size);
    if (!reader->large)
        return false;
    reader->pos += line + 1;
    reader->large_at = reader->len - reader->pos;
    if (reader->large_at > 0)
        memcpy(reader->large->data, reader->data + reader->pos, reader->large_at);
    reader->pos = reader->len;
    reader->large_us = m->service_us;
    reader->large_timed = m->timed;
    reader->large_named = m->named;
    reader->large_marked = m->marked;
    reader->large_mark = m->mark;
    reader->large_job = m->job;
    reader->large_index = m->index;
    return true;
}

static enum slot_got large_message(struct slot_reader *reader, struct slot_got_message *m)
{
    struct belt_buf *large = reader->large;

    if (reader->large_at < large->len)
        return SLOT_GOT_NOTHING;
    reader->large_told = true;
    m->timed = reader->large_timed;
    m->service_us = reader->large_us;
    m->named = reader->large_named;
    m->marked = reader->large_marked;
    m->mark = reader->large_mark;
    m->job = reader->large_job;
    m->index = reader->large_index;
    m->payload = (struct belt_bytes){large->data, large->len};
    m->kept = (struct belt_payload){large, large->data, (uint32_t)large->len};
    return SLOT_GOT_OK;
}

/* Whether a payload that is said to lie in shared memory does. */
static bool shared_good(const struct slot_reader *reader, const struct announced *a)
{
    return a->two > 0 && a->two <= reader->shared.len && a->at <= reader->shared.len - a->two;
}

static enum slot_got reader_message(struct slot_reader *reader, size_t len, struct slot_got_message *m)
{
    const char *line = (const char *)reader->data + reader->pos;
    struct words words = {line, line + len};
    struct announced a = {.one_limit = reader->max_payload, .two_limit = reader->max_payload};

    bool good = reader->side == SLOT_SIDE_SLOT ? parse_task(&words, m, &a) : parse_answer(&words, m, &a);
    if (!good || (m->shared && !shared_good(reader, &a)))
        return reader_bad(reader, SLOT_GOT_BAD, "not the slot protocol", line, len);
    if (a.one > a.one_limit || a.two > a.two_limit)
        return reader_bad(reader, SLOT_GOT_LARGE, "a length over the limit", line, len);
    size_t follow = (size_t)a.one + (m->shared ? 0 : (size_t)a.two);
    if (reader->len - reader->pos - len - 1 < follow) {
        if (a.got == SLOT_GOT_OK && !m->shared && a.two >= SLOT_LARGE_BYTES)
            (void)large_begin(reader, len, (size_t)a.two, m);
        return SLOT_GOT_NOTHING;
    }

    const uint8_t *body = reader->data + reader->pos + len + 1;
    struct belt_bytes one = {body, (size_t)a.one};
    struct belt_bytes two = {m->shared ? reader->shared.data + a.at : body + a.one, (size_t)a.two};
    if (a.got == SLOT_GOT_TASK)
        m->task.argument = one;
    else
        m->text = one;
    if (a.got == SLOT_GOT_TASK)
        m->task.payload = two;
    else
        m->payload = two;
    reader->pos += len + 1 + follow;
    reader->scanned = 0;
    return a.got;
}

static enum slot_got reader_filter(struct slot_reader *reader, size_t len, struct slot_got_message *m)
{
    const uint8_t *line = reader->data + reader->pos;
    size_t seen = len == SIZE_MAX ? reader->len - reader->pos : len;

    if (seen > reader->max_payload)
        return reader_bad(reader, SLOT_GOT_LARGE, "a line over the limit", (const char *)line, seen);
    if (len == SIZE_MAX)
        return SLOT_GOT_NOTHING;
    m->payload = (struct belt_bytes){line, len};
    reader->pos += len + 1;
    return SLOT_GOT_OK;
}

enum slot_got slot_reader_next(struct slot_reader *reader, struct slot_got_message *message)
{
    *message = (struct slot_got_message){.code = BELT_TASK_FAILED};
    if (reader->broken)
        return SLOT_GOT_BAD;
    if (reader->large_told)
        large_drop(reader);
    if (reader->large)
        return large_message(reader, message);
    if (reader->pos == reader->len)
        return SLOT_GOT_NOTHING;
    size_t len = reader_line(reader);
    if (reader->side == SLOT_SIDE_FILTER)
        return reader_filter(reader, len, message);
    size_t seen = len == SIZE_MAX ? reader->len - reader->pos : len;
    if (seen > SLOT_MAX_LINE - 1)
        return reader_bad(reader, SLOT_GOT_BAD, "not the slot protocol", (const char *)reader->data + reader->pos,
                          seen);
    return len == SIZE_MAX ? SLOT_GOT_NOTHING : reader_message(reader, len, message);
}
