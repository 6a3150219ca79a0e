/* SPDX-License-Identifier: Apache-2.0
 *
 * In half of the seeds the broker has keys: each client, agent and administrator has one of its own, and so has a
 * stranger, who guesses ids of jobs and subscriptions, keys and names of readers, takes over routes and sessions, and
 * comes with keys that are revoked, over, or for something else. Nothing of what he says may be granted, or change
 * anything: that is what S3, S4 and S5 stand for in the messages below.
 */
#include "broker/core/model/account.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/letter.h"
#include "broker/core/model/state.h"
#include "tests/sim/sim.h"

#include <stdio.h>

/* What his key is like. */
enum guise {
    GUISE_CLIENT,   /* another owner's */
    GUISE_OBSERVER, /* which may look */
    GUISE_EXPIRED,  /* of an owner who is there */
    GUISE_REVOKED,  /* likewise */
    GUISE_WORKER,   /* at the clients' endpoint */
    GUISE_SERVES,   /* a client's at the workers' endpoint */
    GUISE_ROUTE,    /* on the route of another peer */
    GUISE_SESSION,  /* with the session of another peer */
    GUISES
};

void stranger_name(struct node *node)
{
    static const uint8_t roles[] = {0, BELT_MAY_CLIENT, BELT_MAY_WORKER, BELT_MAY_ADMIN};
    struct belt_identity *key = &node->identity;
    *key = (struct belt_identity){.roles = roles[node->role]};
    snprintf(key->name, sizeof(key->name), "%s", node->name);
    snprintf((char *)key->credential, sizeof(key->credential), "%s", node->name);
    if (node->role == BELT_ROLE_CLIENT) /* two owners with two clients each */
        snprintf(key->owner, sizeof(key->owner), "owner%d", node->name[1] % 2);
    else
        snprintf(key->owner, sizeof(key->owner), "%s", node->role == BELT_ROLE_WORKER ? "hosts" : "boss");
}

/* ---- what he says ---- */

static const struct job *some_job(struct sim *sim)
{
    uint64_t n = sim->core->jobs.count ? sim_random(sim, sim->core->jobs.count) : 0;
    const struct job *job = sim->core->jobs.by_id;
    while (n-- && job)
        job = job->by_id.next;
    return job;
}

static struct belt_bytes text_of(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

static struct belt_msg_cancel some_cancel(struct sim *sim, const struct job *job)
{
    struct belt_msg_cancel cancel = {.ref = 1, .job = job ? job->id : 1};
    switch (sim_random(sim, 5)) {
    case 0:
        cancel.waiting = true;
        break;
    case 1:
        cancel.one = true;
        cancel.task = sim_random(sim, 20);
        break;
    case 2:
        cancel.leaves = true;
        cancel.reader = text_of(job && job->readers.first ? job->readers.first->name : "r");
        break;
    case 3:
        cancel.forget = true;
        break;
    default:
        break;
    }
    return cancel;
}

static struct belt_msg_status some_status(struct sim *sim, const struct job *job)
{
    struct belt_msg_status status = {.ref = 1, .extended = true};
    status.what = sim_chance(sim, 5000) ? BELT_REPORT_JOBS : BELT_REPORT_READERS;
    status.named = sim_chance(sim, 5000);
    if (status.named)
        status.name = text_of(job ? job->key : "k");
    return status;
}

static struct belt_msg some_word(struct sim *sim)
{
    const struct job *job = some_job(sim);
    uint64_t id = job ? job->id : 1, sub = job && job->readers.first ? job->readers.first->id : 1;
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};
    switch (sim_random(sim, 9)) {
    case 0:
        msg.type = BELT_MSG_PUSH;
        msg.u.push = (struct belt_msg_push){.job = id, .first = job ? job->input.next : 0};
        break;
    case 1:
        msg.type = BELT_MSG_END;
        msg.u.end = (struct belt_msg_end){.job = id, .count = job ? job->input.next : 0};
        break;
    case 2:
        msg.type = BELT_MSG_SUBSCRIBE;
        msg.u.subscribe = (struct belt_msg_subscribe){
            .ref = 1, .job = id, .cursor = BELT_CURSOR_KEPT, .credit = {1000, 1 << 20}, .take_over = true};
        msg.u.subscribe.reader = text_of(job && job->readers.first ? job->readers.first->name : "r");
        break;
    case 3:
        msg.type = BELT_MSG_ACK;
        msg.u.ack = (struct belt_msg_ack){.sub = sub, .upto = sim_random(sim, 50), .credit = {1000, 1 << 20}};
        break;
    case 4:
        msg.type = BELT_MSG_DETACH;
        msg.u.detach = (struct belt_msg_sub){.sub = sub};
        break;
    case 5:
        msg.type = BELT_MSG_OPEN;
        msg.u.open = (struct belt_msg_open){.ref = 1, .function = text_of("f0"), .take_over = true};
        msg.u.open.key = text_of(job ? job->key : "k");
        msg.u.open.options.never_durable = true;
        break;
    case 6:
        msg.type = BELT_MSG_STATUS;
        msg.u.status = some_status(sim, job);
        break;
    case 7:
        msg.type = BELT_MSG_FAILED;
        msg.u.failed = (struct belt_msg_failed){.ref = 1, .action = (uint8_t)(1 + sim_random(sim, 4))};
        msg.u.failed.job = sim_chance(sim, 5000) || msg.u.failed.action == BELT_FAILED_RETRY ? id : 0;
        break;
    default:
        msg.u.cancel = some_cancel(sim, job);
    }
    return msg;
}

