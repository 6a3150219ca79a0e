/* SPDX-License-Identifier: Apache-2.0
 *
 * What a damaged store still holds, in a new one. See salvage.h.
 *
 * The judge is the scheduler itself: the records of a part of a job (what it is, its failed tasks, its line in the
 * history) are given to a core of its own, as at the start of a
 * broker. Where they do not add up as they are, results are numbered anew without gaps, and every task that is neither
 * waiting nor among the results nor read gets the result TASK_LOST behind all others; then the judge is asked again.
 */
#include "broker/salvage.h"
#include "broker/salvage_survey.h"

#include "broker/core/core.h"
#include "broker/record/format_1.h"
#include "broker/record/record.h"
#include "broker/store/store.h"

#include "proto/text_cut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* So much goes into one transaction. */
#define GROUP_BYTES ((uint64_t)16 << 20)
/* More tasks than that are not given a result each: the job is lost. */
#define LOST_MAX 10000000u

/* Records of a job are judged in three parts, since each may be whole without the others. */
enum part { PART_JOB, PART_FAILED, PART_HISTORY };

struct row {
    struct store_record record; /* its body is read when it is needed, or lies in: */
    struct belt_buf *body;      /* of a store of an older format, whose records were brought forward; else NULL */
};

struct salvage {
    struct store_wreck *wreck;
    struct store *to;
    struct record_decoder *decoder;
    struct store_upgrade *upgrade; /* of a store of an older format; else NULL */
    struct salvage_report *report;
    struct row *rows;
    size_t row_count, row_room;
    uint64_t next_number, not_brought_forward;
    struct store_change *changes; /* of the transaction under way */
    struct belt_buf **bodies;
    uint32_t change_count, change_room;
    uint64_t change_bytes;
    char *error;
    uint32_t size;
};

static int fail(struct salvage *s, int code, const char *text)
{
    text_print(s->error, s->size, "%s", text);
    return code;
}

/* ---- reading ---- */

static struct row *add_row(struct salvage *s, const struct store_record *record)
{

    if (s->row_count == s->row_room) {
        size_t room = s->row_room ? 2 * s->row_room : 1024;
        struct row *rows = realloc(s->rows, room * sizeof(*rows));
        if (!rows)
            return NULL;
        s->rows = rows;
        s->row_room = room;
    }
    s->rows[s->row_count] = (struct row){.record = *record};
    s->rows[s->row_count].record.body = (struct belt_bytes){0};
    return &s->rows[s->row_count++];
}

/* A record that was brought forward. There is no other place for its body: a broker would keep all of them, too. */
static int note_newer(void *ctx, const struct store_record *record)
{
    struct salvage *s = ctx;
    struct row *row = add_row(s, record);

    if (!row || !(row->body = belt_buf_copy(record->body.data, record->body.len)))
        return BELT_NO_MEMORY;
    row->record.body = (struct belt_bytes){row->body->data, row->body->len};
    return BELT_OK;
}

/* What cannot be brought forward is damaged like what cannot be read. */
static int note_older(struct salvage *s, const struct store_record *record)
{
    int code = s->upgrade->record(s->upgrade, record, note_newer, s);

    if (code == BELT_OK || code == BELT_NO_MEMORY)
        return code;
    s->not_brought_forward++;
    return BELT_OK;
}

static int note_row(void *ctx, const struct store_record *record)
{
    struct salvage *s = ctx;

    if (s->upgrade)
        return note_older(s, record);
    return add_row(s, record) ? BELT_OK : BELT_NO_MEMORY;
}

static enum part part_of(const struct row *row)
{
    if (row->record.kind == RECORD_HISTORY)
        return PART_HISTORY;
    return row->record.kind < RECORD_OUTLIVES ? PART_JOB : PART_FAILED;
}

static int by_job(const void *a, const void *b)
{
    const struct row *one = a, *two = b;

    if (one->record.job != two->record.job)
        return one->record.job < two->record.job ? -1 : 1;
    if (part_of(one) != part_of(two))
        return part_of(one) < part_of(two) ? -1 : 1;
    return one->record.number < two->record.number ? -1 : one->record.number > two->record.number;
}

/* Reads a record, which is valid until the next call. */
static bool read_record(struct salvage *s, const struct row *row, struct core_record *record)
{
    struct store_record stored;

    if (row->body)
        return record_unpack(s->decoder, &row->record, record) == BELT_OK;
    return store_wreck_read(s->wreck, row->record.number, &stored) &&
           record_unpack(s->decoder, &stored, record) == BELT_OK;
}

/* ---- judging ---- */

