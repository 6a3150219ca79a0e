/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of a chaos run, and the processes that make and run them. See work.h.
 */
#include "tests/chaos/work.h"

#include <belt/belt.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A slot kills itself once in so many tasks. */
#define CRASH_ONE_IN 3000u

uint64_t work_mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static size_t fill(uint64_t state, size_t len, uint8_t *bytes)
{
    for (size_t i = 0; i < len; i++) {
        if (i % 8 == 0)
            state = work_mix(state);
        bytes[i] = (uint8_t)(state >> (i % 8 * 8));
    }
    return len;
}

/* Mostly small; now and then large enough to travel as a frame of its own. */
static size_t length(uint64_t mixed)
{
    return mixed % 200 == 0 ? 17000 + mixed / 200 % 30000 : mixed / 200 % 200;
}

size_t work_input(uint64_t seed, uint64_t index, uint8_t *bytes)
{
    uint64_t head[2] = {seed, index};

    memcpy(bytes, head, sizeof(head));
    return sizeof(head) + fill(seed ^ index, length(work_mix(seed + index * 3)), bytes + sizeof(head));
}

size_t work_result(uint64_t seed, uint64_t index, uint8_t *bytes)
{
    uint64_t state = work_mix(seed * 5 + index);

    return fill(state, 8 + length(work_mix(state)), bytes);
}

