/* SPDX-License-Identifier: Apache-2.0
 *
 * A model of a client: jobs fed from a lazy source as far as the grant goes,
 * readers that take at their own pace (PROTOCOL.md §7). What it is shown it checks: I2, I3, I13,
 * the window, and what the results say.
 */
#include "sim.h"

#include <stdio.h>

static struct client_model *client_of(struct node *node)
{
    return (struct client_model *)(void *)node;
}

static struct belt_bytes bytes_of(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

static bool reader_finished(const struct job_model *job, const struct reader_model *reader)
{
    return (reader->done && (reader->taken == reader->got || job->cancelling)) || (reader->taken == job->total && job->end_known);
}

bool job_finished(const struct job_model *job)
{
    if (job->cancelled)
        return true;
    for (uint32_t i = 0; i < job->reader_count; i++)
        if (!reader_finished(job, &job->readers[i]))
            return false;
    return job->end_known;
}

bool client_finished(const struct client_model *client)
{
    for (uint32_t i = 0; i < client->job_count; i++)
        if (!job_finished(&client->jobs[i]))
            return false;
    return true;
}

static void send_open(struct client_model *client, struct job_model *job)
{
    struct belt_msg msg = {.type = BELT_MSG_OPEN};
    msg.u.open = (struct belt_msg_open){.ref = (uint64_t)(job - client->jobs) + 1,
                                        .key = bytes_of(job->key),
                                        .function = bytes_of(job->function),
                                        .options = job->options};
    node_send(&client->node, &msg);
}

static void send_cancel(struct client_model *client, struct job_model *job)
{
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};
    msg.u.cancel = (struct belt_msg_cancel){.ref = 7, .job = job->id};
    job->cancelling = true;
    node_send(&client->node, &msg);
}

static void welcomed(struct node *node)
{
    struct client_model *client = client_of(node);
    for (uint32_t i = 0; i < client->job_count; i++) {
        struct job_model *job = &client->jobs[i];
        job->opened = false;
        if (job_finished(job) || !job->asked)
            continue;
        if (job->cancelling)
            send_cancel(client, job);
        else
            send_open(client, job);
    }
}

static struct belt_grant credit_of(const struct reader_model *reader)
{
    return (struct belt_grant){reader->taken + reader->credit, (uint64_t)1 << 40};
}

static void send_ack(struct client_model *client, const struct reader_model *reader)
{
    struct belt_msg msg = {.type = BELT_MSG_ACK};
    msg.u.ack = (struct belt_msg_ack){.sub = reader->sub, .upto = reader->taken, .credit = credit_of(reader)};
    node_send(&client->node, &msg);
}

static void subscribe(struct client_model *client, struct job_model *job, uint32_t place)
{
    struct reader_model *reader = &job->readers[place];
    struct belt_msg msg = {.type = BELT_MSG_SUBSCRIBE};
    reader->subscribed = false;
    msg.u.subscribe =
        (struct belt_msg_subscribe){.ref = 100 + (uint64_t)(job - client->jobs) * SIM_READERS + place,
                                    .job = job->id,
                                    .reader = bytes_of(reader->name),
                                    .mode = reader->mode,
                                    .cursor = reader->got,
                                    .credit = credit_of(reader)};
    node_send(&client->node, &msg);
}

static void on_opened(struct client_model *client, const struct belt_msg_opened *msg)
{
    struct job_model *job = &client->jobs[msg->ref - 1];
    struct sim *sim = client->node.sim;
    if (job->id && job->id != msg->job) {
        sim_fail(sim, "job %s was %llu and is %llu now (I12)", job->key, (unsigned long long)job->id,
                 (unsigned long long)msg->job);
        return;
    }
    job->id = msg->job;
    job->opened = true;
    job->ended = false;
    job->pushed = msg->next;
    job->pushed_bytes = msg->next_bytes;
    job->grant = msg->grant;
    for (uint32_t i = 0; i < job->reader_count; i++)
        if (!reader_finished(job, &job->readers[i]))
            subscribe(client, job, i);
}

static struct job_model *job_by_id(struct client_model *client, uint64_t id)
{
    for (uint32_t i = 0; id && i < client->job_count; i++)
        if (client->jobs[i].id == id)
            return &client->jobs[i];
    return NULL;
}

static struct reader_model *reader_by_sub(struct client_model *client, uint64_t sub, struct job_model **job)
{
    for (uint32_t i = 0; i < client->job_count; i++)
        for (uint32_t k = 0; k < client->jobs[i].reader_count; k++) {
            *job = &client->jobs[i];
            if ((*job)->readers[k].sub == sub && (*job)->readers[k].subscribed)
                return &(*job)->readers[k];
        }
    return NULL;
}

