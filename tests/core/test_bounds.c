/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of proto/limits.h that hold when nobody says otherwise, each at its edge.
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(bounds, clients_that_ask_for_jobs_of_others)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2");
    const struct belt_open_options detached = {.detached = true};
    char key[16];
    for (unsigned i = 0; i <= BELT_MAX_CLAIMS; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        client_open(p, key, "f", &detached);
    }
    for (unsigned i = 0; i < BELT_MAX_CLAIMS; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        client_send_open(other, key, "f", &detached);
        other->last_ref--;
        client_send_open(other, key, "f", &detached); /* the same again is the same claim */
    }
    peer_expect_nothing(other);
    client_send_open(other, "k1024", "f", &detached);
    peer_expect_error(other, BELT_LIMIT);
    cluster_free(c);
}

Test(bounds, a_pause_before_a_retry_ends_growing)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    p->alive = w->alive = true;
    client_push(p, client_open(p, "k", "f", &(struct belt_open_options){.retries = 20}), 0, 1);
    for (int i = 0; i < 12; i++) {
        cr_assert_eq(agent_take(w), 1, "try %d", i);
        agent_result(w, 0, BELT_TASK_FAILED);
        uint64_t before = c->now, most = BELT_BACKOFF_MS << i;
        while (agent_take(w) == 0 && c->now - before < 2 * BELT_BACKOFF_MAX_MS)
            cluster_advance(c, BELT_HEARTBEAT_MS);
        most = most < BELT_BACKOFF_MAX_MS ? most : BELT_BACKOFF_MAX_MS;
        cr_assert(c->now - before >= most / 2 && c->now - before <= most + BELT_HEARTBEAT_MS, "try %d after %llu ms", i,
                  (unsigned long long)(c->now - before));
    }
    cluster_free(c);
}

Test(bounds, a_slot_that_keeps_dying_makes_a_task_poison_at_the_default)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 10);
    client_push(p, job, 0, 1);
    for (uint32_t i = 0; i < BELT_MAX_ATTEMPTS_DEFAULT; i++) {
        cr_assert_str_eq(client_read(p), "");
        for (uint64_t waited = 0; agent_take(w) == 0 && waited < 60000; waited += 50)
            cluster_advance(c, 50);
        agent_result(w, 0, BELT_TASK_LOST);
    }
    cr_assert_str_eq(client_read(p), "0!");
    cluster_free(c);
}

Test(bounds, failed_inputs_are_kept_up_to_their_bytes)
{
    enum { SIZE = 1 << 20, MOST = BELT_FAILED_BYTES / SIZE };
    struct cluster *c = cluster_new(&(struct core_config){.memory_budget = (uint64_t)2 << 30});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 200, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_bytes = (uint64_t)1 << 30});
    for (uint32_t i = 0; i < MOST + 5; i++) {
        client_push_sized(p, job, i, 1, SIZE);
        cr_assert_eq(agent_take(w), 1);
        agent_result(w, 0, BELT_TASK_FAILED);
    }
    struct peer *a = peer_new(c, BELT_ROLE_ADMIN, "a");
    peer_connect(a);
    const struct belt_msg *msg = admin_failed(a, BELT_FAILED_LIST, "f", job, UINT64_MAX);
    cr_assert(msg->u.failures.count < MOST && msg->u.failures.count >= MOST - 1, "%llu",
              (unsigned long long)msg->u.failures.count);
    cluster_free(c);
}

Test(bounds, a_detached_job_is_kept_for_the_default_time)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    client_push(p, client_open(p, "k", "f", &(struct belt_open_options){.detached = true}), 0, 1);
    peer_gone(p);
    cluster_forget_trace(c);
    cluster_advance(c, BELT_KEEP_MS - BELT_LEASE_MS - BELT_GRACE_MS);
    cr_assert_null(strstr(c->trace ? c->trace : "", "cancelled"), "%s", c->trace);
    cluster_advance(c, 2 * (BELT_LEASE_MS + BELT_GRACE_MS));
    cr_assert_not_null(strstr(c->trace, "cancelled"), "%s", c->trace);
    cluster_free(c);
}

