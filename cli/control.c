/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt wait`, `belt ping`.
 */
#include "cli/admin.h"
#include "cli/clock.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/show_json.h"
#include "cli/signals.h"
#include "cli/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How often `belt wait` asks: at first soon, then rarely. */
#define WAIT_FIRST_MS 50
#define WAIT_MOST_MS  1000

static int print_job(const struct wait_values *values, const belt_job_status *job)
{
    struct bytes out = {0};
    int rc;

    if (values->quiet)
        return EXIT_OK;
    if (values->json) {
        belt_status status = {.what = BELT_STATUS_JOBS, .count = 1, .jobs = &job};
        json_t *object = show_json_object("belt.wait/1"), *rows = show_json_rows(&status);
        json_object_set(object, "job", json_array_get(rows, 0));
        json_decref(rows);
        show_json_write(object, &out);
    } else
        bytes_format(&out, "job %" PRIu64 " is %s: %" PRIu64 " done, %" PRIu64 " failed\n", job->job, job->state,
                     job->done, job->failed);
    rc = admin_print(&out);
    bytes_free(&out);
    return rc;
}

/* True when the job is over: *rc is the exit code. */
static bool job_over(belt_pool *pool, const struct wait_values *values, uint64_t id, int *rc)
{
    belt_status *status = NULL;
    char name[32];
    bool over = true;

    snprintf(name, sizeof(name), "#%" PRIu64, id);
    int code = belt_status_get(pool, BELT_STATUS_JOBS, name, NULL, ADMIN_ANSWER_MS, &status);
    if (code == BELT_OK && !status->count) {
        say("job %" PRIu64 " is over, and the broker has forgotten how it ended", id);
        *rc = EXIT_REFUSED;
    } else if (code != BELT_OK)
        *rc = admin_failed(code);
    else if (!strcmp(status->jobs[0]->state, "complete") || !strcmp(status->jobs[0]->state, "cancelled")) {
        const belt_job_status *job = status->jobs[0];
        *rc = print_job(values, job);
        if (!*rc)
            *rc = !strcmp(job->state, "cancelled") ? EXIT_CANCELLED : job->failed ? EXIT_FAILED : EXIT_OK;
    } else
        over = false;
    belt_status_free(&status);
    return over;
}

/* What the name means is settled when the waiting begins. */
static int wait_job(belt_pool *pool, const struct wait_values *values, const char *name, uint64_t begun)
{
    struct admin_job job = {0};
    uint64_t pause = WAIT_FIRST_MS;
    char text[UNITS_TEXT];
    int rc = admin_find_job(pool, name, &job);

    while (!rc && !job_over(pool, values, job.id, &rc)) {
        uint64_t waited = clock_ms() - begun;
        if (waited >= values->timeout) {
            say("job %s is not over after %s", name, units_show_ms(values->timeout, text));
            return EXIT_TIMEOUT;
        }
        if (!admin_sleep(pause < values->timeout - waited ? pause : values->timeout - waited))
            return EXIT_INTERRUPTED;
        pause = pause * 2 < WAIT_MOST_MS ? pause * 2 : WAIT_MOST_MS;
    }
    return rc;
}

int run_wait(const struct options *options)
{
    const struct wait_values *values = options->values;
    uint64_t begun = clock_ms();
    belt_pool *pool = NULL;
    int rc, first = EXIT_OK;

    if (!options->word_count || options->dashes || options->colons)
        return admin_usage(options, "a job is missing");
    signals_install();
    rc = admin_open(&values->common, &pool);
    for (uint32_t i = 0; !rc && i < options->word_count && !signals_stop(); i++) {
        int one = wait_job(pool, values, options->words[i], begun);
        first = first ? first : one;
        rc = one == EXIT_BROKER || one == EXIT_INTERRUPTED ? one : EXIT_OK;
    }
    belt_pool_close(&pool);
    return rc ? rc : first ? first : signals_stop() ? EXIT_INTERRUPTED : EXIT_OK;
}

static int ping_once(belt_pool *pool, bool json, uint64_t number)
{
    struct bytes out = {0};
    char text[UNITS_TEXT];
    uint64_t us = 0;
    int rc, code = belt_pool_ping(pool, ADMIN_ANSWER_MS, &us);

    if (code != BELT_OK)
        return admin_failed(code);
    if (json) {
        json_t *object = show_json_object("belt.ping/1");
        json_object_set_new(object, "number", json_integer((json_int_t)number));
        json_object_set_new(object, "us", json_integer((json_int_t)us));
        show_json_write(object, &out);
    } else
        bytes_format(&out, "pong %" PRIu64 ": %s\n", number, units_show_us(us, text));
    rc = admin_print(&out);
    bytes_free(&out);
    return rc;
}

int run_ping(const struct options *options)
{
    const struct ping_values *values = options->values;
    belt_pool *pool = NULL;
    int rc;

    if (options->word_count || options->dashes || options->colons)
        return admin_usage(options, "'ping' takes no words");
    signals_install();
    rc = admin_open(&values->common, &pool);
    for (uint64_t i = 0; !rc && i < values->count; i++) {
        if (i && !admin_sleep(values->interval))
            rc = EXIT_INTERRUPTED;
        else
            rc = ping_once(pool, values->json, i + 1);
    }
    belt_pool_close(&pool);
    return rc;
}
