/* SPDX-License-Identifier: Apache-2.0
 *
 * The dispatcher: one event to the file of its family, one turn in its order.
 */
#include "broker/core/core.h"
#include "broker/core/events/admission.h"
#include "broker/core/events/failed.h"
#include "broker/core/events/job.h"
#include "broker/core/events/peer.h"
#include "broker/core/events/question.h"
#include "broker/core/events/subscription.h"
#include "broker/core/events/worker.h"
#include "broker/core/life/expire.h"
#include "broker/core/policy/delay.h"
#include "broker/core/journal/dead_letter.h"
#include "broker/core/journal/durable.h"
#include "broker/core/journal/history.h"
#include "broker/core/life/claim.h"
#include "broker/core/life/closing.h"
#include "broker/core/life/grant.h"
#include "broker/core/life/overdue.h"
#include "broker/core/life/release.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/queue.h"
#include "broker/core/model/refusal.h"
#include "broker/core/model/table.h"
#include "broker/core/model/timer.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/dispatch.h"
#include "broker/core/policy/owed.h"
#include "broker/core/policy/refuse.h"
#include "broker/core/model/steps.h"

#include <assert.h>
#include <stdlib.h>

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

struct core *core_new(const struct core_config *config)
{
    struct core *core = calloc(1, sizeof(*core));
    if (!core)
        return NULL;
    assert(config->epoch != 0);
    core->config = *config;
    struct core_config *to = &core->config;
    to->name = config->name ? config->name : "belt";
    to->version = config->version ? config->version : "";
    to->heartbeat_ms = (uint32_t)or_default(config->heartbeat_ms, BELT_HEARTBEAT_MS);
    to->lease_ms = (uint32_t)or_default(config->lease_ms, BELT_LEASE_MS);
    to->grace_ms = or_default(config->grace_ms, BELT_GRACE_MS);
    to->max_payload = (uint32_t)or_default(config->max_payload, BELT_MAX_PAYLOAD_DEFAULT);
    to->memory_budget = or_default(config->memory_budget, BELT_MEMORY_BUDGET_DEFAULT);
    uint64_t peers = to->memory_budget / BELT_PEERS_SHARE;
    to->peer_budget = or_default(config->peer_budget, peers > BELT_PEERS_LEAST ? peers : BELT_PEERS_LEAST);
    to->max_peers = (uint32_t)or_default(config->max_peers, BELT_MAX_PEERS);
    to->keep_ms = or_default(config->keep_ms, BELT_KEEP_MS);
    to->keep_max_ms = or_default(config->keep_max_ms, BELT_KEEP_MAX_MS);
    if (to->keep_max_ms < to->keep_ms)
        to->keep_max_ms = to->keep_ms;
    to->max_jobs = (uint32_t)or_default(config->max_jobs, BELT_MAX_JOBS);
    to->max_failed = (uint32_t)or_default(config->max_failed, BELT_MAX_FAILED);
    to->failed_bytes = or_default(config->failed_bytes, BELT_FAILED_BYTES);
    to->history_ms = or_default(config->history_ms, BELT_HISTORY_MS);
    to->max_history = (uint32_t)or_default(config->max_history, BELT_MAX_HISTORY);
    core->marks.alarm = UINT64_MAX;
    core->jobs.last_volatile_id = config->first_job;
    /* A client may still speak of those of another life; below, there is room to count. */
    core->readers.last_id = (config->epoch << 24) & (BELT_MAX_EXACT / 2);
    core->random = config->epoch;
    core->wall = config->wall_ms;
    return core;
}

static void free_jobs(struct core *core)
{
    struct job *job, *next;
    HASH_ITER (by_id, core->jobs.by_id, job, next)
        closing_free(core, job);
}