Test(bounds, a_volatile_job_outlives_its_client_for_the_grace)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    client_open(p, "k", "f", NULL);
    peer_cut(p);
    cluster_forget_trace(c);
    cluster_advance(c, BELT_LEASE_MS + BELT_GRACE_MS - 1);
    cr_assert_null(strstr(c->trace, "cancelled"), "%s", c->trace);
    cluster_advance(c, 1);
    cr_assert_not_null(strstr(c->trace, "cancelled: its client is gone"), "%s", c->trace);
    cluster_free(c);
}

static uint64_t failures(struct peer *admin, const char *function)
{
    const struct belt_msg *msg = admin_failed(admin, BELT_FAILED_LIST, function, 0, UINT64_MAX);
    cr_assert_eq(msg->type, BELT_MSG_FAILURES);
    return msg->u.failures.count;
}

Test(bounds, failed_inputs_of_all_functions_take_a_part_of_the_budget)
{
    enum { SIZE = 64 << 10, MOST = 16, FIRST = 10 };
    struct cluster *c = cluster_new(&(struct core_config){.memory_budget = BELT_FAILED_SHARE * MOST * SIZE});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f,g");
    struct peer *a = peer_new(c, BELT_ROLE_ADMIN, "a");
    uint64_t jobs[] = {client_open(p, "f", "f", NULL), client_open(p, "g", "g", NULL)};
    peer_connect(a);
    for (uint32_t i = 0; i < FIRST + MOST; i++) {
        client_push_sized(p, jobs[i >= FIRST], i < FIRST ? i : i - FIRST, 1, SIZE);
        cr_assert_eq(agent_take(w), 1);
        agent_result(w, 0, BELT_TASK_FAILED);
        if (i == MOST - 2)
            cr_assert_eq(failures(a, ""), MOST - 1, "so many and what keeping them takes have room");
    }
    cr_assert_eq(failures(a, "f"), 0, "the oldest went");
    cr_assert_eq(failures(a, "g"), MOST - 1);
    cluster_free(c);
}

/* ---- what one broker keeps ---- */

/* A core alone: what a cluster checks after each step takes too long with so much. */
struct bare {
    struct core *core;
    struct core_update *update;
    uint64_t now, seq;
};

static struct bare bare_new(const struct core_config *config)
{
    struct core_config own = *config;
    own.epoch = CLUSTER_EPOCH;
    struct bare bare = {.core = core_new(&own), .update = core_update_new(), .now = CLUSTER_START};
    cr_assert(bare.core && bare.update);
    return bare;
}

static void bare_free(struct bare *bare)
{
    core_free(bare->core);
    core_update_free(bare->update);
}

/* The first answer; NULL: none. */
static const struct belt_msg *bare_step(struct bare *bare, struct core_event event)
{
    event.now = bare->now;
    core_update_clear(bare->update);
    core_step(bare->core, &event, bare->update);
    for (uint32_t i = 0; i < bare->update->send_count; i++)
        core_stamp(bare->core, bare->update->sends[i].peer, bare->update->sends[i].msg.type, &(uint64_t){0});
    return bare->update->send_count ? &bare->update->sends[0].msg : NULL;
}

/* Of the only client, whose handle is 1. */
static const struct belt_msg *bare_say(struct bare *bare, struct belt_msg msg)
{
    msg.seq = ++bare->seq;
    return bare_step(bare, (struct core_event){.type = CORE_MESSAGE, .peer = 1, .msg = &msg});
}

static const struct belt_msg *bare_hello(struct bare *bare, uint64_t handle, uint32_t number, bool agent)
{
    uint8_t session[BELT_SESSION_LEN] = {0};
    struct belt_bytes function = {(const uint8_t *)"f", 1};
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    memcpy(session, &number, sizeof(number));
    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = agent ? BELT_ROLE_WORKER : BELT_ROLE_CLIENT,
                                          .session = {session, sizeof(session)},
                                          .name = function};
    if (agent)
        msg.u.hello.worker =
            (struct belt_worker_props){.slots = 1, .window_items = 1, .functions = &function, .function_count = 1};
    bare->seq = 0;
    return bare_step(bare,
                     (struct core_event){.type = CORE_MESSAGE, .peer = handle, .worker_side = agent, .msg = &msg});
}

