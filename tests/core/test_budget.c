/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that there is no room for: their agent keeps them, nothing is lost, and a reader that waits gets on.
 * After each step of a cluster all accounts are counted anew (invariants.c).
 */
#include "tests/core/cluster.h"

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Small tasks with large results, all of them given out before the first is back. */
enum { BUDGET = 4 << 20, RESULT = 256 << 10, TASKS = 64, SMALL_PAYLOAD = 1 << 20 };

struct kept_results {
    struct belt_task_ref refs[TASKS];
    uint32_t count;
};

static struct cluster *small_new(void)
{
    return cluster_new(&(struct core_config){.memory_budget = BUDGET, .max_payload = SMALL_PAYLOAD});
}

/* Answers all that it holds, and remembers in which order: an agent keeps what is not recorded. */
static void answer_all(struct peer *agent, struct kept_results *kept)
{
    while (agent->held_count) {
        kept->refs[kept->count++] = agent->held[0].ref;
        agent_result_sized(agent, 0, BELT_OK, RESULT, 100);
    }
}

/* Says hello and sends again from `first` on, as PROTOCOL.md §8.4 has it. */
static void come_again(struct peer *agent, const struct kept_results *kept, uint64_t first)
{
    peer_clear(agent);
    peer_connect(agent);
    agent_sync_refs(agent, kept->refs + first, kept->count - (uint32_t)first, false);
    for (uint64_t i = first; i < kept->count; i++)
        agent_send_result(agent, i, kept->refs[i], BELT_OK, RESULT, 100);
}

static uint64_t recorded(struct peer *agent)
{
    const struct belt_msg *msg;
    uint64_t upto = 0;
    while ((msg = peer_skip_to(agent, BELT_MSG_RECORDED)))
        upto = msg->u.recorded.upto;
    return upto;
}

/* One job whose tasks are all at one agent, and are answered. */
static uint64_t fill(struct cluster *c, struct peer *p, struct peer *w, struct kept_results *kept)
{
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, TASKS);
    client_end(p, job, TASKS);
    cluster_turn(c);
    peer_clear(p);
    cr_assert_eq(agent_take(w), TASKS, "nothing is known of its results yet");
    answer_all(w, kept);
    return job;
}

Test(budget, results_without_room_stay_with_their_agent)
{
    struct cluster *c = small_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", TASKS, TASKS, "f");
    struct kept_results kept = {0};
    p->alive = w->alive = true;
    uint64_t job = fill(c, p, w, &kept);
    cr_assert_leq(c->core->memory.bytes, BUDGET, "%llu", (unsigned long long)c->core->memory.bytes);
    uint64_t told = recorded(w), taken = told;
    cr_assert(told > 4 && told < TASKS, "only what was taken is acknowledged: %llu", (unsigned long long)told);

    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, TASKS);
    char expected[8 * TASKS] = "0";
    for (uint32_t i = 1; i < TASKS; i++)
        snprintf(expected + strlen(expected), 8, " %u", i);
    while (taken < TASKS) {
        client_ack(p, sub, taken, TASKS);
        cr_assert_eq(w->handle, 0, "it is asked to say all anew");
        peer_expect_error(w, BELT_SYNC_LOST);
        come_again(w, &kept, taken);
        cr_assert_leq(c->core->memory.bytes, BUDGET + SMALL_PAYLOAD + BELT_MAX_HEADER,
                      "one that is waited for beyond it");
        told = recorded(w);
        cr_assert_gt(told, taken);
        taken = told;
    }
    cr_assert_str_eq(client_read(p), strcat(expected, "."), "each once, in order");
    cr_assert_eq(c->core->counts.stale, 0);
    cluster_free(c);
}

Test(budget, what_a_reader_waits_for_is_taken_whatever_is_kept)
{
    struct cluster *c = small_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", TASKS, TASKS, "f");
    uint64_t job = client_open(p, "k", "f", NULL), next = 1;
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, TASKS);
    client_push(p, job, 0, TASKS);
    cr_assert_eq(agent_take(w), TASKS);
    struct belt_task_ref first = w->held[0].ref;
    for (; next < TASKS; next++) /* all but the first: they wait for it */
        agent_send_result(w, next - 1, w->held[next].ref, BELT_OK, RESULT, 100);
    cr_assert_str_eq(client_read(p), "");
    const struct job *of = c->core->jobs.by_id;
    cr_assert_gt(of->results.refused_count, 0);
    agent_send_result(w, next - 1, first, BELT_OK, SMALL_PAYLOAD, 100);
    cr_assert_eq(of->results.refused_count + c->core->jobs.by_id->memory.unread_bytes / RESULT >= TASKS - 5, 1);
    cr_assert_leq(c->core->memory.bytes, BUDGET + SMALL_PAYLOAD + BELT_MAX_HEADER);
    const char *read = client_read(p);
    cr_assert(strncmp(read, "0 1 2 3", 7) == 0, "%s", read);
    (void)sub;
    cluster_free(c);
}

