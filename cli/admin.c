/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands share that ask a broker something.
 */
#include "cli/admin.h"
#include "cli/access.h"

#include "cli/endpoint.h"
#include "cli/exit.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "cli/units.h"

#include "client/open.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the jobs that had a key. */
#define WHICH_SHOWN 5u

#define BROKER_DEFAULT "tcp://127.0.0.1:7878"

int admin_failed(int code)
{
    if (code == BELT_AGAIN) {
        say("the broker did not answer within %d s; check that it runs and is not overloaded", ADMIN_ANSWER_MS / 1000);
        return EXIT_BROKER;
    }
    say("%s", belt_error_text());
    return exit_of_code(code);
}

int admin_open(const struct broker_values *values, belt_pool **pool)
{
    return admin_open_as(values, BELT_ROLE_ADMIN, 0, pool);
}

int admin_open_as(const struct broker_values *values, enum belt_role role, uint64_t lost_timeout, belt_pool **pool)
{
    char endpoint[ENDPOINT_MAX];
    belt_pool_options options;
    int code;

    if (values->broker && !strcmp(values->broker, "local")) {
        say("'local' is for 'belt map': a private pool has no broker that others could ask");
        return EXIT_USAGE;
    }
    code = access_find_broker(values, false, BROKER_DEFAULT, endpoint);
    if (code)
        return code;
    belt_pool_options_init(&options);
    options.access = values->access;
    options.connect_timeout_ms = (int64_t)values->connect_timeout;
    if (lost_timeout)
        options.lost_timeout_ms = (int64_t)lost_timeout;
    code = belt_pool_open_as(endpoint, role, &options, pool);
    return code == BELT_OK ? EXIT_OK : admin_failed(code);
}

bool admin_colours(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

bool admin_is_id(const char *name, uint64_t *id)
{
    return units_count(name + (*name == '#'), id);
}

/* The key is that of several jobs that are past, and of none that lives. */
static void say_which(const char *name, const belt_status *status)
{
    struct bytes list = {0};
    size_t shown = status->count < WHICH_SHOWN ? status->count : WHICH_SHOWN;

    for (size_t i = status->count - shown; i < status->count; i++)
        bytes_format(&list, "%s%" PRIu64, list.len ? ", " : "", status->jobs[i]->job);
    say("'%s' is the key of %zu jobs that are over, and of none that is not; name one by its id (the last are %.*s)",
        name, status->count, (int)list.len, list.data ? list.data : "");
    bytes_free(&list);
}

static int choose_job(const char *name, const belt_status *status, struct admin_job *job)
{
    const belt_job_status *first;

    if (!status->count) {
        say("there is no job '%s'; 'belt jobs' lists them", name);
        return EXIT_REFUSED;
    }
    first = status->jobs[0];
    if (first->past && status->count > 1) {
        say_which(name, status);
        return EXIT_REFUSED;
    }
    *job = (struct admin_job){.id = first->job,
                              .past = first->past,
                              .complete = !strcmp(first->state, "complete"),
                              .cancelled = !strcmp(first->state, "cancelled")};
    return EXIT_OK;
}

int admin_find_job(belt_pool *pool, const char *name, struct admin_job *job)
{
    belt_status *status = NULL;
    int code, rc;

    if (!*name) {
        say("the name of a job is empty (an unset variable?); 'belt jobs' lists the jobs");
        return EXIT_USAGE;
    }
    if (strlen(name) > BELT_MAX_KEY) {
        say("there is no job with a name of more than %u bytes", BELT_MAX_KEY);
        return EXIT_REFUSED;
    }
    code = belt_status_get(pool, BELT_STATUS_JOBS, name, NULL, ADMIN_ANSWER_MS, &status);
    rc = code == BELT_OK ? choose_job(name, status, job) : admin_failed(code);
    belt_status_free(&status);
    return rc;
}

void admin_count(struct admin_outcome *outcome, int rc)
{
    outcome->good += rc == EXIT_OK;
    outcome->bad += rc != EXIT_OK;
    if (rc != EXIT_OK && !outcome->first)
        outcome->first = rc;
}

int admin_outcome(const struct admin_outcome *outcome)
{
    if (outcome->first == EXIT_BROKER || outcome->first == EXIT_INTERNAL || outcome->first == EXIT_IO)
        return outcome->first;
    return outcome->good && outcome->bad ? EXIT_PARTIAL : outcome->first;
}

int admin_print(struct bytes *out)
{
    const char *at = out->data;
    size_t left = out->len;

    if (out->failed) {
        say("out of memory");
        return EXIT_INTERNAL;
    }
    while (left) {
        ssize_t put = write(STDOUT_FILENO, at, left);
        if (put < 0 && errno != EINTR) {
            say("writing to standard output failed: %s", errno == EPIPE ? "its reader closed it" : strerror(errno));
            return EXIT_IO;
        }
        if (put > 0) {
            at += put;
            left -= (size_t)put;
        }
    }
    bytes_reset(out);
    return EXIT_OK;
}

int admin_usage(const struct options *options, const char *text)
{
    say("%s; see 'belt help %s'", text, options->command->name);
    return EXIT_USAGE;
}

bool admin_sleep(uint64_t ms)
{
    struct pollfd wait = {.fd = signals_fd(), .events = POLLIN};

    if (!signals_stop())
        poll(&wait, 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
    return !signals_stop();
}
