/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt store`: checks, measures, compacts, copies or salvages the state directory of a broker.
 */
#include "cli/admin.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/show_json.h"
#include "cli/units.h"

#include "broker/maintenance.h"
#include "broker/salvage.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SALVAGE "salvage"

static const struct action {
    const char *name, *done;
    bool copies; /* it makes a new directory; `what` is done there */
    enum maintenance what;
} actions[] = {
    {"check", "every record is as it was written", false, MAINTENANCE_CHECK},
    {"stats", NULL, false, MAINTENANCE_STATS},
    {"compact", "unused room was given back", false, MAINTENANCE_COMPACT},
    {"backup", "the copy is on disk, and every record in it is as it was written", true, MAINTENANCE_STATS},
    {SALVAGE, "the new store is on disk, and every record in it is as it was written", true, MAINTENANCE_STATS},
};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
        if (!strcmp(actions[i].name, name))
            return &actions[i];
    return NULL;
}

static bool has_file(const char *directory, const char *name)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof(path), "%s/%s", directory, name) < (int)sizeof(path) && access(path, F_OK) == 0;
}

/* Opening makes what is missing: here that would hide a mistyped name, or a lost file. */
static int find_store(const char *directory, char *error, uint32_t size)
{
    errno = 0;
    if (has_file(directory, "belt.sqlite"))
        return BELT_OK;
    int number = errno ? errno : ENAMETOOLONG;
    if (number == ENOENT && (has_file(directory, "belt.sqlite-wal") || has_file(directory, "belt.mark")))
        snprintf(
            error, size,
            "belt.sqlite is missing in %.*s, where belt.sqlite-wal or belt.mark is: the database was removed or not "
            "copied; restore the directory from a copy",
            TEXT_UP_TO(directory, 300));
    else
        snprintf(error, size, "there is no store in %.*s (%s); name the directory that 'belt broker --state' has",
                 TEXT_UP_TO(directory, 300), strerror(number));
    return BELT_SYSTEM;
}

/* What became of each job that did not come over as it was. */
static void show_salvaged(void *ctx, const struct salvage_job *job)
{
    struct bytes *out = ctx;

    if (job->outcome == SALVAGE_WHOLE)
        return;
    bytes_format(out, "%s %" PRIu64 "%s%s%s%s: ", job->failed_tasks ? "the failed tasks of job" : "job", job->job,
                 *job->key ? ", key " : "", job->key, *job->function ? ", function " : "", job->function);
    if (job->outcome == SALVAGE_LOST) {
        bytes_format(out, "lost; %" PRIu64 " of its records could be read and do not make it whole\n", job->records);
        return;
    }
    bytes_format(out, "%" PRIu64 " of its tasks were lost and end as errors (TASK_LOST)", job->lost);
    for (uint32_t i = 0; i < job->range_count; i++)
        bytes_format(out, job->ranges[i].first == job->ranges[i].last ? "%s %" PRIu64 : "%s %" PRIu64 "-%" PRIu64,
                     i ? "," : ":", job->ranges[i].first, job->ranges[i].last);
    bytes_text(out, "\n");
}

static int salvage(const char *directory, const char *target, char *error, uint32_t size)
{
    struct bytes out = {0};
    struct salvage_report report = {.job = show_salvaged, .ctx = &out};
    int code = salvage_run(directory, target, &report, error, size);

    bytes_fit(&out);
    if (out.data)
        fwrite(out.data, 1, out.len, stderr);
    if (code == BELT_OK)
        say("%" PRIu64 " jobs came over whole, %" PRIu64 " with tasks that were lost, %" PRIu64 " were lost; %" PRIu64
            " places in the old store are damaged",
            report.whole, report.mended, report.lost, report.damaged);
    bytes_free(&out);
    return code;
}

static int run_action(const struct action *action, const char *directory, const char *target, struct store_stats *stats,
                      char *error, uint32_t size)
{
    int code = find_store(directory, error, size);

    if (code == BELT_OK && action->copies) {
        code = strcmp(action->name, SALVAGE) ? maintenance_backup(directory, target, error, size)
                                             : salvage(directory, target, error, size);
        directory = target;
    }
    return code == BELT_OK ? maintenance_run(action->what, directory, stats, error, size) : code;
}

static void write_json(const struct action *action, const struct store_stats *stats, const char *error,
                       struct bytes *out)
{
    json_t *object = show_json_object("belt.store/1");

    json_object_set_new(object, "action", json_string(action->name));
    json_object_set_new(object, "ok", json_boolean(!error));
    if (error) {
        json_object_set_new(object, "error", json_string(error));
    } else {
        json_object_set_new(object, "format", json_integer((json_int_t)stats->format));
        json_object_set_new(object, "records", json_integer((json_int_t)stats->records));
        json_object_set_new(object, "jobs", json_integer((json_int_t)stats->jobs));
        json_object_set_new(object, "last_number", json_integer((json_int_t)stats->last_number));
        json_object_set_new(object, "body_bytes", json_integer((json_int_t)stats->body_bytes));
        json_object_set_new(object, "file_bytes", json_integer((json_int_t)stats->file_bytes));
        json_object_set_new(object, "free_bytes", json_integer((json_int_t)stats->free_bytes));
        json_object_set_new(object, "reserve_bytes", json_integer((json_int_t)stats->reserve_bytes));
    }
    show_json_write(object, out);
}

static void write_text(const struct action *action, const struct store_stats *stats, struct bytes *out)
{
    char body[UNITS_TEXT], file[UNITS_TEXT], unused[UNITS_TEXT];

    if (action->done)
        bytes_format(out, "%s\n", action->done);
    bytes_format(out,
                 "format %" PRIu32 ", %" PRIu64 " records of %" PRIu64
                 " jobs with %s in them, the last was number %" PRIu64 "\n",
                 stats->format, stats->records, stats->jobs, units_show_bytes(stats->body_bytes, body),
                 stats->last_number);
    bytes_format(out, "the files have %s, of which %s are unused\n", units_show_bytes(stats->file_bytes, file),
                 units_show_bytes(stats->free_bytes, unused));
    if (stats->reserve_bytes)
        bytes_format(out, "belt.reserve keeps %s for a full disk\n", units_show_bytes(stats->reserve_bytes, file));
    else
        bytes_text(out, "there is no belt.reserve: the disk was full, or this is a copy; a broker makes it again\n");
}

int run_store(const struct options *options)
{
    const struct store_values *values = options->values;
    const struct action *action = options->word_count ? find_action(options->words[0]) : NULL;
    struct store_stats stats = {0};
    struct bytes out = {0};
    char error[512] = "";

    if (!action || options->dashes || options->colons)
        return admin_usage(options, "say one of check, stats, compact, backup, salvage");
    if (options->word_count != (action->copies ? 2 : 1) || (action->copies && !*options->words[1]))
        return admin_usage(options, action->copies ? "name the new directory: belt store backup|salvage --state DIR NEW"
                                                   : "one word is enough: check, stats or compact");
    if (!values->state)
        return admin_usage(options, "--state DIR is missing");
    int code =
        run_action(action, values->state, action->copies ? options->words[1] : NULL, &stats, error, sizeof(error));
    if (code != BELT_OK)
        say("%s", error);
    if (values->json)
        write_json(action, &stats, code == BELT_OK ? NULL : error, &out);
    else if (code == BELT_OK)
        write_text(action, &stats, &out);
    int rc = out.len || out.failed ? admin_print(&out) : EXIT_OK;
    bytes_free(&out);
    return rc ? rc : code == BELT_OK ? EXIT_OK : EXIT_IO;
}