static const struct belt_msg *bare_open(struct bare *bare, const char *key)
{
    struct belt_msg msg = {.type = BELT_MSG_OPEN};
    msg.u.open = (struct belt_msg_open){
        .ref = 1, .key = {(const uint8_t *)key, strlen(key)}, .function = {(const uint8_t *)"f", 1}};
    return bare_say(bare, msg);
}

static void is_error(const struct belt_msg *msg, unsigned code)
{
    cr_assert(msg && msg->type == BELT_MSG_ERROR, "%s", msg ? belt_msg_name(msg->type) : "nothing");
    cr_assert_eq(msg->u.error.code, code, "%.*s", (int)msg->u.error.text.len, (const char *)msg->u.error.text.data);
}

Test(bounds, peers_of_a_broker)
{
    struct bare bare = bare_new(&(struct core_config){0});
    for (uint32_t i = 1; i <= BELT_MAX_PEERS; i++)
        cr_assert_eq(bare_hello(&bare, i, i, i % 2)->type, BELT_MSG_WELCOME, "peer %u", i);
    is_error(bare_hello(&bare, BELT_MAX_PEERS + 1, BELT_MAX_PEERS + 1, false), BELT_LIMIT);
    cr_assert(bare.update->drop_count == 1 && bare.update->drops[0] == BELT_MAX_PEERS + 1);
    is_error(bare_hello(&bare, BELT_MAX_PEERS + 2, BELT_MAX_PEERS + 1, true), BELT_LIMIT);
    cr_assert_eq(bare_hello(&bare, BELT_MAX_PEERS + 3, 4, false)->type, BELT_MSG_WELCOME, "one that is known is back");
    struct belt_msg bye = {.type = BELT_MSG_BYE, .seq = 1};
    bare_step(&bare, (struct core_event){.type = CORE_MESSAGE, .peer = 2, .msg = &bye});
    cr_assert_eq(bare_hello(&bare, BELT_MAX_PEERS + 4, BELT_MAX_PEERS + 1, true)->type, BELT_MSG_WELCOME);
    is_error(bare_hello(&bare, BELT_MAX_PEERS + 5, BELT_MAX_PEERS + 2, true), BELT_LIMIT);
    bare_free(&bare);
}

Test(bounds, jobs_of_a_broker)
{
    char key[16];
    struct bare bare = bare_new(&(struct core_config){0});
    bare_hello(&bare, 1, 1, false);
    for (uint32_t i = 0; i < BELT_MAX_JOBS; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        if (i == BELT_MAX_JOBS - BELT_MAX_JOBS / BELT_SESSION_JOBS_SHARE) {
            is_error(bare_open(&bare, key), BELT_LIMIT);
            bare_hello(&bare, 1, 2, false); /* the rest is another session's */
        }
        cr_assert_eq(bare_open(&bare, key)->type, BELT_MSG_OPENED, "job %u", i);
    }
    is_error(bare_open(&bare, "more"), BELT_LIMIT);
    uint64_t job = bare_open(&bare, "k131000")->u.opened.job;
    cr_assert_neq(job, 0, "those that are there go on");
    bare_say(&bare, (struct belt_msg){.type = BELT_MSG_CANCEL, .u.cancel = {.ref = 1, .job = job}});
    is_error(bare_open(&bare, "more"), BELT_LIMIT);
    bare.now += 2 * BELT_LEASE_MS; /* a job that is over is remembered for so long */
    bare_say(&bare, (struct belt_msg){.type = BELT_MSG_PING});
    bare_step(&bare, (struct core_event){.type = CORE_TURN});
    cr_assert_eq(bare_open(&bare, "more")->type, BELT_MSG_OPENED);
    is_error(bare_open(&bare, "k131000"), BELT_LIMIT);
    bare_free(&bare);
}

/* Tasks `first` and on of job `id`. They share their bytes, which nobody looks at. */
static const struct belt_msg *bare_push(struct bare *bare, uint64_t id, uint64_t first, uint32_t count, uint32_t size)
{
    static struct belt_task_item tasks[64];
    struct belt_buf *buf = belt_buf_new(size);
    cr_assert(buf && count <= 64);
    for (uint32_t i = 0; i < count; i++)
        tasks[i].payload = (struct belt_payload){buf, buf->data, size};
    struct belt_msg msg = {.type = BELT_MSG_PUSH};
    msg.u.push = (struct belt_msg_push){.job = id, .first = first, .tasks = tasks, .count = count};
    const struct belt_msg *answer = bare_say(bare, msg);
    belt_buf_unref(buf);
    return answer;
}

