/* SPDX-License-Identifier: Apache-2.0
 *
 * A client: its connection, and between it and the real stream states what client/flow.c does. A process that
 * crashed comes again and opens its detached jobs by their keys.
 */
#include "tests/sim/sim.h"

#include <stdio.h>

static struct client_model *client_of(struct node *node)
{
    return (struct client_model *)(void *)node;
}

/* The broker may have forgotten what it was not asked to keep, or what it never acknowledged. */
static bool may_be_forgotten(const struct job_model *job)
{
    return !job->durable && job->opened_life != job->client->node.sim->life;
}

bool job_is_early(const struct sim *sim, const struct job_model *job, uint64_t wait)
{
    return sim->now < job->opened_at + wait && !(job->durable && sim->crashes);
}

bool job_finished(const struct job_model *job)
{
    if (job->cancelled || job->abandoned)
        return true;
    for (uint32_t i = 0; i < job->stream_count; i++)
        if (!user_finished(&job->streams[i]))
            return false;
    return true;
}

bool client_finished(const struct client_model *client)
{
    for (uint32_t i = 0; i < client->job_count; i++)
        if (!job_finished(&client->jobs[i]))
            return false;
    return true;
}

/* ---- by what a message finds its stream ---- */

static void enter(struct job_model *job, struct stream_model *stream)
{
    struct client_stream *wire = &stream->wire;
    if (wire->state >= CLIENT_STREAM_OPEN && wire->state <= CLIENT_STREAM_READING)
        stream->job_key = wire->job + 1;
    if (wire->state == CLIENT_STREAM_READING && stream->sub_key != wire->sub + 1) {
        stream->sub_key = wire->sub + 1;
        stream->entered = ++job->client->node.sim->entered;
    }
}

static struct stream_model *by_ref(struct client_model *client, uint64_t ref, struct job_model **job)
{
    for (uint32_t i = 0; i < client->job_count; i++)
        for (uint32_t k = 0; k < client->jobs[i].stream_count; k++) {
            *job = &client->jobs[i];
            if ((*job)->streams[k].live && (*job)->streams[k].wire.config.ref == ref)
                return &(*job)->streams[k];
        }
    return NULL;
}

static struct stream_model *by_sub(struct client_model *client, uint64_t sub, struct job_model **job)
{
    struct stream_model *found = NULL;
    for (uint32_t i = 0; i < client->job_count; i++)
        for (uint32_t k = 0; k < client->jobs[i].stream_count; k++) {
            struct stream_model *stream = &client->jobs[i].streams[k];
            if (stream->sub_key != sub + 1 || (found && found->entered > stream->entered))
                continue;
            found = stream;
            *job = &client->jobs[i];
        }
    return found;
}

/* ---- what is checked of a message ---- */

/* All of it was acknowledged: it may be over, and its key free again. */
static bool all_read(const struct job_model *job)
{
    for (uint32_t i = 0; i < job->stream_count; i++)
        if (job->streams[i].subscribed && !job->streams[i].leave_at && job->streams[i].reached < job->tasks)
            return false;
    return true;
}

static void check_opened(struct sim *sim, struct job_model *job, struct stream_model *stream,
                         const struct belt_msg_opened *msg)
{
    bool same = job->id == msg->job;
    if (!stream->feeder && !same) {
        bool leaving =
            stream->leave_at && sim->now >= stream->leave_at; /* its DETACH had arrived, and the others have read all */
        if (job->durable && stream->wire.started && !job->cancelling && !leaving)
            sim_fail(sim, "job %s was %llu and is %llu now for a reader (I12)", job->key, ULL(job->id), ULL(msg->job));
        stream->left = true; /* it was forgotten with the old broker, or over */
        return;
    }
    if (job->id && !same && !may_be_forgotten(job) && !job->cancelling && !all_read(job))
        sim_fail(sim, "job %s was %llu and is %llu now (I12)", job->key, ULL(job->id), ULL(msg->job));
    if (!same) {
        memset(job->shown, 0, sizeof(job->shown));
        memset(job->order, 0, sizeof(job->order));
        memset(job->letters, 0, sizeof(job->letters));
    }
    job->id = msg->job;
    job->opened_life = job->client->node.session.epoch == sim->config.epoch ? sim->life : 0; /* an answer may be late */
    job->grant = msg->grant;
    if (msg->grant.items > job->most_taken + job->options.window_items && msg->next < msg->grant.items && same)
        sim_fail(sim, "job %llu: %llu tasks granted with %llu taken and a window of %llu", ULL(job->id),
                 ULL(msg->grant.items), ULL(job->most_taken), ULL(job->options.window_items));
}

