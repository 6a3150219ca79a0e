/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt store`: looks at the state directory of a broker that does not run.
 */
#include "admin.h"
#include "exit.h"
#include "run.h"
#include "say.h"
#include "show_json.h"
#include "units.h"

#include "../broker/store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int do_check(struct store *store)
{
    return store->ops->check(store);
}

static int do_stats(struct store *store)
{
    (void)store;
    return BELT_OK;
}

static int do_compact(struct store *store)
{
    return store->ops->compact(store);
}

static const struct action {
    const char *name, *done;
    int (*run)(struct store *store);
} actions[] = {
    {"check", "every record is as it was written", do_check},
    {"stats", NULL, do_stats},
    {"compact", "unused room was given back", do_compact},
};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
        if (!strcmp(actions[i].name, name))
            return &actions[i];
    return NULL;
}

/* Opening makes what is missing: here that would hide a mistyped name. */
static struct store *open_existing(const char *directory, char *error, uint32_t size)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/belt.sqlite", directory) >= (int)sizeof(path) || access(path, F_OK) != 0) {
        snprintf(error, size, "there is no store in %.400s (%s); name the directory that 'belt broker --state' has",
                 directory, strerror(errno ? errno : ENAMETOOLONG));
        return NULL;
    }
    return store_sqlite_open(directory, error, size);
}

static int run_action(const struct action *action, const char *directory, struct store_stats *stats, char *error,
                      uint32_t size)
{
    struct store *store = open_existing(directory, error, size);

    if (!store)
        return BELT_SYSTEM;
    int code = action->run(store);
    if (code == BELT_OK)
        code = store->ops->stats(store, stats);
    if (code != BELT_OK)
        snprintf(error, size, "%s", store->error);
    store_close(store);
    return code;
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
        bytes_text(out, "there is no reserve: the disk is full\n");
}

int run_store(const struct options *options)
{
    const struct store_values *values = options->values;
    const struct action *action = options->word_count == 1 ? find_action(options->words[0]) : NULL;
    struct store_stats stats = {0};
    struct bytes out = {0};
    char error[512] = "";

    if (!action || options->dashes || options->colons)
        return admin_usage(options, "say one of check, stats, compact");
    if (!values->state)
        return admin_usage(options, "--state DIR is missing");
    int code = run_action(action, values->state, &stats, error, sizeof(error));
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