static const struct belt_msg_accepted *bare_accepted(struct bare *bare)
{
    const struct belt_msg *msg = bare_step(bare, (struct core_event){.type = CORE_TURN});
    cr_assert(msg && msg->type == BELT_MSG_ACCEPTED);
    return &msg->u.accepted;
}

/* Pushes tasks of `size` until one is not taken; how many were. */
static uint64_t bare_fill(struct bare *bare, uint64_t job, uint32_t size)
{
    uint64_t next = 0;
    for (;;) {
        cr_assert(next < 2 * BELT_MEMORY_BUDGET_DEFAULT / size, "nothing ends it");
        const struct belt_msg *msg = bare_push(bare, job, next, 1, size);
        if (msg && msg->type == BELT_MSG_ERROR)
            return next;
        const struct belt_msg *told = bare_step(bare, (struct core_event){.type = CORE_TURN});
        if (!told || told->type != BELT_MSG_ACCEPTED || told->u.accepted.next == next)
            return next;
        next = told->u.accepted.next;
    }
}

Test(bounds, bytes_that_a_broker_keeps)
{
    enum { INPUTS = BELT_MEMORY_BUDGET_DEFAULT / 8 * 5 / BELT_MAX_PAYLOAD_DEFAULT };
    struct bare bare = bare_new(&(struct core_config){0});
    bare_hello(&bare, 1, 1, false);
    const struct belt_msg *msg = bare_open(&bare, "k");
    uint64_t job = msg->u.opened.job;
    cr_assert_leq(msg->u.opened.grant.bytes, BELT_MEMORY_BUDGET_DEFAULT);
    uint64_t taken = bare_fill(&bare, job, BELT_MAX_PAYLOAD_DEFAULT);
    cr_assert(taken >= INPUTS - 1 && taken <= BELT_MEMORY_BUDGET_DEFAULT / BELT_MAX_PAYLOAD_DEFAULT, "%llu",
              (unsigned long long)taken);
    bare_free(&bare);
}

/* Whatever they ask for and however many they are, they all share one budget. */
Test(bounds, many_windows_without_end_share_the_budget)
{
    enum { JOBS = 200, SIZE = 1 << 20, BUDGET = 64 << 20 };
    struct bare bare = bare_new(&(struct core_config){.memory_budget = BUDGET});
    uint64_t kept = 0;
    bare_hello(&bare, 1, 1, false);
    for (uint32_t i = 0; i < JOBS; i++) {
        struct belt_msg open = {.type = BELT_MSG_OPEN};
        open.u.open = (struct belt_msg_open){
            .ref = 1, .function = {(const uint8_t *)"f", 1}, .options = {.window_bytes = (uint64_t)1 << 62}};
        const struct belt_msg *msg = bare_say(&bare, open);
        cr_assert_eq(msg->type, BELT_MSG_OPENED);
        cr_assert_leq(msg->u.opened.grant.bytes, BUDGET);
        kept += bare_fill(&bare, msg->u.opened.job, SIZE) * SIZE;
    }
    cr_assert(kept > BUDGET / 2 && kept <= BUDGET + SIZE, "%llu bytes", (unsigned long long)kept);
    bare_free(&bare);
}

/* Opens jobs with the longest argument as the peer at `handle`, until one is refused; how many were not. */
static uint32_t bare_arguments(struct bare *bare, uint64_t handle)
{
    static uint8_t argument[BELT_MAX_ARGUMENT];
    const struct belt_msg *msg;
    uint32_t jobs = 0;
    bare_hello(bare, handle, (uint32_t)handle, false);
    bare->seq = 0;
    do {
        struct belt_msg open = {.type = BELT_MSG_OPEN};
        open.u.open = (struct belt_msg_open){
            .ref = 1, .function = {(const uint8_t *)"f", 1}, .options = {.argument = {argument, sizeof(argument)}}};
        open.seq = ++bare->seq;
        msg = bare_step(bare, (struct core_event){.type = CORE_MESSAGE, .peer = handle, .msg = &open});
        jobs += msg->type == BELT_MSG_OPENED;
    } while (msg->type == BELT_MSG_OPENED && jobs < BELT_MAX_JOBS);
    is_error(msg, BELT_LIMIT);
    return jobs;
}