Test(budget, when_results_fill_it_no_more_is_given_out)
{
    struct cluster *c = small_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 2, 4, "f");
    p->alive = w->alive = true;
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, TASKS);
    uint32_t done = 0;
    for (uint32_t held; (held = agent_take(w)) && done < TASKS; done++)
        agent_result_sized(w, 0, BELT_OK, RESULT, 50000);
    cr_assert(done > 8 && done < BUDGET / RESULT, "%u", done);
    cr_assert_eq(c->core->jobs.by_id->results.refused_count, 0, "none came that had no room");
    cluster_advance(c, 5000);
    cr_assert_eq(agent_take(w), 0, "nobody reads, so nothing is gained by more");

    peer_clear(p);
    uint64_t sub = client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, TASKS);
    client_ack(p, sub, done, TASKS);
    cr_assert_gt(agent_take(w), 0, "there is room again");
    cluster_free(c);
}

Test(budget, one_that_reads_gets_on_beside_one_that_does_not)
{
    struct cluster *c = small_new();
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2"), *w = agent_new(c, "w1", 2, 4, "f,g");
    uint64_t full = client_open(p, "k", "f", NULL), job, sub;
    p->alive = other->alive = w->alive = true;
    client_push(p, full, 0, TASKS);
    while (agent_take(w))
        agent_result_sized(w, 0, BELT_OK, RESULT, 50000);
    job = client_open(other, "o", "g", NULL);
    sub = client_subscribe(other, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    client_push(other, job, 0, 8);
    client_end(other, job, 8);
    for (uint32_t i = 0; i < 8; i++) {
        cr_assert_gt(agent_take(w), 0, "task %u", i);
        agent_result_sized(w, 0, BELT_OK, RESULT, 50000);
        client_ack(other, sub, i + 1, 100);
    }
    cr_assert_str_eq(client_read(other), "0 1 2 3 4 5 6 7.");
    cluster_free(c);
}

Test(budget, a_job_that_is_cancelled_frees_what_agents_keep_of_it)
{
    struct cluster *c = small_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", TASKS, TASKS, "f");
    struct kept_results kept = {0};
    uint64_t job = fill(c, p, w, &kept);
    cr_assert_gt(c->core->jobs.by_id->results.refused_count, 0);
    client_cancel(p, job);
    cluster_turn(c);
    cr_assert_eq(recorded(w), TASKS, "none of them is wanted any more");
    cr_assert(list_is_empty(&c->core->memory.refusing));
    cr_assert_neq(w->handle, 0);
    cluster_free(c);
}

Test(budget, results_of_an_agent_that_is_gone_are_made_again)
{
    struct cluster *c = small_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", TASKS, TASKS, "f");
    struct kept_results kept = {0};
    fill(c, p, w, &kept);
    uint32_t refused = c->core->jobs.by_id->results.refused_count;
    cr_assert_gt(refused, 0);
    peer_send_type(w, BELT_MSG_BYE);
    cr_assert(c->core->jobs.by_id->results.refused_count == 0 && c->core->jobs.by_id->counts.waiting == refused);
    cr_assert_eq(c->core->memory.expected, 0);
    cluster_free(c);
}

Test(budget, failed_tasks_with_long_texts_are_within_it)
{
    struct cluster *c = cluster_new(&(struct core_config){.memory_budget = 2 << 20, .max_payload = SMALL_PAYLOAD});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", TASKS, TASKS, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    for (uint32_t i = 0; i < TASKS; i++)
        client_push_sized(p, job, i, 1, 10000);
    static uint8_t log[BELT_MAX_LOG], text[BELT_MAX_TEXT];
    struct belt_result_extras extras = {.log = {log, sizeof(log)}, .text = {text, sizeof(text)}, .exit_status = 1};
    uint64_t number = 0;
    for (uint32_t held; (held = agent_take(w)) && number < 10 * TASKS;) {
        struct belt_task_ref ref = w->held[--w->held_count].ref;
        struct belt_result_item item = {
            .index = ref.index, .attempt = ref.attempt, .code = BELT_TASK_FAILED, .extras = &extras};
        struct belt_msg msg = {.type = BELT_MSG_RESULTS};
        msg.u.results = (struct belt_msg_results){.first = number++, .job = ref.job, .results = &item, .count = 1};
        peer_send(w, msg);
        cr_assert_leq(c->core->memory.bytes, 2 << 20);
    }
    cr_assert_gt(number, 20);
    cluster_free(c);
}

/* ---- peers ---- */

/* What the broker answers to the k-th worker with as many functions as there may be. */
static const struct belt_msg *hello_of_worker(struct cluster *c, uint32_t k)
{
    static char names[BELT_MAX_FUNCTIONS][24];
    static struct belt_bytes functions[BELT_MAX_FUNCTIONS];
    struct peer *w = peer_new(c, BELT_ROLE_WORKER, "w");
    uint8_t session[BELT_SESSION_LEN] = {(uint8_t)k, 1};
    for (uint32_t i = 0; i < BELT_MAX_FUNCTIONS; i++)
        functions[i] = (struct belt_bytes){(const uint8_t *)names[i],
                                           (size_t)snprintf(names[i], sizeof(names[i]), "f-%u-%u", k, i)};
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    msg.u.hello = (struct belt_msg_hello){
        .version = BELT_PROTOCOL_VERSION,
        .role = BELT_ROLE_WORKER,
        .session = {session, sizeof(session)},
        .name = functions[0],
        .worker = {.slots = 1, .window_items = 1, .functions = functions, .function_count = BELT_MAX_FUNCTIONS}};
    w->handle = ++c->last_handle;
    peer_send_at(w, msg, 0);
    return peer_next(w);
}

Test(budget, functions_of_workers_are_charged_before_they_are_kept)
{
    struct cluster *c = cluster_new(&(struct core_config){.memory_budget = 2 * BELT_PEERS_SHARE * BELT_PEERS_LEAST});
    cr_assert_eq(c->core->config.peer_budget, 2 * BELT_PEERS_LEAST);
    uint32_t welcome = 0;
    for (uint32_t k = 0; k < 60; k++) {
        const struct belt_msg *answer = hello_of_worker(c, k);
        if (answer->type == BELT_MSG_WELCOME)
            welcome++;
        else
            cr_assert_eq(answer->u.error.code, BELT_LIMIT);
        cr_assert_leq(c->core->sessions.bytes, c->core->config.peer_budget);
    }
    cr_assert(welcome > 4 && welcome < 60, "%u", welcome);
    client_new(c, "c1");
    cluster_free(c);
}

/* The advice names what the reader of it can change. */
static void advises(const char *option, const char *advice)
{
    struct cluster *c = cluster_new(
        &(struct core_config){.memory_budget = 2 * BELT_PEERS_SHARE * BELT_PEERS_LEAST, .memory_option = option});
    const struct belt_msg *answer = hello_of_worker(c, 0);
    for (uint32_t k = 1; k < 60 && answer->type == BELT_MSG_WELCOME; k++)
        answer = hello_of_worker(c, k);
    cr_assert_eq(answer->u.error.code, BELT_LIMIT);
    const struct belt_bytes *text = &answer->u.error.text;
    cr_assert(memmem(text->data, text->len, advice, strlen(advice)), "%.*s", (int)text->len, (const char *)text->data);
    cluster_free(c);
}

Test(budget, the_advice_is_for_whoever_started_the_broker)
{
    advises(NULL, "or raise --memory-budget of the broker");
    advises("--memory", "or raise --memory");
}

Test(budget, readers_and_jobs_have_room_when_results_have_filled_it)
{
    struct cluster *c = small_new();
    struct peer *p = client_new(c, "c1"), *other = client_new(c, "c2");
    struct peer *w = agent_new(c, "w1", TASKS, TASKS, "f");
    struct kept_results kept = {0};
    uint64_t job = fill(c, p, w, &kept);
    cr_assert_gt(client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1), 0);
    for (uint32_t i = 0; i < 40; i++)
        client_open(other, "", "f", NULL);
    cr_assert_leq(c->core->memory.bytes, BUDGET);
    cluster_free(c);
}
