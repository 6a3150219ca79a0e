/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot of C functions. See task.h.
 *
 * The agent is not told of answers while more tasks are already here, because waking it costs more than a short task;
 * but not for longer than HOLD_US, and not behind a function that is known to take longer.
 */
#include "worker/slot/task.h"
#include "worker/slot/memory.h"
#include "worker/slot/protocol.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long a finished answer may wait for company. */
#define HOLD_US    100u
#define HOLD_BYTES (64u << 10)
/* Progress is for people: so often is enough. */
#define PROGRESS_US 100000u

/* A copy that is larger is not kept for the next task. */
#define ALIGNED_KEPT (256u << 10)

/* Where bytes are copied to that do not lie as a function may expect. */
struct aligned {
    void *data;
    size_t size;
};

struct slot {
    struct slot_pipe pipe;
    struct arena_memory *arena;
    const struct belt_agent_options *options;
    const struct slots_shared *shared;
    struct slot_memory *told; /* read by the agent when this process dies, or its task runs too long */
    struct slot_reader reader;
    struct slot_queue out;
    size_t untold; /* bytes of answers that the agent may read, and was not woken for */
    uint64_t flushed_us;
    uint64_t *typical_us; /* by function: what it took lately */
    uint32_t number;      /* of the task that was read last, from 1 */
    struct aligned payload, argument;
};

struct belt_task {
    struct slot *slot;
    struct slot_task got;
    bool shared; /* its payload lies in the arena */
    bool answered, failed, sent;
    uint64_t started_us;
    unsigned code;
    struct slot_queue answer; /* kept from task to task; of a failure the text, and behind it the payload */
    size_t text_len;          /* of the text */
    uint64_t told_us;         /* last progress */
};

static void on_cancel(int number)
{
    (void)number; /* it only wakes a function that sleeps; what is to stop is said in shared memory */
}

void task_catch_cancel(void)
{
    /* No SA_RESTART: a function that sleeps wakes up and can look. */
    struct sigaction action = {.sa_handler = on_cancel};

    sigaction(SIGUSR1, &action, NULL);
}

/* Set in processes that a function has forked: they are not the slot, and cannot answer for it. */
static volatile sig_atomic_t is_forked;

static void forget_slot(void)
{
    is_forked = 1;
}

/* A process that a function forked has returned from the function, where it should have ended. */
static _Noreturn void end_forked(void)
{
    static const char text[] =
        "belt slot: a process that a function forked returned from the function; end it with _exit()\n";

    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

static uint64_t clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* The agent always reads, so this waits only as long as it is busy. */
static void slot_put(struct slot *slot, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n = slot_pipe_write(&slot->pipe, data, len);
        data += n;
        len -= n;
        if (n > 0)
            continue;
        if (slot_pipe_tell(&slot->pipe) != 0)
            _exit(0); /* the agent is gone */
        slot_pipe_sleep(&slot->pipe);
    }
}

/* Writes all that waits, and `more` behind it. */
static void slot_send(struct slot *slot, uint64_t now, struct belt_bytes more)
{
    size_t waits = slot->out.len - slot->out.pos;

    if (waits > 0)
        slot_put(slot, slot->out.data + slot->out.pos, waits);
    slot_queue_consume(&slot->out, waits);
    slot_put(slot, more.data, more.len);
    if (slot_pipe_tell(&slot->pipe) != 0)
        _exit(0);
    slot->flushed_us = now;
    slot->untold = 0;
}

static void slot_flush(struct slot *slot, uint64_t now)
{
    slot_send(slot, now, (struct belt_bytes){NULL, 0});
}

/* What waits lies where the agent can read it, as far as there is room, and nobody is woken: when the next task takes
 * long, the agent comes for it by itself (c_reclaim() in runner_c.c). */
