/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt readers list` and `belt readers remove`.
 */
#include "cli/admin.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/show.h"
#include "cli/show_json.h"
#include "cli/signals.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA "belt.readers/1"

/* ---- list ---- */

static int list_of(belt_pool *pool, const struct readers_values *values, const char *name)
{
    belt_status *status = NULL;
    struct bytes out = {0};
    int code = belt_status_get(pool, BELT_STATUS_READERS, name, NULL, ADMIN_ANSWER_MS, &status);
    int rc = EXIT_OK;

    if (code != BELT_OK)
        return admin_failed(code);
    if (values->json) {
        json_t *object = show_json_object(SCHEMA);
        json_object_set_new(object, "readers", show_json_rows(status));
        show_json_write(object, &out);
    } else {
        show_all_readers(status, admin_colours(), &out);
    }
    rc = admin_print(&out);
    bytes_free(&out);
    belt_status_free(&status);
    return rc;
}

static int list(belt_pool *pool, const struct options *options)
{
    struct admin_job job;
    char name[32];
    int rc;

    if (options->word_count < 2)
        return list_of(pool, options->values, NULL);
    rc = admin_find_job(pool, options->words[1], &job);
    if (rc)
        return rc;
    snprintf(name, sizeof(name), "#%" PRIu64, job.id);
    return list_of(pool, options->values, name);
}

/* ---- remove ---- */

static int print_removed(const struct readers_values *values, uint64_t job, const char *reader)
{
    struct bytes out = {0};
    int rc;

    if (values->json) {
        json_t *object = show_json_object(SCHEMA);
        json_object_set_new(object, "job", json_integer((json_int_t)job));
        json_object_set_new(object, "removed", json_string(reader));
        show_json_write(object, &out);
    } else {
        bytes_format(&out, "reader '%s' of job %" PRIu64 " is removed\n", reader, job);
    }
    rc = admin_print(&out);
    bytes_free(&out);
    return rc;
}

static int remove_all(belt_pool *pool, const struct options *options)
{
    struct admin_outcome outcome = {0};
    struct admin_job job;
    int rc = admin_find_job(pool, options->words[1], &job);

    for (uint32_t i = 2; !rc && i < options->word_count && !signals_stop(); i++) {
        const char *reader = options->words[i];
        int code = belt_reader_remove(pool, job.id, reader, ADMIN_ANSWER_MS);
        admin_count(&outcome, code == BELT_OK ? print_removed(options->values, job.id, reader) : admin_failed(code));
    }
    if (signals_stop())
        return EXIT_INTERRUPTED;
    return rc ? rc : admin_outcome(&outcome);
}

int run_readers(const struct options *options)
{
    const struct readers_values *values = options->values;
    const char *verb = options->word_count ? options->words[0] : "";
    bool removes = !strcmp(verb, "remove");
    belt_pool *pool = NULL;
    int rc;

    if (options->dashes || options->colons)
        return admin_usage(options, "jobs and readers are named alone");
    if (!removes && strcmp(verb, "list") != 0)
        return admin_usage(options, "say list or remove");
    if (!removes && options->word_count > 2)
        return admin_usage(options, "at most one job");
    if (removes && options->word_count < 3)
        return admin_usage(options, "a job and the names of its readers are missing");
    signals_install();
    rc = admin_open(&values->common, &pool);
    if (!rc)
        rc = removes ? remove_all(pool, options) : list(pool, options);
    belt_pool_close(&pool);
    return rc;
}