static void check_accepted(struct sim *sim, struct job_model *job, const struct belt_msg_accepted *msg)
{
    if (msg->grant.items < job->grant.items || msg->grant.bytes < job->grant.bytes)
        sim_fail(sim, "job %llu: a grant shrank", ULL(job->id));
    job->grant = msg->grant;
    if (msg->grant.items > job->most_taken + job->options.window_items)
        sim_fail(sim, "job %llu: %llu tasks granted with %llu taken and a window of %llu", ULL(job->id),
                 ULL(msg->grant.items), ULL(job->most_taken), ULL(job->options.window_items));
}

static void check_done(struct sim *sim, const struct job_model *job, const struct stream_model *stream,
                       const struct belt_msg_done *msg)
{
    if (msg->code == BELT_OK && msg->count != job->tasks)
        sim_fail(sim, "job %llu: DONE after %llu of %llu", ULL(job->id), ULL(msg->count), ULL(job->tasks));
    if (msg->code == BELT_JOB_CANCELLED && !job->cancelling)
        sim_fail(sim, "job %llu was cancelled by nobody (%s)", ULL(job->id), stream->name);
}

/* ---- the end of a stream, good or not ---- */

static void again_later(struct sim *sim, struct job_model *job)
{
    for (uint32_t i = 0; i < job->stream_count; i++)
        user_reset(job, i);
    job->id = 0;
    job->asked = false;
    job->start_at = sim->now + 300 + sim_random(sim, 300);
}

static void look(struct sim *sim, struct job_model *job, struct stream_model *stream)
{
    const struct client_stream *wire = &stream->wire;
    if (wire->state == CLIENT_STREAM_CANCELLED && stream->feeder)
        job->cancelled = true;
    if (wire->state != CLIENT_STREAM_FAILED || stream->lost)
        return;
    stream->lost = true;
    sim_tell(sim, "%s > stream %s failed: %s", job->key, stream->name, wire->text);
    if (job->cancelling && stream->feeder)
        job->abandoned = true; /* what it cancelled is gone */
    if (job->cancelling || job->abandoned || job->cancelled)
        return;
    if (stream->leave_at && sim->now >= stream->leave_at) {
        stream->left = true; /* its DETACH had arrived */
        return;
    }
    bool refused = wire->code == BELT_DRAINING || wire->code == BELT_STORE_FAILED;
    bool fresh = wire->job == 0 || (may_be_forgotten(job) && wire->accepted == 0);
    if (refused && fresh && stream->feeder)
        again_later(sim, job);
    else if (may_be_forgotten(job) && (wire->code == BELT_LOST_BROKER || refused || wire->code == BELT_GONE))
        job->abandoned = true;
    else if (wire->code == BELT_LOST_BROKER && job->opened_life == sim->life && !job->durable)
        job->abandoned = true; /* a new job under its key: the old one was forgotten with the old broker */
    else if (!stream->feeder && wire->job == 0 && refused)
        stream->left = true;
    else
        sim_fail(sim, "the stream %s of job %s failed: %s (%s)", stream->name, job->key, belt_code_name(wire->code),
                 wire->text);
}

/* ---- in and out ---- */

