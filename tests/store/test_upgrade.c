/* SPDX-License-Identifier: Apache-2.0
 *
 * A store of Belt 0.1 (format_1.sql, which format_1.sh has made with that program) is brought to the present format:
 * as a whole or not at all, with all that was in it.
 */
#include "broker/core/core.h"
#include "broker/core/journal/dead_letter.h"
#include "broker/core/journal/history.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/letter.h"
#include "broker/record/format_1.h"
#include "broker/record/record.h"
#include "broker/salvage.h"
#include "broker/state.h"
#include "proto/codec.h"
#include "tests/core/invariants.h"
#include "tests/store/faulty_vfs.h"
#include "tests/store/model.h"
#include "tests/store/place.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[256];

static int64_t sql(const char *text)
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *statement;
    int64_t value = -1;
    snprintf(path, sizeof(path), "%s/belt.sqlite", directory);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

/* The store of Belt 0.1. */
static void setup(void)
{
    static char text[64 << 10];
    char path[512];
    sqlite3 *db;
    FILE *file = fopen(FORMAT_1_SQL, "r");
    cr_assert_not_null(file);
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 0);
    fclose(file);
    place_make(directory, sizeof(directory));
    snprintf(path, sizeof(path), "%s/belt.sqlite", directory);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA application_id = 1111837780", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void teardown(void)
{
    place_remove(directory);
}

TestSuite(upgrade, .init = setup, .fini = teardown);

static struct store *open_any(void)
{
    char error[512] = "";
    struct store *store = state_open(directory, error, sizeof(error));
    cr_assert_not_null(store, "%s", error);
    return store;
}

static void is_still_old(void)
{
    cr_assert_eq(sql("SELECT value FROM meta WHERE key = 'format'"), 1);
    cr_assert_eq(sql("SELECT count(*) FROM record"), 36);
    cr_assert_eq(sql("SELECT count(*) FROM sqlite_master WHERE name = 'record_new'"), 0);
    cr_assert_eq(sql("SELECT count(*) FROM sqlite_master WHERE name = 'record_job'"), 1);
}

/* ---- what becomes of the records ---- */

struct seen {
    uint32_t kinds[256];
    struct record_decoder *decoder;
    struct core *core;
};

static int see(void *ctx, const struct store_record *row)
{
    struct seen *seen = ctx;
    struct core_record record;
    cr_assert_eq(record_unpack(seen->decoder, row, &record), BELT_OK, "record %llu: %s",
                 (unsigned long long)row->number, record_decoder_error(seen->decoder));
    cr_assert_eq(core_restore(seen->core, 1000, &record), BELT_OK, "record %llu", (unsigned long long)row->number);
    seen->kinds[row->kind]++;
    return BELT_OK;
}

/* A core that was built from the store. */
static struct seen restore(struct store *store)
{
    const struct core_config config = {.epoch = 9, .durable = true, .wall_ms = 1795900000000};
    struct seen seen = {.decoder = record_decoder_new(BELT_MAX_PAYLOAD_DEFAULT), .core = core_new(&config)};
    struct store_stats stats;
    cr_assert(seen.decoder && seen.core);
    cr_assert_eq(store->ops->load(store, see, &seen), BELT_OK, "%s", store->error);
    cr_assert_eq(store->ops->stats(store, &stats), BELT_OK);
    cr_assert_eq(core_restored(seen.core, 1000, stats.last_number), BELT_OK);
    cr_assert_null(invariants_broken(seen.core), "%s", invariants_broken(seen.core));
    return seen;
}

static void free_seen(struct seen *seen)
{
    record_decoder_free(seen->decoder);
    core_free(seen->core);
}

