/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what at a broker with keys: each message from each role about each kind of job, before and after a restart
 * of the broker (PROTOCOL.md §12). What is expected is said in the words of the protocol, and not taken from the
 * broker's table.
 */
#include "broker/core/model/state.h"
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the axes ---- */

enum whose { OWN, SHARED, OTHERS, NOBODYS, WHOSE };
enum role { CLIENT, OBSERVER, ADMIN, WORKER, ROLES };
enum verb {
    OPEN_KEY,
    PUSH,
    END,
    SUBSCRIBE,
    ACK,
    DETACH,
    CANCEL,
    CANCEL_WAITING,
    CANCEL_TASK,
    CANCEL_READER,
    FORGET,
    STATUS_ID,
    STATUS_KEY,
    STATUS_ALL,
    STATUS_READERS,
    STATUS_QUEUES,
    STATUS_WORKERS,
    STATUS_BROKER,
    FAILED_LIST,
    FAILED_SHOW,
    FAILED_RETRY,
    FAILED_DROP,
    SYNC,
    RESULTS,
    RETURNED,
    LEAVING,
    PROGRESS,
    VERBS
};
/* What the asker gets. */
enum answer { DONE, NOT_ALLOWED, UNKNOWN, NOTHING };

static const char *const whose_names[] = {"own", "shared", "another's", "nobody's"};
static const char *const role_names[] = {"client", "observer", "admin", "worker"};
static const uint8_t role_bits[] = {BELT_MAY_CLIENT, BELT_MAY_OBSERVER, BELT_MAY_ADMIN, BELT_MAY_WORKER};

static const struct belt_identity ann_client = {{1}, "ann1", "ann", BELT_MAY_CLIENT, 0, {0}};
static const struct belt_identity bob_client = {{2}, "bob1", "bob", BELT_MAY_CLIENT, 0, {0}};
static const struct belt_identity boss = {{3}, "boss", "boss", BELT_MAY_ADMIN, 0, {0}};
static const struct belt_identity host = {{4}, "host", "hosts", BELT_MAY_WORKER, 0, {0}};

static struct belt_bytes bytes(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

static struct peer *join(struct cluster *c, uint8_t role, const char *name, const struct belt_identity *identity)
{
    struct peer *peer = peer_new(c, role, name);
    peer->identity = identity;
    peer->alive = true;
    peer_connect(peer);
    return peer;
}

static struct peer *join_worker(struct cluster *c, const char *functions)
{
    struct peer *peer = peer_new(c, BELT_ROLE_WORKER, "w");
    peer->identity = &host;
    peer->slots = 4;
    peer->window_items = 4;
    peer->window_bytes = 1 << 20;
    peer->functions = functions;
    peer->alive = true;
    peer_connect(peer);
    agent_sync(peer);
    return peer;
}

/* ---- the world: a job with a failed task, a reader and tasks that wait ---- */

struct world {
    struct cluster *c;
    struct belt_identity asker; /* the asker's key: of "ann" */
    struct peer *who, *boss;
    uint64_t job;
    uint64_t sub; /* of the reader that is there */
    const char *key;
};

static const struct belt_identity *opener_of(enum whose whose)
{
    return whose == OWN ? &ann_client : whose == NOBODYS ? NULL : &bob_client;
}

static void make_job(struct world *w, enum whose whose)
{
    struct belt_open_options options = {.detached = true, .share = whose == SHARED};
    struct peer *worker = join_worker(w->c, "f"), *opener = join(w->c, BELT_ROLE_CLIENT, "o", opener_of(whose));
    w->key = "the-job";
    w->job = client_open(opener, w->key, "f", &options);
    client_push(opener, w->job, 0, 3);
    cr_assert_eq(agent_take(worker), 3);
    agent_result(worker, 0, BELT_TASK_FAILED);
    agent_return_last(worker, 2);
    peer_send_type(worker, BELT_MSG_LEAVING);
    agent_take(worker);
    while (worker->held_count)
        agent_return_last(worker, worker->held_count), agent_take(worker);
    peer_send_type(worker, BELT_MSG_BYE);
    peer_clear(opener);
    w->sub = client_subscribe(opener, w->job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 100);
    peer_send_type(opener, BELT_MSG_PING);
    peer_cut(opener);
    opener->alive = false;
    cluster_advance(w->c, 10 * BELT_LEASE_MS);
}

static struct world world_new(enum whose whose, enum role role, uint8_t claim, bool restarted)
{
    struct world w = {.c = cluster_new(&(struct core_config){.durable = true}), .asker = ann_client};
    make_job(&w, whose);
    if (restarted)
        cluster_restart(w.c);
    w.asker.roles = role_bits[role];
    w.asker.credential[0] = 9;
    w.boss = join(w.c, BELT_ROLE_ADMIN, "boss", &boss);
    w.who = peer_new(w.c, claim, "asker");
    return w;
}

/* All that may change, in words. */
static const char *picture(struct world *w)
{
    static char text[512];
    struct belt_msg msg = {.type = BELT_MSG_STATUS};
    size_t len = 0;
    msg.u.status = (struct belt_msg_status){.ref = 7, .what = BELT_REPORT_JOBS, .extended = true};
    peer_clear(w->boss);
    peer_send(w->boss, msg);
    const struct belt_msg_report *jobs = &peer_expect(w->boss, BELT_MSG_REPORT)->u.report;
    for (uint32_t i = 0; i < jobs->count; i++) {
        const struct belt_row_job *row = &jobs->rows.jobs[i];
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%llu:%u %llu %llu %llu %llu %u%s; ",
                                (unsigned long long)row->job, row->state, (unsigned long long)row->total,
                                (unsigned long long)row->waiting, (unsigned long long)row->done,
                                (unsigned long long)row->unread, row->readers, row->past ? " past" : "");
    }
    snprintf(text + len, sizeof(text) - len, "failed %s", admin_list(w->boss, ""));
    return text;
}

