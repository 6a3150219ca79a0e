/* SPDX-License-Identifier: Apache-2.0
 *
 * balance.c and stuck.c: tasks that lie unstarted at one agent are taken back for the idle slots of another.
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>

/* It has nothing to give back for a RECALL that it may have been sent. */
static void agent_nothing(struct peer *w)
{
    peer_send(w, (struct belt_msg){.type = BELT_MSG_RETURNED});
    peer_clear(w);
}

/* An agent that holds more than it runs: its tasks seemed short. */
static struct peer *full_agent(struct cluster *c, struct peer *p)
{
    struct peer *w = agent_new(c, "full", 1, 100, "f");
    client_job(p, "f", 150, NULL);
    for (int i = 0; i < 50; i++) {
        agent_take(w);
        agent_result_sized(w, 0, BELT_OK, 1, 5);
    }
    for (uint32_t done = 50; agent_take(w) + done < 150; done++) /* until nothing waits */
        agent_result_sized(w, 0, BELT_OK, 1, 5);
    return w;
}

Test(balance, unstarted_tasks_are_taken_back_for_an_idle_slot)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = full_agent(c, p);
    peer_clear(w);
    struct peer *idle = agent_new(c, "idle", 1, 100, "f");
    cluster_advance(c, 50);
    const struct belt_msg *msg = peer_skip_to(w, BELT_MSG_RECALL);
    cr_assert_not_null(msg, "the first task is a long one, the others lie behind it");
    cr_assert_gt(msg->u.recall.count, 0);
    agent_return(w, w->held_count - 1);
    cr_assert_eq(agent_take(idle), 1);
    cluster_free(c);
}

/* Two tasks of a job wait for as long as its reader takes nothing of what lies there. */
static void stall_job(struct cluster *c, struct peer *p)
{
    struct peer *w = agent_new(c, "first", 1, 1, "f");
    uint64_t job = client_open(p, "", "f", &(struct belt_open_options){.window_bytes = 100});
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 10);
    client_push(p, job, 0, 3);
    cr_assert_eq(agent_take(w), 1);
    agent_result_sized(w, 0, BELT_OK, 300, 5);
    cr_assert_eq(agent_take(w), 0);
    peer_send_type(w, BELT_MSG_BYE);
}

Test(balance, tasks_are_taken_back_while_those_of_a_stalled_job_wait)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *q = client_new(c, "c2");
    stall_job(c, q);
    struct peer *w = full_agent(c, p);
    peer_clear(w);
    agent_new(c, "idle", 1, 100, "f");
    cluster_advance(c, 50);
    cr_assert_not_null(peer_skip_to(w, BELT_MSG_RECALL), "what may not go keeps nobody from getting some (I6, I7)");
    cluster_free(c);
}

Test(balance, tasks_are_taken_back_while_those_of_a_later_job_wait)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *q = client_new(c, "c2"), *w = full_agent(c, p);
    client_job(q, "f", 3, &(struct belt_open_options){.after_ms = 60000});
    peer_clear(w);
    agent_new(c, "idle", 1, 100, "f");
    cluster_advance(c, 50);
    cr_assert_not_null(peer_skip_to(w, BELT_MSG_RECALL));
    cluster_free(c);
}

Test(balance, who_idles_after_other_work_gets_some_back)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *other = agent_new(c, "other", 1, 10, "g,f");
    client_job(p, "g", 1, NULL);
    agent_take(other);
    struct peer *w = full_agent(c, p);
    cluster_advance(c, 500);
    agent_nothing(w);
    agent_finish(other, 1);
    cluster_advance(c, 50);
    cr_assert_not_null(peer_skip_to(w, BELT_MSG_RECALL));
    cluster_free(c);
}

/* A job whose tasks seem short: `w` has run 20 of them. */
static uint64_t short_job(struct peer *p, struct peer *w, const char *function)
{
    uint64_t job = client_open(p, "", function, NULL);
    client_push(p, job, 0, 20);
    while (agent_take(w))
        agent_result_sized(w, 0, BELT_OK, 1, 5);
    peer_clear(p);
    return job;
}