uint64_t work_hash(const void *bytes, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

size_t work_run(const uint8_t *input, size_t len, uint8_t *result)
{
    static uint8_t wanted[WORK_MAX];
    uint64_t head[2], mixed;

    if (len < sizeof(head))
        return 0;
    memcpy(head, input, sizeof(head));
    if (work_input(head[0], head[1], wanted) != len || memcmp(wanted, input, len) != 0)
        return 0;
    mixed = work_mix(head[0] ^ work_mix(head[1]));
    if (mixed % 100 < 8)
        usleep((useconds_t)(1000 + mixed / 100 % 4000));
    else if (mixed % 100 < 10)
        usleep((useconds_t)(20000 + mixed / 100 % 80000));
    if (work_mix(clock_ns() ^ (uint64_t)getpid()) % CRASH_ONE_IN == 0)
        kill(getpid(), SIGKILL);
    return work_result(head[0], head[1], result);
}

/* ---- agent with a C function ---- */

static int run_in_c(belt_task *task, const void *data, size_t len, void *ctx)
{
    static uint8_t result[WORK_MAX];
    size_t size = work_run(data, len, result);

    (void)ctx;
    return size == 0 ? belt_task_fail(task, "the payload is not what was handed in")
                     : belt_task_reply(task, result, size);
}

int work_agent(const char *broker)
{
    belt_worker_options options;
    int rc;

    belt_worker_options_init(&options);
    options.slots = 2;
    options.drain_ms = 2000;
    rc = belt_function_register(WORK_FUNCTION, run_in_c, NULL);
    if (rc == BELT_OK)
        rc = belt_worker_run(broker, &options);
    if (rc != BELT_OK)
        fprintf(stderr, "agent: %s\n", belt_error_text());
    return rc == BELT_OK ? 0 : 1;
}

/* ---- slot that speaks the protocol of worker/SLOTS.md ---- */

int work_slot(void)
{
    static uint8_t input[WORK_MAX], result[WORK_MAX];
    char function[130];
    unsigned attempt;
    size_t argument, len, size;

    printf("belt-slot 1\n");
    fflush(stdout);
    while (scanf("task %*s %129s %u %zu %zu", function, &attempt, &argument, &len) == 4) {
        if (getchar() != '\n' || argument != 0 || len > sizeof(input) || fread(input, 1, len, stdin) != len)
            return 1;
        size = work_run(input, len, result);
        if (size == 0) {
            printf("fail 38 0\nthe payload is not what was handed in.");
        } else {
            printf("ok %zu\n", size);
            fwrite(result, 1, size, stdout);
        }
        fflush(stdout);
    }
    return 0;
}

/* ---- client ---- */

struct source {
    uint64_t seed, next, count;
    uint8_t bytes[WORK_MAX];
};

static int draw(void *ctx, belt_input *input)
{
    struct source *source = ctx;

    if (source->next == source->count)
        return BELT_INPUT_END;
    input->len = work_input(source->seed, source->next++, source->bytes);
    input->data = source->bytes;
    return BELT_INPUT_READY;
}

static bool note(int fd, uint64_t index, unsigned code, const void *data, size_t len)
{
    struct work_seen seen = {.index = index, .code = code, .len = (uint32_t)len, .hash = work_hash(data, len)};

    return write(fd, &seen, sizeof(seen)) == (ssize_t)sizeof(seen);
}

/* Writes the result down and acknowledges it, in this order. After a crash those that were not acknowledged come again:
 * their numbers tell. A number that was skipped is written down as a wrong result. */
static bool take(belt_stream *stream, const belt_result *result, uint64_t *have, int fd)
{
    struct work_seen seen;

    if (result->number < *have) {
        if (pread(fd, &seen, sizeof(seen), (off_t)(result->number * sizeof(seen))) != (ssize_t)sizeof(seen))
            return false;
        if (seen.index != result->index && !note(fd, result->index, BELT_SYNC_LOST, "", 0))
            return false;
    } else if (!note(fd, result->index, result->number > *have ? BELT_GONE : result->code, result->data, result->len)) {
        return false;
    } else {
        ++*have;
    }
    return belt_stream_ack(stream, result->number) == BELT_OK;
}

static int read_all(belt_stream *stream, uint64_t seed, uint64_t have, int fd)
{
    belt_result *result;
    int rc;

    while ((rc = belt_stream_next(stream, -1, &result)) == BELT_OK) {
        if (result->code != BELT_OK)
            fprintf(stderr, "client: index %llu: attempt %u: %s\n", (unsigned long long)result->index, result->attempt,
                    result->text);
        if (WORK_RESUMES(seed) ? !take(stream, result, &have, fd)
                               : !note(fd, result->index, result->code, result->data, result->len))
            return BELT_SYSTEM;
        if (work_mix(seed ^ result->index) % 500 == 0)
            usleep(50000); /* a reader that is slow now and then */
        belt_result_free(&result);
    }
    return rc;
}

int work_client(const char *broker, bool ordered, uint64_t seed, uint64_t count, const char *log)
{
    static struct source source;
    belt_pool_options pool_options;
    belt_job_options options;
    belt_pool *pool = NULL;
    belt_stream *stream = NULL;
    int fd = open(log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600), rc;
    uint64_t have = (uint64_t)lseek(fd, 0, SEEK_END) / sizeof(struct work_seen);
    char key[32];

    if (have >= count) /* killed between the last result and the end */
        return note(fd, WORK_OVER, BELT_END, NULL, 0) ? 0 : 1;
    source = (struct source){.seed = seed, .count = count};
    belt_pool_options_init(&pool_options);
    pool_options.connect_timeout_ms = 120000;
    pool_options.lost_timeout_ms = -1;
    belt_job_options_init(&options);
    options.max_attempts = 100000; /* what kills slots here is not the task */
    options.buffersize = seed % 3 == 0 ? 0 : 16 + seed % 1000;
    options.durability = BELT_DURABLE;
    snprintf(key, sizeof(key), "job-%llu", (unsigned long long)seed);
    if (WORK_RESUMES(seed)) {
        options.key = key;
        options.detached = options.acknowledge = true;
    }
    rc = belt_pool_open(broker, &pool_options, &pool);
    if (rc == BELT_OK)
        rc = (ordered ? belt_pool_imap : belt_pool_imap_unordered)(pool, WORK_FUNCTION, draw, &source, &options,
                                                                   &stream);
    if (rc == BELT_OK)
        rc = read_all(stream, seed, have, fd);
    if (rc != BELT_END)
        fprintf(stderr, "client: %s: %s\n", belt_code_name((unsigned)rc), belt_error_text());
    if (rc == BELT_END || !WORK_RESUMES(seed) || (rc != BELT_STORE_FAILED && rc != BELT_DRAINING))
        if (!note(fd, WORK_OVER, (unsigned)rc, NULL, 0))
            rc = BELT_SYSTEM;
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    return rc == BELT_END ? 0 : rc == BELT_STORE_FAILED || rc == BELT_DRAINING ? WORK_EXIT_REFUSED : 1;
}
