/* SPDX-License-Identifier: Apache-2.0
 *
 * Every public call after, beside and within the close of its pool, and in a forked process, as a plain program that
 * also runs under ThreadSanitizer. Pools are opened one after the other to the broker of one private pool, which is
 * opened before there are threads. Ends with 0 when every call answered as <belt/belt.h> says.
 */
#include <belt/belt.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS  30
#define WAIT_MS 60000

static atomic_uint failures;
static char endpoint[200];

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    atomic_fetch_add(&failures, 1);
    fprintf(stderr, "drive_close: %s: %s\n", what, belt_error_text());
}

#define EXPECT(call, code) check((call) == (code), #call)

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

static int endless(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)data, (void)len, (void)ctx;
    while (!belt_task_cancelled(task))
        usleep(1000);
    return 0;
}

static int no_input_yet(void *ctx, belt_input *input)
{
    (void)ctx, (void)input;
    return BELT_INPUT_LATER;
}

static int forever(void *ctx, belt_input *input)
{
    (void)ctx;
    input->data = "x";
    input->len = 1;
    return BELT_INPUT_READY;
}

static belt_pool *open_pool(void)
{
    belt_pool *pool = NULL;

    EXPECT(belt_pool_open(endpoint, NULL, &pool), BELT_OK);
    return pool;
}

/* ---- after ---- */

/* Every call on a pool: each answers `code`. */
static void pool_calls(belt_pool *pool, int code)
{
    belt_stream *stream = NULL;
    belt_result *result = NULL, **results = NULL;
    belt_status *status = NULL;
    belt_span input = {"x", 1};
    uint64_t number;

    EXPECT(belt_pool_imap(pool, "echo", forever, NULL, NULL, &stream), code);
    EXPECT(belt_pool_imap_unordered(pool, "echo", NULL, NULL, NULL, &stream), code);
    EXPECT(belt_pool_submit(pool, "echo", forever, NULL, NULL, &number), code);
    EXPECT(belt_pool_submit_open(pool, "echo", NULL, NULL, NULL, &stream), code);
    EXPECT(belt_pool_subscribe(pool, 1, "me", BELT_FROM_ACKNOWLEDGED, NULL, &stream), code);
    EXPECT(belt_pool_map(pool, "echo", &input, 1, NULL, -1, &results), code);
    EXPECT(belt_pool_apply(pool, "echo", "x", 1, NULL, -1, &result), code);
    EXPECT(belt_pool_apply_async(pool, "echo", "x", 1, NULL, &stream), code);
    EXPECT(belt_status_get(pool, BELT_STATUS_JOBS, NULL, NULL, -1, &status), code);
    EXPECT(belt_job_cancel(pool, 1, -1), code);
    EXPECT(belt_pool_ping(pool, -1, &number), code);
    check(!stream && !result && !results && !status, "nothing is given");
}

/* Every call on streams: one that is fed, one that acknowledges, one that is handed in. */
static void stream_calls(belt_stream *fed, belt_stream *acknowledged, belt_stream *submitted, int code)
{
    belt_result *result = NULL, *results[2];
    belt_progress progress = BELT_PROGRESS_INIT;
    size_t count = 9;

    EXPECT(belt_stream_next(fed, -1, &result), code);
    EXPECT(belt_stream_next_many(fed, 0, results, 2, &count), code);
    EXPECT(belt_stream_feed(fed, "x", 1, -1), code);
    EXPECT(belt_stream_feed_error(fed, "x", -1), code);
    EXPECT(belt_stream_end(fed), code);
    EXPECT(belt_stream_flush(submitted, -1), code);
    EXPECT(belt_stream_feed(submitted, "x", 1, -1), code);
    EXPECT(belt_stream_cancel(fed, -1), code);
    EXPECT(belt_stream_halt(fed), code);
    EXPECT(belt_stream_ack(acknowledged, 0), code);
    belt_stream_interrupt(fed);
    belt_stream_progress(fed, &progress);
    (void)belt_stream_job(fed);
    (void)belt_stream_fd(acknowledged);
    check(!result && count == 0, "no result is given");
}

struct three {
    belt_stream *fed, *acknowledged, *submitted;
};

static struct three open_three(belt_pool *pool)
{
    struct three three = {0};
    belt_job_options options;

    belt_job_options_init(&options);
    EXPECT(belt_pool_imap(pool, "echo", NULL, NULL, &options, &three.fed), BELT_OK);
    options.acknowledge = true;
    EXPECT(belt_pool_imap_unordered(pool, "echo", no_input_yet, NULL, &options, &three.acknowledged), BELT_OK);
    options.acknowledge = false;
    EXPECT(belt_pool_submit_open(pool, "echo", NULL, NULL, &options, &three.submitted), BELT_OK);
    EXPECT(belt_stream_feed(three.fed, "x", 1, 0), BELT_OK);
    return three;
}

