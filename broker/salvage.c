/* SPDX-License-Identifier: Apache-2.0
 *
 * What a damaged store still holds, in a new one. See salvage.h.
 *
 * The judge is the scheduler itself: the records of one job are given to a core of its own, as at the start of a
 * broker. Where they do not add up as they are, results are numbered anew without gaps, and every task that is neither
 * waiting nor among the results nor read gets the result TASK_LOST behind all others; then the judge is asked again.
 */
#include "broker/salvage.h"

#include "broker/core/core.h"
#include "broker/record.h"
#include "broker/store/store.h"

#include "proto/codec.h"
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

struct row {
    uint64_t job, number;
    uint8_t kind;
};

struct numbers {
    uint64_t *at;
    size_t count, room;
};

/** What the intact records of a job say. */
struct survey {
    char key[BELT_MAX_KEY + 1], function[BELT_MAX_NAME + 1];
    bool opened, marked, subscribed;
    struct numbers tasks, results; /* indexes of both, sorted */
    uint64_t next, mark_place, log_base;
    bool has_base;
};

struct salvage {
    struct store_wreck *wreck;
    struct store *to;
    struct belt_decoder *decoder;
    struct salvage_report *report;
    struct row *rows;
    size_t row_count, row_room;
    uint64_t next_number;
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

static int note_row(void *ctx, const struct store_record *record)
{
    struct salvage *s = ctx;

    if (s->row_count == s->row_room) {
        size_t room = s->row_room ? 2 * s->row_room : 1024;
        struct row *rows = realloc(s->rows, room * sizeof(*rows));
        if (!rows)
            return BELT_NO_MEMORY;
        s->rows = rows;
        s->row_room = room;
    }
    s->rows[s->row_count++] = (struct row){record->job, record->number, record->kind};
    return BELT_OK;
}

static int by_job(const void *a, const void *b)
{
    const struct row *one = a, *two = b;

    if (one->job != two->job)
        return one->job < two->job ? -1 : 1;
    return one->number < two->number ? -1 : one->number > two->number;
}

/** Reads a record and decodes it; the message is valid until the next call, or belt_frames_clear(). */
static bool read_message(struct salvage *s, uint64_t number, struct belt_frames *frames, struct belt_msg *msg)
{
    struct store_record record;

    *frames = (struct belt_frames){0};
    return store_wreck_read(s->wreck, number, &record) && record_unpack(record.body, frames) == BELT_OK &&
           belt_decode(s->decoder, frames, msg) == BELT_OK;
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

/** Whether a broker takes the records as they are. */
static bool adds_up(struct salvage *s, const struct row *rows, size_t count)
{
    struct core *core = judge_new();
    bool good = core != NULL;

    for (size_t i = 0; good && i < count; i++) {
        struct belt_frames frames;
        struct belt_msg msg;
        good = read_message(s, rows[i].number, &frames, &msg) && core_restore(core, 1, rows[i].number, &msg) == BELT_OK;
        belt_frames_clear(&frames);
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

/** *Takes* the body. */
static int put(struct salvage *s, struct store_record record, struct belt_buf *body)
{
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
    record.body = (struct belt_bytes){body->data, body->len};
    s->changes[s->change_count] = (struct store_change){.op = STORE_PUT, .record = record};
    s->bodies[s->change_count++] = body;
    s->change_bytes += body->len;
    return s->change_bytes < GROUP_BYTES ? BELT_OK : commit(s);
}

static int put_message(struct salvage *s, uint64_t number, uint64_t job, const struct belt_msg *msg, uint64_t first,
                       uint32_t count)
{
    const struct core_record record = {.number = number, .job = job, .first = first, .count = count, .msg = *msg};

    return put(s,
               (struct store_record){.number = number, .job = job, .kind = msg->type, .first = first, .count = count},
               record_pack(&record));
}

static int copy_row(struct salvage *s, const struct row *row)
{
    struct store_record record;

    if (!store_wreck_read(s->wreck, row->number, &record))
        return fail(s, BELT_STORE_FAILED, "a record that could be read before cannot be read any more");
    return put(s, record, belt_buf_copy(record.body.data, record.body.len));
}

/* ---- what is there of a job ---- */

static bool add_number(struct numbers *numbers, uint64_t value)
{
    if (numbers->count == numbers->room) {
        size_t room = numbers->room ? 2 * numbers->room : 256;
        uint64_t *at = realloc(numbers->at, room * sizeof(*at));
        if (!at)
            return false;
        numbers->at = at;
        numbers->room = room;
    }
    numbers->at[numbers->count++] = value;
    return true;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *one = a, *two = b;

    return *one < *two ? -1 : *one > *two;
}

static void raise_to(uint64_t *value, uint64_t at_least)
{
    if (*value < at_least)
        *value = at_least;
}

static bool survey_message(struct survey *survey, const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_OPEN:
        survey->opened = true;
        text_print(survey->key, sizeof(survey->key), "%.*s", (int)msg->u.open.key.len,
                   (const char *)msg->u.open.key.data);
        text_print(survey->function, sizeof(survey->function), "%.*s", (int)msg->u.open.function.len,
                   (const char *)msg->u.open.function.data);
        return true;
    case BELT_MSG_PUSH:
        raise_to(&survey->next, msg->u.push.first + msg->u.push.count);
        for (uint32_t i = 0; i < msg->u.push.count; i++)
            if (!add_number(&survey->tasks, msg->u.push.first + i))
                return false;
        return true;
    case BELT_MSG_RESULTS:
        if (!survey->has_base)
            survey->log_base = msg->u.results.first;
        survey->has_base = true;
        for (uint32_t i = 0; i < msg->u.results.count; i++) {
            raise_to(&survey->next, msg->u.results.results[i].index + 1);
            if (!add_number(&survey->results, msg->u.results.results[i].index))
                return false;
        }
        return true;
    case BELT_MSG_SUBSCRIBE:
        survey->subscribed = true;
        return true;
    case BELT_MSG_END:
        raise_to(&survey->next, msg->u.end.count);
        return true;
    case BELT_MSG_PROGRESS:
        if (msg->u.progress.task.attempt == 0) {
            survey->marked = true;
            survey->mark_place = msg->u.progress.done;
            raise_to(&survey->next, msg->u.progress.task.index);
        }
        return true;
    default:
        return true;
    }
}

/** False when out of memory, or when a record cannot be decoded. */
static bool survey_job(struct salvage *s, struct survey *survey, const struct row *rows, size_t count)
{
    bool good = true;

    for (size_t i = 0; good && i < count; i++) {
        struct belt_frames frames;
        struct belt_msg msg;
        good = read_message(s, rows[i].number, &frames, &msg) && survey_message(survey, &msg);
        belt_frames_clear(&frames);
    }
    if (survey->tasks.count)
        qsort(survey->tasks.at, survey->tasks.count, sizeof(uint64_t), by_value);
    if (survey->results.count)
        qsort(survey->results.at, survey->results.count, sizeof(uint64_t), by_value);
    if (!survey->has_base || (survey->marked && survey->log_base > survey->mark_place))
        survey->log_base = survey->mark_place;
    if (!survey->subscribed) /* nobody has read: what is missing in front was lost */
        survey->log_base = 0;
    return good;
}

static bool has(const struct numbers *numbers, uint64_t value)
{
    return numbers->count && bsearch(&value, numbers->at, numbers->count, sizeof(value), by_value);
}

/** The highest indexes below `next` that nobody names; `lost` of them, ascending. What was read goes from the front, as
 * a rule, so that it is not among these. */
static bool find_lost(const struct survey *survey, uint64_t lost, struct numbers *found)
{
    for (uint64_t index = survey->next; index > 0 && found->count < lost; index--)
        if (!has(&survey->tasks, index - 1) && !has(&survey->results, index - 1) && !add_number(found, index - 1))
            return false;
    if (found->count)
        qsort(found->at, found->count, sizeof(uint64_t), by_value);
    return found->count == lost;
}

/** Tasks that wait: handed in, without a result. */
static uint64_t waiting_of(const struct survey *survey)
{
    uint64_t waiting = 0;

    for (size_t i = 0; i < survey->tasks.count; i++)
        waiting += !has(&survey->results, survey->tasks.at[i]);
    return waiting;
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
        struct belt_msg msg = {.type = BELT_MSG_RESULTS};
        for (; count < sizeof(items) / sizeof(*items) && done + count < lost->count; count++)
            items[count] = (struct belt_result_item){
                .index = lost->at[done + count], .attempt = 1, .code = BELT_TASK_LOST, .extras = &extras};
        msg.u.results = (struct belt_msg_results){.first = place + done, .job = job, .results = items, .count = count};
        code = put_message(s, ++s->next_number, job, &msg, place + done, count);
        done += count;
    }
    return code;
}

/** The records of a job that has an OPEN, results numbered anew, and what is missing. */
static int put_mended(struct salvage *s, const struct row *rows, size_t count, const struct survey *survey,
                      const struct numbers *lost)
{
    uint64_t job = rows[0].job, place = survey->log_base;
    int code = BELT_OK;

    for (size_t i = 0; code == BELT_OK && i < count; i++) {
        struct belt_frames frames;
        struct belt_msg msg;
        if (rows[i].kind != BELT_MSG_RESULTS) {
            code = copy_row(s, &rows[i]);
            continue;
        }
        if (!read_message(s, rows[i].number, &frames, &msg)) {
            code = fail(s, BELT_STORE_FAILED, "a record that could be read before cannot be read any more");
        } else {
            msg.u.results.first = place;
            code = put_message(s, rows[i].number, job, &msg, place, msg.u.results.count);
            place += msg.u.results.count;
        }
        belt_frames_clear(&frames);
    }
    if (code == BELT_OK && !survey->marked && survey->log_base > 0) {
        struct belt_msg mark = {.type = BELT_MSG_PROGRESS};
        mark.u.progress = (struct belt_msg_progress){.task = {.job = job}, .done = survey->log_base};
        code = put_message(s, ++s->next_number, job, &mark, 0, 0);
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
    struct salvage_job told = {.job = rows[0].job & ~CORE_KEPT_FAILED,
                               .key = survey->key,
                               .function = survey->function,
                               .failed_tasks = (rows[0].job & CORE_KEPT_FAILED) != 0,
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

/** How many tasks are nowhere; UINT64_MAX: the records contradict each other, or there are too many. */
static uint64_t count_lost(const struct survey *survey)
{
    uint64_t over = survey->next - waiting_of(survey), known = survey->log_base + survey->results.count;

    return known > over || over - known > LOST_MAX ? UINT64_MAX : over - known;
}

struct judged {
    struct salvage *s;
    struct core *core;
};

static int judge_record(void *ctx, const struct store_record *record)
{
    struct judged *judged = ctx;
    struct belt_frames frames;
    struct belt_msg msg;
    bool good = record_unpack(record->body, &frames) == BELT_OK &&
                belt_decode(judged->s->decoder, &frames, &msg) == BELT_OK &&
                core_restore(judged->core, 1, record->number, &msg) == BELT_OK;

    belt_frames_clear(&frames);
    return good ? BELT_OK : BELT_BAD_MESSAGE;
}

/** Whether the mended records are taken by a broker: they are written into a store in memory first. */
static bool mended_adds_up(struct salvage *s, const struct row *rows, size_t count, const struct survey *survey,
                           const struct numbers *lost)
{
    struct store *real = s->to;
    uint64_t number = s->next_number;
    struct judged judged = {s, judge_new()};
    bool good = judged.core && commit(s) == BELT_OK && (s->to = store_memory_open()) != NULL;

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
    bool good =
        missing != UINT64_MAX && find_lost(survey, missing, &lost) && mended_adds_up(s, rows, count, survey, &lost);
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
    } else if (known && !(rows[0].job & CORE_KEPT_FAILED)) {
        code = take_mended(s, rows, count, &survey);
    } else {
        tell(s, rows, count, &survey, SALVAGE_LOST, &none);
    }
    free(survey.tasks.at);
    free(survey.results.at);
    return code;
}

/** So that no number is used twice: the new store remembers the highest of the old one. */
static int put_last_number(struct salvage *s)
{
    static const uint8_t nothing[1] = {0};
    struct store_change changes[2] = {
        {.op = STORE_PUT, .record = {.number = s->next_number + 1, .job = 1, .kind = 0, .body = {nothing, 1}}},
        {.op = STORE_DELETE, .record = {.number = s->next_number + 1}}};
    int code = s->to->ops->commit(s->to, changes, 2);

    return code == BELT_OK ? BELT_OK : fail(s, code, s->to->error);
}

static int take_all(struct salvage *s)
{
    int code = store_wreck_scan(s->wreck, note_row, s, &s->report->damaged);

    if (code != BELT_OK)
        return fail(s, code, "out of memory");
    s->next_number = store_wreck_last(s->wreck);
    if (s->row_count)
        qsort(s->rows, s->row_count, sizeof(*s->rows), by_job);
    for (size_t at = 0, end; code == BELT_OK && at < s->row_count; at = end) {
        for (end = at + 1; end < s->row_count && s->rows[end].job == s->rows[at].job;)
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
    s.decoder = belt_decoder_new(BELT_MAX_PAYLOAD_CEILING);
    code = s.decoder ? take_all(&s) : fail(&s, BELT_NO_MEMORY, "out of memory");
out:
    belt_decoder_free(s.decoder);
    store_close(s.to);
    store_wreck_close(s.wreck);
    free(s.rows);
    free(s.changes);
    free(s.bodies);
    return code;
}