static void free_agents(struct core *core)
{
    struct agent *agent, *next;
    DL_FOREACH_SAFE (core->agents, agent, next) {
        struct run *run, *after;
        DL_FOREACH_SAFE (agent->runs, run, after)
            free(run);
        DL_FOREACH_SAFE (agent->results.refused, run, after)
            free(run);
        free(agent->overdue.tasks);
        free(agent->queues);
        free(agent->passes);
        free(agent);
    }
}

void core_free(struct core *core)
{
    if (!core)
        return;
    free_jobs(core);
    dead_letter_free_all(core);
    history_free_all(core);
    heap_free(&core->timer);
    free_agents(core);
    peer_forget_all(core);
    struct queue *queue, *next;
    HASH_ITER (hh, core->queues, queue, next) {
        HASH_DEL(core->queues, queue);
        queue_free(queue);
    }
    while (core->dispatch.spare_runs) {
        struct run *run = core->dispatch.spare_runs;
        LL_DELETE(core->dispatch.spare_runs, run);
        free(run);
    }
    free(core);
}

void core_store_works(struct core *core, bool works, uint64_t spare)
{
    core->store.spare_bytes = spare;
    if (core->store.failed == !works)
        return;
    core->store.failed = !works;
    if (works)
        closing_keep_all(core);
    struct job *job, *next;
    HASH_ITER (by_id, core->jobs.by_id, job, next)
        mark_job(core, job);
    core->marks.again = true;
}

uint64_t core_overslept(struct core *core)
{
    return ++core->counts.overslept;
}

uint64_t core_deadline(const struct core *core)
{
    return core->marks.again ? 0 : core->marks.alarm;
}

/* Who asked waits for an answer with its ref. */
static uint64_t ref_of(const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_OPEN:
        return msg->u.open.ref;
    case BELT_MSG_SUBSCRIBE:
        return msg->u.subscribe.ref;
    case BELT_MSG_CANCEL:
        return msg->u.cancel.ref;
    case BELT_MSG_STATUS:
        return msg->u.status.ref;
    case BELT_MSG_FAILED:
        return msg->u.failed.ref;
    default:
        return 0;
    }
}

static void from_client(struct core *core, struct session *from, const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_OPEN:
        job_open(core, from, &msg->u.open);
        break;
    case BELT_MSG_PUSH:
        job_push(core, from, &msg->u.push);
        break;
    case BELT_MSG_END:
        job_end(core, from, &msg->u.end);
        break;
    case BELT_MSG_SUBSCRIBE:
        subscription_open(core, from, &msg->u.subscribe);
        break;
    case BELT_MSG_ACK:
        subscription_ack(core, from, &msg->u.ack);
        break;
    case BELT_MSG_DETACH:
        subscription_detach(core, from, &msg->u.detach);
        break;
    case BELT_MSG_CANCEL:
        if (msg->u.cancel.leaves)
            subscription_cancel(core, from, &msg->u.cancel);
        else
            job_cancel(core, from, &msg->u.cancel);
        break;
    case BELT_MSG_FAILED:
        failed_request(core, from, &msg->u.failed);
        break;
    case BELT_MSG_STATUS:
        question_status(core, from, &msg->u.status);
        break;
    default:
        update_error(core, from, ref_of(msg), 0, BELT_BAD_MESSAGE,
                     update_text(core, "a client does not say %s", belt_msg_name(msg->type)));
    }
}

static void from_worker(struct core *core, struct session *from, const struct belt_msg *msg)
{
    struct agent *agent = from->agent;
    if (!agent_is_synced(agent) && msg->type != BELT_MSG_SYNC) {
        update_error(core, from, ref_of(msg), 0, BELT_BAD_MESSAGE,
                     update_text(core, "%s came before SYNC", belt_msg_name(msg->type)));
        return;
    }
    switch (msg->type) {
    case BELT_MSG_SYNC:
        worker_sync(core, agent, &msg->u.sync);
        break;
    case BELT_MSG_RESULTS:
        worker_results(core, agent, &msg->u.results);
        break;
    case BELT_MSG_RETURNED:
        worker_returned(core, agent, &msg->u.returned);
        break;
    case BELT_MSG_LEAVING:
        worker_leaving(core, agent);
        break;
    case BELT_MSG_PROGRESS:
        worker_progress(core, agent, &msg->u.progress);
        break;
    default:
        update_error(core, from, ref_of(msg), 0, BELT_BAD_MESSAGE,
                     update_text(core, "a worker does not say %s", belt_msg_name(msg->type)));
    }
}