static void close_three(struct three *three)
{
    belt_stream_close(&three->fed);
    belt_stream_detach(&three->acknowledged);
    belt_stream_close(&three->submitted);
}

static void after(void)
{
    belt_pool *pool = open_pool(), *closed = pool;
    struct three three = open_three(pool);
    struct pollfd readable = {.events = POLLIN};
    belt_result *result = NULL;

    EXPECT(belt_stream_next(three.fed, WAIT_MS, &result), BELT_OK);
    readable.fd = belt_stream_fd(three.fed);
    belt_pool_close(&pool);
    check(!pool, "the pool is taken");
    check(poll(&readable, 1, 0) == 1, "the descriptor of a stream whose pool is closed is readable");
    pool_calls(closed, BELT_CLOSED);
    stream_calls(three.fed, three.acknowledged, three.submitted, BELT_CLOSED);
    check(result->len == 1 && memcmp(result->data, "x", 1) == 0, "a result outlives pool and stream");
    belt_pool_close(&closed); /* again: nothing happens */
    close_three(&three);
    belt_result_free(&result);
}

/* ---- beside ---- */

struct user {
    pthread_t thread;
    belt_pool *pool;
    atomic_bool *go;
};

static void *next_waits(void *argument)
{
    struct user *user = argument;
    belt_stream *stream = NULL;
    belt_result *result = NULL;

    EXPECT(belt_pool_apply_async(user->pool, "endless", "", 0, NULL, &stream), BELT_OK);
    atomic_store(user->go, true);
    EXPECT(belt_stream_next(stream, -1, &result), BELT_CLOSED);
    if (result)
        fprintf(stderr, "drive_close: an endless task gave %u %s\n", result->code, result->text);
    belt_result_free(&result);
    EXPECT(belt_stream_next(stream, -1, &result), BELT_CLOSED);
    belt_stream_close(&stream);
    return NULL;
}

static void *feed_waits(void *argument)
{
    struct user *user = argument;
    belt_job_options options;
    belt_stream *stream = NULL;
    int rc;

    belt_job_options_init(&options);
    options.buffersize = 2;
    EXPECT(belt_pool_imap(user->pool, "endless", NULL, NULL, &options, &stream), BELT_OK);
    atomic_store(user->go, true);
    while ((rc = belt_stream_feed(stream, "x", 1, -1)) == BELT_OK)
        ;
    check(rc == BELT_CLOSED, "belt_stream_feed beside a close");
    belt_stream_close(&stream);
    return NULL;
}

static void *flush_waits(void *argument)
{
    struct user *user = argument;
    belt_stream *stream = NULL;

    EXPECT(belt_pool_submit_open(user->pool, "echo", no_input_yet, NULL, NULL, &stream), BELT_OK);
    atomic_store(user->go, true);
    EXPECT(belt_stream_flush(stream, -1), BELT_CLOSED);
    belt_stream_close(&stream);
    return NULL;
}

static void *map_waits(void *argument)
{
    struct user *user = argument;
    belt_span input = {"x", 1};
    belt_result **results = NULL;

    atomic_store(user->go, true);
    EXPECT(belt_pool_map(user->pool, "endless", &input, 1, NULL, -1, &results), BELT_CLOSED);
    return NULL;
}

static void *asks_again(void *argument)
{
    struct user *user = argument;
    belt_status *status = NULL;
    int rc;

    while ((rc = belt_status_get(user->pool, BELT_STATUS_JOBS, NULL, NULL, -1, &status)) == BELT_OK) {
        belt_status_free(&status);
        atomic_store(user->go, true);
    }
    check(rc == BELT_CLOSED, "belt_status_get beside a close");
    return NULL;
}

static void *opens_again(void *argument)
{
    struct user *user = argument;
    belt_stream *stream = NULL;
    belt_result *result = NULL;
    int rc, next;

    while ((rc = belt_pool_imap_unordered(user->pool, "echo", forever, NULL, NULL, &stream)) == BELT_OK) {
        atomic_store(user->go, true);
        next = belt_stream_next(stream, -1, &result);
        check(next == BELT_OK || next == BELT_CLOSED, "belt_stream_next beside a close");
        belt_result_free(&result);
        belt_stream_close(&stream);
    }
    check(rc == BELT_CLOSED, "belt_pool_imap beside a close");
    return NULL;
}