/* ---- what it must not do ---- */

bool stranger_has(const struct job *job)
{
    return job->owner.account && strcmp(job->owner.account->name, "eve") == 0;
}

/* Of all that is not his: what he could change. */
static uint64_t fingerprint(struct sim *sim)
{
    const struct job *job;
    const struct reader *reader;
    uint64_t sum = sim->core->dead_letters.count;
    for (job = sim->core->jobs.by_id; job; job = job->by_id.next) {
        if (stranger_has(job))
            continue;
        sum += sim_hash(job->id, (uint64_t)job->state << 32 | job->closing.forgotten);
        sum += sim_hash(job->id + 1, job->input.next);
        sum += sim_hash(job->id + 2, job->counts.waiting << 32 | (job->counts.done + job->counts.failed));
        sum += sim_hash(job->id + 3, job->counts.released);
        for (reader = job->readers.first; reader; reader = reader->next)
            sum += reader->engaged ? sim_hash(reader->id, reader->acked) : 0;
    }
    return sum;
}

/* A job of his own that lives or is over, and who reads one. */
static bool own_row(struct sim *sim, const struct belt_msg_report *report, uint32_t row)
{
    if (report->what == BELT_REPORT_READERS) {
        const struct job *job = catalog_find(sim->core, report->rows.readers[row].job);
        return job && stranger_has(job);
    }
    return report->what == BELT_REPORT_JOBS && report->rows.jobs[row].owner.len == 3 &&
           memcmp(report->rows.jobs[row].owner.data, "eve", 3) == 0;
}

static bool shows_others(struct sim *sim, const struct belt_msg_report *report)
{
    for (uint32_t i = 0; i < report->count; i++)
        if (!own_row(sim, report, i))
            return true;
    return report->total > report->count;
}

void stranger_left(struct sim *sim, const struct belt_msg *msg)
{
    bool looks = sim->stranger.guise == GUISE_OBSERVER, acts = sim->stranger.guise == GUISE_CLIENT;
    const struct job *job = NULL;
    bool granted = false;
    switch (msg->type) {
    case BELT_MSG_ERROR:
        granted = (!(looks || acts) || sim->stranger.orders) && msg->u.error.code != BELT_NOT_ALLOWED &&
                  msg->u.error.code != BELT_SYNC_LOST;
        break;
    case BELT_MSG_WELCOME:
        granted = !looks && !acts;
        break;
    case BELT_MSG_PONG:
        break;
    case BELT_MSG_OPENED:
        job = catalog_find(sim->core, msg->u.opened.job);
        granted = !acts || !job || !stranger_has(job);
        break;
    case BELT_MSG_SUBSCRIBED:
        job = catalog_find(sim->core, msg->u.subscribed.job);
        granted = !acts || !job || !stranger_has(job);
        break;
    case BELT_MSG_CANCELLED:
        job = catalog_find(sim->core, msg->u.cancelled.job);
        granted = !acts || !job || !stranger_has(job);
        break;
    case BELT_MSG_REPORT:
        granted = !looks && (!acts || shows_others(sim, &msg->u.report));
        break;
    case BELT_MSG_FAILURES:
        granted = msg->u.failures.count > 0 || msg->u.failures.let_go > 0;
        break;
    default:
        granted = !acts || (msg->type != BELT_MSG_ENDED && msg->type != BELT_MSG_ACCEPTED);
    }
    if (granted)
        sim_fail(sim, "a stranger (%d) got %s (S4)", sim->stranger.guise, belt_msg_name(msg->type));
}

/* ---- how he comes ---- */

static void say(struct sim *sim, uint64_t handle, bool worker_side, struct belt_msg *msg)
{
    struct stranger *eve = &sim->stranger;
    struct belt_frames frames = {0};
    eve->orders = msg->type == BELT_MSG_FAILED && msg->u.failed.action >= BELT_FAILED_RETRY;
    if (belt_encode(msg, &frames) != BELT_OK)
        sim_fail(sim, "a %s of the stranger cannot be encoded", belt_msg_name(msg->type));
    else
        broker_message(sim, handle, worker_side, &eve->identity, &frames);
    belt_frames_clear(&frames);
}