static void on_message(struct core *core, const struct core_event *event)
{
    struct session *from;
    const struct belt_msg *msg = event->msg;
    if (event->identity && peer_barred(core, event))
        return;
    if (msg->type == BELT_MSG_HELLO) {
        peer_hello(core, event);
        return;
    }
    if (!peer_admit(core, event, &from))
        return;
    if (msg->type == BELT_MSG_PING)
        update_send(core, from, BELT_MSG_PONG);
    else if (msg->type == BELT_MSG_BYE)
        peer_bye(core, from);
    else if (from->account && admission_refused(core, from, msg))
        return;
    else if (from->role == BELT_ROLE_WORKER)
        from_worker(core, from, msg);
    else
        from_client(core, from, msg);
}

static struct belt_bytes bad_text(struct core *core, const struct core_event *event)
{
    const char *text = event->text ? event->text : "";
    if (event->named.task)
        return update_text(core, "task %llu: %s", (unsigned long long)event->named.index, text);
    return update_text(core, "%s", text);
}

static void on_bad(struct core *core, const struct core_event *event)
{
    const struct belt_named *named = &event->named;
    struct session *from = peer_find(core, event->peer);
    if (peer_barred(core, event))
        return;
    if (named->version && named->version != BELT_PROTOCOL_VERSION) {
        peer_other_version(core, event->peer, named->version); /* its hello may have more than we know */
        return;
    }
    if (from && !peer_admit(core, event, &from))
        return;
    if (from) {
        update_error(core, from, named->ref, named->job, event->code, bad_text(core, event));
        return;
    }
    struct belt_bytes text = bad_text(core, event);
    refusal_note(core, "a connection without HELLO", event->code, text);
    update_send_stranger(core, event->peer, BELT_MSG_ERROR)->u.error =
        (struct belt_msg_error){.code = event->code, .text = text};
    update_drop(core, event->peer);
}

static void on_gone(struct core *core, const struct core_event *event)
{
    struct session *session = peer_find(core, event->peer);
    if (session)
        peer_lost(core, session, "unreachable");
    else
        update_drop(core, event->peer);
}

static void due_turn(struct core *core)
{
    struct job *job;
    while ((job = timer_due(core))) {
        closing_remembered_turn(core, job);
        closing_idle_turn(core, job);
        if (job->times.unserved_ms)
            mark_job(core, job); /* the turn tells its owner that no worker serves it */
        expire_turn(core, job);
        delay_turn(core, job);
        timer_set(core, job);
    }
}

static void record_turn(struct core *core)
{
    struct job *job;
    if (!core->config.durable)
        return;
    core->store.turn_bytes = 0;
    LIST_EACH (&core->marks.jobs, job, marked)
        durable_turn(core, job);
    dead_letter_turn(core);
}

static void claim_turn(struct core *core)
{
    struct claim *claim, *next;
    DL_FOREACH_SAFE (core->claims, claim, next)
        if ((claim->feeds ? job_claim(core, claim) : stream_claim(core, claim)) != CLAIM_WAITS)
            claim_remove(core, claim);
}

/* Those that the last turn had no room for come first. */
static void deliver_turn(struct core *core)
{
    struct reader *reader;
    list_join(&core->marks.late_readers, &core->marks.readers);
    core->deliveries.turn_bytes = 0;
    while ((reader = LIST_FIRST(&core->marks.late_readers, struct reader, marked))) {
        if (core->config.turn_bytes && core->deliveries.turn_bytes >= core->config.turn_bytes) {
            core->marks.again = true;
            return;
        }
        list_remove(&reader->marked);
        subscription_deliver(core, reader);
    }
}

