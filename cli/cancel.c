/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt cancel` and `belt forget`: jobs by their names, or all that a filter finds.
 */
#include "cli/admin.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/show_json.h"
#include "cli/signals.h"
#include "cli/states.h"

#include "client/admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cancelling {
    const struct options *options;
    const struct cancel_values *values;
    belt_pool *pool;
    struct bytes out;
    bool forget;
};

static bool filtered(const struct cancel_values *values)
{
    return values->all || values->function || values->owner || values->states;
}

static int check(const struct options *options, bool forget)
{
    const struct cancel_values *values = options->values;
    unsigned states = 0;

    if (options->dashes || options->colons)
        return admin_usage(options, "jobs are named by their ids or keys alone");
    if (filtered(values) && options->word_count)
        return admin_usage(options, "name jobs, or choose them with options, not both");
    if (!filtered(values) && !options->word_count)
        return admin_usage(options, "a job is missing");
    if (values->states && !states_parse(values->states, &states))
        return admin_usage(options, "--state " STATES_EXPECTED);
    if (values->states && !forget && (states & (BELT_STATE_COMPLETE | BELT_STATE_CANCELLED)))
        return admin_usage(options, "only open and ended jobs can be cancelled");
    if (values->states && forget && (states & (BELT_STATE_OPEN | BELT_STATE_ENDED)))
        return admin_usage(options, "only complete and cancelled jobs can be forgotten");
    if (filtered(values) && !values->yes && !(isatty(STDIN_FILENO) && isatty(STDERR_FILENO)))
        return admin_usage(options, "nobody can be asked here: say --yes");
    return EXIT_OK;
}

/* ---- what came of one ---- */

static int print_outcome(struct cancelling *cancelling, uint64_t job, bool done, const char *text)
{
    const char *verb = cancelling->forget ? "forgotten" : "cancelled";

    if (cancelling->values->json) {
        json_t *object = show_json_object(cancelling->forget ? "belt.forget/1" : "belt.cancel/1");
        json_object_set_new(object, "job", json_integer((json_int_t)job));
        json_object_set_new(object, verb, json_boolean(done));
        if (!done)
            json_object_set_new(object, "state", json_string("complete"));
        show_json_write(object, &cancelling->out);
    } else if (done)
        bytes_format(&cancelling->out, "job %" PRIu64 " is %s\n", job, verb);
    else
        bytes_format(&cancelling->out, "%s\n", text);
    return admin_print(&cancelling->out);
}

/* Complete is complete, whoever was faster: what was wanted is so, nothing of the job runs. */
static int settle(struct cancelling *cancelling, const struct client_cancel *one)
{
    if (one->code == BELT_OK)
        return print_outcome(cancelling, one->job, true, "");
    if (one->code == BELT_JOB_ENDED)
        return print_outcome(cancelling, one->job, false, one->text);
    if (one->code == BELT_AGAIN)
        say("the broker did not answer for job %" PRIu64, one->job);
    else
        say("%s", one->text);
    return exit_of_code((int)one->code);
}

/* ---- by name ---- */

static int cancel_named(struct cancelling *cancelling, const char *name)
{
    struct admin_job job = {0};
    int code, rc = admin_find_job(cancelling->pool, name, &job);

    if (rc)
        return rc;
    if (cancelling->forget && !job.complete && !job.cancelled) {
        say("job %" PRIu64 " is not over: 'belt cancel' stops it", job.id);
        return EXIT_REFUSED;
    }
    struct client_cancel one = {.job = job.id};
    code = client_cancel_all(cancelling->pool, &one, 1, cancelling->forget, ADMIN_ANSWER_MS);
    return code == BELT_OK ? settle(cancelling, &one) : admin_failed(code);
}

static int cancel_words(struct cancelling *cancelling)
{
    const struct options *options = cancelling->options;
    struct admin_outcome outcome = {0};

    for (uint32_t i = 0; i < options->word_count && !signals_stop(); i++) {
        int rc = cancel_named(cancelling, options->words[i]);
        admin_count(&outcome, rc);
        if (rc == EXIT_BROKER || rc == EXIT_IO)
            break;
    }
    return signals_stop() ? EXIT_INTERRUPTED : admin_outcome(&outcome);
}

/* ---- by filter ---- */

static bool confirmed(const struct cancelling *cancelling, size_t count)
{
    char answer[8] = "", question[64];
    int len;

    if (cancelling->values->yes)
        return true;
    len = snprintf(question, sizeof(question), "%s %zu job%s? [y/N] ", cancelling->forget ? "forget" : "cancel", count,
                   count == 1 ? "" : "s");
    say_bytes(question, (size_t)len);
    ssize_t got = read(STDIN_FILENO, answer, sizeof(answer) - 1);
    return got > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}

static int find_all(struct cancelling *cancelling, struct client_cancel **found, size_t *count)
{
    const struct cancel_values *values = cancelling->values;
    belt_status_options options;
    belt_status *status = NULL;
    unsigned states =
        cancelling->forget ? BELT_STATE_COMPLETE | BELT_STATE_CANCELLED : BELT_STATE_OPEN | BELT_STATE_ENDED;
    int code;

    if (values->states)
        states_parse(values->states, &states);
    belt_status_options_init(&options);
    options.states = states;
    options.function = values->function;
    options.owner = values->owner;
    code = belt_status_get(cancelling->pool, BELT_STATUS_JOBS, NULL, &options, ADMIN_ANSWER_MS, &status);
    if (code != BELT_OK)
        return admin_failed(code);
    *count = status->count;
    *found = calloc(status->count + 1, sizeof(**found));
    for (size_t i = 0; *found && i < status->count; i++)
        (*found)[i].job = status->jobs[i]->job;
    belt_status_free(&status);
    return *found ? EXIT_OK : EXIT_INTERNAL;
}

static int cancel_filtered(struct cancelling *cancelling)
{
    struct client_cancel *found = NULL;
    struct admin_outcome outcome = {0};
    size_t count = 0;
    int rc = find_all(cancelling, &found, &count);

    if (!rc && !count)
        say("there is no such job");
    else if (!rc && !confirmed(cancelling, count)) {
        say("nothing was done");
        rc = EXIT_INTERRUPTED;
    } else if (!rc) {
        int code = client_cancel_all(cancelling->pool, found, count, cancelling->forget, ADMIN_ANSWER_MS);
        rc = code == BELT_OK ? EXIT_OK : admin_failed(code);
        for (size_t i = 0; !rc && i < count; i++)
            if (found[i].code != BELT_UNKNOWN_JOB) /* it went meanwhile */
                admin_count(&outcome, settle(cancelling, &found[i]));
        rc = rc ? rc : admin_outcome(&outcome);
    }
    free(found);
    return rc;
}

static int run(const struct options *options, bool forget)
{
    struct cancelling cancelling = {.options = options, .values = options->values, .forget = forget};
    int rc = check(options, forget);

    if (rc)
        return rc;
    signals_install();
    rc = admin_open(&cancelling.values->common, &cancelling.pool);
    if (!rc)
        rc = filtered(cancelling.values) ? cancel_filtered(&cancelling) : cancel_words(&cancelling);
    belt_pool_close(&cancelling.pool);
    bytes_free(&cancelling.out);
    return rc;
}

int run_cancel(const struct options *options)
{
    return run(options, false);
}

int run_forget(const struct options *options)
{
    return run(options, true);
}
