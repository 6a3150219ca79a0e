/* SPDX-License-Identifier: Apache-2.0
 *
 * The user of a stream (what client/reader.c does with the real window): draws inputs from a lazy source, takes
 * results at his own pace, and checks what he is shown: I2, I3, I8, and that every reader sees the same.
 */
#include "tests/sim/sim.h"

void user_init(struct sim *sim, struct job_model *job, uint32_t place)
{
    struct stream_model *stream = &job->streams[place];
    const struct client_stream_config config = {
        .ref = 1 + (uint64_t)(job->number % SIM_JOBS) * SIM_READERS + place,
        .key = {(const uint8_t *)job->key, strlen(job->key)},
        .function = {(const uint8_t *)job->function, 2},
        .reader = {(const uint8_t *)stream->name, strlen(stream->name)},
        .mode = (enum belt_mode)stream->mode,
        .options = job->options,
        .window = stream->credit,
        .window_bytes = sim_chance(sim, 2000) ? 500 : 1 << 20,
        .slack = stream->feeder && sim_chance(sim, 5000) ? sim_random(sim, 64) : 0,
    };
    client_stream_init(&stream->wire, &config);
    stream->wire.config.options.digest = stream->feeder; /* the others hand in nothing that could be compared */
    stream->compared = 0;
    client_window_init(&stream->window, (enum belt_mode)stream->mode, stream->credit, job->options.window_bytes);
    stream->live = stream->joined = true;
    if (job->cancelling && stream->feeder)
        client_stream_cancel(&stream->wire);
}

void user_reset(struct job_model *job, uint32_t place)
{
    struct stream_model *stream = &job->streams[place];
    if (user_finished(stream) && !stream->feeder)
        stream->left = true;
    user_fini(stream);
    stream->live = stream->lost = false;
    stream->job_key = stream->sub_key = stream->entered = 0;
    stream->hand_at = stream->hand_count = stream->hand_room = 0;
    stream->failed_at = stream->failed_count = 0;
    stream->taken_tasks = stream->taken_bytes = stream->given = stream->from = 0;
    stream->detached_at = stream->detached_sub = 0;
    memset(stream->seen, 0, sizeof(stream->seen));
}

void user_fini(struct stream_model *stream)
{
    if (!stream->live)
        return;
    client_stream_fini(&stream->wire);
    client_window_fini(&stream->window);
    free(stream->hand);
    stream->hand = NULL;
}

bool user_finished(const struct stream_model *stream)
{
    if (stream->left || stream->lost)
        return true;
    if (!stream->live)
        return false;
    bool taken = stream->hand_at == stream->hand_count && client_stream_complete(&stream->wire);
    bool over = !stream->feeder || stream->wire.done || client_window_over(&stream->window);
    return taken && client_stream_settled(&stream->wire) && over;
}

/* ---- drawing ---- */

/* The source is lazy: never more inputs than results that were taken, and the window (I5). */
static void check_drawn(struct sim *sim, const struct job_model *job, const struct stream_model *stream)
{
    if (stream->window.drawn - stream->window.failures > stream->compared &&
        stream->window.drawn > stream->from + stream->given + stream->credit)
        sim_fail(sim, "job %llu: %llu inputs drawn with %llu taken and a window of %llu (I5)", ULL(job->id),
                 ULL(stream->window.drawn), ULL(stream->from + stream->given), ULL(stream->credit));
}

/* What the broker has of an earlier life is drawn and compared before there is any result. */
static void follow_comparison(struct stream_model *stream)
{
    const struct client_stream *wire = &stream->wire;
    bool compares = client_stream_compares(wire);
    client_window_compare(&stream->window, compares ? wire->expected_at : 0, wire->next, wire->next_bytes);
    if (compares && stream->compared < wire->expected_at)
        stream->compared = wire->expected_at;
}