static void *cancels_again(void *argument)
{
    struct user *user = argument;
    belt_stream *stream = NULL;
    int rc;

    while ((rc = belt_pool_apply_async(user->pool, "endless", "", 0, NULL, &stream)) == BELT_OK) {
        atomic_store(user->go, true);
        rc = belt_stream_cancel(stream, -1);
        check(rc == BELT_OK || rc == BELT_CLOSED, "belt_stream_cancel beside a close");
        belt_stream_close(&stream);
    }
    check(rc == BELT_CLOSED, "belt_pool_apply_async beside a close");
    return NULL;
}

/* All at once, or one of them alone: then it drives the connection itself. */
static void beside(void *(*const bodies[])(void *), unsigned count, unsigned pause_us)
{
    belt_pool *pool = open_pool(), *copy = pool;
    struct user users[8];
    atomic_bool go[8];

    for (unsigned i = 0; i < count; i++) {
        atomic_init(&go[i], false);
        users[i] = (struct user){.pool = pool, .go = &go[i]};
        pthread_create(&users[i].thread, NULL, bodies[i], &users[i]);
    }
    for (unsigned i = 0; i < count; i++)
        while (!atomic_load(&go[i]))
            usleep(100);
    usleep(pause_us);
    belt_pool_close(&pool);
    for (unsigned i = 0; i < count; i++)
        pthread_join(users[i].thread, NULL);
    belt_pool_close(&copy);
}

static void all_beside(void)
{
    static void *(*const bodies[])(void *) = {next_waits, feed_waits,  flush_waits,  map_waits,
                                              asks_again, opens_again, cancels_again};
    const unsigned count = sizeof(bodies) / sizeof(bodies[0]);

    for (unsigned i = 0; i < count; i++)
        for (unsigned pause = 0; pause <= 4000; pause += 2000)
            beside(&bodies[i], 1, pause);
    for (unsigned i = 0; i < ROUNDS; i++)
        beside(bodies, count, i * 100);
}

/* ---- while a source runs ---- */

static atomic_bool source_entered, source_left;

static int slow_source(void *ctx, belt_input *input)
{
    (void)ctx, (void)input;
    atomic_store(&source_entered, true);
    usleep(50000); /* the close has begun by then, or the test shows nothing */
    atomic_store(&source_left, true);
    input->data = "x";
    input->len = 1;
    return BELT_INPUT_READY;
}

static void *draws_slowly(void *argument)
{
    belt_stream *stream = NULL;
    belt_result *result = NULL;

    EXPECT(belt_pool_imap(argument, "echo", slow_source, NULL, NULL, &stream), BELT_OK);
    EXPECT(belt_stream_next(stream, -1, &result), BELT_CLOSED);
    belt_stream_close(&stream);
    return NULL;
}

static void while_a_source_runs(void)
{
    belt_pool *pool = open_pool();
    pthread_t reader;

    pthread_create(&reader, NULL, draws_slowly, pool);
    while (!atomic_load(&source_entered))
        usleep(100);
    belt_pool_close(&pool);
    check(atomic_load(&source_left), "a close waits for a source that runs");
    pthread_join(reader, NULL);
}

/* ---- two who close ---- */

static void *closes(void *argument)
{
    belt_pool *pool = argument;

    belt_pool_close(&pool);
    return NULL;
}

static void twice(void)
{
    belt_pool *pool = open_pool();
    pthread_t other;

    pthread_create(&other, NULL, closes, pool);
    belt_pool_close(&pool);
    pthread_join(other, NULL);
}

/* ---- within: from a source ---- */

struct within {
    belt_pool *pool, *other;
    belt_stream *stream;
    unsigned calls;
};

static int closes_pool(void *ctx, belt_input *input)
{
    struct within *within = ctx;
    belt_pool *copy = within->pool;

    within->calls++;
    belt_pool_close(&within->pool);
    pool_calls(copy, BELT_CLOSED);
    EXPECT(belt_stream_end(within->stream), BELT_INVALID);
    input->data = "x";
    input->len = 1;
    return BELT_INPUT_READY;
}

static int closes_stream(void *ctx, belt_input *input)
{
    struct within *within = ctx;

    within->calls++;
    belt_stream_close(&within->stream);
    input->data = "x";
    input->len = 1;
    return BELT_INPUT_READY;
}

static int detaches_stream(void *ctx, belt_input *input)
{
    struct within *within = ctx;

    within->calls++;
    belt_stream_detach(&within->stream);
    input->data = "x";
    input->len = 1;
    return BELT_INPUT_READY;
}

static int closes_both(void *ctx, belt_input *input)
{
    struct within *within = ctx;

    within->calls++;
    belt_stream_close(&within->stream);
    belt_pool_close(&within->pool);
    input->data = "x";
    input->len = 1;
    return BELT_INPUT_READY;
}