static void slot_lay_out(struct slot *slot)
{
    size_t waits = slot->out.len - slot->out.pos;

    if (waits == 0)
        return;
    size_t n = slot_pipe_write(&slot->pipe, slot->out.data + slot->out.pos, waits);
    slot_queue_consume(&slot->out, n);
    slot->untold += n;
}

/* The bytes at an address that is a multiple of BELT_ALIGNMENT: where they are, or in a copy. */
static const void *align(struct aligned *room, struct belt_bytes bytes)
{
    size_t size = (bytes.len + BELT_ALIGNMENT) / BELT_ALIGNMENT * BELT_ALIGNMENT; /* one byte more, at least */

    static const _Alignas(BELT_ALIGNMENT) char nothing[BELT_ALIGNMENT];

    if (bytes.len == 0)
        return nothing;
    if ((uintptr_t)bytes.data % BELT_ALIGNMENT == 0)
        return bytes.data;
    if (size > room->size) {
        free(room->data);
        room->data = aligned_alloc(BELT_ALIGNMENT, size);
        room->size = room->data ? size : 0;
    }
    if (!room->data) {
        fputs("belt slot: out of memory\n", stderr);
        _exit(1);
    }
    memcpy(room->data, bytes.data, bytes.len);
    ((uint8_t *)room->data)[bytes.len] = 0; /* nobody may count on it, but what is read too far ends there */
    return room->data;
}

static void align_rest(struct aligned *room)
{
    if (room->size <= ALIGNED_KEPT)
        return;
    free(room->data);
    *room = (struct aligned){NULL, 0};
}

/* -------------------------------------------------- what functions may call */

static unsigned payload_limit(const belt_task *task)
{
    unsigned limit = atomic_load(&task->slot->shared->max_payload);

    return limit ? limit : BELT_MAX_PAYLOAD_DEFAULT;
}

static int task_fail(belt_task *task, unsigned code, const char *text, struct belt_bytes payload)
{
    int rc = BELT_OK;

    if (task->answered || is_forked)
        return BELT_INVALID;
    task->answered = task->failed = true;
    task->code = code;
    task->text_len = text ? strnlen(text, payload_limit(task)) : 0; /* the agent cuts it */
    if (payload.len > payload_limit(task)) {
        payload.len = 0;
        rc = BELT_RESULT_TOO_LARGE;
    }
    if (slot_queue_add(&task->answer, text, task->text_len) != 0) {
        task->text_len = 0;
        return BELT_NO_MEMORY;
    }
    return slot_queue_add(&task->answer, payload.data, payload.len) == 0 ? rc : BELT_NO_MEMORY;
}

/* Where the answer lies in the arena: in the task's payload, or in a block that it is copied to. False: there is no
 *  room. */
static bool reply_place(const belt_task *task, struct belt_bytes bytes, size_t *at)
{
    const struct arena_memory *arena = task->slot->arena;
    uintptr_t data = (uintptr_t)bytes.data, payload = (uintptr_t)task->got.payload.data;

    if (!task->shared || bytes.len > task->got.payload.len || data < payload ||
        data - payload > task->got.payload.len - bytes.len)
        return arena && arena_put(task->slot->arena, bytes, at);
    *at = data - (uintptr_t)arena->bytes;
    return true;
}

static int reply_apart(belt_task *task, struct belt_bytes bytes)
{
    uint64_t now = clock_us();
    size_t at;

    if (reply_place(task, bytes, &at)) {
        if (slot_write_ok_at(&task->slot->out, &task->got, bytes.len, now - task->started_us, at) != 0)
            return BELT_NO_MEMORY;
        task->sent = true;
        slot_flush(task->slot, now);
        return BELT_OK;
    }
    if (slot_write_ok_line(&task->slot->out, &task->got, bytes.len, now - task->started_us) != 0)
        return BELT_NO_MEMORY;
    task->sent = true;
    slot_send(task->slot, now, bytes);
    return BELT_OK;
}