static void count_kinds(const struct seen *seen)
{
    static const struct {
        uint8_t kind;
        uint32_t count;
    } wanted[] = {{RECORD_JOB, 6},    {RECORD_TASKS, 5},      {RECORD_RESULTS, 1},     {RECORD_TAKEN, 1},
                  {RECORD_END, 5},    {RECORD_READER, 4},     {RECORD_MARK, 4},        {RECORD_TRIES, 1},
                  {RECORD_LET_GO, 1}, {RECORD_FAILED_JOB, 1}, {RECORD_FAILED_TASK, 2}, {RECORD_HISTORY, 1}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        cr_assert_eq(seen->kinds[wanted[i].kind], wanted[i].count, "kind %u: %u", wanted[i].kind,
                     seen->kinds[wanted[i].kind]);
}

static const struct job *job_of(const struct seen *seen, uint64_t id, const char *key, uint64_t next, uint64_t waiting)
{
    const struct job *job = catalog_find(seen->core, id);
    cr_assert_not_null(job, "job %llu", (unsigned long long)id);
    cr_assert(!key || !strcmp(job->key, key), "%s", job->key);
    cr_assert_eq(job->input.next, next, "job %s", job->key);
    cr_assert_eq(job->counts.waiting, waiting, "job %s", job->key);
    return job;
}

Test(upgrade, every_kind_of_record_comes_over)
{
    struct store *store = open_any();
    struct store_stats stats;
    cr_assert_eq(store->ops->check(store), BELT_OK, "%s", store->error);
    cr_assert_eq(store->ops->stats(store, &stats), BELT_OK);
    cr_assert(stats.format == STORE_FORMAT && stats.records == 32 && stats.last_number == 67);
    struct seen seen = restore(store);
    count_kinds(&seen);
    free_seen(&seen);
    store_close(store);
}

Test(upgrade, jobs_are_what_they_were)
{
    struct store *store = open_any();
    struct seen seen = restore(store);
    const struct job *failing = job_of(&seen, 2, "failing", 3, 0);
    cr_assert(failing->counts.failed == 3 && failing->options.priority == 5 && failing->options.digest);
    cr_assert_neq(failing->owner.name[0], '\0');
    cr_assert_gt(failing->times.over_at, failing->times.opened_at);
    cr_assert_eq(job_of(&seen, 3, "trying", 1, 1)->options.retries, 3);
    const struct task *tried = table_at(&catalog_find(seen.core, 3)->table, 0);
    cr_assert(tried->attempt == 1 && tried->n.tries.failures == 1 && tried->n.tries.losses == 0);
    const struct job *taken = job_of(&seen, 4, "taken", 3, 1);
    cr_assert(taken->input.bytes == 12 && taken->counts.done == 2 && taken->readers.count == 1);
    cr_assert(!strcmp(taken->readers.first->name, "early") && taken->readers.first->acked == 2);
    const struct job *read = job_of(&seen, 5, "read", 3, 1);
    cr_assert(read->input.bytes == 16 && read->options.digest && read->readers.first->acked == 2);
    const struct job *nameless = job_of(&seen, 6, NULL, 2, 1);
    cr_assert(nameless->input.bytes == 11 && !nameless->options.digest);
    free_seen(&seen);
    store_close(store);
}

Test(upgrade, options_are_what_they_were)
{
    struct store *store = open_any();
    struct seen seen = restore(store);
    const struct job *job = job_of(&seen, 7, "open", 2, 2);
    const struct belt_open_options *o = &job->options;
    cr_assert(job->state == BELT_JOB_OPEN && o->retries == 1 && o->max_attempts == 4 && o->backoff_ms == 500);
    cr_assert(o->timeout_ms == 60000 && o->chunk == 2 && o->priority == -7 && o->durable && o->detail && o->detached);
    cr_assert(o->keep_ms == 100ull * 86400000 && o->remember_ms == 2ull * 3600000);
    cr_assert(o->after_at > job->times.opened_at && o->deadline_at > o->after_at);
    cr_assert(o->final_status[0] == 4 && o->final_status[8] == 0xff && o->final_status[9] == 0x7f);
    free_seen(&seen);
    store_close(store);
}

Test(upgrade, failed_tasks_and_the_history_are_what_they_were)
{
    struct store *store = open_any();
    struct seen seen = restore(store);
    const struct dead_letter_job *of = dead_letter_job_find(seen.core, 2);
    cr_assert(of && of->count == 2 && of->let_go == 1 && !strcmp(of->queue->function, "bad"));
    const struct dead_letter *letter = seen.core->dead_letters.first;
    cr_assert(letter->index == 2 && letter->code == BELT_TASK_FAILED && letter->failed_at > 1700000000000);
    cr_assert(letter->payload.len == 1 && *letter->payload.data == 'r' && letter->extras->exit_status == 3);
    const struct history_job *past = history_find(seen.core, 1);
    cr_assert(past && past->row.key.len == 4 && !memcmp(past->row.key.data, "over", 4));
    cr_assert(past->row.total == 3 && past->row.done == 3 && past->row.state == BELT_JOB_COMPLETE);
    free_seen(&seen);
    store_close(store);
}

Test(upgrade, once_is_enough)
{
    store_close(open_any());
    struct store *store = place_open(directory);
    struct seen seen = restore(store);
    count_kinds(&seen);
    free_seen(&seen);
    store_close(store);
}

/* ---- as a whole or not at all ---- */

Test(upgrade, who_cannot_bring_it_forward_leaves_it_alone)
{
    const char *refusal = place_refusal(directory);
    cr_assert(strstr(refusal, "has format 1") && strstr(refusal, "start a broker there"), "%s", refusal);
    is_still_old();
}

Test(upgrade, damage_is_found_before_anything_is_changed)
{
    static const char *const damages[] = {
        "UPDATE record SET body = x'00' WHERE number = 35", "DELETE FROM record WHERE number = 42",
        "UPDATE record SET kind = 14 WHERE number = 35", "UPDATE tally SET records = 35"};
    for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
        char error[512] = "";
        (void)sql(damages[i]);
        int64_t records = sql("SELECT count(*) FROM record");
        cr_assert_null(state_open(directory, error, sizeof(error)), "%s", damages[i]);
        cr_assert(strstr(error, "is damaged") && strstr(error, "from a copy"), "%s", error);
        cr_assert_eq(sql("SELECT value FROM meta WHERE key = 'format'"), 1);
        cr_assert_eq(sql("SELECT count(*) FROM record"), records);
        teardown();
        setup();
    }
}

