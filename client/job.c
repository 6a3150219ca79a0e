/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting a stream.
 */
#include "client/job.h"

#include "proto/error.h"
#include "proto/name.h"
#include "client/inside.h"
#include "client/keyed.h"
#include "client/mail.h"
#include "proto/options.h"
#include "client/pool.h"
#include "local/cluster.h"
#include "local/process.h"
#include "client/statuses.h"
#include "client/wake.h"
#include "proto/text_cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chunks in a window that was not asked for. */
#define CHUNKS_FIRST 4u

static int check_times(const belt_job_options *options)
{
    uint8_t bits[BELT_STATUS_BYTES];

    if (options->backoff_ms < -1 || options->backoff_ms > (int64_t)BELT_MAX_WAIT_MS ||
        options->after_ms > BELT_MAX_WAIT_MS || options->deadline_ms > BELT_MAX_WAIT_MS)
        return belt_error_set(BELT_INVALID, "a job's back-off, start and deadline are at most ten years away");
    if (options->deadline_ms > 0 && options->deadline_ms <= options->after_ms)
        return belt_error_set(BELT_INVALID, "the job's deadline (%llu ms) is not after its start (%llu ms)",
                              (unsigned long long)options->deadline_ms, (unsigned long long)options->after_ms);
    if (options->final_statuses && !client_statuses_parse(options->final_statuses, bits))
        return belt_error_set(BELT_INVALID,
                              "\"%.*s\" is no list of exit statuses: numbers from 1 to 255 and ranges, as in 2,64-78",
                              TEXT_UP_TO(options->final_statuses, 100));
    return BELT_OK;
}

static int complete_options(const belt_job_options *given, unsigned limit, belt_job_options *options)
{
    int rc;

    belt_job_options_init(options);
    rc = belt_options_read(options, sizeof(*options), given, "BELT_JOB_OPTIONS_INIT");
    if (rc != BELT_OK)
        return rc;
    if (options->buffer_bytes == 0)
        options->buffer_bytes = BELT_WINDOW_BYTES_DEFAULT;
    if (options->priority < -100 || options->priority > 100)
        return belt_error_set(BELT_INVALID, "a priority is -100 .. 100, not %d", options->priority);
    if (options->buffersize > BELT_WINDOW_ITEMS_MAX)
        return belt_error_set(BELT_INVALID, "a buffersize is at most %u items, not %llu", BELT_WINDOW_ITEMS_MAX,
                              (unsigned long long)options->buffersize);
    if (options->remember_ms > (int64_t)BELT_MAX_WAIT_MS)
        return belt_error_set(BELT_INVALID, "a key is remembered for ten years at most");
    if (options->share > 1)
        return belt_error_set(BELT_INVALID, "share is 0 or 1, not %llu", (unsigned long long)options->share);
    if (options->key && !belt_key_valid(options->key))
        return belt_error_set(BELT_INVALID, "a job's key is 1 to %u printable ASCII characters", BELT_MAX_KEY);
    if (!options->argument && options->argument_len > 0)
        return belt_error_set(BELT_INVALID, "the job's argument has %zu bytes and no address", options->argument_len);
    if (options->argument_len > limit)
        return belt_error_set(BELT_TOO_LARGE, "the job's argument has %zu bytes, at most %u are allowed",
                              options->argument_len, limit);
    return check_times(options);
}

/* Copies `len` bytes to `*at` and moves it on. */
static struct belt_bytes put(char **at, const void *data, size_t len)
{
    struct belt_bytes bytes = {(uint8_t *)*at, len};

    if (len > 0)
        memcpy(*at, data, len);
    *at += len;
    return bytes;
}

/* Of a window of one, too, single acknowledgements would be half of all messages. */
#define SLACK 64u

static uint64_t slack_of(enum client_stream_kind kind)
{
    return kind == CLIENT_STREAM_MAPS ? SLACK : 0; /* who only reads is sent no more than he asked for */
}

/*
 * The broker's window is a little wider than ours, which is the exact one: acknowledgements go in quarters of both. A
 * job that is only handed in has none: nobody may be reading yet; nor has one of single calls, which are made one by
 * one.
 */
static uint64_t broker_window(enum client_stream_kind kind, const belt_job_options *options)
{
    uint64_t items = options->buffersize == 0 ? CLIENT_WINDOW_LAST : options->buffersize;

    items += slack_of(kind) + (items + 3) / 4;
    return items < BELT_WINDOW_ITEMS_MAX ? items : BELT_WINDOW_ITEMS_MAX;
}

/* What a stream is opened for. */
struct work {
    enum client_stream_kind kind;
    bool shared;          /* of single calls */
    const char *function; /* "" when it only reads */
    enum belt_mode mode;
    const char *reader;   /* NULL: a name is made */
    uint64_t job, cursor; /* when it only reads */
};

/* How long the key stands for the job after it was read (PROTOCOL.md §7.1). */
static uint64_t remember_of(const belt_job_options *options)
{
    if (!options->key || options->remember_ms < 0)
        return 0;
    return options->remember_ms > 0 ? (uint64_t)options->remember_ms : BELT_REMEMBER_MS;
}

