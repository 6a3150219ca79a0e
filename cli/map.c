/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt map`: draws inputs, prints results. map_setup.c opens what it needs.
 */
#include "cli/map.h"

#include "cli/clock.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/signals.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* Results are taken and written together: a system call for each would cost more than a small task. */
#define BATCH 64
/* While the input may stall inside of a call of the library, that call is kept short. */
#define DRAWING_MS 100
#define CANCEL_MS  5000

/* What the loop ended with. */
enum { PUMP_GOES_ON = -1 };

static uint64_t time_left(const struct map *map, uint64_t now)
{
    uint64_t due = map_progress_due(&map->progress);

    due = map->arrived_at < due ? map->arrived_at : due;
    return due > now ? due - now : 0;
}

/* The library cannot know when a pipe has more to read: both are waited for here. */
static void wait_for_input(const struct map *map, uint64_t ms)
{
    struct pollfd fds[3] = {{.fd = map->input.fd, .events = POLLIN},
                            {.fd = belt_stream_fd(map->stream), .events = POLLIN},
                            {.fd = signals_fd(), .events = POLLIN}};

    poll(fds, 3, (int)ms);
}

/* Results that are there, or come within a while. Looks first without waiting, to learn whether the input stalls. */
static int take(struct map *map, belt_result **results, size_t *count)
{
    uint64_t left;
    int rc = belt_stream_next_many(map->stream, 0, results, BATCH, count);

    if (rc != BELT_AGAIN)
        return rc;
    left = time_left(map, clock_ms());
    if (map->input.stalled) {
        wait_for_input(map, left);
        return belt_stream_next_many(map->stream, 0, results, BATCH, count);
    }
    if (!map->input.ended && left > DRAWING_MS)
        left = DRAWING_MS;
    return belt_stream_next_many(map->stream, (int64_t)left, results, BATCH, count);
}

static bool add_results(struct map *map, belt_result **results, size_t count)
{
    bool good = true;

    for (size_t i = 0; i < count; i++) {
        struct label *label = labels_take(&map->labels, results[i]->index);
        if (map->halted && results[i]->code == BELT_TASK_CANCELLED) { /* it has not begun */
            map->unbegun++;
            free(label);
            belt_result_free(&results[i]);
            continue;
        }
        if (results[i]->code != BELT_OK)
            live_log_catch_up(&map->live); /* what it said stands before what is said of it */
        good = map_output_add(&map->output, results[i], label) && good;
        free(label);
        belt_result_free(&results[i]);
    }
    return good;
}

/* Writes what was taken before the next call of the library: only then may the window open. */
static int print(struct map *map, belt_result **results, size_t count)
{
    uint64_t last = results[count - 1]->number;
    int rc;

    map->output.goes_on |= map->values->key && results[0]->number > 0;
    if (!add_results(map, results, count)) {
        say("out of memory for the results");
        return EXIT_INTERNAL;
    }
    rc = map_output_flush(&map->output);
    if (rc && *map->output.error)
        say("%s; stopped", map->output.error);
    if (!rc && map->values->key)
        belt_stream_ack(map->stream, last);
    return rc ? rc : PUMP_GOES_ON;
}

static int check_halt(struct map *map)
{
    uint64_t total = map->input.ended ? map->input.drawn : 0;
    uint64_t done = map->output.done > map->arrived_done ? map->output.done : map->arrived_done;
    uint64_t failed = map->output.failed > map->arrived_failed ? map->output.failed : map->arrived_failed;
    enum halt_when when = map->halted ? HALT_NEVER : halt_check(&map->halt, done, failed, total);
    char text[48];

    if (when == HALT_NEVER)
        return PUMP_GOES_ON;
    map->halted = true;
    map->arrived_at = UINT64_MAX;
    map->input.stopped = true;
    say("halt: %s%s", halt_show(&map->halt, text),
        when == HALT_SOON ? "; nothing more is started, what runs is finished" : "; what runs is stopped");
    if (when == HALT_SOON) {
        belt_stream_halt(map->stream);
        return PUMP_GOES_ON;
    }
    return map->halt.what == HALT_FAIL                         ? EXIT_CANCELLED
           : map->output.failed && map->halt.what == HALT_DONE ? EXIT_FAILED
                                                               : EXIT_OK;
}

/* In the order of the inputs a result may wait for others for long: what has come is asked for. */
static int check_arrived(struct map *map, uint64_t now)
{
    belt_status *status = NULL;
    char job[24];

    if (now < map->arrived_at || map->halted || !belt_stream_job(map->stream))
        return PUMP_GOES_ON;
    map->arrived_at = now + MAP_ARRIVED_MS;
    snprintf(job, sizeof(job), "%llu", (unsigned long long)belt_stream_job(map->stream));
    if (belt_status_get(map->pool, BELT_STATUS_JOBS, job, NULL, MAP_CHECK_MS, &status) == BELT_OK &&
        status->count > 0) {
        map->arrived_done = status->jobs[0]->done;
        map->arrived_failed = status->jobs[0]->failed;
    }
    belt_status_free(&status);
    return check_halt(map);
}

static int check_world(struct map *map, uint64_t now)
{
    if (now >= map->check_at) {
        map->check_at = now + MAP_CHECK_MS;
        if (map->values->with_parent)
            signals_check_parent();
        if (map_output_closed()) {
            say("standard output was closed by its reader; stopped");
            return EXIT_IO;
        }
    }
    if (now >= map_progress_due(&map->progress))
        map_progress_show(&map->progress, map->stream, now, map->output.done, map->output.failed, false);
    return signals_stop() ? EXIT_INTERRUPTED : PUMP_GOES_ON;
}

static int finished(const struct map *map)
{
    if (map->input.broken)
        return EXIT_IO;
    if (map->unbegun)
        say("stopped: %llu done, %llu failed, %llu not begun", (unsigned long long)map->output.done,
            (unsigned long long)map->output.failed, (unsigned long long)map->unbegun);
    if (map->halted && map->halt.what == HALT_FAIL)
        return EXIT_CANCELLED;
    if (map->halted && map->halt.what == HALT_SUCCESS)
        return EXIT_OK;
    return map->output.failed ? EXIT_FAILED : EXIT_OK;
}

/* All was printed: the broker must know it before this program says that all is well. */
static int confirm(struct map *map, int rc)
{
    int code = map->values->key ? belt_stream_ack_flush(map->stream, -1) : BELT_OK;
    belt_progress progress = BELT_PROGRESS_INIT;

    if (code == BELT_INTERRUPTED)
        return EXIT_INTERRUPTED;
    if (code != BELT_OK) {
        say("%s", belt_error_text());
        return exit_of_code(code);
    }
    belt_stream_progress(map->stream, &progress);
    if (map->values->key && !map->values->quiet && progress.drawn && !map->output.done && !map->output.failed)
        say("all %llu results under the key '%s' were printed before: nothing is left to print",
            (unsigned long long)progress.drawn, map->values->key);
    return rc;
}

static int stream_failed(int code)
{
    if (code == BELT_INTERRUPTED)
        return signals_stop() ? EXIT_INTERRUPTED : PUMP_GOES_ON;
    say("%s", code == BELT_JOB_CANCELLED ? "the job was cancelled by somebody else" : belt_error_text());
    return exit_of_code(code);
}

/* Until the stream or a reason to stop ends it. The exit code. */
static int pump(struct map *map)
{
    belt_result *results[BATCH];
    int rc = PUMP_GOES_ON;

    while (rc == PUMP_GOES_ON) {
        size_t count = 0;
        int code = take(map, results, &count);
        if (code == BELT_END) {
            map->complete = true;
            return confirm(map, finished(map));
        }
        if (code != BELT_OK && code != BELT_AGAIN)
            rc = stream_failed(code);
        if (count)
            rc = print(map, results, count);
        if (rc == PUMP_GOES_ON && count)
            rc = check_halt(map);
        if (rc == PUMP_GOES_ON)
            rc = check_arrived(map, clock_ms());
        if (rc == PUMP_GOES_ON)
            rc = check_world(map, clock_ms());
    }
    return rc;
}

/* Results that had arrived before the signal are done, and are printed. */
static void print_rest(struct map *map)
{
    belt_result *results[BATCH];
    size_t count = 0;
    uint64_t last = UINT64_MAX;

    map->input.stopped = true;
    for (int code = BELT_INTERRUPTED; code == BELT_OK || code == BELT_INTERRUPTED;) {
        code = belt_stream_next_many(map->stream, 0, results, BATCH, &count);
        if (code == BELT_OK)
            last = results[count - 1]->number;
        add_results(map, results, code == BELT_OK ? count : 0);
    }
    if (!map_output_flush(&map->output) && map->values->key)
        belt_stream_ack(map->stream, last);
}

static void stop(struct map *map, int rc)
{
    uint64_t finished_count;

    if (rc == EXIT_INTERRUPTED)
        print_rest(map);
    signals_interrupt(NULL);
    if (map->values->key && rc != EXIT_CANCELLED && belt_stream_job(map->stream) == 0) {
        belt_stream_detach(&map->stream); /* it was refused: there is nothing of ours */
    } else if (map->values->key && rc == EXIT_REFUSED) {
        belt_stream_detach(&map->stream); /* the key is another job's, which stays as it is */
    } else if (map->values->key && rc != EXIT_CANCELLED) {
        say("job %llu stays: the same command goes on with it, 'belt cancel' ends it",
            (unsigned long long)belt_stream_job(map->stream));
        belt_stream_detach(&map->stream);
    } else if (rc != EXIT_BROKER)
        belt_stream_cancel(map->stream, CANCEL_MS);
    finished_count = map->output.done + map->output.failed;
    if (rc == EXIT_INTERRUPTED || rc == EXIT_CANCELLED)
        say("%s: %llu done, %llu failed, %llu not finished", rc == EXIT_INTERRUPTED ? "interrupted" : "stopped",
            (unsigned long long)map->output.done, (unsigned long long)map->output.failed,
            (unsigned long long)(map->input.drawn - finished_count));
}

int run_map(const struct options *options)
{
    struct map map;
    int rc = map_open(&map, options);

    if (rc == MAP_READY) {
        rc = pump(&map);
        map_progress_show(&map.progress, map.stream, clock_ms(), map.output.done, map.output.failed, true);
        if (!map.complete)
            stop(&map, rc);
        if (map.input.broken)
            say("%s", map.input.error);
    }
    signals_interrupt(NULL);
    map_close(&map);
    return rc;
}