/* Brings forward as the real one does, but fails or dies at one record. */
struct broken_upgrade {
    struct store_upgrade base;
    struct store_upgrade *real;
    uint64_t at;
    bool dies;
};

static int break_at(struct store_upgrade *upgrade, const struct store_record *old, store_put put, void *to)
{
    struct broken_upgrade *broken = (struct broken_upgrade *)upgrade;
    if ((old ? old->number : UINT64_MAX) < broken->at)
        return broken->real->record(broken->real, old, put, to);
    if (broken->dies)
        _exit(0);
    snprintf(upgrade->error, sizeof(upgrade->error), "it is not to my taste");
    return BELT_BAD_MESSAGE;
}

static void open_broken(uint64_t at, bool dies)
{
    struct broken_upgrade broken = {.base.record = break_at, .real = format_1_new(), .at = at, .dies = dies};
    char error[512] = "";
    cr_assert_null(store_sqlite_open_older(directory, &broken.base, error, sizeof(error)));
    cr_assert(strstr(error, "from format 1 to 2") && strstr(error, "as it was") && strstr(error, "not to my taste") &&
                  strstr(error, "salvage"),
              "%s", error);
    format_1_free(broken.real);
}

static const uint64_t breaks[] = {12, 35, 67, UINT64_MAX};

Test(upgrade, a_failure_leaves_it_as_it_was)
{
    for (size_t i = 0; i < sizeof(breaks) / sizeof(*breaks); i++) {
        open_broken(breaks[i], false);
        is_still_old();
    }
    store_close(open_any());
}

Test(upgrade, a_kill_leaves_it_as_it_was)
{
    for (size_t i = 0; i < sizeof(breaks) / sizeof(*breaks); i++) {
        int status;
        pid_t child = fork();
        if (child == 0)
            open_broken(breaks[i], true);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "it died where it was to");
        is_still_old();
    }
    store_close(open_any());
}

/* Opens it while the disk fails; then, on a good disk, all is there. How many operations the disk saw. */
static uint64_t open_on_a_bad_disk(struct faults faults, uint64_t round)
{
    char error[512] = "";
    teardown();
    setup();
    faulty_arm(faults);
    struct store *store = state_open(directory, error, sizeof(error));
    uint64_t operations = faulty_operations();
    cr_assert(store || error[0], "round %llu", (unsigned long long)round);
    store_close(store);
    faulty_restart(round);
    store = open_any();
    cr_assert_eq(store->ops->check(store), BELT_OK, "round %llu: %s", (unsigned long long)round, store->error);
    struct seen seen = restore(store);
    count_kinds(&seen);
    free_seen(&seen);
    store_close(store);
    return operations;
}