void user_draw(struct job_model *job, struct stream_model *stream)
{
    struct sim *sim = job->client->node.sim;
    struct client_stream *wire = &stream->wire;
    if (!stream->feeder || job->cancelling || wire->state >= CLIENT_STREAM_FAILED)
        return;
    while (follow_comparison(stream), client_window_open(&stream->window, wire->grant.bytes)) {
        uint64_t input = stream->window.drawn, task = input - stream->window.failures;
        if (input == job->inputs) {
            stream->window.ended = true;
            client_stream_end(wire);
        } else if (task < job->tasks && job->input_of[task] == input) {
            struct belt_payload payload = sim_payload(sim, job->number, task, 1);
            client_window_draw(&stream->window, payload.len);
            if (!client_stream_append(wire, &payload))
                abort();
        } else if (!client_window_fail(&stream->window, &stream->failed[stream->failed_count++])) {
            abort();
        }
        check_drawn(sim, job, stream);
    }
}

/* ---- what comes ---- */

static void check_code(struct sim *sim, const struct job_model *job, const struct belt_result_item *item)
{
    enum fate fate = sim_fate(sim, job->number, item->index);
    bool stopped = (item->code == BELT_TASK_TIMEOUT && job->options.timeout_ms) ||
                   (item->code == BELT_TASK_EXPIRED && job->options.deadline_ms);
    if (fate == FATE_FAILS && item->code != BELT_TASK_FAILED && item->code != BELT_TASK_LOST && !stopped)
        sim_fail(sim, "job %llu task %llu must fail", ULL(job->id), ULL(item->index));
    if (fate == FATE_KILLS_SLOT && item->code != BELT_TASK_LOST && item->code != BELT_TASK_FAILED && !stopped)
        sim_fail(sim, "job %llu task %llu must be lost (I8)", ULL(job->id), ULL(item->index));
    if (fate != FATE_FAILS && fate != FATE_KILLS_SLOT && item->code != BELT_OK && item->code != BELT_TASK_LOST &&
        !stopped)
        sim_fail(sim, "job %llu task %llu must not end as %s", ULL(job->id), ULL(item->index),
                 belt_code_name(item->code));
    if (item->code == BELT_TASK_LOST && item->attempt < job->options.max_attempts)
        sim_fail(sim, "job %llu task %llu was given up after %u attempts", ULL(job->id), ULL(item->index),
                 item->attempt);
    if (item->code == BELT_OK && !sim_payload_is(sim, item->payload, job->number, item->index, 2))
        sim_fail(sim, "job %llu task %llu has the result of another", ULL(job->id), ULL(item->index));
}

/* Whoever is shown it, and however often the broker was started anew: a result is one. */
static void check_same(struct sim *sim, struct job_model *job, uint8_t mode, uint64_t number,
                       const struct belt_result_item *item)
{
    struct shown_result *shown = &job->shown[item->index];
    if (shown->there && (shown->attempt != item->attempt || shown->code != item->code))
        sim_fail(sim, "job %llu task %llu was shown with another result before (I2)", ULL(job->id), ULL(item->index));
    *shown = (struct shown_result){item->attempt, item->code, true};
    if (mode == BELT_ORDERED && number != item->index)
        sim_fail(sim, "job %llu: index %llu came at %llu (I3)", ULL(job->id), ULL(item->index), ULL(number));
    if (mode == BELT_ORDERED)
        return;
    if (job->order[number] && job->order[number] != item->index + 1)
        sim_fail(sim, "job %llu: delivery %llu was of task %llu, now of %llu (I2)", ULL(job->id), ULL(number),
                 ULL(job->order[number] - 1), ULL(item->index));
    job->order[number] = item->index + 1;
}

void user_results(struct job_model *job, struct stream_model *stream, const struct belt_msg_deliver *msg, uint32_t skip)
{
    struct sim *sim = job->client->node.sim;
    for (uint32_t i = skip; i < msg->count && !sim->error[0]; i++) {
        const struct belt_result_item *item = &msg->results[i];
        if (item->index >= job->tasks || msg->first + i >= job->tasks) {
            sim_fail(sim, "job %llu: index %llu at %llu of %llu", ULL(job->id), ULL(item->index), ULL(msg->first + i),
                     ULL(job->tasks));
            return;
        }
        check_same(sim, job, stream->mode, msg->first + i, item);
        check_code(sim, job, item);
        if (item->code != BELT_OK)
            admin_failed(sim, job, item);
        if (item->code == BELT_TASK_EXPIRED && job_is_early(sim, job, job->options.deadline_ms))
            sim_fail(sim, "job %llu task %llu expired too early (I11)", ULL(job->id), ULL(item->index));
        if (stream->hand_count == stream->hand_room) {
            stream->hand_room = stream->hand_room ? stream->hand_room * 2 : 16;
            stream->hand = realloc(stream->hand, stream->hand_room * sizeof(*stream->hand));
            if (!stream->hand)
                abort();
        }
        stream->hand[stream->hand_count] = *item;
        stream->hand[stream->hand_count++].payload = (struct belt_payload){.len = item->payload.len};
        sim->delivered++;
    }
    if (stream->wire.received > stream->wire.start + stream->taken_tasks + stream->credit)
        sim_fail(sim, "job %llu: more deliveries than credit", ULL(job->id));
}