static struct core *judge_new(void)
{
    const struct core_config config = {.name = "salvage",
                                       .version = "",
                                       .epoch = 1,
                                       .heartbeat_ms = BELT_HEARTBEAT_MS,
                                       .lease_ms = BELT_LEASE_MS,
                                       .grace_ms = BELT_GRACE_MS,
                                       .max_payload = BELT_MAX_PAYLOAD_CEILING,
                                       .memory_budget = UINT64_MAX / 4,
                                       .max_peers = 16,
                                       .max_jobs = 16,
                                       .durable = true,
                                       .keep_ms = BELT_KEEP_MS,
                                       .max_failed = UINT32_MAX,
                                       .failed_bytes = UINT64_MAX / 4,
                                       .history_ms = UINT64_MAX / 4,
                                       .max_history = 16,
                                       .wall_ms = (uint64_t)time(NULL) * 1000};

    return core_new(&config);
}

/* Whether a broker takes the records as they are. */
static bool adds_up(struct salvage *s, const struct row *rows, size_t count)
{
    struct core *core = judge_new();
    bool good = core != NULL;

    for (size_t i = 0; good && i < count; i++) {
        struct core_record record;
        good = read_record(s, &rows[i], &record) && core_restore(core, 1, &record) == BELT_OK;
    }
    good = good && core_restored(core, 1, s->next_number) == BELT_OK;
    core_free(core);
    return good;
}

/* ---- writing ---- */

static int commit(struct salvage *s)
{
    int code = s->change_count ? s->to->ops->commit(s->to, s->changes, s->change_count) : BELT_OK;

    for (uint32_t i = 0; i < s->change_count; i++)
        belt_buf_unref(s->bodies[i]);
    s->change_count = 0;
    s->change_bytes = 0;
    return code == BELT_OK ? BELT_OK : fail(s, code, s->to->error);
}

static int put_record(struct salvage *s, const struct core_record *record)
{
    struct store_record row;
    struct belt_buf *body = record_pack(record, &row);

    if (!body)
        return fail(s, BELT_NO_MEMORY, "out of memory");
    if (s->change_count == s->change_room) {
        uint32_t room = s->change_room ? 2 * s->change_room : 256;
        struct store_change *changes = realloc(s->changes, room * sizeof(*changes));
        struct belt_buf **bodies = changes ? realloc(s->bodies, room * sizeof(struct belt_buf *)) : NULL;
        s->changes = changes ? changes : s->changes;
        s->bodies = bodies ? bodies : s->bodies;
        if (!bodies) {
            belt_buf_unref(body);
            return fail(s, BELT_NO_MEMORY, "out of memory");
        }
        s->change_room = room;
    }
    s->changes[s->change_count] = (struct store_change){.op = STORE_PUT, .record = row};
    s->bodies[s->change_count++] = body;
    s->change_bytes += body->len;
    return s->change_bytes < GROUP_BYTES ? BELT_OK : commit(s);
}

static int not_there_any_more(struct salvage *s)
{
    return fail(s, BELT_STORE_FAILED, "a record that could be read before cannot be read any more");
}

static int copy_row(struct salvage *s, const struct row *row)
{
    struct core_record record;

    return read_record(s, row, &record) ? put_record(s, &record) : not_there_any_more(s);
}

/* ---- what is there of a job ---- */

/* False when out of memory, or when a record cannot be decoded. */
static bool survey_job(struct salvage *s, struct survey *survey, const struct row *rows, size_t count)
{
    bool good = true;

    for (size_t i = 0; good && i < count; i++) {
        struct core_record record;
        good = read_record(s, &rows[i], &record) && survey_record(survey, &record);
    }
    survey_close(survey);
    return good;
}

/* ---- mending ---- */

static int put_lost(struct salvage *s, uint64_t job, const struct numbers *lost, uint64_t place)
{
    static const char text[] = "the task or its result was lost when the broker's store was damaged";
    const struct belt_result_extras extras = {.text = {(const uint8_t *)text, sizeof(text) - 1}, .exit_status = -1};
    static struct belt_result_item items[BELT_MAX_BATCH / 8];
    int code = BELT_OK;

    for (size_t done = 0; code == BELT_OK && done < lost->count;) {
        uint32_t count = 0;
        struct core_record record = {.number = ++s->next_number, .job = job, .kind = RECORD_RESULTS};
        for (; count < sizeof(items) / sizeof(*items) && done + count < lost->count; count++)
            items[count] = (struct belt_result_item){
                .index = lost->at[done + count], .attempt = 1, .code = BELT_TASK_LOST, .extras = &extras};
        record.u.results = (struct record_results){.first = place + done, .count = count, .items = items};
        code = put_record(s, &record);
        done += count;
    }
    return code;
}