Test(upgrade, power_is_cut_at_any_operation)
{
    faulty_install();
    uint64_t operations = open_on_a_bad_disk((struct faults){0}, 1);
    cr_assert_gt(operations, 10);
    for (uint64_t at = 1; at <= operations; at++)
        open_on_a_bad_disk((struct faults){.fail_at = at, .cut = true}, at);
}

Test(upgrade, a_disk_that_is_full_leaves_it_as_it_was)
{
    faulty_install();
    uint64_t operations = open_on_a_bad_disk((struct faults){0}, 1);
    for (uint64_t at = 1; at <= operations; at++)
        open_on_a_bad_disk((struct faults){.fail_at = at, .fail_for = UINT32_MAX, .code = SQLITE_FULL}, at);
}

/* ---- looking, and bringing to safety ---- */

Test(upgrade, looking_changes_nothing)
{
    char error[512] = "";
    struct store *store = store_sqlite_look(directory, error, sizeof(error));
    struct store_stats stats;
    cr_assert_not_null(store, "%s", error);
    cr_assert_eq(store->ops->check(store), BELT_OK, "%s", store->error);
    cr_assert_eq(store->ops->stats(store, &stats), BELT_OK);
    cr_assert(stats.format == 1 && stats.records == 36);
    store_close(store);
    is_still_old();
}

static int salvage(struct salvage_report *report)
{
    char to[300], error[512] = "";
    snprintf(to, sizeof(to), "%s/saved", directory);
    int code = salvage_run(directory, to, report, error, sizeof(error));
    cr_assert_eq(code, BELT_OK, "%s", error);
    struct store *store = place_open(to);
    struct seen seen = restore(store);
    cr_assert_not_null(catalog_find(seen.core, 7));
    free_seen(&seen);
    store_close(store);
    is_still_old();
    return code;
}

Test(upgrade, an_old_store_is_brought_to_safety_in_the_present_format)
{
    struct salvage_report report = {0};
    salvage(&report);
    cr_assert(report.whole == 8 && report.mended == 0 && report.lost == 0 && report.damaged == 0);
}

Test(upgrade, what_is_damaged_in_an_old_store_is_passed_over)
{
    struct salvage_report report = {0};
    (void)sql("UPDATE record SET body = x'00' WHERE number = 35"); /* the tasks of job 4 */
    salvage(&report);
    cr_assert(report.damaged == 1 && report.whole == 7 && report.mended == 1 && report.lost == 0);
}

/* ---- records that the store above does not have ---- */

static struct store_record rows[8];
static struct belt_buf *bodies[8];
static uint32_t row_count;

static int keep(void *to, const struct store_record *row)
{
    (void)to;
    cr_assert_lt(row_count, 8);
    rows[row_count] = *row;
    bodies[row_count] = belt_buf_copy(row->body.data, row->body.len);
    rows[row_count].body.data = bodies[row_count]->data;
    row_count++;
    return BELT_OK;
}

/* As Belt 0.1 wrote it: the frames of the message, each behind its length. */
static void bring(struct store_upgrade *upgrade, uint64_t number, uint64_t job, const struct belt_msg *msg)
{
    struct belt_frames frames;
    static uint8_t body[128 << 10];
    size_t len = 0;
    cr_assert_eq(belt_encode(msg, &frames), BELT_OK);
    for (uint32_t i = 0; i < frames.count; i++) {
        for (unsigned j = 0; j < 4; j++)
            body[len++] = (uint8_t)(frames.frame[i]->len >> (8 * j));
        memcpy(body + len, frames.frame[i]->data, frames.frame[i]->len);
        len += frames.frame[i]->len;
    }
    belt_frames_clear(&frames);
    const struct store_record old = {.number = number, .job = job, .kind = msg->type, .body = {body, len}};
    cr_assert_eq(upgrade->record(upgrade, &old, keep, NULL), BELT_OK, "%s", upgrade->error);
}

