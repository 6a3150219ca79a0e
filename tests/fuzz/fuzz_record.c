/* SPDX-License-Identifier: Apache-2.0
 *
 * The store's records against the scheduler: sequences of records of every kind that are nearly right, with fields and
 * bytes changed, are packed, unpacked and restored. What was not changed comes back as it was. Damage must be reported;
 * what is taken must give books that add up (tests/core/invariants.h) and go on doing so.
 *
 *   fuzz_record [ROUNDS [SEED]]
 */
#include "tests/fuzz/drawn.h"

#include "tests/core/invariants.h"
#include "broker/record/record.h"

#include <string.h>

#define JOBS  3u
#define ITEMS 6u

struct model {
    struct drawn from;
    struct core *core;
    struct record_decoder *decoder;
    uint64_t number;
    uint64_t jobs[JOBS], next[JOBS], place[JOBS];
    uint32_t said[JOBS]; /* kinds of which a job has one record, a bit each */
};

static uint8_t bytes[32];
static const uint8_t names[] = "abc";

static uint64_t nearly(struct model *model, uint64_t truth)
{
    return chance(&model->from, 100) ? draw_number(&model->from, 40) : truth;
}

static struct belt_payload payload(struct model *model)
{
    return (struct belt_payload){.data = bytes, .len = draw(&model->from, sizeof(bytes))};
}

static struct belt_bytes name(struct model *model)
{
    return (struct belt_bytes){names + draw(&model->from, 3), 1};
}

static const struct belt_result_extras *extras(struct model *model)
{
    static struct belt_result_extras all[ITEMS];
    static uint32_t next;
    struct belt_result_extras *one = &all[next++ % ITEMS];

    *one = (struct belt_result_extras){.text = name(model),
                                       .started_ms = draw(&model->from, 1000),
                                       .exit_status = (int32_t)draw(&model->from, 4) - 2,
                                       .term_signal = (int32_t)draw(&model->from, 3)};
    return chance(&model->from, 3) ? one : NULL;
}

/* How many results the log may get. */
static uint32_t results_next(struct model *model, uint32_t j)
{
    uint64_t left = model->next[j] - model->place[j];

    return 1 + draw(&model->from, left > 0 && left < ITEMS ? (uint32_t)left : ITEMS);
}

static struct record_results make_results(struct model *model, uint32_t j)
{
    static struct belt_result_item items[ITEMS];
    uint32_t count = results_next(model, j);
    struct record_results results = {nearly(model, model->place[j]), count, items};

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct belt_result_item){.index = nearly(model, model->place[j] + i),
                                             .attempt = chance(&model->from, 4) ? 0 : 1,
                                             .code = draw(&model->from, 2),
                                             .payload = payload(model),
                                             .extras = extras(model)};
    model->place[j] += count;
    return results;
}

static struct record_taken make_taken(struct model *model, uint32_t j)
{
    static uint64_t indexes[ITEMS];
    uint32_t count = results_next(model, j);
    struct record_taken taken = {nearly(model, model->place[j]), count, indexes};

    for (uint32_t i = 0; i < count; i++)
        indexes[i] = nearly(model, model->place[j] + i);
    model->place[j] += count;
    return taken;
}

static struct record_tasks make_tasks(struct model *model, uint32_t j)
{
    static struct belt_payload inputs[ITEMS];
    struct record_tasks tasks = {nearly(model, model->next[j]), 1 + draw(&model->from, ITEMS), inputs};

    for (uint32_t i = 0; i < tasks.count; i++)
        inputs[i] = payload(model);
    model->next[j] += tasks.count;
    return tasks;
}

static struct record_job make_job(struct model *model, uint32_t j)
{
    struct drawn *from = &model->from;

    model->jobs[j] = nearly(model, model->number - 1);
    model->next[j] = model->place[j] = model->said[j] = 0;
    return (struct record_job){.key = {names, draw(from, 3)},
                               .function = {names, 1},
                               .owner = {names, draw(from, 3)},
                               .account = {names, draw(from, 2)},
                               .opened_at = draw(from, 1000),
                               .options = {.durable = true,
                                           .window_items = draw(from, 20),
                                           .priority = (int32_t)draw(from, 7) - 3,
                                           .argument = {bytes, draw(from, 3)},
                                           .backoff_ms = chance(from, 4) ? BELT_NO_BACKOFF : draw(from, 3),
                                           .final_status = {(uint8_t)draw(from, 2)},
                                           .digest = chance(from, 4)}};
}

/* A kind that the job may have at this point, mostly. */
static uint8_t choose(struct model *model, uint32_t j)
{
    static const uint8_t once[] = {RECORD_READER,     RECORD_MARK,        RECORD_TRIES,  RECORD_END,
                                   RECORD_FAILED_JOB, RECORD_FAILED_TASK, RECORD_LET_GO, RECORD_HISTORY};
    uint32_t which = draw(&model->from, 16);

    if (model->jobs[j] == 0 || chance(&model->from, 100))
        return RECORD_JOB;
    if (which < sizeof(once) && (!(model->said[j] & 1u << which) || chance(&model->from, 50))) {
        model->said[j] |= 1u << which;
        return once[which];
    }
    if (model->place[j] < model->next[j] && which % 2)
        return which % 4 == 1 ? RECORD_TAKEN : RECORD_RESULTS;
    return model->said[j] & 1u << 3 && !chance(&model->from, 50) ? RECORD_RESULTS : RECORD_TASKS;
}