Test(balance, what_lies_behind_tasks_of_another_function_is_taken_back_too)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "full", 1, 100, "f,g");
    uint64_t f = short_job(p, w, "f"), g = short_job(p, w, "g");
    client_push(p, g, 20, 10);
    cr_assert_eq(agent_take(w), 10);
    client_push(p, f, 20, 1);
    cr_assert_eq(agent_take(w), 11);
    client_push(p, g, 30, 20);
    cr_assert_eq(agent_take(w), 31);
    agent_new(c, "idle", 1, 100, "f");
    cluster_advance(c, 50);
    const struct belt_msg *msg = peer_skip_to(w, BELT_MSG_RECALL);
    cr_assert(msg && msg->u.recall.count == 21, "the only task for it has 20 behind it, which are given back first");
    cluster_free(c);
}

Test(balance, what_an_agent_should_run_and_does_not_is_taken_back_too)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "full", 1, 100, "f,g");
    uint64_t f = short_job(p, w, "f"), g = short_job(p, w, "g");
    client_push(p, f, 20, 1);
    client_push(p, g, 20, 10);
    cr_assert_eq(agent_take(w), 11);
    agent_new(c, "idle", 1, 100, "f");
    cluster_advance(c, 50);
    const struct belt_msg *msg = peer_skip_to(w, BELT_MSG_RECALL);
    cr_assert(msg && msg->u.recall.count == 11, "the first may be one whose program does not start");
    agent_return(w, 10);
    cluster_advance(c, 900);
    cr_assert_null(peer_skip_to(w, BELT_MSG_RECALL), "it is running, as it seems");
    cluster_free(c);
}

static uint32_t recalls(struct peer *w)
{
    uint32_t count = 0;
    while (peer_skip_to(w, BELT_MSG_RECALL))
        count++;
    return count;
}

Test(balance, a_task_that_its_only_slot_does_not_start_is_taken_back)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 1, 100, "f");
    client_job(p, "f", 1, NULL);
    cr_assert_eq(agent_take(w), 1);
    struct peer *idle = agent_new(c, "idle", 1, 100, "f");
    cluster_advance(c, 900);
    cr_assert_eq(recalls(w), 0, "it runs, as a rule");
    cluster_advance(c, 200);
    cr_assert_eq(recalls(w), 1, "it has been there for a heartbeat, and another one idles");
    agent_return(w, 0);
    cr_assert_eq(agent_take(idle), 1);
    cluster_free(c);
}

Test(balance, a_task_that_runs_is_asked_for_once)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 2, 100, "f");
    client_job(p, "f", 1, NULL);
    cr_assert_eq(agent_take(w), 1);
    agent_new(c, "idle", 1, 100, "g,f");
    cluster_advance(c, 1100);
    cr_assert_eq(recalls(w), 1);
    peer_send_type(w, BELT_MSG_RETURNED);
    cluster_advance(c, 60000);
    cr_assert_eq(recalls(w), 0, "it has begun: nobody asks again");
    cluster_free(c);
}

Test(balance, who_gave_back_nothing_of_use_is_left_alone_for_a_while)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = full_agent(c, p);
    peer_clear(w);
    agent_new(c, "idle", 1, 100, "f");
    cluster_advance(c, 50);
    cr_assert_not_null(peer_skip_to(w, BELT_MSG_RECALL));
    struct belt_msg none = {.type = BELT_MSG_RETURNED};
    none.u.returned = (struct belt_msg_refs){.refs = &(struct belt_task_ref){999, 0, 1}, .count = 1};
    peer_send(w, none);
    cluster_advance(c, 20);
    cr_assert_null(peer_skip_to(w, BELT_MSG_RECALL));
    cluster_free(c);
}

Test(balance, who_has_nothing_to_give_is_left_alone_for_a_while)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = full_agent(c, p);
    agent_new(c, "idle", 1, 100, "f");
    cluster_advance(c, 50);
    uint32_t recalls = 0;
    for (int i = 0; i < 10; i++) {
        while (peer_skip_to(w, BELT_MSG_RECALL)) {
            recalls++;
            struct belt_msg none = {.type = BELT_MSG_RETURNED};
            peer_send(w, none);
        }
        cluster_advance(c, 50);
    }
    cr_assert(recalls >= 2 && recalls <= 12, "%u recalls in 550 ms", recalls);
    cluster_free(c);
}