static struct core_record read_row(struct record_decoder *decoder, uint32_t i)
{
    struct core_record record;
    cr_assert_eq(record_unpack(decoder, &rows[i], &record), BELT_OK, "%s", record_decoder_error(decoder));
    return record;
}

static void drop_rows(void)
{
    while (row_count)
        belt_buf_unref(bodies[--row_count]);
}

Test(upgrade, what_was_taken_is_told_from_results)
{
    struct store_upgrade *upgrade = format_1_new();
    struct record_decoder *decoder = record_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    const struct belt_result_item items[] = {
        {.index = 4}, {.index = 5}, {.index = 6, .code = BELT_TASK_EXPIRED}, {.index = 7, .attempt = 1}, {.index = 8}};
    struct belt_msg msg = {.type = BELT_MSG_RESULTS, .u.results = {10, 3, items, 5}};
    bring(upgrade, 20, 3, &msg);
    msg = (struct belt_msg){.type = BELT_MSG_END, .u.end = {3, 9}};
    bring(upgrade, 21, 3, &msg);
    cr_assert_eq(row_count, 4);
    struct core_record record = read_row(decoder, 0);
    cr_assert(record.kind == RECORD_TAKEN && record.number == 20 && record.u.taken.first == 10);
    cr_assert(record.u.taken.count == 2 && record.u.taken.indexes[1] == 5);
    record = read_row(decoder, 1);
    cr_assert(record.kind == RECORD_RESULTS && record.number == 21 && record.u.results.first == 12);
    cr_assert(record.u.results.count == 2 && record.u.results.items[0].code == BELT_TASK_EXPIRED);
    record = read_row(decoder, 2);
    cr_assert(record.kind == RECORD_TAKEN && record.number == 22 && record.u.taken.first == 14);
    record = read_row(decoder, 3);
    cr_assert(record.kind == RECORD_END && record.number == 23, "what follows gets a higher number");
    drop_rows();
    record_decoder_free(decoder);
    format_1_free(upgrade);
}

Test(upgrade, large_payloads_come_over)
{
    static uint8_t bytes[BELT_INLINE_PAYLOAD + 1] = {1, 2, 3};
    struct store_upgrade *upgrade = format_1_new();
    struct record_decoder *decoder = record_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    const struct belt_task_item tasks[] = {{.payload = {.data = bytes, .len = 3}},
                                           {.payload = {.data = bytes, .len = sizeof(bytes)}}};
    struct belt_msg msg = {.type = BELT_MSG_PUSH, .u.push = {3, 5, tasks, 2}};
    bring(upgrade, 20, 3, &msg);
    struct core_record record = read_row(decoder, 0);
    cr_assert(record.u.tasks.first == 5 && record.u.tasks.count == 2);
    cr_assert_eq(record.u.tasks.inputs[1].len, sizeof(bytes));
    cr_assert_arr_eq(record.u.tasks.inputs[1].data, bytes, sizeof(bytes));
    drop_rows();
    record_decoder_free(decoder);
    format_1_free(upgrade);
}

/* Salvage of Belt 0.1 wrote a mark without its second half. */
Test(upgrade, a_mark_without_its_second_half_has_the_bytes_of_the_tasks)
{
    struct store_upgrade *upgrade = format_1_new();
    struct record_decoder *decoder = record_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    const struct belt_task_item task = {.payload = {.data = (const uint8_t *)"abc", .len = 3}};
    struct belt_msg msg = {.type = BELT_MSG_PUSH, .u.push = {3, 5, &task, 1}};
    bring(upgrade, 20, 3, &msg);
    msg = (struct belt_msg){.type = BELT_MSG_PROGRESS, .u.progress = {{3, 0, 0}, 5, 2}};
    bring(upgrade, 21, 3, &msg);
    cr_assert_eq(row_count, 1, "the second half may come");
    cr_assert_eq(upgrade->record(upgrade, NULL, keep, NULL), BELT_OK);
    cr_assert_eq(row_count, 2);
    struct core_record record = read_row(decoder, 1);
    cr_assert(record.kind == RECORD_MARK && record.number == 21 && record.u.mark.bytes == 3);
    cr_assert(record.u.mark.place == 5 && record.u.mark.failed == 2 && !record.u.mark.digested);
    drop_rows();
    record_decoder_free(decoder);
    format_1_free(upgrade);
}