/* ---- saying it ---- */

static void say_status(struct peer *who, uint8_t what, const char *name)
{
    struct belt_msg msg = {.type = BELT_MSG_STATUS};
    msg.u.status = (struct belt_msg_status){.ref = 5, .what = what, .extended = true, .named = name != NULL};
    if (name)
        msg.u.status.name = bytes(name);
    peer_send(who, msg);
}

static void say_cancel(struct peer *who, struct belt_msg_cancel cancel)
{
    struct belt_msg msg = {.type = BELT_MSG_CANCEL, .u.cancel = cancel};
    msg.u.cancel.ref = 5;
    peer_send(who, msg);
}

static void say_failed(struct peer *who, uint8_t action, uint64_t job)
{
    struct belt_msg msg = {.type = BELT_MSG_FAILED};
    msg.u.failed = (struct belt_msg_failed){.ref = 5, .action = action, .job = job};
    peer_send(who, msg);
}

static void say_of_worker(struct peer *who, enum verb verb, uint64_t job)
{
    const struct belt_task_ref ref = {job, 1, 1};
    struct belt_msg msg = {.type = verb == SYNC ? BELT_MSG_SYNC : BELT_MSG_RETURNED};
    if (verb == RESULTS) {
        agent_send_result(who, 0, ref, BELT_OK, 4, 10);
        return;
    }
    msg.u.sync = (struct belt_msg_refs){.refs = &ref, .count = verb != SYNC};
    if (verb == LEAVING)
        msg = (struct belt_msg){.type = BELT_MSG_LEAVING};
    if (verb == PROGRESS) {
        msg.type = BELT_MSG_PROGRESS;
        msg.u.progress = (struct belt_msg_progress){.task = ref, .done = 1, .total = 2};
    }
    peer_send(who, msg);
}

static void say(const struct world *w, enum verb verb, uint64_t job)
{
    struct peer *who = w->who;
    char id[24];
    snprintf(id, sizeof(id), "#%llu", (unsigned long long)job);
    switch (verb) {
    case OPEN_KEY:
        client_send_open(who, w->key, "f", &(struct belt_open_options){.detached = true});
        break;
    case PUSH:
        client_push(who, job, 3, 1);
        break;
    case END:
        client_end(who, job, 3);
        break;
    case SUBSCRIBE:
        client_send_subscribe(who, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 0);
        break;
    case ACK:
        client_ack(who, w->sub, 1, 100);
        break;
    case DETACH: {
        struct belt_msg msg = {.type = BELT_MSG_DETACH};
        msg.u.detach.sub = w->sub;
        peer_send(who, msg);
        break;
    }
    case CANCEL:
        say_cancel(who, (struct belt_msg_cancel){.job = job});
        break;
    case CANCEL_WAITING:
        say_cancel(who, (struct belt_msg_cancel){.job = job, .waiting = true});
        break;
    case CANCEL_TASK:
        say_cancel(who, (struct belt_msg_cancel){.job = job, .one = true, .task = 1});
        break;
    case CANCEL_READER:
        say_cancel(who, (struct belt_msg_cancel){.job = job, .leaves = true, .reader = bytes("r")});
        break;
    case FORGET:
        say_cancel(who, (struct belt_msg_cancel){.job = job, .forget = true});
        break;
    case STATUS_ID:
        say_status(who, BELT_REPORT_JOBS, id);
        break;
    case STATUS_KEY:
        say_status(who, BELT_REPORT_JOBS, w->key);
        break;
    case STATUS_ALL:
        say_status(who, BELT_REPORT_JOBS, NULL);
        break;
    case STATUS_READERS:
        say_status(who, BELT_REPORT_READERS, id);
        break;
    case STATUS_QUEUES:
        say_status(who, BELT_REPORT_QUEUES, NULL);
        break;
    case STATUS_WORKERS:
        say_status(who, BELT_REPORT_WORKERS, NULL);
        break;
    case STATUS_BROKER:
        say_status(who, BELT_REPORT_BROKER, NULL);
        break;
    case FAILED_LIST:
    case FAILED_SHOW:
    case FAILED_RETRY:
    case FAILED_DROP:
        say_failed(who, (uint8_t)(BELT_FAILED_LIST + verb - FAILED_LIST), job);
        break;
    default:
        say_of_worker(who, verb, job);
    }
}