Test(bounds, arguments_are_charged_before_they_are_kept)
{
    enum { BUDGET = 16 << 20, ALL = BUDGET / 8 * 3 / BELT_MAX_ARGUMENT, ONE = BUDGET / 16 * 5 / BELT_MAX_ARGUMENT };
    struct bare bare = bare_new(&(struct core_config){.memory_budget = BUDGET});
    uint32_t first = bare_arguments(&bare, 1), second = bare_arguments(&bare, 2);
    cr_assert(first >= ONE - 4 && first <= ONE, "one client's jobs have their bound: %u", first);
    cr_assert(first + second >= ALL - 4 && first + second <= ALL, "and all jobs theirs: %u", first + second);
    cr_assert_leq(bare_arguments(&bare, 3), 1);
    bare_free(&bare);
}

/* ---- from the oldest task to the newest ---- */

/* A store with task 0 and, summed up, all that came after it and was read; tasks below `next` had been accepted. */
static int restore_span(struct bare *bare, uint64_t next)
{
    const struct belt_payload input = {0};
    struct core_record records[3] = {{.number = 2, .job = 1, .kind = RECORD_JOB},
                                     {.number = 3, .job = 1, .kind = RECORD_TASKS},
                                     {.number = 4, .job = 1, .kind = RECORD_MARK}};
    records[0].u.job = (struct record_job){
        .key = {(const uint8_t *)"k", 1}, .function = {(const uint8_t *)"f", 1}, .options.durable = true};
    records[1].u.tasks = (struct record_tasks){.count = 1, .inputs = &input};
    records[2].u.mark = (struct record_mark){.next = next, .place = next - 1};
    int rc = BELT_OK;
    for (uint32_t i = 0; rc == BELT_OK && i < 3; i++)
        rc = core_restore(bare->core, bare->now, &records[i]);
    return rc == BELT_OK ? core_restored(bare->core, bare->now, 4) : rc;
}

Test(bounds, the_span_that_a_store_may_name)
{
    for (uint64_t more = 0; more < 2; more++) {
        struct bare bare = bare_new(&(struct core_config){.durable = true});
        cr_assert_eq(restore_span(&bare, BELT_MAX_SPAN + more), more ? BELT_BAD_MESSAGE : BELT_OK);
        bare_free(&bare);
    }
}

Test(bounds, grants_keep_to_half_of_the_span)
{
    const uint64_t end = BELT_MAX_SPAN / 2 - 2 * BELT_MAX_BATCH;
    struct bare bare = bare_new(&(struct core_config){.durable = true});
    cr_assert_eq(restore_span(&bare, end - 8), BELT_OK);
    bare_hello(&bare, 1, 1, false);
    const struct belt_msg *msg = bare_open(&bare, "k");
    cr_assert_eq(msg->u.opened.next, end - 8);
    cr_assert_eq(bare_accepted(&bare)->grant.items, end);
    cr_assert_null(bare_push(&bare, 1, end - 8, 8, 1));
    is_error(bare_push(&bare, 1, end, 1, 1), BELT_BAD_MESSAGE);
    const struct belt_msg_accepted *accepted = bare_accepted(&bare);
    cr_assert(accepted->next == end && accepted->grant.items == end);
    bare_free(&bare);
}

Test(bounds, subscriptions_have_numbers_that_every_language_holds)
{
    struct cluster *c = cluster_new(&(struct core_config){.epoch = BELT_MAX_EXACT});
    struct peer *p = client_new(c, "c1");
    uint64_t sub = client_subscribe(p, client_open(p, "k", "f", NULL), "r", BELT_ORDERED, 0, 1);
    cr_assert_leq(sub + (1u << 24), BELT_MAX_EXACT, "and there is room to count");
    cr_assert_gt(sub, 1u << 24, "not those of another life");
    cluster_free(c);
}
