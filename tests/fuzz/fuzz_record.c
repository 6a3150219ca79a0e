/* SPDX-License-Identifier: Apache-2.0
 *
 * The store's records against the scheduler: sequences of records that are nearly right, with fields and bytes changed,
 * are unpacked, decoded and restored. Damage must be reported; what is taken must give books that add up
 * (tests/core/invariants.h) and go on doing so.
 *
 *   fuzz_record [ROUNDS [SEED]]
 */
#include "tests/fuzz/drawn.h"

#include "tests/core/invariants.h"
#include "broker/record.h"

#include <string.h>

#define JOBS  3u
#define ITEMS 6u

struct model {
    struct drawn from;
    struct core *core;
    struct belt_decoder *decoder;
    uint64_t number;
    uint64_t jobs[JOBS], next[JOBS], place[JOBS];
    uint32_t said[JOBS]; /* types of which a job has one record, a bit each */
};

static uint8_t bytes[32];

static uint64_t nearly(struct model *model, uint64_t truth)
{
    return chance(&model->from, 100) ? draw_number(&model->from, 40) : truth;
}

static struct belt_payload payload(struct model *model)
{
    return (struct belt_payload){.data = bytes, .len = draw(&model->from, sizeof(bytes))};
}

static void make_results(struct model *model, uint32_t j, struct belt_msg *msg)
{
    static struct belt_result_item items[ITEMS];
    uint64_t left = model->next[j] - model->place[j];
    uint32_t count = 1 + draw(&model->from, left > 0 && left < ITEMS ? (uint32_t)left : ITEMS);

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct belt_result_item){.index = nearly(model, model->place[j] + i),
                                             .attempt = chance(&model->from, 4) ? 0 : 1,
                                             .code = draw(&model->from, 2),
                                             .payload = payload(model)};
    msg->u.results = (struct belt_msg_results){nearly(model, model->place[j]), model->jobs[j], items, count};
    model->place[j] += count;
}

/* A type that the job may have at this point, mostly. */
static uint8_t choose(struct model *model, uint32_t j)
{
    static const uint8_t once[] = {BELT_MSG_SUBSCRIBE, BELT_MSG_PROGRESS, BELT_MSG_ACCEPTED, BELT_MSG_END};
    uint32_t which = draw(&model->from, 12);

    if (model->jobs[j] == 0 || chance(&model->from, 100))
        return BELT_MSG_OPEN;
    if (which < sizeof(once) && (!(model->said[j] & 1u << which) || chance(&model->from, 50))) {
        model->said[j] |= 1u << which;
        return once[which];
    }
    if (model->place[j] < model->next[j] && which % 2)
        return BELT_MSG_RESULTS;
    return model->said[j] & 1u << 3 && !chance(&model->from, 50) ? BELT_MSG_RESULTS : BELT_MSG_PUSH;
}

static void make(struct model *model, struct belt_msg *msg)
{
    static struct belt_task_item tasks[ITEMS];
    static const uint8_t names[] = "abc";
    struct drawn *from = &model->from;
    uint32_t j = draw(from, JOBS), count = 1 + draw(from, ITEMS);

    msg->type = choose(model, j);
    switch (msg->type) {
    case BELT_MSG_OPEN:
        model->jobs[j] = nearly(model, model->number - 1);
        model->next[j] = model->place[j] = model->said[j] = 0;
        msg->u.open =
            (struct belt_msg_open){.ref = model->jobs[j],
                                   .key = {names, draw(from, 3)},
                                   .function = {names, 1},
                                   .options = {.durable = !chance(from, 100), .window_items = draw(from, 20)}};
        break;
    case BELT_MSG_PUSH:
        for (uint32_t i = 0; i < count; i++)
            tasks[i] = (struct belt_task_item){.payload = payload(model)};
        msg->u.push = (struct belt_msg_push){model->jobs[j], nearly(model, model->next[j]), tasks, count};
        model->next[j] += count;
        break;
    case BELT_MSG_RESULTS:
        make_results(model, j, msg);
        break;
    case BELT_MSG_SUBSCRIBE:
        msg->u.subscribe = (struct belt_msg_subscribe){.job = model->jobs[j],
                                                       .reader = {names + draw(from, 3), 1},
                                                       .mode = (uint8_t)draw(from, 2),
                                                       .cursor = nearly(model, 0)};
        break;
    case BELT_MSG_PROGRESS:
        msg->u.progress = (struct belt_msg_progress){{model->jobs[j], nearly(model, model->next[j]), draw(from, 2)},
                                                     nearly(model, model->place[j]),
                                                     nearly(model, 0)};
        break;
    case BELT_MSG_ACCEPTED:
        msg->u.accepted = (struct belt_msg_accepted){
            model->jobs[j], model->next[j], {model->next[j], nearly(model, sizeof(bytes) * (model->next[j] + 1))}};
        break;
    default:
        msg->u.end = (struct belt_msg_end){model->jobs[j], nearly(model, model->next[j])};
    }
}

/** One record on its way to the disk and back; what the core says of it. */
static int restore_one(struct model *model)
{
    struct core_record record = {.op = CORE_PUT, .number = ++model->number};
    struct belt_frames frames;
    struct belt_msg msg;

    make(model, &record.msg);
    if (chance(&model->from, 100))
        return BELT_OK; /* one that is missing */
    struct belt_buf *body = record_pack(&record);
    if (!body)
        return BELT_OK;
    size_t len = body->len;
    for (uint32_t i = chance(&model->from, 40) ? 2 : 0; i > 0 && len > 0; i--)
        body->data[draw(&model->from, (uint32_t)len)] = (uint8_t)draw(&model->from, 256);
    if (chance(&model->from, 200))
        len = draw(&model->from, (uint32_t)len);
    int rc = record_unpack((struct belt_bytes){body->data, len}, &frames);
    if (rc == BELT_OK) {
        rc = belt_decode(model->decoder, &frames, &msg);
        if (rc == BELT_OK)
            rc = core_restore(model->core, 1000, model->number, &msg);
        belt_frames_clear(&frames);
    }
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
                                       .durable = true};
    struct model model = {
        .from = {data, data + size}, .number = 10, .core = core_new(&config), .decoder = belt_decoder_new(1u << 20)};
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
    belt_decoder_free(model.decoder);
    core_free(model.core);
    return 0;
}

#ifndef BELT_FUZZ
int main(int argc, char **argv)
{
    return drawn_main(argc, argv, 160);
}
#endif