/* ---- what comes back ---- */

/* An answer with the number of the job left out: of a job that is hidden and of none it must be the same. */
static void words_of(const struct belt_msg *msg, uint64_t job, char *text, size_t size)
{
    char id[24];
    snprintf(id, sizeof(id), "job %llu", (unsigned long long)job);
    if (!msg) {
        snprintf(text, size, "nothing");
        return;
    }
    snprintf(text, size, "%s", belt_msg_name(msg->type));
    if (msg->type == BELT_MSG_REPORT)
        snprintf(text, size, "REPORT %u of %llu", msg->u.report.count, (unsigned long long)msg->u.report.total);
    if (msg->type == BELT_MSG_FAILURES)
        snprintf(text, size, "FAILURES %llu %llu", (unsigned long long)msg->u.failures.count,
                 (unsigned long long)msg->u.failures.let_go);
    if (msg->type != BELT_MSG_ERROR)
        return;
    const struct belt_msg_error *error = &msg->u.error;
    cr_assert(error->job == 0 || error->job == job);
    snprintf(text, size, "%u %u %.*s", error->code, error->job != 0, (int)error->text.len,
             (const char *)error->text.data);
    for (char *at; (at = strstr(text, id));)
        memmove(at, at + strlen(id), strlen(at + strlen(id)) + 1);
}

static enum answer answer_of(const struct belt_msg *msg)
{
    if (!msg)
        return NOTHING;
    if (msg->type == BELT_MSG_ERROR)
        switch (msg->u.error.code) {
        case BELT_NOT_ALLOWED:
            return NOT_ALLOWED;
        case BELT_UNKNOWN_JOB:
        case BELT_UNKNOWN_TASK:
        case BELT_UNKNOWN_READER:
            return UNKNOWN;
        default:
            cr_assert_fail("%u: %.*s", msg->u.error.code, (int)msg->u.error.text.len,
                           (const char *)msg->u.error.text.data);
        }
    if (msg->type == BELT_MSG_REPORT)
        return msg->u.report.count ? DONE : UNKNOWN;
    if (msg->type == BELT_MSG_FAILURES)
        return msg->u.failures.count ? DONE : UNKNOWN;
    return DONE;
}

/* ---- what the protocol says (§12.2) ---- */

/* Messages that have no answer when they are allowed, or are not about anything of the asker's. */
static bool is_silent(enum verb verb)
{
    return verb == CANCEL_WAITING || verb == CANCEL_TASK || verb == DETACH;
}

static enum answer allowed(enum verb verb)
{
    return verb == DETACH || is_silent(verb) ? NOTHING : DONE;
}

/* A client acts on its own jobs, sees those that are shared and reads them; of others it does not know. */
static enum answer client_gets(enum verb verb, enum whose whose, uint8_t claim)
{
    switch (verb) {
    case OPEN_KEY: /* a key is its owner's: where the job is not, another one is made */
        return DONE;
    case PUSH:
    case END: /* the job is own, but another session's */
        return whose == OWN || whose == SHARED ? NOT_ALLOWED : UNKNOWN;
    case SUBSCRIBE:
        return whose == OWN || whose == SHARED ? DONE : UNKNOWN;
    case ACK: /* the subscription of another session */
        return UNKNOWN;
    case DETACH:
        return NOTHING;
    case CANCEL:
    case CANCEL_WAITING:
    case CANCEL_TASK:
    case FORGET:
        return whose == OWN ? allowed(verb) : whose == SHARED ? NOT_ALLOWED : UNKNOWN;
    case CANCEL_READER: /* of another session: who says that he acts as an administrator may */
        return whose == OWN ? claim == BELT_ROLE_ADMIN ? DONE : NOT_ALLOWED : whose == SHARED ? NOT_ALLOWED : UNKNOWN;
    case STATUS_ID:
    case STATUS_KEY:
    case STATUS_ALL:
        return whose == OWN || whose == SHARED ? DONE : UNKNOWN;
    case STATUS_READERS:
        return whose == OWN ? DONE : UNKNOWN;
    case STATUS_QUEUES: /* no worker serves it */
        return whose == OWN ? DONE : UNKNOWN;
    case STATUS_WORKERS: /* there are none */
        return UNKNOWN;
    case STATUS_BROKER:
        return DONE;
    case FAILED_LIST:
    case FAILED_SHOW:
        return whose == OWN ? DONE : UNKNOWN;
    default: /* only administrators retry and drop, only workers serve */
        return NOT_ALLOWED;
    }
}