static void pump(struct client_model *client, struct job_model *job, struct stream_model *stream)
{
    struct belt_msg msg;
    bool idle = stream->hand_at == stream->hand_count;
    if (stream->detached_at)
        return; /* it would subscribe again */
    while (stream->live && !stream->left && node_ready(&client->node) &&
           client_stream_send(&stream->wire, idle, &msg)) {
        if (msg.type == BELT_MSG_OPEN && !job->opened_at)
            job->opened_at = client->node.sim->now;
        node_send(&client->node, &msg);
    }
}

static void to_stream(struct client_model *client, struct job_model *job, struct stream_model *stream,
                      const struct belt_msg *msg)
{
    struct sim *sim = client->node.sim;
    uint32_t skip;
    if (!stream->live || stream->left || stream->detached_at)
        return;
    if (msg->type == BELT_MSG_OPENED && stream->wire.state == CLIENT_STREAM_OPENING)
        check_opened(sim, job, stream, &msg->u.opened);
    if (stream->left)
        return;
    if (msg->type == BELT_MSG_DELIVER && job->cancelled)
        sim_fail(sim, "a delivery of job %llu after its cancel was acknowledged (I13)", ULL(job->id));
    if (msg->type == BELT_MSG_DELIVER && stream->wire.state == CLIENT_STREAM_READING && !stream->wire.cancel &&
        msg->u.deliver.first > stream->wire.received)
        sim_fail(sim, "job %llu: delivery %llu came, %llu is next (I2)", ULL(job->id), ULL(msg->u.deliver.first),
                 ULL(stream->wire.received));
    if (msg->type == BELT_MSG_DONE && stream->wire.state == CLIENT_STREAM_READING)
        check_done(sim, job, stream, &msg->u.done);
    if (msg->type == BELT_MSG_DONE && stream->wire.state == CLIENT_STREAM_READING && !stream->wire.cancel &&
        msg->u.done.code == BELT_OK && msg->u.done.count > stream->wire.received)
        sim_fail(sim, "job %llu: DONE after %llu, with %llu received", ULL(job->id), ULL(msg->u.done.count),
                 ULL(stream->wire.received));
    enum client_stream_action action = client_stream_receive(&stream->wire, msg, &skip);
    enter(job, stream);
    stream->subscribed |= stream->wire.started;
    if (action == CLIENT_STREAM_RESULTS)
        user_results(job, stream, &msg->u.deliver, skip);
    look(sim, job, stream);
    pump(client, job, stream);
}

static void to_ref(struct client_model *client, uint64_t ref, const struct belt_msg *msg)
{
    struct job_model *job = NULL;
    struct stream_model *stream = by_ref(client, ref, &job);
    if (stream)
        to_stream(client, job, stream, msg);
}

static void to_sub(struct client_model *client, uint64_t sub, const struct belt_msg *msg)
{
    struct job_model *job = NULL;
    struct stream_model *stream = by_sub(client, sub, &job);
    if (stream)
        to_stream(client, job, stream, msg); /* else of a conversation that is over */
}

static void to_job(struct client_model *client, uint64_t id, const struct belt_msg *msg)
{
    for (uint32_t i = 0; i < client->job_count; i++) {
        struct job_model *job = &client->jobs[i];
        if (msg->type == BELT_MSG_ACCEPTED && job->id == id && job->streams[0].job_key == id + 1 &&
            job->streams[0].wire.state >= CLIENT_STREAM_OPEN && job->streams[0].wire.state <= CLIENT_STREAM_READING)
            check_accepted(client->node.sim, job, &msg->u.accepted);
        for (uint32_t k = 0; k < job->stream_count; k++)
            if (job->streams[k].job_key == id + 1)
                to_stream(client, job, &job->streams[k], msg);
    }
}

