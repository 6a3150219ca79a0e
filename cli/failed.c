/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt failed` and `belt retry`.
 */
#include "cli/admin.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/show_failed.h"
#include "cli/show_json.h"
#include "cli/signals.h"
#include "cli/units.h"

#include "client/failed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

#define WHOLE_JOB UINT64_MAX

/* What the words of a command line name. */
struct target {
    uint64_t job, index; /* index WHOLE_JOB: all of it */
    bool done, found, told;
};

struct asking {
    const struct options *options;
    const struct failed_values *values;
    belt_pool *pool;
    struct target *targets;
    uint32_t target_count;
    struct grid grid;
    json_t *rows;
    struct bytes out;
    uint64_t now, seen, dropped;
    uint64_t total, limit; /* that were chosen; that are shown at the most, 0: all */
    struct admin_outcome outcome;
    bool partial; /* a job had failed tasks that were let go */
};

static uint64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* "6.3", "#6.3", "6": an id, and which of its tasks. */
static bool parse_target(const char *word, struct target *target)
{
    char number[32];
    size_t len = strcspn(word, ".");

    if (len >= sizeof(number))
        return false;
    memcpy(number, word, len);
    number[len] = '\0';
    *target = (struct target){.index = WHOLE_JOB};
    return admin_is_id(number, &target->job) && target->job > 0 &&
           (!word[len] || units_count(word + len + 1, &target->index));
}

/* A key, or a key and which of its tasks: "nightly", "nightly.3". */
static int find_target(struct asking *asking, const char *word, struct target *target)
{
    char key[BELT_MAX_KEY + 8];
    const char *dot = strrchr(word, '.');
    struct admin_job job = {0};
    bool indexed = dot && units_count(dot + 1, &target->index) && (size_t)(dot - word) < sizeof(key);

    if (indexed) {
        memcpy(key, word, (size_t)(dot - word));
        key[dot - word] = '\0';
    }
    int rc = admin_find_job(asking->pool, indexed ? key : word, &job);
    target->job = job.id;
    if (!indexed)
        target->index = WHOLE_JOB;
    return rc;
}

/* Words that name nothing are told and counted, the others become targets. */
static int find_targets(struct asking *asking, uint32_t first)
{
    const struct options *options = asking->options;

    asking->targets = calloc(options->word_count + 1, sizeof(*asking->targets));
    if (!asking->targets)
        return EXIT_INTERNAL;
    for (uint32_t i = first; i < options->word_count; i++) {
        struct target target = {0};
        int rc = parse_target(options->words[i], &target) ? EXIT_OK : find_target(asking, options->words[i], &target);
        if (rc == EXIT_BROKER)
            return rc;
        if (rc)
            admin_count(&asking->outcome, rc);
        else
            asking->targets[asking->target_count++] = target;
    }
    return EXIT_OK;
}

static struct belt_msg_failed query_of(uint8_t action, const char *function, uint64_t job)
{
    struct belt_bytes name = {(const uint8_t *)function, function ? strlen(function) : 0};

    return (struct belt_msg_failed){.action = action, .function = name, .job = job, .extended = true};
}

/* ---- looking ---- */

static void take_letter(struct asking *asking, const struct belt_letter *letter, bool whole)
{
    if (asking->rows)
        json_array_append_new(asking->rows, show_failed_json(letter, whole));
    else if (!whole)
        show_failed_row(letter, asking->now, &asking->grid);
    else if (asking->values->input)
        bytes_add(&asking->out, letter->payload.data, letter->payload.len);
    else {
        bytes_text(&asking->out, asking->seen ? "\n" : "");
        show_failed_whole(letter, asking->now, &asking->out);
    }
    asking->seen++;
}

/* Inputs and what failed tasks have written: bytes as they are only where nothing shows them. */
static int print_text(struct asking *asking)
{
    if (isatty(STDOUT_FILENO))
        bytes_fit(&asking->out);
    return admin_print(&asking->out);
}

static bool is_enough(const struct asking *asking)
{
    return asking->limit && asking->seen >= asking->limit;
}

/* Page after page. `each` takes the letters. */
static int look(struct asking *asking, struct belt_msg_failed *query,
                void (*each)(struct asking *asking, const struct belt_letter *letter, bool whole))
{
    struct belt_msg_failures *page = NULL;
    bool more = true;
    int rc = EXIT_OK;

    while (!rc && more && !signals_stop()) {
        int code = client_failed_ask(asking->pool, query, ADMIN_ANSWER_MS, &page);
        if (code != BELT_OK)
            return admin_failed(code);
        more = page->letter_count > 0;
        asking->dropped = page->dropped;
        if (query->from == 0)
            asking->total = page->count;
        for (uint32_t i = 0; i < page->letter_count && !is_enough(asking); i++)
            each(asking, &page->letters[i], query->action == BELT_FAILED_SHOW);
        if (more)
            query->from = page->letters[page->letter_count - 1].serial + 1;
        more = more && !is_enough(asking);
        client_failures_free(&page);
        if (asking->out.len)
            rc = print_text(asking);
    }
    return rc ? rc : signals_stop() ? EXIT_INTERRUPTED : EXIT_OK;
}

static int print_found(struct asking *asking)
{
    if (asking->rows) {
        json_t *object = show_json_object("belt.failed/1");
        json_object_set(object, "failed", asking->rows);
        json_object_set_new(object, "dropped", json_integer((json_int_t)asking->dropped));
        json_object_set_new(object, "total", json_integer((json_int_t)asking->total));
        show_json_write(object, &asking->out);
    } else if (asking->grid.count) {
        grid_write(&asking->grid, false, &asking->out);
        if (asking->total > asking->seen)
            bytes_format(&asking->out, "%" PRIu64 " of %" PRIu64 " failed tasks are shown\n", asking->seen,
                         asking->total);
        else
            bytes_format(&asking->out, "%" PRIu64 " failed task%s\n", asking->seen, asking->seen == 1 ? "" : "s");
    }
    return asking->out.len || asking->out.failed ? print_text(asking) : EXIT_OK;
}

static int run_list(struct asking *asking)
{
    const struct options *options = asking->options;
    const struct failed_values *values = asking->values;
    const char *function = options->word_count > 1 ? options->words[1] : values->function;
    struct admin_job job = {0};
    int rc = EXIT_OK;

    if (options->word_count > 2 || values->all || values->input)
        return admin_usage(options, "'list' takes one QUEUE at the most");
    if (options->word_count > 1 && values->function)
        return admin_usage(options, "QUEUE and --function say the same: give one");
    if (values->job && !(admin_is_id(values->job, &job.id) && job.id > 0)) /* an id may be that of a forgotten job */
        rc = admin_find_job(asking->pool, values->job, &job);
    if (rc)
        return rc;
    struct belt_msg_failed query = query_of(BELT_FAILED_LIST, function, job.id);
    asking->limit = values->limit;
    rc = look(asking, &query, take_letter);
    if (!rc && !asking->seen && !asking->rows)
        bytes_text(&asking->out, "no failed tasks are kept\n");
    rc = rc ? rc : print_found(asking);
    if (!rc && asking->dropped)
        say("the broker has let %" PRIu64 " older ones go, to stay within its limits", asking->dropped);
    return rc;
}

static void say_missing(struct asking *asking, const struct target *target)
{
    if (target->index == WHOLE_JOB)
        say("no failed task of job %" PRIu64 " is kept; 'belt failed list' shows them", target->job);
    else
        say("no failed task %" PRIu64 ".%" PRIu64 " is kept; 'belt failed list' shows them", target->job,
            target->index);
    admin_count(&asking->outcome, EXIT_REFUSED);
}

static int run_failed_show(struct asking *asking)
{
    int rc;

    if (asking->options->word_count < 2 || asking->values->all)
        return admin_usage(asking->options, "name the failed tasks");
    rc = find_targets(asking, 1);
    for (uint32_t i = 0; !rc && i < asking->target_count; i++) {
        struct target *target = &asking->targets[i];
        struct belt_msg_failed query = query_of(BELT_FAILED_SHOW, NULL, target->job);
        uint64_t before = asking->seen;
        query.indexes = &target->index;
        query.count = target->index != WHOLE_JOB;
        rc = look(asking, &query, take_letter);
        if (!rc && asking->seen == before)
            say_missing(asking, target);
        else if (!rc)
            admin_count(&asking->outcome, EXIT_OK);
    }
    if (!rc && asking->seen)
        rc = print_found(asking);
    return rc ? rc : admin_outcome(&asking->outcome);
}

/* ---- acting ---- */

static int print_done(struct asking *asking, const struct belt_msg_failed *query, const struct belt_msg_failures *done)
{
    if (asking->rows) {
        json_t *object = show_json_object("belt.failed/1");
        json_object_set_new(object, "action", json_string(query->action == BELT_FAILED_RETRY ? "retry" : "drop"));
        json_object_set_new(object, "tasks", json_integer((json_int_t)done->count));
        json_object_set_new(object, "of", query->job ? json_integer((json_int_t)query->job) : json_null());
        json_object_set_new(object, "job", done->job ? json_integer((json_int_t)done->job) : json_null());
        json_object_set_new(object, "let_go", json_integer((json_int_t)done->let_go));
        show_json_write(object, &asking->out);
    } else if (query->action == BELT_FAILED_RETRY && done->let_go)
        bytes_format(&asking->out,
                     "job %" PRIu64 " runs %" PRIu64 " of %" PRIu64 " failed tasks of job %" PRIu64 " again\n",
                     done->job, done->count, done->count + done->let_go, query->job);
    else if (query->action == BELT_FAILED_RETRY)
        bytes_format(&asking->out, "job %" PRIu64 " runs %" PRIu64 " failed tasks of job %" PRIu64 " again\n",
                     done->job, done->count, query->job);
    else
        bytes_format(&asking->out, "%" PRIu64 " failed tasks are dropped\n", done->count);
    return admin_print(&asking->out);
}

/* Those that were named one by one are all that was wanted. */
static int settle(const struct belt_msg_failed *query, const struct belt_msg_failures *done)
{
    if (query->action != BELT_FAILED_RETRY || query->count || !done->let_go)
        return EXIT_OK;
    say("%" PRIu64 " failed tasks of job %" PRIu64
        " cannot be run again: the broker had let them go to stay within its bounds (--failed-count, --failed-bytes)",
        done->let_go, query->job);
    return EXIT_PARTIAL;
}

static int act(struct asking *asking, const struct belt_msg_failed *query)
{
    struct belt_msg_failures *done = NULL;
    int code = client_failed_ask(asking->pool, query, ADMIN_ANSWER_MS, &done);
    int rc = code == BELT_OK ? print_done(asking, query, done) : admin_failed(code);

    if (code == BELT_OK && !rc)
        rc = settle(query, done);
    client_failures_free(&done);
    return rc;
}

/* Marks what is kept of that which was named. */
static void note_found(struct asking *asking, const struct belt_letter *letter, bool whole)
{
    (void)whole;
    for (uint32_t i = 0; i < asking->target_count; i++)
        if (asking->targets[i].job == letter->job && asking->targets[i].index == letter->index)
            asking->targets[i].found = true;
}

/* Of the named tasks of one job those that are kept: what is missing is told and counted. */
static int choose(struct asking *asking, uint64_t *indexes, struct belt_msg_failed *query)
{
    struct belt_msg_failed list = query_of(BELT_FAILED_LIST, NULL, query->job);
    int rc;

    list.indexes = indexes;
    list.count = query->count;
    rc = look(asking, &list, note_found);
    query->count = 0;
    for (uint32_t i = 0; !rc && i < asking->target_count; i++) {
        struct target *target = &asking->targets[i];
        if (target->job != query->job || !target->done || target->told)
            continue;
        target->told = true;
        if (target->found)
            indexes[query->count++] = target->index;
        else
            say_missing(asking, target);
    }
    return rc;
}

/* The named tasks of one job after the other, so that those of one job become one. */
static int act_on_targets(struct asking *asking, uint8_t action)
{
    uint64_t indexes[BELT_MAX_BATCH];
    int rc = EXIT_OK;

    for (uint32_t i = 0; !rc && i < asking->target_count; i++) {
        struct belt_msg_failed query = query_of(action, NULL, asking->targets[i].job);
        bool whole = false;
        if (asking->targets[i].done)
            continue;
        for (uint32_t k = i; k < asking->target_count && query.count < BELT_MAX_BATCH; k++) {
            if (asking->targets[k].job != query.job || asking->targets[k].done)
                continue;
            asking->targets[k].done = true;
            whole |= asking->targets[k].index == WHOLE_JOB;
            indexes[query.count++] = asking->targets[k].index;
        }
        query.indexes = indexes;
        if (whole)
            query.count = 0;
        else if ((rc = choose(asking, indexes, &query)) || !query.count)
            continue;
        int one = act(asking, &query);
        admin_count(&asking->outcome, one);
        asking->partial |= one == EXIT_PARTIAL;
        rc = one == EXIT_BROKER || one == EXIT_IO ? one : EXIT_OK;
    }
    return rc ? rc : asking->partial ? EXIT_PARTIAL : admin_outcome(&asking->outcome);
}

/* The jobs that have failed tasks become the targets. */
static void note_job(struct asking *asking, const struct belt_letter *letter, bool whole)
{
    (void)whole;
    for (uint32_t i = 0; i < asking->target_count; i++)
        if (asking->targets[i].job == letter->job)
            return;
    struct target *grown = realloc(asking->targets, (asking->target_count + 1) * sizeof(*grown));
    if (!grown) {
        asking->out.failed = true;
        return;
    }
    asking->targets = grown;
    asking->targets[asking->target_count++] = (struct target){.job = letter->job, .index = WHOLE_JOB};
}

static int act_on_all(struct asking *asking, uint8_t action, const char *function)
{
    struct belt_msg_failed query = query_of(BELT_FAILED_LIST, function, 0);
    int rc;

    if (action == BELT_FAILED_DROP) {
        query.action = BELT_FAILED_DROP;
        return act(asking, &query);
    }
    rc = look(asking, &query, note_job);
    if (rc || !asking->target_count) {
        if (!rc)
            say("no failed tasks are kept");
        return rc ? rc : EXIT_REFUSED;
    }
    return act_on_targets(asking, action);
}

static int run_action(struct asking *asking, uint8_t action)
{
    const struct options *options = asking->options;

    if (asking->values->input)
        return admin_usage(options, "--input belongs to 'show'");
    if (asking->values->all && options->word_count > 2)
        return admin_usage(options, "--all takes one QUEUE at the most");
    if (asking->values->all)
        return act_on_all(asking, action, options->word_count > 1 ? options->words[1] : NULL);
    if (options->word_count < 2)
        return admin_usage(options, "name the failed tasks, or say --all");
    int rc = find_targets(asking, 1);
    return rc ? rc : act_on_targets(asking, action);
}

static int run_verb(struct asking *asking)
{
    const char *verb = asking->options->words[0];
    const struct failed_values *values = asking->values;

    if (!strcmp(verb, "list"))
        return run_list(asking);
    if (values->function || values->job || values->limit)
        return admin_usage(asking->options, "--function, --job and --limit belong to 'list'");
    if (!strcmp(verb, "show"))
        return run_failed_show(asking);
    return run_action(asking, !strcmp(verb, "retry") ? BELT_FAILED_RETRY : BELT_FAILED_DROP);
}

static bool is_verb(const char *word)
{
    return !strcmp(word, "list") || !strcmp(word, "show") || !strcmp(word, "retry") || !strcmp(word, "drop");
}

static int run_retry_job(struct asking *asking)
{
    struct belt_msg_failed query = query_of(BELT_FAILED_RETRY, NULL, 0);
    struct admin_job job = {0};
    int rc = EXIT_OK;

    /* The failed tasks of a job outlive it, and its line in the history. */
    if (!admin_is_id(asking->options->words[0], &job.id))
        rc = admin_find_job(asking->pool, asking->options->words[0], &job);
    query.job = job.id;
    return rc ? rc : act(asking, &query);
}

static int ask(const struct options *options, int (*run)(struct asking *asking))
{
    struct asking asking = {.options = options, .values = options->values, .now = wall_ms()};

    show_failed_init(&asking.grid);
    asking.rows = asking.values->json ? json_array() : NULL;
    signals_install();
    int rc = admin_open(&asking.values->common, &asking.pool);
    if (!rc)
        rc = run(&asking);
    belt_pool_close(&asking.pool);
    free(asking.targets);
    json_decref(asking.rows);
    grid_free(&asking.grid);
    bytes_free(&asking.out);
    return rc;
}

int run_failed(const struct options *options)
{
    if (!options->word_count || !is_verb(options->words[0]) || options->dashes || options->colons)
        return admin_usage(options, "say one of list, show, retry, drop");
    for (uint32_t i = 1; i < options->word_count; i++)
        if (!*options->words[i])
            return admin_usage(options, "a name is empty (an unset variable?)");
    return ask(options, run_verb);
}

int run_retry(const struct options *options)
{
    const struct failed_values *values = options->values;

    if (options->word_count != 1 || options->dashes || options->colons)
        return admin_usage(options, "exactly one job is named");
    if (!values->failed)
        return admin_usage(options, "say --failed: only failed tasks can be run again");
    return ask(options, run_retry_job);
}