static void check_result(struct sim *sim, const struct job_model *job, struct reader_model *reader,
                         const struct belt_result_item *item)
{
    uint64_t index;
    if (item->index >= job->total || reader->seen[item->index]) {
        sim_fail(sim, "job %llu: index %llu was shown twice (I2)", (unsigned long long)job->id, (unsigned long long)item->index);
        return;
    }
    reader->seen[item->index] = 1;
    if (reader->mode == BELT_ORDERED && item->index != reader->got)
        sim_fail(sim, "job %llu: index %llu came at %llu (I3)", (unsigned long long)job->id, (unsigned long long)item->index,
                 (unsigned long long)reader->got);
    enum fate fate = sim_fate(job->id, item->index);
    if (fate == FATE_FAILS && item->code != BELT_TASK_FAILED && item->code != BELT_TASK_LOST)
        sim_fail(sim, "job %llu task %llu must fail", (unsigned long long)job->id, (unsigned long long)item->index);
    if (fate == FATE_KILLS_SLOT && item->code != BELT_TASK_LOST)
        sim_fail(sim, "job %llu task %llu must be lost (I8)", (unsigned long long)job->id, (unsigned long long)item->index);
    if (item->code == BELT_TASK_LOST && item->attempt < job->options.max_attempts)
        sim_fail(sim, "job %llu task %llu was given up after %u attempts", (unsigned long long)job->id,
                 (unsigned long long)item->index, item->attempt);
    if (item->code != BELT_OK)
        return;
    memcpy(&index, item->payload.data, sizeof index);
    if (index != item->index || item->payload.len != sim_size(job->id, item->index))
        sim_fail(sim, "job %llu task %llu has the result of another", (unsigned long long)job->id, (unsigned long long)item->index);
}

static void on_deliver(struct client_model *client, const struct belt_msg_deliver *msg)
{
    struct sim *sim = client->node.sim;
    struct job_model *job;
    struct reader_model *reader = reader_by_sub(client, msg->sub, &job);
    if (!reader) {
        sim_fail(sim, "a delivery on subscription %llu, which %s does not have", (unsigned long long)msg->sub, client->node.name);
        return;
    }
    if (job->cancelled)
        sim_fail(sim, "a delivery of job %llu after its cancel was acknowledged (I13)", (unsigned long long)job->id);
    if (msg->first != reader->got)
        sim_fail(sim, "job %llu: delivery %llu came, %llu is next (I2)", (unsigned long long)job->id,
                 (unsigned long long)msg->first, (unsigned long long)reader->got);
    for (uint32_t i = 0; i < msg->count && !sim->error[0]; i++) {
        check_result(sim, job, reader, &msg->results[i]);
        reader->got++;
        sim->delivered++;
    }
    if (reader->got > reader->taken + reader->credit)
        sim_fail(sim, "job %llu: more deliveries than credit", (unsigned long long)job->id);
}

static void on_done(struct client_model *client, const struct belt_msg_done *msg)
{
    struct job_model *job;
    struct reader_model *reader = reader_by_sub(client, msg->sub, &job);
    if (!reader)
        return;
    reader->done = true;
    if (msg->code == BELT_OK && (reader->got != job->total || msg->count != job->total))
        sim_fail(client->node.sim, "job %llu: DONE after %llu of %llu", (unsigned long long)job->id,
                 (unsigned long long)reader->got, (unsigned long long)job->total);
    if (msg->code == BELT_JOB_CANCELLED && !job->cancelling)
        sim_fail(client->node.sim, "job %llu was cancelled by nobody", (unsigned long long)job->id);
}

static void on_accepted(struct sim *sim, struct job_model *job, const struct belt_msg_accepted *msg)
{
    if (msg->grant.items < job->grant.items || msg->grant.bytes < job->grant.bytes)
        sim_fail(sim, "job %llu: a grant shrank", (unsigned long long)job->id);
    job->grant = msg->grant;
    uint64_t taken = job->readers[0].taken;
    for (uint32_t i = 1; i < job->reader_count; i++)
        if (job->readers[i].taken < taken)
            taken = job->readers[i].taken;
    if (msg->grant.items > taken + job->window)
        sim_fail(sim, "job %llu: %llu tasks granted with %llu taken and a window of %llu", (unsigned long long)job->id,
                 (unsigned long long)msg->grant.items, (unsigned long long)taken, (unsigned long long)job->window);
}