/* ---- taking ---- */

static void show(struct sim *sim, struct job_model *job, struct stream_model *stream, uint64_t input)
{
    if (input >= job->inputs || stream->seen[input])
        sim_fail(sim, "job %llu: input %llu was shown twice to %s (I2)", ULL(job->id), ULL(input), stream->name);
    else
        stream->seen[input] = 1;
    if (stream->mode == BELT_ORDERED && input != stream->window.taken)
        sim_fail(sim, "job %llu: input %llu was shown in place of %llu (I3)", ULL(job->id), ULL(input),
                 ULL(stream->window.taken));
    stream->given++;
    if (client_window_take(&stream->window))
        client_window_lap(&stream->window, sim->now);
}

/* A reader that is not the first shows the broker's own numbers. */
static uint64_t input_of(struct sim *sim, const struct job_model *job, const struct stream_model *stream, uint64_t task)
{
    if (!stream->feeder)
        return task;
    uint64_t input = client_window_index(&stream->window, task);
    if (input != job->input_of[task])
        sim_fail(sim, "job %llu: task %llu was input %llu, not %llu", ULL(job->id), ULL(task), ULL(job->input_of[task]),
                 ULL(input));
    return input;
}

static bool take_one(struct job_model *job, struct stream_model *stream)
{
    struct sim *sim = job->client->node.sim;
    if (stream->failed_at < stream->failed_count &&
        client_window_due(&stream->window, stream->failed[stream->failed_at])) {
        show(sim, job, stream, stream->failed[stream->failed_at++]);
        return true;
    }
    if (stream->hand_at == stream->hand_count)
        return false;
    const struct belt_result_item *item = &stream->hand[stream->hand_at++];
    show(sim, job, stream, input_of(sim, job, stream, item->index));
    stream->taken_tasks++;
    stream->taken_bytes += item->payload.len;
    return true;
}

static bool stalled(const struct sim *sim, const struct stream_model *stream)
{
    return sim->now >= stream->stall_from && sim->now < stream->stall_until;
}

void user_take(struct job_model *job, struct stream_model *stream)
{
    struct sim *sim = job->client->node.sim;
    const struct client_stream *wire = &stream->wire;
    if (!wire->started && stream->failed_at == stream->failed_count)
        return;
    if (wire->started && !stream->given) {
        client_window_start(&stream->window, wire->start);
        stream->from = wire->start;
    }
    while (!stalled(sim, stream) && (stream->pace_ms == 0 || stream->next_take <= sim->now) && take_one(job, stream))
        if (stream->pace_ms)
            stream->next_take = sim->now + stream->pace_ms;
    if (wire->start + stream->taken_tasks > stream->reached)
        stream->reached = wire->start + stream->taken_tasks;
    if (stream->reached > job->most_taken)
        job->most_taken = stream->reached;
    client_stream_take(&stream->wire, stream->taken_tasks, stream->taken_bytes, stream->window.size);
}

uint64_t user_deadline(const struct job_model *job, const struct stream_model *stream)
{
    const struct sim *sim = job->client->node.sim;
    if (stream->hand_at == stream->hand_count && stream->failed_at == stream->failed_count)
        return UINT64_MAX;
    if (stream->hand_at == stream->hand_count && !client_window_due(&stream->window, stream->failed[stream->failed_at]))
        return UINT64_MAX;
    if (stalled(sim, stream))
        return stream->stall_until;
    return stream->next_take > sim->now ? stream->next_take : sim->now;
}