static bool has_window(const struct work *work)
{
    return work->kind != CLIENT_STREAM_SUBMITS && !work->shared;
}

static bool init_wire(struct belt_stream *stream, const struct work *work, const belt_job_options *options)
{
    uint64_t ref = atomic_fetch_add(&stream->pool->refs, 1) + 1;
    struct client_stream_config config = {
        .kind = work->kind, .ref = ref, .mode = work->mode, .job = work->job, .cursor = work->cursor};
    const char *function = work->function;
    char key[BELT_MAX_KEY + 1], reader[BELT_MAX_KEY + 1], *words, *at;

    snprintf(key, sizeof(key), "%s-%llu", stream->pool->key_prefix, (unsigned long long)ref);
    snprintf(reader, sizeof(reader), "r%llu", (unsigned long long)ref);
    if (options->key)
        snprintf(key, sizeof(key), "%s", options->key);
    if (options->key && options->acknowledge) /* whoever opens it again goes on as the same reader */
        snprintf(reader, sizeof(reader), "map");
    if (work->reader)
        snprintf(reader, sizeof(reader), "%s", work->reader);
    words = malloc(strlen(key) + strlen(function) + strlen(reader) + options->argument_len + 1);
    if (!words)
        return false;
    free(stream->words);
    stream->words = at = words;
    config.key = put(&at, key, strlen(key));
    config.function = put(&at, function, strlen(function));
    config.reader = put(&at, reader, strlen(reader));
    config.options = (struct belt_open_options){
        .window_items = has_window(work) ? broker_window(work->kind, options) : 0,
        .window_bytes = has_window(work) ? options->buffer_bytes : 0,
        .priority = options->priority,
        .retries = options->retries,
        .max_attempts = options->max_attempts,
        .chunk = options->chunksize,
        .timeout_ms = options->timeout_ms,
        .detail = options->detail,
        .detached = options->detached,
        .durable = options->durability == BELT_DURABLE,
        .never_durable = options->durability == BELT_VOLATILE,
        .argument = put(&at, options->argument, options->argument_len),
        .backoff_ms = options->backoff_ms < 0 ? BELT_NO_BACKOFF : (uint64_t)options->backoff_ms,
        .after_ms = options->after_ms,
        .deadline_ms = options->deadline_ms,
        .keep_ms = options->keep_ms,
        .remember_ms = remember_of(options),
        .after_at = options->after_at,
        .share = options->share != 0};
    if (options->final_statuses)
        client_statuses_parse(options->final_statuses, config.options.final_status);
    config.named = options->key != NULL;
    config.confirm = options->acknowledge;
    config.options.digest = config.named;
    config.take_over = options->take_over;
    config.window = stream->window.size;
    config.window_bytes = options->buffer_bytes;
    config.slack = slack_of(work->kind);
    client_stream_init(&stream->wire, &config);
    return true;
}

/* An automatic window holds some chunks from the start: with less than one it would wait for the broker to give up on
 * it. */
static uint64_t first_window(uint32_t chunksize)
{
    uint64_t size = (uint64_t)CHUNKS_FIRST * chunksize;

    if (size < CLIENT_WINDOW_FIRST)
        return CLIENT_WINDOW_FIRST;
    return size < CLIENT_WINDOW_LAST ? size : CLIENT_WINDOW_LAST;
}

/* How many items may be on their way: of a job that is handed in it is not for the reader to say. */
static void init_window(struct belt_stream *stream, const struct work *work, const belt_job_options *options)
{
    client_window_init(&stream->window, work->mode, options->buffersize, options->buffer_bytes);
    if (options->buffersize == 0)
        stream->window.size = has_window(work) ? first_window(options->chunksize) : CLIENT_WINDOW_LAST;
}

static struct belt_stream *stream_new(belt_pool *pool, const struct work *work, const belt_job_options *options)
{
    struct belt_stream *stream = calloc(1, sizeof(*stream));

    if (!stream)
        return NULL;
    stream->pool = pool;
    stream->mark = pool->mark;
    client_pool_ref(pool);
    stream->kind = work->kind;
    stream->acknowledges = options->acknowledge;
    init_window(stream, work, options);
    stream->shelf = client_shelf_new();
    if (!stream->shelf || !init_wire(stream, work, options)) {
        client_shelf_leave(stream->shelf);
        client_pool_unref(pool);
        free(stream);
        return NULL;
    }
    stream->magic = CLIENT_STREAM_MAGIC;
    client_results_init(&stream->hand);
    client_results_init(&stream->failed);
    client_results_init(&stream->mail.results);
    wait_lock_init(&stream->mail.lock, &stream->mail.cond);
    pthread_mutex_init(&stream->calls, NULL);
    stream->mail.fd = -1;
    stream->mail.draws_beyond = UINT64_MAX;
    stream->mail.window = stream->window.size;
    return stream;
}