static void make(struct model *model, struct core_record *record)
{
    struct drawn *from = &model->from;
    uint32_t j = draw(from, JOBS);

    record->kind = choose(model, j);
    if (record->kind == RECORD_JOB)
        record->u.job = make_job(model, j);
    record->job = model->jobs[j];
    switch (record->kind) {
    case RECORD_JOB:
        break;
    case RECORD_TASKS:
        record->u.tasks = make_tasks(model, j);
        break;
    case RECORD_RESULTS:
        record->u.results = make_results(model, j);
        break;
    case RECORD_TAKEN:
        record->u.taken = make_taken(model, j);
        break;
    case RECORD_READER:
        record->u.reader = (struct record_reader){.name = name(model),
                                                  .account = {names, draw(from, 2)},
                                                  .mode = (uint8_t)draw(from, 2),
                                                  .taken = nearly(model, 0)};
        break;
    case RECORD_MARK:
        record->u.mark = (struct record_mark){.next = nearly(model, model->next[j]),
                                              .bytes = nearly(model, sizeof(bytes) * (model->next[j] + 1)),
                                              .place = nearly(model, model->place[j]),
                                              .failed = nearly(model, 0),
                                              .digested = chance(from, 2)};
        break;
    case RECORD_TRIES:
        record->u.tries = (struct record_tries){nearly(model, model->next[j]), draw(from, 3), 1, 0};
        break;
    case RECORD_FAILED_JOB:
        record->u.failed_job = (struct record_failed_job){
            .function = {names, 1}, .account = {names, draw(from, 2)}, .options.durable = true};
        break;
    case RECORD_FAILED_TASK:
        record->u.failed_task = (struct record_failed_task){nearly(model, 0), draw(from, 3), 1 + draw(from, 3), 5,
                                                            payload(model),   extras(model)};
        break;
    case RECORD_LET_GO:
        record->u.let_go = (struct record_let_go){draw(from, 3)};
        break;
    case RECORD_HISTORY: /* of another job */
        record->job += 1000;
        record->u.history = (struct record_history){
            .key = name(model), .function = {names, 1}, .account = {names, draw(from, 2)}, .total = draw(from, 9)};
        break;
    default:
        record->u.end = (struct record_end){nearly(model, model->next[j])};
    }
}

/* What was read, written once more, is the same. */
static void check_again(const struct core_record *record, const struct store_record *row)
{
    struct store_record again;
    struct belt_buf *body = record_pack(record, &again);

    if (!body || again.kind != row->kind || again.first != row->first || again.count != row->count ||
        again.body.len != row->body.len || memcmp(again.body.data, row->body.data, row->body.len) != 0) {
        fprintf(stderr, "a record of kind %u does not come back as it was\n", row->kind);
        abort();
    }
    belt_buf_unref(body);
}

static bool damage(struct model *model, struct store_record *row, struct belt_buf *body)
{
    bool damaged = false;

    for (uint32_t i = chance(&model->from, 40) ? 2 : 0; i > 0 && body->len > 0; i--, damaged = true)
        body->data[draw(&model->from, (uint32_t)body->len)] = (uint8_t)draw(&model->from, 256);
    if (chance(&model->from, 200)) {
        row->body.len = draw(&model->from, (uint32_t)body->len);
        damaged = true;
    }
    if (chance(&model->from, 200)) {
        row->count = draw(&model->from, 8);
        damaged = true;
    }
    if (chance(&model->from, 200)) {
        row->kind = (uint8_t)draw(&model->from, 80);
        damaged = true;
    }
    return damaged;
}

/* One record on its way to the disk and back; what the core says of it. */
static int restore_one(struct model *model)
{
    struct core_record record = {.op = CORE_PUT, .number = ++model->number};
    struct store_record row;

    make(model, &record);
    if (chance(&model->from, 100))
        return BELT_OK; /* one that is missing */
    struct belt_buf *body = record_pack(&record, &row);
    if (!body)
        return BELT_OK;
    bool damaged = damage(model, &row, body);
    int rc = record_unpack(model->decoder, &row, &record);
    if (!damaged && rc == BELT_OK)
        check_again(&record, &row);
    if (rc == BELT_OK)
        rc = core_restore(model->core, 1000, &record);
    belt_buf_unref(body);
    return rc;
}

static void check(struct core *core)
{
    const char *bad = invariants_broken(core);

    if (!bad)
        return;
    fprintf(stderr, "%s\n", bad);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct core_config config = {.name = "fuzz",
                                       .version = "0",
                                       .epoch = 7,
                                       .max_payload = 1u << 20,
                                       .memory_budget = 1u << 20,
                                       .max_jobs = 8,
                                       .max_failed = 4,
                                       .failed_bytes = 1u << 10,
                                       .history_ms = 100000,
                                       .max_history = 4,
                                       .durable = true};
    struct model model = {
        .from = {data, data + size}, .number = 10, .core = core_new(&config), .decoder = record_decoder_new(1u << 20)};
    struct core_update *update = core_update_new();
    int rc = BELT_OK;

    if (!model.core || !model.decoder || !update)
        abort();
    while (rc == BELT_OK && model.from.at < model.from.end && model.number < 200)
        rc = restore_one(&model);
    if (rc == BELT_OK)
        rc = core_restored(model.core, 1000, model.number);
    for (uint64_t now = 1000; rc == BELT_OK && now < 4000000; now *= 2) {
        check(model.core);
        core_step(model.core, &(struct core_event){.type = CORE_TURN, .now = now}, update);
        core_update_clear(update);
    }
    core_update_free(update);
    record_decoder_free(model.decoder);
    core_free(model.core);
    return 0;
}

#ifndef BELT_FUZZ
int main(int argc, char **argv)
{
    return drawn_main(argc, argv, 160);
}
#endif
