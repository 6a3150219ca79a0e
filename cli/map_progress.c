/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows how far a map is. The numbers come from progress.c.
 */
#include "cli/map_progress.h"

#include "cli/bytes.h"
#include "cli/say.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MS   200
#define JSON_MS   1000
#define NOTICE_MS 1000

void map_progress_init(struct map_progress *shown, const struct map_values *values, uint64_t now)
{
    bool wanted = values->progress < 0 ? !isatty(STDOUT_FILENO) : values->progress;

    *shown = (struct map_progress){
        .json_fd = -1, .line_at = UINT64_MAX, .json_at = UINT64_MAX, .notice_at = now + NOTICE_MS};
    progress_init(&shown->progress, now);
    shown->line = wanted && isatty(STDERR_FILENO);
    if (shown->line)
        shown->line_at = now + LINE_MS;
    if (values->progress_json) {
        shown->json_fd = values->progress_fd ? (int)values->progress_fd : STDERR_FILENO;
        shown->json_at = now + JSON_MS;
    }
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void show_json(struct map_progress *shown, uint64_t now, const struct progress_counts *counts, bool last)
{
    uint64_t eta = progress_eta(&shown->progress, now, counts);
    json_t *object = json_object();
    struct bytes line = {0};
    char *text;
    ssize_t ignored;

    json_object_set_new(object, "schema", json_string("belt.progress/1"));
    set_number(object, "done", counts->done);
    set_number(object, "failed", counts->failed);
    set_number(object, "running", progress_running(counts));
    set_number(object, "started", counts->started);
    json_object_set_new(object, "total", counts->ended ? json_integer((json_int_t)counts->started) : json_null());
    json_object_set_new(object, "rate", json_real(progress_rate(&shown->progress, now, counts)));
    json_object_set_new(object, "eta_ms", eta == UINT64_MAX ? json_null() : json_integer((json_int_t)eta));
    set_number(object, "elapsed_ms", now - shown->progress.begun_ms);
    json_object_set_new(object, "last", json_boolean(last));
    text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (text) {
        bytes_format(&line, "%s\n", text);
        if (shown->json_fd == STDERR_FILENO)
            say_bytes(line.data, line.len);
        else
            ignored = write(shown->json_fd, line.data, line.len), (void)ignored;
    }
    bytes_free(&line);
    free(text);
    json_decref(object);
}

static void show_notice(struct map_progress *shown, unsigned notice)
{
    if (notice == BELT_NO_WORKER && !shown->noticed) {
        shown->noticed = true;
        say("no connected worker serves function '%s'; waiting", shown->function);
    }
}

void map_progress_show(struct map_progress *shown, const belt_stream *stream, uint64_t now, uint64_t taken_done,
                       uint64_t taken_failed, bool last)
{
    struct progress_counts counts = {.done = taken_done, .failed = taken_failed, .slots = shown->slots};
    belt_progress progress = BELT_PROGRESS_INIT;
    char line[256];

    belt_stream_progress(stream, &progress);
    counts.started = progress.drawn;
    counts.ended = progress.ended;
    progress_update(&shown->progress, now, &counts);
    show_notice(shown, progress.notice);
    if (now >= shown->notice_at)
        shown->notice_at = now + NOTICE_MS;
    if (shown->line && now >= shown->line_at) {
        progress_line(&shown->progress, now, &counts, line, sizeof(line), say_width(STDERR_FILENO) - 1);
        say_status(line);
        shown->line_at = now + LINE_MS;
    }
    if (shown->json_fd >= 0 && (now >= shown->json_at || last)) {
        show_json(shown, now, &counts, last);
        shown->json_at = now + JSON_MS;
    }
    if (last)
        say_status_clear();
}

uint64_t map_progress_due(const struct map_progress *shown)
{
    uint64_t due = shown->line_at < shown->json_at ? shown->line_at : shown->json_at;

    return due < shown->notice_at ? due : shown->notice_at;
}