/* A large result in parts: gathered where the agent finds it, or sent part by part. */
static int gather_apart(belt_task *task, const belt_span *parts, size_t count, size_t len)
{
    struct arena_memory *arena = task->slot->arena;
    uint64_t now = clock_us();
    size_t at;

    if (arena && arena_take(arena, len, &at)) {
        uint8_t *to = arena->bytes + at;
        for (size_t i = 0; i < count; to += parts[i++].len)
            if (parts[i].len > 0)
                memcpy(to, parts[i].data, parts[i].len);
        if (slot_write_ok_at(&task->slot->out, &task->got, len, now - task->started_us, at) != 0)
            return BELT_NO_MEMORY;
        task->sent = true;
        slot_flush(task->slot, now);
        return BELT_OK;
    }
    if (slot_write_ok_line(&task->slot->out, &task->got, len, now - task->started_us) != 0)
        return BELT_NO_MEMORY;
    task->sent = true;
    for (size_t i = 0; i < count; i++)
        slot_send(task->slot, now, (struct belt_bytes){parts[i].data, parts[i].len});
    return BELT_OK;
}

/* Whether a result of so many bytes may be given; else it is the task's failure. */
static int reply_check(belt_task *task, size_t len)
{
    char text[96];

    if (task->answered || is_forked)
        return BELT_INVALID;
    if (len > payload_limit(task)) {
        snprintf(text, sizeof(text), "the result has %zu bytes, the limit is %u", len, payload_limit(task));
        task_fail(task, BELT_RESULT_TOO_LARGE, text, (struct belt_bytes){NULL, 0});
        return BELT_RESULT_TOO_LARGE;
    }
    task->answered = true;
    return BELT_OK;
}

BELT_API int belt_task_reply(belt_task *task, const void *data, size_t len)
{
    int rc = reply_check(task, len);

    if (rc != BELT_OK)
        return rc;
    if (len >= SLOT_LARGE_BYTES) /* sent from where it lies, when the function gives it */
        return reply_apart(task, (struct belt_bytes){data, len});
    return slot_queue_add(&task->answer, data, len) == 0 ? BELT_OK : BELT_NO_MEMORY;
}

BELT_API int belt_task_reply_parts(belt_task *task, const belt_span *parts, size_t count)
{
    size_t len = 0;
    int rc;

    for (size_t i = 0; i < count; i++)
        if ((!parts[i].data && parts[i].len > 0) || __builtin_add_overflow(len, parts[i].len, &len))
            return BELT_INVALID;
    rc = reply_check(task, len);
    if (rc != BELT_OK)
        return rc;
    if (len >= SLOT_LARGE_BYTES)
        return gather_apart(task, parts, count, len);
    for (size_t i = 0; i < count; i++)
        if (slot_queue_add(&task->answer, parts[i].data, parts[i].len) != 0)
            return BELT_NO_MEMORY;
    return BELT_OK;
}

BELT_API int belt_task_fail(belt_task *task, const char *text)
{
    return task_fail(task, BELT_TASK_FAILED, text, (struct belt_bytes){NULL, 0});
}

BELT_API int belt_task_fail_final(belt_task *task, const char *text)
{
    return task_fail(task, BELT_TASK_REFUSED, text, (struct belt_bytes){NULL, 0});
}

BELT_API int belt_task_fail_data(belt_task *task, const char *text, const void *data, size_t len)
{
    return task_fail(task, BELT_TASK_FAILED, text, (struct belt_bytes){data, len});
}

BELT_API void belt_task_progress(belt_task *task, uint64_t done, uint64_t total)
{
    uint64_t now = clock_us();

    if (task->sent || is_forked || (task->told_us != 0 && now - task->told_us < PROGRESS_US))
        return;
    task->told_us = now;
    if (slot_write_progress(&task->slot->out, done, total) == 0)
        slot_flush(task->slot, now);
}

BELT_API bool belt_task_cancelled(const belt_task *task)
{
    const struct slot_memory *told = task->slot->told;

    return !is_forked && atomic_load(&told->stop) == atomic_load_explicit(&told->begun, memory_order_relaxed);
}

