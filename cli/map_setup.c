/* SPDX-License-Identifier: Apache-2.0
 *
 * What `belt map` needs before its first input: a sensible command line, the
 * input, the joblog, a pool and a job.
 */
#include "cli/map.h"

#include "cli/access.h"
#include "cli/clock.h"
#include "cli/command_check.h"
#include "cli/command_line.h"
#include "cli/endpoint.h"
#include "cli/exit.h"
#include "cli/job_options.h"
#include "cli/map_joblog.h"
#include "cli/say.h"
#include "cli/signals.h"

#include "client/open.h"
#include "local/cluster.h"
#include "worker/agent.h"
#include "proto/heap.h"
#include "proto/limits.h"
#include "proto/shortage.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Enough of an input to recognise it in a message; tags and logs need all of it. */
#define LABEL_BYTES 96

#define FUNCTION_LOCAL "default"

static int usage(const char *text)
{
    say("%s; see 'belt help map'", text);
    return EXIT_USAGE;
}

static bool has_broker(const struct map_values *values)
{
    return values->common.broker && strcmp(values->common.broker, "local") != 0;
}

/* What is run: exactly one of a command, a function, a coprocess, a filter. */
static int check_work(const struct map *map)
{
    const struct options *options = map->options;
    const struct map_values *values = map->values;
    bool local = values->coproc || values->filter;
    char error[BELT_CHECK_ERROR];

    if (values->coproc && !program_check("--coproc", values->coproc, error))
        return usage(error);
    if (values->filter && !program_check("--filter", values->filter, error))
        return usage(error);
    if (values->coproc && values->filter)
        return usage("--coproc and --filter exclude each other");
    if (local && (options->word_count || options->dashes))
        return usage("--coproc and --filter say what runs: a command or function beside them is too much");
    if (local && has_broker(values))
        return usage("--coproc and --filter belong to a private pool; on a cluster 'belt worker' is given them");
    if (options->dashes && options->word_count)
        return usage("give either a FUNCTION of the cluster or a command after '--', not both");
    if (options->dashes && !options->rest_count)
        return usage("a command is missing after '--'");
    if (!local && !options->dashes && !options->word_count)
        return usage("nothing to run: give a command after '--', or --broker and a FUNCTION");
    if (options->word_count > 1)
        return usage(has_broker(values) ? "more than one FUNCTION; a command goes after '--'"
                                        : "a command goes after '--': belt map [OPTIONS] -- COMMAND …");
    if (options->word_count && !has_broker(values)) {
        say("'%s' is a function of a cluster, which needs --broker; a command goes after '--': belt map -- %s",
            options->words[0], options->words[0]);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

static int check_options(const struct map *map)
{
    const struct map_values *values = map->values;
    char error[BELT_CHECK_ERROR];

    if (values->null && values->records)
        return usage("--null and --records exclude each other");
    if ((values->resume || values->resume_failed) && !values->joblog)
        return usage("--resume and --resume-failed need --joblog FILE");
    if (values->records && values->tag)
        return usage("--tag and --records exclude each other: a tag would break the record");
    if (values->key && !has_broker(values))
        return usage("--key names a job of a cluster, which needs --broker; a private pool ends with this command");
    if (values->take_over && !values->key)
        return usage("--take-over needs --key, which names the job that another client has");
    if (!has_broker(values) && options_origin(map->options, "keep") == ORIGIN_FLAG)
        return usage("--keep is for a job of a cluster, which needs --broker; a private pool ends with this command");
    if (values->key && values->joblog)
        return usage("--key and --joblog exclude each other: each says by itself where a run goes on");
    if (!command_line_check(map->options, error))
        return usage(error);
    if (map->options->colons && values->arg_file)
        return usage("inputs come from ':::' or from --arg-file, not from both");
    if (has_broker(values) && options_origin(map->options, "log-bytes") == ORIGIN_FLAG)
        return usage("--log-bytes belongs to a private pool; on a cluster 'belt worker' is given it");
    if (has_broker(values) && options_origin(map->options, "slots") == ORIGIN_FLAG)
        return usage("--slots sizes a private pool; on a cluster the workers' slots count");
    if (has_broker(values) && (options_origin(map->options, "max-payload") == ORIGIN_FLAG ||
                               options_origin(map->options, "memory") == ORIGIN_FLAG))
        return usage("--max-payload and --memory are of a private pool; a cluster's broker has its own");
    if (values->max_payload > BELT_MAX_PAYLOAD_CEILING)
        return usage("--max-payload is over 1 GiB, the most the protocol carries");
    if (values->memory && values->memory < BELT_MEMORY_BUDGET_LEAST)
        return usage("--memory is too small: it has to be at least 1 MiB");
    if (values->tty && (has_broker(values) || values->slots != 1 || !map->options->dashes))
        return usage("--tty gives the terminal to one command at a time: it needs -j1 and a command in a private pool");
    if (values->progress_json && values->progress_fd && fcntl((int)values->progress_fd, F_GETFD) < 0)
        return usage("--progress-fd is not an open descriptor");
    return EXIT_OK;
}

static int open_input(struct map *map)
{
    const struct map_values *values = map->values;
    bool whole = values->tag || values->joblog || values->results_json || values->dry_run;

    if (map_input_start(&map->input, map->options, values, !has_broker(values)))
        return EXIT_IO;
    map->input.labels = &map->labels;
    map->input.keep = whole ? SIZE_MAX : LABEL_BYTES;
    return EXIT_OK;
}

static int open_output(struct map *map)
{
    const struct options *options = map->options;
    const struct map_values *values = map->values;
    int rc = map_output_open(&map->output, "map", values);

    map->output.value = !options->dashes;
    map->output.words = options->dashes ? options->rest : NULL;
    map->output.word_count = options->rest_count;
    map->output.function = map->function;
    map->output.local = !*map->broker;
    map->output.continues = values->key || values->resume || values->resume_failed;
    if (rc || !values->joblog || values->dry_run)
        return rc;
    map->output.joblog = map_joblog_open(values, &map->input.skip);
    map->output.goes_on = map->input.skip.resumed;
    if (map->output.joblog >= 0)
        return EXIT_OK;
    return -map->output.joblog;
}

static int open_pool(struct map *map)
{
    const struct map_values *values = map->values;
    struct belt_agent_function function = {.name = map->function, .runner = BELT_RUN_EXEC, .tty = values->tty != 0};
    struct local_work work = {.functions = &function, .count = 1, .words = BELT_WORDS_OPTIONS};
    belt_pool_options options;
    int code, error = 0;

    belt_pool_options_init(&options);
    options.slots = (int)values->slots;
    options.connect_timeout_ms = (int64_t)values->common.connect_timeout;
    options.access = values->common.access;
    options.lost_timeout_ms = (int64_t)values->lost_timeout;
    options.kill_after_ms = (int64_t)values->kill_after;
    options.start_timeout_ms = values->start_timeout;
    options.log_bytes = (int64_t)values->log_bytes;
    options.max_payload = values->max_payload;
    options.memory = values->memory;
    if (values->coproc || values->filter) {
        function.runner = values->coproc ? BELT_RUN_COPROC : BELT_RUN_FILTER;
        function.command = values->coproc ? values->coproc : values->filter;
    }
    map->output.live = !*map->broker && !values->quiet;
    if (map->output.live) {
        error = live_log_open(&map->live);
        work.log_pipe = map->live.ends;
    }
    if (error)
        code = BELT_SYSTEM;
    else if (*map->broker)
        code = belt_pool_open(map->broker, &options, &map->pool);
    else
        code = belt_pool_open_private(&work, &options, &map->pool);
    if (code == BELT_OK && map->output.live && (error = live_log_start(&map->live, &map->input.skip)))
        code = BELT_SYSTEM;
    if (code == BELT_OK) {
        belt_heap_keep();
        return EXIT_OK;
    }
    if (error)
        say("standard error of the tasks cannot be shown: %s", belt_shortage_text(error));
    else
        say("%s", belt_error_text());
    return exit_of_code(code);
}

static int open_stream(struct map *map)
{
    const struct map_values *values = map->values;
    struct bytes argument = {0};
    belt_job_options options;
    int code, rc;

    rc = job_options_fill(map->options, values, &options, &argument);
    if (rc)
        goto out;
    if (!*map->broker && values->backoff == UINT64_MAX)
        options.backoff_ms = -1; /* nobody else waits for these slots */
    options.detail = values->joblog || values->results_json;
    options.detached = options.acknowledge = values->key != NULL;
    code = (values->unordered ? belt_pool_imap_unordered : belt_pool_imap)(map->pool, map->function, map_input_draw,
                                                                           &map->input, &options, &map->stream);
    if (code != BELT_OK) {
        say("%s", belt_error_text());
        rc = exit_of_code(code);
    }
out:
    bytes_free(&argument);
    return rc;
}

static bool show_input(struct map *map, const char *data, size_t len, struct bytes *line)
{
    const struct options *options = map->options;

    bytes_reset(line);
    if (options->dashes) {
        command_show(options->rest, options->rest_count, data, len, line);
    } else {
        bytes_text(line, "printf %s ");
        command_quote(data, len, line);
        bytes_format(line, " | %s",
                     map->values->coproc   ? map->values->coproc
                     : map->values->filter ? map->values->filter
                                           : map->function);
    }
    bytes_text(line, "\n");
    return !line->failed;
}

/* --dry-run: what would be run, one line per input. */
static int dry_run(struct map *map)
{
    struct bytes *line = &map->output.out;
    belt_input input;
    int drawn, rc = EXIT_OK;

    signals_install();
    while (!rc && !signals_stop() && (drawn = map_input_draw(&map->input, &input)) != BELT_INPUT_END) {
        free(labels_take(&map->labels, map->input.drawn - 1));
        if (drawn == BELT_INPUT_LATER) {
            struct pollfd wait[2] = {{.fd = map->input.fd, .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
            poll(wait, 2, -1);
        } else if (drawn == BELT_INPUT_FAILED) {
            say("%s", map->input.error);
            rc = EXIT_IO;
        } else {
            rc = show_input(map, input.data, input.len, line) ? map_output_flush(&map->output) : EXIT_INTERNAL;
            if (rc)
                say("%s", *map->output.error ? map->output.error : "stopped");
        }
    }
    return signals_stop() ? EXIT_INTERRUPTED : rc;
}

static int name_work(struct map *map)
{
    const struct map_values *values = map->values;

    map->function = map->options->dashes       ? BELT_EXEC_FUNCTION
                    : map->options->word_count ? map->options->words[0]
                                               : FUNCTION_LOCAL;
    halt_parse(values->halt, &map->halt);
    if (has_broker(values) && !endpoint_normal(values->common.broker, ENDPOINT_CLIENTS_PORT, map->broker))
        return usage("--broker is no address");
    return EXIT_OK;
}

static uint64_t slots_of(const struct map *map)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (*map->broker)
        return 0;
    return map->values->slots ? map->values->slots : (uint64_t)(processors > 0 ? processors : 1);
}

/* What only a cluster has goes to the broker of the access file, when nobody names one. */
static int name_broker(struct map *map)
{
    struct map_values *values = map->options->values;
    int rc;

    if (values->common.broker || values->coproc || values->filter || (!map->options->word_count && !values->key))
        return EXIT_OK;
    rc = access_find_broker(&values->common, false, NULL, map->known);
    if (!rc && *map->known)
        values->common.broker = map->known;
    return rc;
}

int map_open(struct map *map, const struct options *options)
{
    int rc;

    *map = (struct map){
        .options = options, .values = options->values, .input.fd = -1, .output.joblog = -1, .live = LIVE_LOG_NONE};
    if ((rc = name_broker(map)) || (rc = check_work(map)) || (rc = check_options(map)) || (rc = name_work(map)) ||
        (rc = open_input(map)) || (rc = open_output(map)))
        return rc;
    if (map->values->dry_run)
        return dry_run(map);
    /* The pool forks: its children shall not have our handlers. */
    if ((rc = open_pool(map)) || (rc = open_stream(map)))
        return rc;
    signals_interrupt(map->stream);
    signals_pool(map->pool);
    signals_install();
    map_progress_init(&map->progress, map->values, clock_ms());
    map->progress.function = map->function;
    map->progress.slots = slots_of(map);
    map->check_at = clock_ms() + MAP_CHECK_MS;
    map->arrived_at = map->halt.when == HALT_NEVER || map->values->unordered ? UINT64_MAX : clock_ms() + MAP_ARRIVED_MS;
    return MAP_READY;
}

void map_close(struct map *map)
{
    belt_stream_close(&map->stream);
    belt_pool_close(&map->pool); /* which may take a while: the second signal is still heard */
    signals_pool(NULL);
    live_log_close(&map->live);
    map_input_close(&map->input);
    map_output_free(&map->output);
    labels_free(&map->labels);
}