static struct belt_msg hello(struct sim *sim, uint8_t role, const uint8_t id[BELT_SESSION_LEN])
{
    static const struct belt_bytes function = {(const uint8_t *)"f0", 2};
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    msg.u.hello = (struct belt_msg_hello){
        .version = BELT_PROTOCOL_VERSION, .role = role, .session = {id, BELT_SESSION_LEN}, .name = text_of("eve")};
    if (role == BELT_ROLE_WORKER)
        msg.u.hello.worker = (struct belt_worker_props){
            .slots = 1, .window_items = 1, .window_bytes = 1 << 20, .functions = &function, .function_count = 1};
    (void)sim;
    return msg;
}

/* On a connection of his own, with an id of his own or of another peer. */
static void come(struct sim *sim, const struct node *other)
{
    struct stranger *eve = &sim->stranger;
    bool serves = eve->guise == GUISE_SERVES;
    uint8_t role = serves ? BELT_ROLE_WORKER : sim_chance(sim, 5000) ? BELT_ROLE_ADMIN : BELT_ROLE_CLIENT;
    uint8_t own[BELT_SESSION_LEN] = {0xee};
    uint64_t number = ++eve->count;
    memcpy(own + 1, &number, sizeof(number));
    if (eve->guise == GUISE_SESSION && other->role == BELT_ROLE_WORKER)
        eve->identity.roles = BELT_MAY_WORKER; /* a key that fits, but is not its */
    if (eve->guise == GUISE_SESSION)
        role = other->role;
    bool worker_side = role == BELT_ROLE_WORKER;
    eve->handle = ++sim->last_handle;
    struct belt_msg first = hello(sim, role, eve->guise == GUISE_SESSION ? other->id : own);
    say(sim, eve->handle, worker_side, &first);
    for (uint64_t seq = 1; seq <= 3 && !sim->error[0] && sim->core && !sim->dying; seq++) {
        struct belt_msg word = some_word(sim);
        word.seq = seq;
        say(sim, eve->handle, worker_side, &word);
    }
    if (sim->core && !sim->dying)
        say(sim, eve->handle, worker_side, &(struct belt_msg){.type = BELT_MSG_BYE, .seq = 4});
    eve->handle = 0;
}

/* The peer's connection has ended, and his has its route: what he says there fits into its sequence. */
static void take_route(struct sim *sim, struct node *other)
{
    struct session *session = NULL;
    uint64_t handle = other->handle;
    HASH_FIND(by_peer, sim->core->sessions.by_peer, &handle, sizeof(handle), session);
    if (!session)
        return;
    struct belt_msg word = some_word(sim);
    word.seq = session->seq_in + 1;
    sim->stranger.handle = handle;
    say(sim, handle, other->role == BELT_ROLE_WORKER, &word);
    sim->stranger.handle = 0;
    if (!sim->core || sim->dying)
        return;
    HASH_FIND(by_peer, sim->core->sessions.by_peer, &handle, sizeof(handle), session);
    if (session)
        sim_fail(sim, "%s of a stranger on the route of %s counts as its own (S3)", belt_msg_name(word.type),
                 other->name);
    node_cut(other, false);
}

static void dress(struct sim *sim)
{
    static const uint8_t roles[GUISES] = {BELT_MAY_CLIENT, BELT_MAY_OBSERVER, BELT_MAY_CLIENT, 0,
                                          BELT_MAY_WORKER, BELT_MAY_CLIENT,   BELT_MAY_CLIENT, BELT_MAY_CLIENT};
    struct stranger *eve = &sim->stranger;
    eve->guise = (int)sim_random(sim, GUISES);
    eve->identity = (struct belt_identity){.credential = "eve", .name = "eve", .owner = "eve"};
    eve->identity.roles = roles[eve->guise];
    if (eve->guise == GUISE_EXPIRED)
        eve->identity.expires_at = 1;
    if (eve->guise == GUISE_EXPIRED || eve->guise == GUISE_REVOKED)
        snprintf(eve->identity.owner, sizeof(eve->identity.owner), "owner0");
}

bool stranger_run(struct sim *sim)
{
    struct stranger *eve = &sim->stranger;
    if (!sim->keyed || !sim->core || sim->dying || sim->drain_until || sim->now < eve->next_at ||
        sim->now >= sim->faults_until)
        return false;
    eve->next_at = sim->now + 20 + sim_random(sim, 1000);
    dress(sim);
    uint64_t before = fingerprint(sim);
    struct node *other = sim_node(sim, (uint32_t)sim_random(sim, sim->agent_count + sim->client_count));
    struct session *session = NULL;
    HASH_FIND(by_id, sim->core->sessions.by_id, other->id, BELT_SESSION_LEN, session);
    if (eve->guise == GUISE_SESSION && !session)
        return false; /* it would be his */
    if (eve->guise == GUISE_ROUTE)
        take_route(sim, other);
    else
        come(sim, other);
    if (sim->core && !sim->dying && !sim->error[0] && fingerprint(sim) != before)
        sim_fail(sim, "a stranger (%d) changed something (S4)", eve->guise);
    return true;
}