static void receive(struct node *node, const struct belt_msg *msg)
{
    struct client_model *client = client_of(node);
    switch (msg->type) {
    case BELT_MSG_OPENED:
        to_ref(client, msg->u.opened.ref, msg);
        break;
    case BELT_MSG_SUBSCRIBED:
        to_ref(client, msg->u.subscribed.ref, msg);
        break;
    case BELT_MSG_CANCELLED:
        to_ref(client, msg->u.cancelled.ref, msg);
        break;
    case BELT_MSG_ACCEPTED:
        to_job(client, msg->u.accepted.job, msg);
        break;
    case BELT_MSG_ENDED:
        to_job(client, msg->u.ended.job, msg);
        break;
    case BELT_MSG_NOTICE:
        to_job(client, msg->u.notice.job, msg);
        break;
    case BELT_MSG_DELIVER:
        to_sub(client, msg->u.deliver.sub, msg);
        break;
    case BELT_MSG_DONE:
        to_sub(client, msg->u.done.sub, msg);
        break;
    case BELT_MSG_ERROR:
        sim_tell(node->sim, "%s > error %s: %.*s", node->name, belt_code_name(msg->u.error.code),
                 (int)msg->u.error.text.len, (const char *)msg->u.error.text.data);
        if (msg->u.error.ref)
            to_ref(client, msg->u.error.ref, msg);
        else if (msg->u.error.job)
            to_job(client, msg->u.error.job, msg);
        break;
    default:
        break;
    }
}

/* In the epoch in which it said DETACH it says it again, and does not subscribe for that (§7.2). */
static bool may_say_again(const struct client_model *client, const struct stream_model *stream)
{
    return stream->detached_sub && stream->detached_epoch == client->node.session.epoch;
}

static void welcomed(struct node *node)
{
    struct client_model *client = client_of(node);
    for (uint32_t i = 0; i < client->job_count; i++)
        for (uint32_t k = 0; k < client->jobs[i].stream_count; k++) {
            struct job_model *job = &client->jobs[i];
            struct stream_model *stream = &job->streams[k];
            if (!stream->live || stream->left)
                continue;
            stream->detached_at = 0;
            client_stream_resync(&stream->wire);
            if (!may_say_again(client, stream))
                pump(client, job, stream);
        }
}

/* ---- what it does by itself ---- */

static void say_detach(struct client_model *client, struct stream_model *stream)
{
    if (stream->wire.state == CLIENT_STREAM_READING)
        stream->detached_sub = stream->wire.sub;
    stream->detached_epoch = client->node.session.epoch;
    stream->detached_at = client->node.sim->now;
    struct belt_msg msg = {.type = BELT_MSG_DETACH};
    msg.u.detach = (struct belt_msg_sub){.sub = stream->detached_sub};
    node_send(&client->node, &msg);
}

/* A message that was lost is noticed within a heartbeat; then the connection is made anew, and DETACH is said again.
 * What is said to nobody, or in a conversation that is over, does not count. */
static void leave_stream(struct client_model *client, struct job_model *job, struct stream_model *stream)
{
    struct sim *sim = client->node.sim;
    if (!node_ready(&client->node))
        return;
    bool back = stream->wire.state != CLIENT_STREAM_READING; /* it was told to begin anew, and subscribes once more */
    if (client->node.asleep_until > stream->detached_at || (back && stream->wire.state >= CLIENT_STREAM_OPEN))
        stream->detached_at = 0;
    if (stream->detached_at && sim->now >= stream->detached_at + 2 * BELT_LEASE_MS)
        stream->left = stream->detached = true;
    else if (!stream->detached_at && (stream->wire.state == CLIENT_STREAM_READING || may_say_again(client, stream)))
        say_detach(client, stream);
    else if (!stream->detached_at)
        pump(client, job,
             stream); /* it was here before a crash, perhaps: what it is called now only SUBSCRIBED tells */
}

static bool leaves(const struct sim *sim, const struct stream_model *stream)
{
    return stream->leave_at && sim->now >= stream->leave_at && !stream->left &&
           !client_stream_complete(&stream->wire) && stream->wire.state < CLIENT_STREAM_FAILED;
}