/* A record of results or of what was taken gets the next place of the log; `*place` goes on behind it. */
static void renumber(struct core_record *record, uint64_t *place)
{
    if (record->kind == RECORD_RESULTS) {
        record->u.results.first = *place;
        *place += record->u.results.count;
    } else if (record->kind == RECORD_TAKEN) {
        record->u.taken.first = *place;
        *place += record->u.taken.count;
    }
}

/* The records of a job whose own record is there, results numbered anew, and what is missing. */
static int put_mended(struct salvage *s, const struct row *rows, size_t count, const struct survey *survey,
                      const struct numbers *lost)
{
    uint64_t job = rows[0].record.job, place = survey->log_base;
    int code = BELT_OK;

    for (size_t i = 0; code == BELT_OK && i < count; i++) {
        struct core_record record;
        if (!read_record(s, &rows[i], &record))
            return not_there_any_more(s);
        renumber(&record, &place);
        code = put_record(s, &record);
    }
    if (code == BELT_OK && !survey->marked && survey->log_base > 0) {
        struct core_record mark = {.number = ++s->next_number, .job = job, .kind = RECORD_MARK};
        mark.u.mark = (struct record_mark){.bytes = survey->bytes, .place = survey->log_base};
        code = put_record(s, &mark);
    }
    return code == BELT_OK ? put_lost(s, job, lost, place) : code;
}

static uint32_t ranges_of(const struct numbers *lost, struct salvage_range **ranges)
{
    uint32_t count = 0;

    *ranges = lost->count ? malloc(lost->count * sizeof(**ranges)) : NULL;
    for (size_t i = 0; *ranges && i < lost->count; i++) {
        if (count > 0 && (*ranges)[count - 1].last + 1 == lost->at[i])
            (*ranges)[count - 1].last = lost->at[i];
        else
            (*ranges)[count++] = (struct salvage_range){lost->at[i], lost->at[i]};
    }
    return count;
}

static void tell(struct salvage *s, const struct row *rows, size_t count, const struct survey *survey,
                 enum salvage_outcome outcome, const struct numbers *lost)
{
    struct salvage_range *ranges = NULL;
    struct salvage_job told = {.job = rows[0].record.job,
                               .key = survey->key,
                               .function = survey->function,
                               .failed_tasks = part_of(&rows[0]) == PART_FAILED,
                               .outcome = outcome,
                               .records = count,
                               .lost = lost->count};

    told.range_count = ranges_of(lost, &ranges);
    told.ranges = ranges;
    *(outcome == SALVAGE_WHOLE    ? &s->report->whole
      : outcome == SALVAGE_MENDED ? &s->report->mended
                                  : &s->report->lost) += 1;
    if (s->report->job)
        s->report->job(s->report->ctx, &told);
    free(ranges);
}

/* How many tasks are nowhere; UINT64_MAX: the records contradict each other, or there are too many. */
static uint64_t count_lost(const struct survey *survey)
{
    uint64_t over = survey->next - survey_waiting(survey), known = survey->log_base + survey->results.count;

    return known > over || over - known > LOST_MAX ? UINT64_MAX : over - known;
}

struct judged {
    struct salvage *s;
    struct core *core;
};

static int judge_record(void *ctx, const struct store_record *row)
{
    struct judged *judged = ctx;
    struct core_record record;

    if (record_unpack(judged->s->decoder, row, &record) != BELT_OK)
        return BELT_BAD_MESSAGE;
    return core_restore(judged->core, 1, &record);
}

/* Whether the mended records are taken by a broker: they are written into a store in memory first. */
static bool mended_adds_up(struct salvage *s, const struct row *rows, size_t count, const struct survey *survey,
                           const struct numbers *lost)
{
    struct store *real = s->to;
    uint64_t number = s->next_number;
    struct judged judged = {s, judge_new()};
    bool good = judged.core && commit(s) == BELT_OK && (s->to = store_memory_open());

    if (good) {
        good = put_mended(s, rows, count, survey, lost) == BELT_OK && commit(s) == BELT_OK &&
               s->to->ops->load(s->to, judge_record, &judged) == BELT_OK &&
               core_restored(judged.core, 1, s->next_number) == BELT_OK;
        store_close(s->to);
    }
    s->to = real;
    s->next_number = number;
    core_free(judged.core);
    return good;
}

