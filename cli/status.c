/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt status`, `belt workers`, `belt jobs`.
 */
#include "cli/admin.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/show.h"
#include "cli/show_json.h"
#include "cli/signals.h"
#include "cli/states.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct view {
    const char *command, *schema, *rows; /* name of the rows in JSON */
    belt_status_kind what;
    void (*show)(const belt_status *status, bool colours, struct bytes *out);
    const char *missing;
};

static const struct view views[] = {
    {"status", "belt.status/1", "queues", BELT_STATUS_QUEUES, show_queues, "queue"},
    {"workers", "belt.workers/1", "workers", BELT_STATUS_WORKERS, show_workers, "worker"},
    {"jobs", "belt.jobs/1", "jobs", BELT_STATUS_JOBS, show_jobs, "job"},
};

static const struct view *find_view(const char *command)
{
    for (size_t i = 0; i < sizeof(views) / sizeof(*views); i++)
        if (!strcmp(views[i].command, command))
            return &views[i];
    return &views[0];
}

/* `broker` belongs to the overview, `readers` to one job; else NULL. */
static void render(const struct view *view, const struct show_values *values, const belt_status *rows,
                   const belt_status *broker, const belt_status *readers, bool named, struct bytes *out)
{
    bool colours = admin_colours();
    json_t *object;

    if (values->json) {
        object = show_json_object(view->schema);
        if (broker)
            json_object_set_new(object, "broker", show_json_rows(broker));
        json_object_set_new(object, view->rows, show_json_rows(rows));
        json_object_set_new(object, "total", json_integer((json_int_t)rows->total));
        if (readers)
            json_object_set_new(object, "readers", show_json_rows(readers));
        show_json_write(object, out);
        return;
    }
    if (broker)
        show_broker(broker->broker, colours, out);
    view->show(rows, colours, out);
    if (view->what == BELT_STATUS_JOBS && !named)
        show_count(rows, "job", out);
    else if (rows->total > rows->count)
        show_count(rows, view->missing, out);
    if (readers)
        show_readers(readers, colours, out);
}

static void fill_options(const struct show_values *values, belt_status_options *options)
{
    belt_status_options_init(options);
    options->limit = values->limit;
    options->function = values->function;
    options->owner = values->owner;
    if (values->states)
        states_parse(values->states, &options->states);
}

/* The readers of the one job that a name stands for. */
static int ask_readers(belt_pool *pool, const belt_status *jobs, belt_status **readers)
{
    char name[32];

    if (!jobs->count || jobs->jobs[0]->past)
        return BELT_OK;
    snprintf(name, sizeof(name), "#%" PRIu64, jobs->jobs[0]->job);
    return belt_status_get(pool, BELT_STATUS_READERS, name, NULL, ADMIN_ANSWER_MS, readers);
}

static int show_once(belt_pool *pool, const struct view *view, const struct show_values *values, const char *name,
                     struct bytes *out)
{
    belt_status *rows = NULL, *broker = NULL, *readers = NULL;
    belt_status_options options;
    int code, rc = EXIT_OK;

    fill_options(values, &options);
    code = belt_status_get(pool, view->what, name, &options, ADMIN_ANSWER_MS, &rows);
    /* The broker's own line belongs to the overview only. */
    if (code == BELT_OK && view->what == BELT_STATUS_QUEUES && !name)
        code = belt_status_get(pool, BELT_STATUS_BROKER, NULL, NULL, ADMIN_ANSWER_MS, &broker);
    if (code == BELT_OK && view->what == BELT_STATUS_JOBS && name)
        code = ask_readers(pool, rows, &readers);
    if (code == BELT_OK && name && !rows->count) {
        say("there is no %s '%s'; 'belt %s' lists them", view->missing, name, view->command);
        rc = EXIT_REFUSED;
    } else if (code != BELT_OK)
        rc = admin_failed(code);
    else
        render(view, values, rows, broker, readers, name != NULL, out);
    belt_status_free(&readers);
    belt_status_free(&rows);
    belt_status_free(&broker);
    return rc;
}

static int show_again(belt_pool *pool, const struct view *view, const struct show_values *values, const char *name)
{
    bool screen = values->watch && !values->json && isatty(STDOUT_FILENO);
    struct bytes out = {0};
    int rc;

    do {
        if (screen)
            bytes_text(&out, "\033[H\033[J");
        rc = show_once(pool, view, values, name, &out);
        if (!rc)
            rc = admin_print(&out);
    } while (!rc && values->watch && admin_sleep(values->watch));
    bytes_free(&out);
    return rc ? rc : signals_stop() && !values->watch ? EXIT_INTERRUPTED : EXIT_OK;
}

int run_show(const struct options *options)
{
    const struct show_values *values = options->values;
    belt_pool *pool = NULL;
    int rc;

    const char *name = options->word_count ? options->words[0] : options->rest_count ? options->rest[0] : NULL;

    if (options->word_count + options->rest_count > 1 || options->colons)
        return admin_usage(options, "at most one name");
    if (name && !*name)
        return admin_usage(options, "the name is empty (an unset variable?)");
    if (name && strlen(name) > BELT_MAX_KEY)
        return admin_usage(options, "the name is too long");
    if (name && (values->states || values->function || values->owner || values->limit))
        return admin_usage(options, "a name and a choice exclude each other");
    signals_install();
    rc = admin_open(&values->common, &pool);
    if (!rc)
        rc = show_again(pool, find_view(options->command->name), values, name);
    belt_pool_close(&pool);
    return rc;
}