BELT_API uint64_t belt_task_index(const belt_task *task)
{
    return task->got.index;
}

BELT_API unsigned belt_task_attempt(const belt_task *task)
{
    return task->got.attempt;
}

BELT_API const void *belt_task_argument(const belt_task *task, size_t *len)
{
    if (len)
        *len = task->got.argument.len;
    return align(&task->slot->argument, task->got.argument);
}

/* ------------------------------------------------------------------ running */

static uint32_t function_find(const struct belt_agent_options *options, struct belt_bytes name)
{
    for (uint32_t i = 0; i < options->function_count; i++) {
        const struct belt_agent_function *f = &options->functions[i];
        if (f->runner == BELT_RUN_C && strlen(f->name) == name.len && memcmp(f->name, name.data, name.len) == 0)
            return i;
    }
    return UINT32_MAX;
}

static void task_call(struct belt_task *task, uint32_t number)
{
    const struct belt_agent_function *f = &task->slot->options->functions[number];
    char text[64];

    const void *payload = align(&task->slot->payload, task->got.payload);
    int rc = f->function(task, payload, task->got.payload.len, f->ctx);
    align_rest(&task->slot->payload);
    if (rc == 0 || task->answered)
        return;
    snprintf(text, sizeof(text), "the function returned %d without a reply", rc);
    belt_task_fail(task, text);
}

static struct belt_bytes behind(struct belt_bytes bytes, size_t len)
{
    return bytes.len > len ? (struct belt_bytes){bytes.data + len, bytes.len - len} : (struct belt_bytes){NULL, 0};
}

static void task_answer(struct belt_task *task, uint64_t service_us)
{
    struct belt_bytes bytes = {task->answer.data, task->answer.len}, text = {bytes.data, task->text_len};
    int rc = 0;

    if (task->sent)
        return;
    if (task->failed)
        rc = slot_write_fail(&task->slot->out, &task->got, task->code, text, behind(bytes, text.len), service_us);
    else
        rc = slot_write_ok(&task->slot->out, &task->got, bytes, service_us);
    slot_queue_consume(&task->answer, task->answer.len);
    if (rc != 0) {
        fputs("belt slot: out of memory\n", stderr);
        _exit(1);
    }
}

/* The agent is not told of each answer, so it would not know which task runs: it is said before it runs. */
static void task_begins(struct slot_memory *told, uint64_t now)
{
    atomic_store_explicit(&told->begun_us, now, memory_order_relaxed);
    atomic_store_explicit(&told->begun, atomic_load_explicit(&told->begun, memory_order_relaxed) + 1,
                          memory_order_release);
}

static void task_ends(struct slot_memory *told)
{
    atomic_store_explicit(&told->ended, atomic_load_explicit(&told->begun, memory_order_relaxed), memory_order_release);
}

/* Whether the agent has not taken the task back, which it cannot any more then (claim.h). */
static bool task_claim(struct slot *slot)
{
    unsigned long long old = atomic_load(&slot->told->claim), mine;
    uint32_t number = ++slot->number;

    do {
        struct claim claim = claim_unpack(old);
        if (!claim_begin(&claim, number))
            return false;
        mine = claim_pack(claim);
    } while (!atomic_compare_exchange_weak(&slot->told->claim, &old, mine));
    return true;
}