/* What the burst has piled up, in the order in which one thing leads to the next. */
static void on_turn(struct core *core)
{
    core->marks.again = false;
    core->marks.alarm = UINT64_MAX;
    peer_expire(core);
    claim_turn(core);
    closing_turn(core);
    due_turn(core);
    history_turn(core);
    dead_letter_tell(core);
    refusal_tell(core);
    question_turn(core);
    budget_turn(core);
    core->memory.held_back = false;
    core->memory.looked_bytes = 0;
    core->memory.looked_delivered = core->deliveries.count;
    budget_looked(core);
    refuse_turn(core);
    peer_ask_again(core);
    owed_turn(core);
    release_turn(core);
    overdue_turn(core);
    dispatch_turn(core);
    budget_looked(core);
    record_turn(core);
    deliver_turn(core);
    struct list jobs = {0}, agents = {0}; /* what is marked on the way is for the next turn */
    list_join(&jobs, &core->marks.jobs);
    struct job *job;
    while ((job = LIST_FIRST(&jobs, struct job, marked))) {
        list_remove(&job->marked);
        if (job->on_disk.withheld && !core->store.failed) {
            mark_job(core, job);
            core->marks.again = true;
        }
        grant_accept(core, job);
        dispatch_notices(core, job);
    }
    list_join(&agents, &core->marks.agents);
    struct agent *agent;
    while ((agent = LIST_FIRST(&agents, struct agent, marked))) {
        list_remove(&agent->marked);
        worker_record(core, agent);
    }
    owed_turn_over(core);
    core->marks.again |= budget_has_room(core) || budget_has_fallen(core);
    core->sessions.turn_due_ms = core->marks.again ? core->now : core->marks.alarm;
}

/* What the shell has to keep to. */
static void assert_event(const struct core *core, const struct core_event *event)
{
    assert(event->now >= core->now); /* its clock does not run backwards */
    assert(event->type == CORE_TURN || event->type == CORE_DRAIN || event->peer != 0);
    assert(event->type != CORE_MESSAGE || event->msg);
    assert(event->type != CORE_BAD || event->code != BELT_OK);
    assert(event->type != CORE_FULL || event->where <= CORE_FULL_REPLIES);
}

void core_step(struct core *core, const struct core_event *event, struct core_update *update)
{
    assert(!core->out); /* a core is not stepped from within a step */
    assert_event(core, event);
    core->out = update;
    if (!core->started_ms)
        core->started_ms = event->now;
    core->now = event->now;
    core->random ^= event->random;
    if (event->wall)
        core->wall = event->wall;
    switch (event->type) {
    case CORE_MESSAGE:
        on_message(core, event);
        break;
    case CORE_BAD:
        on_bad(core, event);
        break;
    case CORE_GONE:
        on_gone(core, event);
        break;
    case CORE_FULL:
    case CORE_ROOM:
        peer_full(core, event);
        break;
    case CORE_TURN:
        on_turn(core);
        break;
    case CORE_DRAIN:
        core->draining = true;
        break;
    }
    core->out = NULL;
}

bool core_drained(const struct core *core)
{
    if (!list_is_empty(&core->owed.jobs) || !list_is_empty(&core->owed.agents))
        return false;
    for (struct job *job = core->jobs.by_id; job; job = job->by_id.next) {
        const struct reader *reader;
        if (job->options.durable)
            continue; /* it goes on with the next broker */
        if (job->counts.running ||
            ((list_holds(&job->waiting.active) || job->counts.delayed) && job->queue->agent_count))
            return false;
        DL_FOREACH (job->readers.first, reader)
            if (reader->session && reader->engaged && job->state <= BELT_JOB_COMPLETE &&
                reader->acked < job->counts.done + job->counts.failed)
                return false;
    }
    return true;
}