static void run_stream(struct client_model *client, struct job_model *job, uint32_t place)
{
    struct sim *sim = client->node.sim;
    struct stream_model *stream = &job->streams[place];
    if (!stream->live && !stream->left && sim->now >= stream->join_at) {
        if (!stream->joined && !stream->feeder && (user_finished(&job->streams[0]) || !job->id)) {
            stream->left = true; /* too late: the job may be over */
            return;
        }
        user_init(sim, job, place);
    }
    if (!stream->live || stream->left)
        return;
    if (leaves(sim, stream)) {
        leave_stream(client, job, stream);
        return;
    }
    user_draw(job, stream);
    user_take(job, stream);
    pump(client, job, stream);
    look(sim, job, stream);
}

static void run_job(struct client_model *client, struct job_model *job)
{
    struct sim *sim = client->node.sim;
    if (sim->now < job->start_at || job->abandoned)
        return;
    if (job->cancel_at && sim->now >= job->cancel_at && !job->cancelling && job->streams[0].live &&
        job->streams[0].wire.job && !job_finished(job)) {
        job->cancelling = true;
        client_stream_cancel(&job->streams[0].wire);
    }
    job->asked = true;
    for (uint32_t k = 0; k < job->stream_count; k++)
        run_stream(client, job, k);
}

static void come_back(struct client_model *client)
{
    struct sim *sim = client->node.sim;
    node_cut(&client->node, false);
    node_start(sim, &client->node, BELT_ROLE_CLIENT, client->node.name);
    for (uint32_t i = 0; i < client->job_count; i++)
        for (uint32_t k = 0; k < client->jobs[i].stream_count; k++)
            user_reset(&client->jobs[i], k);
}

void client_crash(struct client_model *client)
{
    node_die(&client->node, sim_chance(client->node.sim, 5000));
    for (uint32_t i = 0; i < client->job_count; i++) {
        struct job_model *job = &client->jobs[i];
        /* Nobody comes for what is not detached, and who cancelled does not ask again. */
        if (!job->options.detached || job->cancelling || job_finished(job))
            job->abandoned = true;
    }
}

/* As the broker's (I25): who waits has nothing to send. */
static void look_again(struct client_model *client, struct job_model *job, struct stream_model *stream)
{
    struct belt_msg msg;
    if (!client->node.sim->error[0] && node_ready(&client->node) && stream->live && !stream->left &&
        !stream->detached_at && client_stream_send(&stream->wire, stream->hand_at == stream->hand_count, &msg))
        sim_fail(client->node.sim, "%s of job %s sleeps with %s to be sent (I25)", stream->name, job->key,
                 belt_msg_name(msg.type));
}

void client_run(struct client_model *client)
{
    struct node *node = &client->node;
    if (!node->alive && node->sim->now >= node->back_at)
        come_back(client);
    if (node_asleep(node))
        return;
    node_run(node);
    for (uint32_t i = 0; i < client->job_count; i++) {
        struct job_model *job = &client->jobs[i];
        run_job(client, job);
        for (uint32_t k = 0; k < job->stream_count && client_deadline(client) > node->sim->now; k++)
            look_again(client, job, &job->streams[k]);
    }
}

static uint64_t stream_deadline(const struct job_model *job, const struct stream_model *stream)
{
    const struct sim *sim = job->client->node.sim;
    uint64_t when = UINT64_MAX;
    if (stream->left || job->abandoned)
        return when;
    if (!stream->live)
        return stream->join_at < job->start_at ? job->start_at : stream->join_at;
    if (leaves(sim, stream))
        return stream->detached_at && node_ready(&job->client->node) ? stream->detached_at + 2 * BELT_LEASE_MS : when;
    if (stream->leave_at > sim->now)
        when = stream->leave_at;
    return least(when, user_deadline(job, stream));
}

uint64_t client_deadline(const struct client_model *client)
{
    const struct node *node = &client->node;
    uint64_t when = node_deadline(node);
    if (!node->alive)
        return when;
    uint64_t own = UINT64_MAX;
    for (uint32_t i = 0; i < client->job_count; i++) {
        const struct job_model *job = &client->jobs[i];
        if (job->cancel_at > node->sim->now && !job->cancelling && !job_finished(job))
            own = least(own, job->cancel_at);
        for (uint32_t k = 0; k < job->stream_count; k++)
            own = least(own, stream_deadline(job, &job->streams[k]));
    }
    return least(when, own < node->asleep_until ? node->asleep_until : own);
}