static int check_function(const belt_pool *pool, const struct work *work)
{
    char names[400];

    if (work->kind == CLIENT_STREAM_READS)
        return BELT_OK;
    if (!belt_name_valid(work->function))
        return belt_error_set(BELT_INVALID,
                              "\"%.*s\" is not the name of a function: 1 to %u letters, digits, '.', '_', '-'",
                              TEXT_UP_TO(work->function ? work->function : "(none)", 140), BELT_MAX_NAME);
    if (!pool->children || local_cluster_serves(pool->children, work->function))
        return BELT_OK;
    local_cluster_names(pool->children, names, sizeof(names));
    return belt_error_set(BELT_NOT_SERVED,
                          "no function \"%s\" was registered before this private pool was opened, and nobody else can "
                          "serve it. Registered were: %s",
                          work->function, names);
}

int client_job_check(const belt_pool *pool, const char *function, const belt_job_options *given,
                     belt_job_options *complete)
{
    int rc = check_function(pool, &(struct work){.function = function});

    return rc == BELT_OK ? complete_options(given, atomic_load(&pool->max_payload), complete) : rc;
}

struct belt_stream *client_job_stream_shared(belt_pool *pool, const char *function, const belt_job_options *complete)
{
    return stream_new(pool, &(struct work){.function = function, .mode = BELT_UNORDERED, .shared = true}, complete);
}

bool client_job_renew(struct belt_stream *stream, const char *function, const belt_job_options *complete)
{
    return init_wire(stream, &(struct work){.function = function, .mode = BELT_UNORDERED, .shared = true}, complete);
}

static int open_entered(belt_pool *pool, const struct work *work, belt_source source, void *ctx,
                        const belt_job_options *given, belt_stream **out)
{
    belt_job_options options;
    struct belt_stream *stream;
    int rc = check_function(pool, work);

    if (rc == BELT_OK)
        rc = complete_options(given, atomic_load(&pool->max_payload), &options);
    if (rc != BELT_OK)
        return rc;
    options.detached = options.detached || work->kind == CLIENT_STREAM_SUBMITS;
    stream = stream_new(pool, work, &options);
    if (!stream)
        return belt_error_set(BELT_NO_MEMORY, "cannot open a stream: out of memory");
    rc = client_keyed_enter(stream);
    if (rc != BELT_OK) {
        client_stream_free(stream);
        return rc;
    }
    stream->source = source;
    stream->ctx = ctx;
    client_wake_touch(stream);
    client_wake(pool, false);
    *out = stream;
    return BELT_OK;
}

static int open_stream(belt_pool *pool, const struct work *work, belt_source source, void *ctx,
                       const belt_job_options *given, belt_stream **out)
{
    int rc;

    if (!out)
        return belt_error_set(BELT_INVALID, "a place for the stream is needed");
    *out = NULL;
    rc = client_pool_enter(pool, "a stream cannot be opened");
    if (rc != BELT_OK)
        return rc;
    rc = open_entered(pool, work, source, ctx, given, out);
    client_pool_leave(pool);
    return rc;
}

int belt_pool_imap(belt_pool *pool, const char *function, belt_source source, void *ctx,
                   const belt_job_options *options, belt_stream **stream)
{
    return open_stream(pool, &(struct work){.function = function, .mode = BELT_ORDERED}, source, ctx, options, stream);
}

int belt_pool_imap_unordered(belt_pool *pool, const char *function, belt_source source, void *ctx,
                             const belt_job_options *options, belt_stream **stream)
{
    return open_stream(pool, &(struct work){.function = function, .mode = BELT_UNORDERED}, source, ctx, options,
                       stream);
}

int belt_pool_submit_open(belt_pool *pool, const char *function, belt_source source, void *ctx,
                          const belt_job_options *options, belt_stream **stream)
{
    return open_stream(pool, &(struct work){.kind = CLIENT_STREAM_SUBMITS, .function = function}, source, ctx, options,
                       stream);
}

int belt_pool_subscribe(belt_pool *pool, uint64_t job, const char *reader, uint64_t cursor,
                        const belt_reader_options *given, belt_stream **stream)
{
    belt_reader_options options;
    belt_job_options window;
    struct work work = {.kind = CLIENT_STREAM_READS, .function = "", .reader = reader, .job = job, .cursor = cursor};
    int rc;

    belt_reader_options_init(&options);
    rc = belt_options_read(&options, sizeof(options), given, "BELT_READER_OPTIONS_INIT");
    if (rc != BELT_OK)
        return rc;
    if (!reader || !belt_key_valid(reader))
        return belt_error_set(BELT_INVALID, "a reader's name is 1 to %u printable ASCII characters", BELT_MAX_KEY);
    work.mode = options.unordered ? BELT_UNORDERED : BELT_ORDERED;
    belt_job_options_init(&window);
    window.buffersize = options.buffersize;
    window.buffer_bytes = options.buffer_bytes;
    window.acknowledge = options.acknowledge;
    window.take_over = options.take_over;
    return open_stream(pool, &work, NULL, NULL, &window, stream);
}
