/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt submit`: hands in a job and leaves it to its readers.
 */
#include "cli/admin.h"
#include "cli/clock.h"
#include "cli/command_check.h"
#include "cli/exit.h"
#include "cli/job_options.h"
#include "cli/map_input.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/show_json.h"
#include "cli/signals.h"

#include <inttypes.h>
#include <poll.h>

/* How long one call waits, so that a signal or new input is seen soon. */
#define FLUSH_MS 100
/* After so long without a task accepted the user is told why it waits. */
#define PATIENCE_MS 5000
#define CANCEL_MS   5000

struct submit {
    const struct submit_values *values;
    struct map_input input;
    belt_pool *pool;
    belt_stream *stream;
    uint64_t accepted, accepted_ms; /* what was accepted when it last moved */
    bool noticed;
    bool other; /* the key's job has another input */
};

static int check(const struct options *options)
{
    const struct submit_values *values = options->values;
    char error[BELT_CHECK_ERROR];

    if (options->dashes && options->word_count)
        return admin_usage(options, "give either a FUNCTION or a command after '--', not both");
    if (options->dashes && !options->rest_count)
        return admin_usage(options, "a command is missing after '--'");
    if (!options->dashes && options->word_count != 1)
        return admin_usage(options, "exactly one FUNCTION is needed, or a command after '--'");
    if (values->map.null && values->map.records)
        return admin_usage(options, "--null and --records exclude each other");
    if (values->durable && values->map.volatile_job)
        return admin_usage(options, "--durable and --volatile exclude each other");
    if (values->map.take_over && !values->map.key)
        return admin_usage(options, "--take-over needs --key, which names the job that another client has");
    if (!command_line_check(options, error))
        return admin_usage(options, error);
    if (options->colons && values->map.arg_file)
        return admin_usage(options, "inputs come from ':::' or from --arg-file, not from both");
    return EXIT_OK;
}

static int open_job(struct submit *submit, const struct options *options)
{
    struct bytes argument = {0};
    belt_job_options job;
    int code, rc = job_options_fill(options, &submit->values->map, &job, &argument);

    if (!rc) {
        if (submit->values->durable)
            job.durability = BELT_DURABLE;
        job.detail = submit->values->detail;
        job.share = submit->values->share != 0;
        code = belt_pool_submit_open(submit->pool, job_function(options), map_input_draw, &submit->input, &job,
                                     &submit->stream);
        rc = code == BELT_OK ? EXIT_OK : admin_failed(code);
    }
    bytes_free(&argument);
    return rc;
}

/* A broker whose memory is full of unread results takes no more until somebody reads. */
static void notice_waiting(struct submit *submit)
{
    belt_progress progress = BELT_PROGRESS_INIT;

    belt_stream_progress(submit->stream, &progress);
    if (progress.accepted != submit->accepted || submit->input.stalled || !submit->accepted_ms) {
        submit->accepted = progress.accepted;
        submit->accepted_ms = clock_ms();
    } else if (!submit->noticed && !submit->values->map.quiet && clock_ms() - submit->accepted_ms >= PATIENCE_MS) {
        submit->noticed = true;
        say("the broker accepts no more at present: it has no room until results are read; waiting");
    }
}

/* Until everything is accepted. The exit code. */
static int feed(struct submit *submit)
{
    int code = BELT_AGAIN;

    while ((code == BELT_AGAIN || code == BELT_INTERRUPTED) && !signals_stop()) {
        code = belt_stream_flush(submit->stream, 0);
        if (code == BELT_AGAIN && submit->input.stalled) {
            struct pollfd fds[2] = {{.fd = submit->input.fd, .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
            poll(fds, 2, FLUSH_MS);
        } else if (code == BELT_AGAIN)
            code = belt_stream_flush(submit->stream, FLUSH_MS);
        notice_waiting(submit);
    }
    if (code == BELT_OK)
        return submit->input.broken ? EXIT_IO : EXIT_OK;
    if (signals_stop())
        return EXIT_INTERRUPTED;
    submit->other = submit->values->map.key && (code == BELT_JOB_ENDED || code == BELT_BAD_MESSAGE ||
                                                code == BELT_BAD_OPTION || code == BELT_NOT_ALLOWED);
    if (submit->other)
        say("key '%s' names a job that is not this one: %s", submit->values->map.key, belt_error_text());
    else
        say("%s", belt_error_text());
    return code == BELT_SOURCE_FAILED || code == BELT_TOO_LARGE ? EXIT_IO : exit_of_code(code);
}

static int print_job(const struct submit *submit, uint64_t job)
{
    struct bytes out = {0};
    int rc;

    if (submit->values->json) {
        json_t *object = show_json_object("belt.submit/1");
        json_object_set_new(object, "job", json_integer((json_int_t)job));
        json_object_set_new(object, "key",
                            submit->values->map.key ? json_string(submit->values->map.key) : json_null());
        json_object_set_new(object, "tasks", json_integer((json_int_t)submit->input.drawn));
        show_json_write(object, &out);
    } else
        bytes_format(&out, "%" PRIu64 "\n", job);
    rc = admin_print(&out);
    bytes_free(&out);
    return rc;
}

/* Half a job: nobody knows the id of one without a key. */
static void give_up(struct submit *submit, int rc)
{
    uint64_t job = belt_stream_job(submit->stream);

    if (!submit->values->map.key) {
        if (rc != EXIT_BROKER)
            belt_stream_cancel(submit->stream, CANCEL_MS);
    } else {
        if (job && !submit->other)
            say("job %" PRIu64 " stays as far as it came: the same command goes on with it, 'belt cancel' ends it",
                job);
        belt_stream_detach(&submit->stream);
    }
}

int run_submit(const struct options *options)
{
    struct submit submit = {.values = options->values, .input.fd = -1};
    uint64_t job = 0;
    int rc = check(options);

    if (!rc && map_input_start(&submit.input, options, &submit.values->map, false))
        rc = EXIT_IO;
    signals_install();
    if (!rc)
        rc = admin_open_as(&submit.values->map.common, BELT_ROLE_CLIENT, submit.values->map.lost_timeout, &submit.pool);
    if (!rc)
        rc = open_job(&submit, options);
    if (!rc) {
        signals_interrupt(submit.stream);
        rc = feed(&submit);
        signals_interrupt(NULL);
        job = belt_stream_job(submit.stream);
        if (rc)
            give_up(&submit, rc);
        else
            belt_stream_detach(&submit.stream);
    }
    belt_stream_close(&submit.stream);
    belt_pool_close(&submit.pool);
    map_input_close(&submit.input);
    return rc ? rc : print_job(&submit, job);
}