static bool is_status(enum verb verb)
{
    return verb >= STATUS_ID && verb <= STATUS_BROKER;
}

static enum answer expected(enum role role, enum verb verb, enum whose whose, uint8_t claim)
{
    bool serves = verb >= SYNC;
    if (role == WORKER)
        return serves ? NOTHING : NOT_ALLOWED;
    if (role == CLIENT)
        return client_gets(verb, whose, claim);
    if (verb == STATUS_WORKERS)
        return UNKNOWN;
    if (is_status(verb))
        return DONE;
    if (role == OBSERVER || serves)
        return NOT_ALLOWED;
    /* an administrator acts on all jobs, but feeds none of others */
    if (verb == PUSH || verb == END)
        return NOT_ALLOWED;
    return verb == ACK ? UNKNOWN : allowed(verb);
}

/* ---- the matrix ---- */

static bool changes(enum verb verb)
{
    return !is_status(verb) && verb != FAILED_LIST && verb != FAILED_SHOW;
}

static void connect_asker(struct world *w, enum role role)
{
    w->who->identity = &w->asker;
    w->who->alive = true;
    if (role == WORKER) {
        w->who->slots = w->who->window_items = 1;
        w->who->window_bytes = 1 << 20;
        w->who->functions = "other";
    }
    peer_connect(w->who);
}

static void try_one(enum role role, uint8_t claim, enum verb verb, enum whose whose, bool restarted)
{
    struct world w = world_new(whose, role, claim, restarted);
    char got[512], before[512], none[512];
    connect_asker(&w, role);
    if (role == WORKER && verb != SYNC)
        agent_sync(w.who);
    peer_clear(w.who);
    enum answer want = expected(role, verb, whose, claim);
    snprintf(before, sizeof(before), "%s", picture(&w));
    say(&w, verb, w.job);
    const struct belt_msg *msg = peer_next(w.who);
    enum answer is = answer_of(msg);
    words_of(msg, w.job, got, sizeof(got));
    if (role == WORKER && want == NOTHING) /* of a task that is not its own */
        is = is == DONE ? NOTHING : is;
    if (verb == PUSH && want == DONE && is == NOTHING)
        is = DONE;
    cr_assert_eq(is, want, "a %s (HELLO says %u) says %d of a job that is %s%s: %s, not %d", role_names[role], claim,
                 verb, whose_names[whose], restarted ? " after a restart" : "", got, want);
    if (want != DONE && !(want == NOTHING && is_silent(verb) && verb != DETACH)) {
        cr_assert_str_eq(picture(&w), before, "a %s changes by %d a job that is %s: %s", role_names[role], verb,
                         whose_names[whose], before);
    } else if (!changes(verb))
        cr_assert_str_eq(picture(&w), before);
    if (want == UNKNOWN && verb != STATUS_KEY) { /* as if there were none */
        say(&w, verb, 777);
        words_of(peer_next(w.who), 777, none, sizeof(none));
        cr_assert_str_eq(got, none);
    }
    cluster_free(w.c);
}

static void try_all(enum role role, bool restarted)
{
    static const uint8_t claims[] = {BELT_ROLE_CLIENT, BELT_ROLE_ADMIN};
    for (enum verb verb = 0; verb < VERBS; verb++)
        for (enum whose whose = 0; whose < WHOSE; whose++)
            if (role == WORKER)
                try_one(role, BELT_ROLE_WORKER, verb, whose, restarted);
            else
                for (int i = 0; i < 2; i++)
                    try_one(role, claims[i], verb, whose, restarted);
}

Test(access, a_client_acts_on_its_own_jobs)
{
    try_all(CLIENT, false);
}

Test(access, a_client_acts_on_its_own_jobs_after_a_restart)
{
    try_all(CLIENT, true);
}

Test(access, an_observer_sees_all_and_changes_nothing)
{
    try_all(OBSERVER, false);
}

Test(access, an_observer_sees_all_and_changes_nothing_after_a_restart)
{
    try_all(OBSERVER, true);
}

Test(access, an_administrator_acts_on_all_jobs)
{
    try_all(ADMIN, false);
}

Test(access, an_administrator_acts_on_all_jobs_after_a_restart)
{
    try_all(ADMIN, true);
}

Test(access, a_worker_serves_and_nothing_else)
{
    try_all(WORKER, false);
}

Test(access, a_worker_serves_and_nothing_else_after_a_restart)
{
    try_all(WORKER, true);
}