static void on_error(struct client_model *client, const struct belt_msg_error *msg)
{
    struct job_model *job = job_by_id(client, msg->job);
    if (job && job->cancelling && msg->code == BELT_UNKNOWN_JOB)
        job->cancelled = true; /* and forgotten */
    if (job && (job->cancelling || job_finished(job)))
        return; /* the job is stopped, or forgotten while this was on its way */
    sim_fail(client->node.sim, "%s got an error: %s (%.*s)", client->node.name, belt_code_name(msg->code), (int)msg->text.len,
             (const char *)msg->text.data);
}

static void on_cancelled(struct client_model *client, uint64_t id)
{
    struct job_model *job = job_by_id(client, id);
    if (job)
        job->cancelled = true;
}

static void on_subscribed(struct client_model *client, const struct belt_msg_subscribed *msg)
{
    uint64_t place = msg->ref - 100;
    struct reader_model *reader = &client->jobs[place / SIM_READERS].readers[place % SIM_READERS];
    reader->sub = msg->sub;
    reader->subscribed = true;
    if (msg->cursor != reader->got)
        sim_fail(client->node.sim, "subscribed at %llu, not at %llu", (unsigned long long)msg->cursor,
                 (unsigned long long)reader->got);
    send_ack(client, reader);
}

static void receive(struct node *node, const struct belt_msg *msg)
{
    struct client_model *client = client_of(node);
    struct job_model *job = NULL;
    switch (msg->type) {
    case BELT_MSG_OPENED:
        on_opened(client, &msg->u.opened);
        break;
    case BELT_MSG_SUBSCRIBED:
        on_subscribed(client, &msg->u.subscribed);
        break;
    case BELT_MSG_ACCEPTED:
        if ((job = job_by_id(client, msg->u.accepted.job)) && job->opened)
            on_accepted(node->sim, job, &msg->u.accepted);
        break;
    case BELT_MSG_ENDED:
        if ((job = job_by_id(client, msg->u.ended.job)))
            job->end_known = true;
        break;
    case BELT_MSG_DELIVER:
        on_deliver(client, &msg->u.deliver);
        break;
    case BELT_MSG_DONE:
        on_done(client, &msg->u.done);
        break;
    case BELT_MSG_CANCELLED:
        on_cancelled(client, msg->u.cancelled.job);
        break;
    case BELT_MSG_ERROR:
        on_error(client, &msg->u.error);
        break;
    default:
        break;
    }
}

/* ---- what it does by itself ---- */

static void push(struct client_model *client, struct job_model *job)
{
    struct belt_task_item items[64];
    struct belt_buf *buf = belt_buf_new(20008);
    if (!buf)
        abort();
    memset(buf->data, 't', buf->len);
    while (job->pushed < job->total && job->pushed < job->grant.items && job->pushed_bytes < job->grant.bytes) {
        uint32_t count = 0;
        uint64_t first = job->pushed;
        struct belt_batch batch = {0};
        while (count < 64 && job->pushed < job->total && job->pushed < job->grant.items && job->pushed_bytes < job->grant.bytes) {
            uint32_t size = sim_size(job->total, job->pushed);
            if (!belt_batch_add(&batch, size, 16))
                break;
            items[count++] = (struct belt_task_item){.payload = {buf, buf->data, size}};
            job->pushed++;
            job->pushed_bytes += size;
        }
        struct belt_msg msg = {.type = BELT_MSG_PUSH};
        msg.u.push = (struct belt_msg_push){.job = job->id, .first = first, .tasks = items, .count = count};
        node_send(&client->node, &msg);
    }
    belt_buf_unref(buf);
    if (job->pushed == job->total && !job->ended) {
        struct belt_msg msg = {.type = BELT_MSG_END};
        msg.u.end = (struct belt_msg_end){.job = job->id, .count = job->total};
        node_send(&client->node, &msg);
        job->ended = true;
    }
}

static bool stalled(const struct sim *sim, const struct reader_model *reader)
{
    return sim->now >= reader->stall_from && sim->now < reader->stall_until;
}

static void take(struct client_model *client, struct reader_model *reader)
{
    struct sim *sim = client->node.sim;
    uint64_t before = reader->taken;
    if (stalled(sim, reader))
        return;
    if (reader->pace_ms == 0 && reader->got > reader->taken)
        reader->taken = reader->got;
    while (reader->pace_ms && reader->taken < reader->got && reader->next_take <= sim->now) {
        reader->taken++;
        reader->next_take = sim->now + reader->pace_ms;
    }
    if (reader->taken > before && reader->subscribed)
        send_ack(client, reader);
}