static int waits_for_itself(void *ctx, belt_input *input)
{
    struct within *within = ctx;
    belt_result *result = NULL;
    belt_progress progress = BELT_PROGRESS_INIT;

    if (within->calls++ > 0)
        return BELT_INPUT_END;
    EXPECT(belt_stream_next(within->stream, -1, &result), BELT_INVALID);
    belt_stream_progress(within->stream, &progress);
    check(belt_stream_fd(within->stream) >= 0, "a source asks for its stream's descriptor");
    input->data = "x";
    input->len = 1;
    return BELT_INPUT_READY;
}

/* Draws from a stream of its own, whose source closes the outer one's pool. */
static int draws_another(void *ctx, belt_input *input)
{
    struct within *within = ctx;
    struct within inner = {.pool = within->pool};
    belt_result *result = NULL;

    within->calls++;
    EXPECT(belt_pool_imap(within->other, "echo", closes_both, &inner, NULL, &inner.stream), BELT_OK);
    {
        belt_stream *stream = inner.stream;

        inner.stream = NULL;
        EXPECT(belt_stream_next(stream, WAIT_MS, &result), BELT_OK);
        belt_result_free(&result);
        belt_stream_close(&stream);
    }
    input->data = "x";
    input->len = 1;
    return BELT_INPUT_READY;
}

static void from_source(belt_source source, int code)
{
    struct within within = {.pool = open_pool(), .other = open_pool()};
    belt_stream *stream = NULL;
    belt_result *result = NULL;

    EXPECT(belt_pool_imap(within.pool, "echo", source, &within, NULL, &within.stream), BELT_OK);
    stream = within.stream;
    EXPECT(belt_stream_next(stream, WAIT_MS, &result), code);
    belt_result_free(&result);
    check(within.calls == (code == BELT_OK ? 2 : 1), "a source is not asked again");
    belt_stream_close(&within.stream); /* unless the source has done it */
    belt_pool_close(&within.pool);
    belt_pool_close(&within.other);
}

static void within(void)
{
    struct within submit = {.pool = open_pool()};
    belt_pool *pool = submit.pool;
    uint64_t job;

    from_source(closes_pool, BELT_CLOSED);
    from_source(closes_stream, BELT_CLOSED);
    from_source(detaches_stream, BELT_CLOSED);
    from_source(closes_both, BELT_CLOSED);
    from_source(waits_for_itself, BELT_OK);
    from_source(draws_another, BELT_CLOSED);
    EXPECT(belt_pool_submit(pool, "echo", closes_both, &submit, NULL, &job), BELT_CLOSED);
}

/* ---- in a forked process ---- */

static int in_child(belt_pool *pool, struct three *three)
{
    belt_pool *copy = pool;

    pool_calls(pool, BELT_INVALID);
    stream_calls(three->fed, three->acknowledged, three->submitted, BELT_INVALID);
    close_three(three);
    check(!three->fed, "a stream is taken in a forked process, too");
    belt_pool_close(&pool);
    check(!pool, "a pool is taken in a forked process, too");
    pool_calls(copy, BELT_INVALID);
    return atomic_load(&failures) == 0 ? 0 : 1;
}

static void forked(void)
{
    belt_pool *pool = open_pool();
    struct three three = open_three(pool);
    belt_result *result = NULL;
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(in_child(pool, &three));
    check(waitpid(pid, &status, 0) == pid && status == 0, "calls in a forked process");
    EXPECT(belt_stream_next(three.fed, WAIT_MS, &result), BELT_OK);
    belt_result_free(&result);
    close_three(&three);
    belt_pool_close(&pool);
}

/* ---- the broker ---- */

static void find_endpoint(const char *home)
{
    DIR *dir = opendir(home);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (strncmp(entry->d_name, "belt-", 5) == 0)
            snprintf(endpoint, sizeof(endpoint), "ipc://%.64s/%.32s/clients", home, entry->d_name);
    if (dir)
        closedir(dir);
}

int main(void)
{
    char home[] = "/tmp/belt_close_XXXXXX";
    belt_pool *broker = NULL;
    belt_pool_options options;

    check(mkdtemp(home) != NULL, "mkdtemp");
    setenv("XDG_RUNTIME_DIR", home, 1);
    belt_function_register("echo", echo, NULL);
    belt_function_register("endless", endless, NULL);
    belt_pool_options_init(&options);
    options.slots = 2;
    EXPECT(belt_pool_open(NULL, &options, &broker), BELT_OK);
    if (!broker)
        return 1;
    find_endpoint(home);
    after();
    within();
    forked();
    while_a_source_runs();
    for (int i = 0; i < ROUNDS; i++)
        twice();
    all_beside();
    belt_pool_close(&broker);
    check(rmdir(home) == 0, "the private pool leaves nothing behind");
    return atomic_load(&failures) == 0 ? 0 : 1;
}