/* ---- who it is ---- */

static void draw_source(struct sim *sim, struct job_model *job)
{
    bool fails = !job->options.detached && sim_chance(sim, 2000);
    for (uint64_t i = 0; i < job->inputs; i++)
        if (!fails || sim_hash(sim->seed + 77 + job->number, i) % 20)
            job->input_of[job->tasks++] = i;
}

static void draw_options(struct sim *sim, struct job_model *job, bool slow)
{
    job->options = (struct belt_open_options){.window_items = 1 + sim_random(sim, 100),
                                              .window_bytes = sim_chance(sim, 3000) ? 30000 : 1 << 20,
                                              .retries = 1,
                                              .max_attempts = 2 + (uint32_t)sim_random(sim, 3),
                                              .chunk = sim_chance(sim, 3000) ? 1 + (uint32_t)sim_random(sim, 20) : 0,
                                              .timeout_ms = slow && sim_chance(sim, 1000) ? 1500 : 0,
                                              .detached = sim_chance(sim, 4000),
                                              .never_durable = sim_chance(sim, 2000),
                                              .priority = (int32_t)sim_random(sim, 3),
                                              .argument = {job->argument, sizeof(job->argument)}};
    if (sim_chance(sim, 600))
        job->options.after_ms = 1 + sim_random(sim, 8000);
    if (sim_chance(sim, 600))
        job->options.deadline_ms = 1000 + sim_random(sim, 20000);
    job->durable = sim->config.durable && !job->options.never_durable;
    sim->timed |= job->durable && (job->options.after_ms || job->options.deadline_ms);
}

static void draw_readers(struct sim *sim, struct job_model *job)
{
    job->stream_count = sim_chance(sim, 3000) ? 2 : 1;
    for (uint32_t k = 0; k < job->stream_count; k++) {
        struct stream_model *stream = &job->streams[k];
        snprintf(stream->name, sizeof(stream->name), "r%u", k);
        stream->feeder = k == 0;
        stream->mode = (uint8_t)sim_random(sim, 2);
        stream->credit = k == 0 ? job->options.window_items : 1 + sim_random(sim, 40);
        stream->pace_ms = sim_chance(sim, 5000) ? 0 : 1 + sim_random(sim, 30);
        stream->join_at = k == 0 ? 0 : job->start_at + sim_random(sim, 6000);
        stream->leave_at = k > 0 && sim_chance(sim, 4000) ? stream->join_at + 1 + sim_random(sim, 8000) : 0;
        if (sim_chance(sim, 3000)) {
            stream->stall_from = sim->now + sim_random(sim, 5000);
            stream->stall_until = sim->faults_until;
        }
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
        job->client = client;
        job->number = (uint32_t)(client - sim->clients) * SIM_JOBS + i;
        memcpy(job->argument, &job->number, sizeof(job->number));
        snprintf(job->key, sizeof(job->key), "%s-%u", name, i);
        snprintf(job->function, sizeof(job->function), "f%u", (unsigned)function);
        job->inputs = sim_random(sim, function == 2 ? 40 : SIM_INPUTS);
        draw_options(sim, job, function == 2);
        draw_source(sim, job);
        job->start_at = sim->now + sim_random(sim, 4000);
        job->cancel_at = sim_chance(sim, 1500) ? job->start_at + sim_random(sim, 8000) : 0;
        draw_readers(sim, job);
    }
}

void client_fini(struct client_model *client)
{
    node_fini(&client->node);
    for (uint32_t i = 0; i < client->job_count; i++)
        for (uint32_t k = 0; k < client->jobs[i].stream_count; k++)
            user_fini(&client->jobs[i].streams[k]);
}