static void run_job(struct client_model *client, struct job_model *job)
{
    struct sim *sim = client->node.sim;
    if (!job->asked && sim->now >= job->start_at) {
        job->asked = true;
        send_open(client, job);
    }
    if (!job->opened || job_finished(job))
        return;
    if (job->cancel_at && sim->now >= job->cancel_at && !job->cancelling)
        send_cancel(client, job);
    if (!job->cancelling)
        push(client, job);
    for (uint32_t i = 0; i < job->reader_count; i++)
        take(client, &job->readers[i]);
}

void client_run(struct client_model *client)
{
    struct node *node = &client->node;
    if (!node->alive || node->sim->now < node->asleep_until)
        return;
    node_run(node);
    for (uint32_t i = 0; i < client->job_count && node_ready(node); i++)
        run_job(client, &client->jobs[i]);
}

static uint64_t reader_deadline(const struct sim *sim, const struct reader_model *reader)
{
    if (reader->taken == reader->got)
        return UINT64_MAX;
    if (stalled(sim, reader))
        return reader->stall_until;
    return reader->next_take > sim->now ? reader->next_take : sim->now;
}

uint64_t client_deadline(const struct client_model *client)
{
    const struct node *node = &client->node;
    uint64_t when = node_deadline(node);
    if (!node_ready(node))
        return when;
    for (uint32_t i = 0; i < client->job_count; i++) {
        const struct job_model *job = &client->jobs[i];
        if (!job->asked && job->start_at < when)
            when = job->start_at;
        if (job->cancel_at && !job_finished(job) && job->opened && !job->cancelling && job->cancel_at < when)
            when = job->cancel_at;
        for (uint32_t k = 0; k < job->reader_count && job->opened && !job_finished(job); k++) {
            uint64_t own = reader_deadline(node->sim, &job->readers[k]);
            if (own < when)
                when = own;
        }
    }
    return when < node->asleep_until ? node->asleep_until : when;
}

static void reader_start(struct sim *sim, struct job_model *job, uint32_t place)
{
    struct reader_model *reader = &job->readers[place];
    snprintf(reader->name, sizeof reader->name, "r%u", place);
    reader->mode = (uint8_t)sim_random(sim, 2);
    reader->credit = 1 + sim_random(sim, 40);
    reader->pace_ms = sim_chance(sim, 5000) ? 0 : 1 + sim_random(sim, 30);
    reader->seen = calloc(job->total + 1, 1);
    if (!reader->seen)
        abort();
    if (sim_chance(sim, 3000)) {
        reader->stall_from = sim->now + sim_random(sim, 5000);
        reader->stall_until = sim->faults_until;
    }
}

void client_start(struct sim *sim, struct client_model *client, const char *name)
{
    node_start(sim, &client->node, BELT_ROLE_CLIENT, name);
    client->node.welcomed = welcomed;
    client->node.receive = receive;
    client->job_count = 1 + (uint32_t)sim_random(sim, SIM_JOBS);
    for (uint32_t i = 0; i < client->job_count; i++) {
        struct job_model *job = &client->jobs[i];
        uint64_t function = sim_random(sim, SIM_FUNCTIONS);
        snprintf(job->key, sizeof job->key, "%s-%u", name, i);
        snprintf(job->function, sizeof job->function, "f%u", (unsigned)function);
        job->total = sim_random(sim, function == 2 ? 40 : 250);
        job->window = 1 + sim_random(sim, 100);
        job->options = (struct belt_job_options){.window_items = job->window,
                                                 .window_bytes = sim_chance(sim, 3000) ? 30000 : 1 << 20,
                                                 .retries = 1,
                                                 .max_attempts = 2 + (uint32_t)sim_random(sim, 3),
                                                 .chunk = sim_chance(sim, 3000) ? 1 + (uint32_t)sim_random(sim, 20) : 0,
                                                 .priority = (int32_t)sim_random(sim, 3)};
        job->start_at = sim->now + sim_random(sim, 4000);
        job->cancel_at = sim_chance(sim, 1500) ? job->start_at + sim_random(sim, 8000) : 0;
        job->reader_count = sim_chance(sim, 2000) ? 2 : 1;
        for (uint32_t k = 0; k < job->reader_count; k++)
            reader_start(sim, job, k);
    }
}

void client_fini(struct client_model *client)
{
    node_fini(&client->node);
    for (uint32_t i = 0; i < client->job_count; i++)
        for (uint32_t k = 0; k < client->jobs[i].reader_count; k++)
            free(client->jobs[i].readers[k].seen);
}