static void task_run(struct slot *slot, struct belt_task *task)
{
    uint32_t number = function_find(slot->options, task->got.function);
    uint64_t start = clock_us();

    if (slot->untold + slot->out.len > 0 &&
        (number == UINT32_MAX || start - slot->flushed_us > HOLD_US || slot->typical_us[number] > HOLD_US ||
         slot->untold + slot->out.len > HOLD_BYTES))
        slot_flush(slot, start);
    else
        slot_lay_out(slot);
    task->answered = task->failed = task->sent = false;
    task->started_us = start;
    task->code = BELT_TASK_FAILED;
    task->told_us = 0;
    task_begins(slot->told, start);
    if (number != UINT32_MAX) {
        task_call(task, number);
    } else {
        belt_task_fail(task, "this slot does not serve the function");
    }
    if (is_forked)
        end_forked();
    fflush(stdout);
    uint64_t took = clock_us() - start;
    if (number != UINT32_MAX)
        slot->typical_us[number] = (3 * slot->typical_us[number] + took) / 4;
    task_answer(task, took);
    task_ends(slot->told);
}

/* False: no more tasks will come. */
static bool slot_read(struct slot *slot)
{
    size_t room;
    uint8_t *at = slot_reader_room(&slot->reader, &room);
    ssize_t n = at ? slot_pipe_read(&slot->pipe, at, room) : 0;

    if (n <= 0)
        return false;
    slot_reader_filled(&slot->reader, (size_t)n);
    return true;
}

static void slot_serve(struct slot *slot)
{
    struct belt_task task = {.slot = slot};
    struct slot_got_message got;

    for (;;) {
        switch (slot_reader_next(&slot->reader, &got)) {
        case SLOT_GOT_TASK:
            task.got = got.task;
            task.shared = got.shared;
            if (task_claim(slot))
                task_run(slot, &task);
            break;
        case SLOT_GOT_NOTHING:
            slot_flush(slot, clock_us());
            if (!slot_read(slot))
                return;
            break;
        default:
            fprintf(stderr, "belt slot: %s\n", slot->reader.error);
            return;
        }
    }
}

/* Why the slot cannot serve, as its initialiser has said; in the slot only. */
static char *unable;
static bool is_starting;

BELT_API int belt_slot_fail(const char *text)
{
    if (!is_starting || is_forked || unable)
        return BELT_INVALID;
    unable = strdup(text ? text : "the slot's initialiser gave no reason");
    return unable ? BELT_OK : BELT_NO_MEMORY;
}

/* Runs the initialiser. False: the slot cannot serve. */
static bool slot_begin(struct slot *slot)
{
    const struct belt_agent_options *options = slot->options;
    int rc;

    is_starting = true;
    rc = options->slot_init ? options->slot_init(options->slot_ctx) : 0;
    is_starting = false;
    if (is_forked)
        end_forked();
    if (!unable && rc == 0)
        return true;
    if (unable) {
        size_t len = strnlen(unable, BELT_MAX_PAYLOAD_DEFAULT);
        slot_write_unable(&slot->out, (struct belt_bytes){(const uint8_t *)unable, len});
        slot_flush(slot, clock_us());
    } else {
        fprintf(stderr, "the slot's initialiser returned %d\n", rc);
    }
    return false;
}

_Noreturn void task_slot_run(const struct task_ends *ends, const struct belt_agent_options *options)
{
    struct slot slot = {
        .pipe = ends->pipe, .arena = ends->arena, .options = options, .shared = ends->shared, .told = ends->memory};

    is_forked = 0; /* a slot of a pool that a task of another slot has opened */
    pthread_atfork(NULL, NULL, forget_slot);
    slot_reader_init(&slot.reader, SLOT_SIDE_SLOT, BELT_MAX_PAYLOAD_CEILING);
    if (slot.arena)
        slot.reader.shared = (struct belt_bytes){slot.arena->bytes, arena_bytes(slot.arena->units)};
    slot.typical_us = calloc(options->function_count + 1, sizeof(*slot.typical_us));
    if (!slot.typical_us)
        _exit(1);
    if (!slot_begin(&slot)) {
        fflush(NULL);
        _exit(1);
    }
    slot_write_hello(&slot.out);
    slot_flush(&slot, clock_us());
    slot_serve(&slot);
    if (options->slot_exit)
        options->slot_exit(options->slot_ctx);
    fflush(NULL);
    _exit(0);
}
