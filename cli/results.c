/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt results`: prints the results of a job that was handed in, and
 * acknowledges what it has written, no sooner.
 */
#include "cli/admin.h"
#include "cli/clock.h"
#include "cli/exit.h"
#include "cli/map.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/signals.h"

#include "client/open.h"
#include "worker/agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BATCH 64
/* How often it is looked whether the broker lets us read. */
#define SEATED_MS 5

struct results {
    const struct results_values *values;
    struct map_output output;
    belt_pool *pool;
    belt_stream *stream;
    uint64_t job, total, failed;
    bool begun;
    bool complete; /* all results are there: what has not come yet is on its way */
    uint64_t check_at;
};

static int check(const struct options *options)
{
    const struct results_values *values = options->values;

    if (options->word_count != 1 || options->dashes || options->colons)
        return admin_usage(options, "exactly one JOB is read");
    if (values->ordered && values->map.unordered)
        return admin_usage(options, "--ordered and --unordered exclude each other");
    if (values->map.null && values->map.records)
        return admin_usage(options, "--null and --records exclude each other");
    return EXIT_OK;
}

/* What the job runs, and how much of it has failed. */
static void look(struct results *results)
{
    belt_status *status = NULL;
    char name[32];

    snprintf(name, sizeof(name), "#%" PRIu64, results->job);
    if (belt_status_get(results->pool, BELT_STATUS_JOBS, name, NULL, ADMIN_ANSWER_MS, &status) == BELT_OK &&
        status->count) {
        results->output.value = strcmp(status->jobs[0]->function, BELT_EXEC_FUNCTION) != 0;
        results->total = status->jobs[0]->total;
        results->failed = status->jobs[0]->failed;
    }
    belt_status_free(&status);
}

static int subscribe(struct results *results)
{
    const struct results_values *values = results->values;
    const char *reader = values->reader ? values->reader : values->map.unordered ? "unordered" : "ordered";
    belt_reader_options options;
    int code;

    belt_reader_options_init(&options);
    options.unordered = values->map.unordered;
    options.buffersize = values->map.buffersize;
    options.buffer_bytes = values->map.buffer_bytes;
    options.acknowledge = true;
    options.take_over = values->map.take_over != 0;
    code = belt_pool_subscribe(results->pool, results->job, reader, values->from, &options, &results->stream);
    return code == BELT_OK ? EXIT_OK : admin_failed(code);
}

/* Whether the job is complete: a broker that pauses is waited for, one that is lost is an error. */
static int ask(struct results *results)
{
    belt_status *status = NULL;
    char name[32];
    int code;

    snprintf(name, sizeof(name), "#%" PRIu64, results->job);
    do
        code = belt_status_get(results->pool, BELT_STATUS_JOBS, name, NULL, MAP_CHECK_MS, &status);
    while (code == BELT_AGAIN && !signals_stop());
    if (code == BELT_AGAIN)
        return BELT_INTERRUPTED;
    /* One that is gone was read, or dropped: the stream says so. */
    results->complete = code == BELT_OK && (status->count == 0 || !strcmp(status->jobs[0]->state, "complete"));
    belt_status_free(&status);
    return code;
}

/* Results, BELT_AGAIN, or why there are none. Without --follow, AGAIN means that nothing is there. */
static int take(struct results *results, belt_result **batch, size_t *count)
{
    int code = belt_stream_next_many(results->stream, 0, batch, BATCH, count);

    while (code == BELT_AGAIN && belt_stream_job(results->stream) == 0 && !signals_stop()) /* maybe it is refused */
        code = belt_stream_next_many(results->stream, SEATED_MS, batch, BATCH, count);
    if (code != BELT_AGAIN)
        return code;
    if (results->values->follow || results->complete)
        return belt_stream_next_many(results->stream, MAP_CHECK_MS, batch, BATCH, count);
    code = ask(results);
    /* The answer came behind what was there before it. */
    return code == BELT_OK
               ? belt_stream_next_many(results->stream, results->complete ? MAP_CHECK_MS : 0, batch, BATCH, count)
               : code;
}

/* Writes, and only then acknowledges. */
static int print(struct results *results, belt_result **batch, size_t count)
{
    uint64_t last = batch[count - 1]->number;
    bool good = true;
    int rc;

    if (!results->begun && batch[0]->number && !results->values->map.quiet && results->values->from == UINT64_MAX)
        say("goes on with result number %" PRIu64 ": those before it were read", batch[0]->number);
    results->begun = true;
    results->output.goes_on |= batch[0]->number > 0 && results->values->from == UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        good = map_output_add(&results->output, batch[i], NULL) && good;
        belt_result_free(&batch[i]);
    }
    if (!good) {
        say("out of memory for the results");
        return EXIT_INTERNAL;
    }
    rc = map_output_flush(&results->output);
    if (rc && *results->output.error)
        say("%s; stopped", results->output.error);
    if (!rc)
        belt_stream_ack(results->stream, last);
    return rc;
}

/* A job has failed when any of its tasks has, whoever has read the result. */
static int finished(struct results *results)
{
    look(results);
    if (!results->begun && results->total && !results->values->map.quiet)
        say("all %" PRIu64 " results were read before, by this reader or others: none are left", results->total);
    return results->failed || results->output.failed ? EXIT_FAILED : EXIT_OK;
}

static int ended(struct results *results, int code)
{
    if (code == BELT_END && (code = belt_stream_ack_flush(results->stream, -1)) == BELT_OK)
        return finished(results);
    if (code == BELT_INTERRUPTED)
        return EXIT_INTERRUPTED;
    if (code == BELT_AGAIN) {
        if (!results->values->map.quiet)
            say("job %" PRIu64 " is not complete: no more results are there at present; --follow waits for them",
                results->job);
        return EXIT_TIMEOUT;
    }
    say("%s", code == BELT_JOB_CANCELLED ? "the job was cancelled" : belt_error_text());
    return exit_of_code(code);
}

static int check_world(struct results *results)
{
    if (signals_stop())
        return EXIT_INTERRUPTED;
    if (clock_ms() < results->check_at)
        return EXIT_OK;
    results->check_at = clock_ms() + MAP_CHECK_MS;
    if (!map_output_closed())
        return EXIT_OK;
    say("standard output was closed by its reader; stopped");
    return EXIT_IO;
}

static int pump(struct results *results)
{
    belt_result *batch[BATCH];
    int rc = EXIT_OK;

    while (!rc) {
        size_t count = 0;
        int code = take(results, batch, &count);
        if (code == BELT_OK)
            rc = print(results, batch, count);
        else if (code != BELT_AGAIN || !(results->values->follow || results->complete))
            return ended(results, code);
        if (!rc)
            rc = check_world(results);
    }
    return rc;
}

int run_results(const struct options *options)
{
    struct results results = {.values = options->values, .output = {.joblog = -1, .continues = true}};
    struct admin_job job = {0};
    int rc = check(options);

    if (!rc)
        rc = map_output_open(&results.output, "results", &results.values->map);
    signals_install();
    if (!rc)
        rc = admin_open_as(&results.values->map.common, BELT_ROLE_ADMIN, results.values->map.lost_timeout,
                           &results.pool);
    if (!rc)
        rc = admin_find_job(results.pool, options->words[0], &job);
    results.job = job.id;
    if (!rc)
        rc = subscribe(&results);
    if (!rc) {
        look(&results);
        signals_interrupt(results.stream);
        rc = pump(&results);
        signals_interrupt(NULL);
    }
    belt_stream_close(&results.stream);
    belt_pool_close(&results.pool);
    map_output_free(&results.output);
    return rc;
}