static int take_mended(struct salvage *s, const struct row *rows, size_t count, const struct survey *survey)
{
    struct numbers lost = {0};
    uint64_t missing = survey->opened ? count_lost(survey) : UINT64_MAX;
    bool good = missing != UINT64_MAX && survey_find_lost(survey, missing, &lost) &&
                mended_adds_up(s, rows, count, survey, &lost);
    int code = good ? put_mended(s, rows, count, survey, &lost) : BELT_OK;

    if (!good)
        lost.count = 0;
    if (code == BELT_OK)
        tell(s, rows, count, survey, good ? SALVAGE_MENDED : SALVAGE_LOST, &lost);
    free(lost.at);
    return code;
}

static int take_job(struct salvage *s, const struct row *rows, size_t count)
{
    struct survey survey = {0};
    struct numbers none = {0};
    int code = BELT_OK;
    bool known = survey_job(s, &survey, rows, count);

    if (known && adds_up(s, rows, count)) {
        for (size_t i = 0; code == BELT_OK && i < count; i++)
            code = copy_row(s, &rows[i]);
        if (code == BELT_OK)
            tell(s, rows, count, &survey, SALVAGE_WHOLE, &none);
    } else if (known && part_of(&rows[0]) == PART_JOB) {
        code = take_mended(s, rows, count, &survey);
    } else {
        tell(s, rows, count, &survey, SALVAGE_LOST, &none);
    }
    free(survey.tasks.at);
    free(survey.results.at);
    return code;
}

/* So that no number is used twice: the new store remembers the highest of the old one. */
static int put_last_number(struct salvage *s)
{
    static const uint8_t nothing[1] = {0};
    struct store_change changes[2] = {
        {.op = STORE_PUT, .record = {.number = s->next_number + 1, .job = 1, .kind = 0, .body = {nothing, 1}}},
        {.op = STORE_DELETE, .record = {.number = s->next_number + 1}}};
    int code = s->to->ops->commit(s->to, changes, 2);

    return code == BELT_OK ? BELT_OK : fail(s, code, s->to->error);
}

static bool is_together(const struct row *one, const struct row *two)
{
    return one->record.job == two->record.job && part_of(one) == part_of(two);
}

static int take_all(struct salvage *s)
{
    int code = store_wreck_scan(s->wreck, note_row, s, &s->report->damaged);

    if (code == BELT_OK && s->upgrade)
        code = note_older(s, NULL);
    if (code != BELT_OK)
        return fail(s, code, "out of memory");
    s->report->damaged += s->not_brought_forward;
    s->next_number = store_wreck_last(s->wreck);
    for (size_t i = 0; i < s->row_count; i++) /* what was brought forward may have a higher one */
        if (s->next_number < s->rows[i].record.number)
            s->next_number = s->rows[i].record.number;
    if (s->row_count)
        qsort(s->rows, s->row_count, sizeof(*s->rows), by_job);
    for (size_t at = 0, end; code == BELT_OK && at < s->row_count; at = end) {
        for (end = at + 1; end < s->row_count && is_together(&s->rows[at], &s->rows[end]);)
            end++;
        code = take_job(s, s->rows + at, end - at);
    }
    if (code == BELT_OK)
        code = commit(s);
    return code == BELT_OK ? put_last_number(s) : code;
}

int salvage_run(const char *from, const char *to, struct salvage_report *report, char *error, uint32_t size)
{
    struct salvage s = {.report = report, .error = error, .size = size};
    int code = BELT_SYSTEM;

    error[0] = '\0';
    s.wreck = store_wreck_open(from, error, size);
    if (!s.wreck)
        return code;
    if (mkdir(to, 0700) != 0) {
        text_print(error, size, "cannot make the directory %s: %s; name one that is not there yet", to,
                   strerror(errno));
        goto out;
    }
    s.to = store_sqlite_open(to, error, size);
    if (!s.to)
        goto out;
    s.decoder = record_decoder_new(BELT_MAX_PAYLOAD_CEILING);
    bool older = store_wreck_format(s.wreck) < STORE_FORMAT;
    s.upgrade = older ? format_1_new() : NULL;
    code = s.decoder && (s.upgrade || !older) ? take_all(&s) : fail(&s, BELT_NO_MEMORY, "out of memory");
out:
    record_decoder_free(s.decoder);
    store_close(s.to);
    store_wreck_close(s.wreck);
    format_1_free(s.upgrade);
    for (size_t i = 0; i < s.row_count; i++)
        belt_buf_unref(s.rows[i].body);
    free(s.rows);
    free(s.changes);
    free(s.bodies);
    return code;
}