/* Two agents with short tasks, and more waits. */
static void two_agents(struct cluster *c, struct peer **one, struct peer **other, uint32_t slots)
{
    *one = agent_new(c, "one", slots, 1000, "f");
    *other = agent_new(c, "other", slots, 1000, "f");
    client_job(client_new(c, "c1"), "f", 4000, NULL);
    for (int i = 0; i < 100; i++) {
        struct peer *w = i % 2 ? *one : *other;
        agent_take(w);
        agent_result_sized(w, 0, BELT_OK, 1, 50);
    }
    agent_take(*one);
    agent_take(*other);
    cr_assert_gt((*one)->held_count, 10 * slots);
    peer_clear(*one);
    peer_clear(*other);
}

/* It was asked for `count`, and gives them back, the last ones first. */
static void gives_back(struct peer *w, uint32_t count, const char *why)
{
    const struct belt_msg *msg = peer_skip_to(w, BELT_MSG_RECALL);
    cr_assert(msg && msg->u.recall.count == count, "%s: %u of %u", why, msg ? msg->u.recall.count : 0, count);
    agent_return_last(w, count);
}

/* Its short tasks are not done: a long one is among them. What it has not begun goes to whoever is free first. */
Test(balance, an_agent_that_is_stuck_gives_way)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *w, *other;
    two_agents(c, &w, &other, 1);
    cluster_advance(c, 10);
    gives_back(w, w->held_count - 1, "nothing has ended there");
    peer_clear(w);
    cluster_advance(c, 10);
    cr_assert_eq(agent_take(w), 1, "nothing more is put behind the long one");
    agent_result_sized(w, 0, BELT_OK, 1, 50000);
    cr_assert_gt(agent_take(w), 5);
    cluster_free(c);
}

Test(balance, an_agent_that_is_stuck_while_it_is_asked_gives_way_afterwards)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *w, *other;
    two_agents(c, &w, &other, 1);
    cluster_advance(c, 10);
    gives_back(w, w->held_count - 1, "nothing has ended there");
    agent_result_sized(w, 0, BELT_OK, 1, 50);
    agent_take(w);
    cluster_advance(c, 1000);
    gives_back(w, w->held_count - 1, "it is stuck again");
    cluster_free(c);
}

Test(balance, an_agent_without_others_keeps_what_it_has)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *w = full_agent(c, client_new(c, "c1"));
    peer_clear(w);
    cluster_advance(c, 1000);
    cr_assert_null(peer_skip_to(w, BELT_MSG_RECALL), "nobody could have it sooner");
    cluster_free(c);
}

/* Run times rise: what was given out for short tasks is too much, at every agent. */
Test(balance, a_shift_of_run_times_brings_back_what_is_too_much)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *w, *other;
    two_agents(c, &w, &other, 2);
    for (int i = 0; i < 3; i++) {
        agent_result_sized(w, 0, BELT_OK, 1, 5000);
        agent_take(w);
    }
    cr_assert_null(peer_skip_to(w, BELT_MSG_RECALL), "a few long ones among short ones say little");
    agent_result_sized(w, 0, BELT_OK, 1, 5000);
    gives_back(w, w->held_count - 2, "its own results said so");
    gives_back(other, other->held_count - 2, "another one's results said so");
    uint32_t held = agent_take(w);
    cr_assert_eq(held, 4, "%u: one for each slot, and one ahead: 5 ms is what is expected", held);
    cluster_free(c);
}

/* One of four slots runs a long task: the others go on, with less ahead than for four. */
Test(balance, an_agent_with_a_late_slot_holds_less)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *w, *other;
    two_agents(c, &w, &other, 4);
    for (int i = 0; i < 200; i++) {
        agent_result_sized(w, 3, BELT_OK, 1, 50);
        agent_take(w);
    }
    cr_assert_gt(w->held_count, 4 * 40 - 8);
    cluster_advance(c, 10);
    while (w->held_count > 3)
        agent_result_sized(w, 3, BELT_OK, 1, 50);
    uint32_t held = agent_take(w);
    cr_assert(held > 40 && held <= 3 + 41, "%u tasks, as for one slot", held);
    cluster_free(c);
}
