/* SPDX-License-Identifier: Apache-2.0
 *
 * dispatch.c: who gets what: fairness, priority, stalls, chunks, windows, turns, notices. Taking back is
 * test_balance.c.
 */
#include "tests/core/cluster.h"

#include <criterion/criterion.h>

/* How many of the tasks that `w` holds belong to `job`. */
static uint32_t held_of(const struct peer *w, uint64_t job)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->held_count; i++)
        count += w->held[i].ref.job == job;
    return count;
}

/* One slot works through `count` tasks; returns how many were of `job`. */
static uint32_t served(struct peer *w, uint64_t job, uint32_t count)
{
    uint32_t mine = 0;
    while (count--) {
        agent_take(w);
        cr_assert_gt(w->held_count, 0, "a slot idles while work waits (I7)");
        mine += w->held[0].ref.job == job;
        agent_result(w, 0, BELT_OK);
    }
    return mine;
}

Test(dispatch, long_tasks_go_one_by_one_to_each_slot)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *a = agent_new(c, "a", 2, 100, "f"), *b = agent_new(c, "b", 3, 100, "f");
    client_job(p, "f", 20, NULL);
    cr_assert_eq(agent_take(a), 2);
    cr_assert_eq(agent_take(b), 3);
    agent_finish(a, 1);
    cr_assert_eq(agent_take(a), 2);
    cluster_free(c);
}

Test(dispatch, short_tasks_go_in_batches_within_the_window)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 1, 100, "f");
    client_job(p, "f", 1000, NULL);
    for (int i = 0; i < 50; i++) {
        agent_take(w);
        agent_result_sized(w, 0, BELT_OK, 1, 5);
    }
    cr_assert_gt(agent_take(w), 50);
    cluster_free(c);
}

/* One slot runs so many short tasks, and as many new ones come; returns in how many messages it got others. */
static uint32_t refills(struct peer *p, struct peer *w, uint64_t job, uint64_t next, uint32_t count)
{
    uint32_t messages = 0, held = w->held_count;
    for (uint32_t i = 0; i < count; i++) {
        agent_result_sized(w, 0, BELT_OK, 1, 1);
        client_push(p, job, next + i, 1);
        cr_assert_gt(agent_take(w), 0, "a slot idles while work waits (I7)");
        messages += w->held_count >= held;
        held = w->held_count;
    }
    return messages;
}

Test(dispatch, half_of_what_is_there_lies_ahead_so_that_messages_are_large)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *a = agent_new(c, "a", 1, 2000, "f"), *b = agent_new(c, "b", 1, 2000, "f");
    const struct belt_open_options options = {.window_items = 10000};
    uint64_t job = client_open(p, "", "f", &options);
    client_push(p, job, 0, 1000);
    cr_assert_eq(agent_take(a) + agent_take(b), 2);
    refills(p, a, job, 1000, 250);
    refills(p, b, job, 1250, 250);
    cr_assert(a->held_count > 200 && b->held_count > 200, "%u, %u", a->held_count, b->held_count);
    cr_assert_leq(a->held_count + b->held_count, 2 + 500);
    cr_assert_leq(refills(p, a, job, 1500, 300), 300 / (250 / 8) + 1);
    cluster_free(c);
}

Test(dispatch, the_byte_window_of_an_agent_holds)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = peer_new(c, BELT_ROLE_WORKER, "w");
    *w = (struct peer){.cluster = c,
                       .role = w->role,
                       .name = "w",
                       .session = {77},
                       .slots = 4,
                       .window_items = 10,
                       .window_bytes = 2500,
                       .functions = "f",
                       .alive = true};
    peer_connect(w);
    agent_sync(w);
    uint64_t job = client_open(p, "", "f", NULL);
    client_push_sized(p, job, 0, 4, 1000);
    cr_assert_eq(agent_take(w), 2);
    client_push_sized(p, job, 4, 1, 9000);
    agent_work(w);
    cluster_free(c);
}

Test(dispatch, clients_share_whatever_their_sizes)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *big = client_new(c, "big"), *small = client_new(c, "small"), *w = agent_new(c, "w", 1, 1, "f");
    client_job(big, "f", 300, NULL);
    client_job(big, "f", 300, NULL);
    client_job(big, "f", 300, NULL);
    served(w, 0, 20);
    uint64_t job = client_job(small, "f", 100, NULL);
    uint32_t mine = served(w, job, 100);
    cr_assert(mine >= 45 && mine <= 55, "%u of 100", mine);
    cluster_free(c);
}

/* One task after the other on a single slot; those of `job` take ten times as long. Counts them. */
static uint32_t served_long(struct peer *w, struct peer *other, uint64_t job, uint32_t rounds)
{
    uint32_t mine = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        cr_assert(agent_take(w) > 0 && agent_take(other) > 0);
        bool is_mine = w->held[0].ref.job == job;
        mine += is_mine;
        agent_result_sized(w, 0, BELT_OK, 1, is_mine ? 300000 : 30000);
        agent_result_sized(other, 0, BELT_OK, 1, 1000000);
    }
    return mine;
}

Test(dispatch, clients_share_by_time_whatever_happens_elsewhere)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *a = client_new(c, "a"), *b = client_new(c, "b"), *busy = client_new(c, "busy");
    struct peer *w = agent_new(c, "w", 1, 1, "f"), *other = agent_new(c, "other", 1, 1, "g");
    client_job(busy, "g", 2000, NULL);
    uint64_t job = client_job(a, "f", 2000, NULL);
    client_job(b, "f", 2000, NULL);
    served_long(w, other, job, 20);
    uint32_t mine = served_long(w, other, job, 220);
    cr_assert(mine >= 16 && mine <= 24, "%u of 220: a tenth of the tasks is half of the time", mine);
    cluster_free(c);
}

Test(dispatch, functions_of_an_agent_share_it_by_their_clients)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *a = client_new(c, "a"), *b = client_new(c, "b"), *d = client_new(c, "d");
    struct peer *w = agent_new(c, "w", 1, 1, "f,g");
    client_job(a, "f", 2000, NULL);
    client_job(b, "f", 2000, NULL);
    uint64_t job = client_job(d, "g", 2000, NULL);
    served(w, 0, 20);
    uint32_t mine = served(w, job, 300);
    cr_assert(mine >= 90 && mine <= 110, "%u of 300: each client has a third", mine);
    cluster_free(c);
}

Test(dispatch, jobs_of_one_client_share)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c"), *w = agent_new(c, "w", 1, 1, "f");
    client_job(p, "f", 300, NULL);
    uint64_t job = client_job(p, "f", 300, NULL);
    uint32_t mine = served(w, job, 100);
    cr_assert(mine >= 45 && mine <= 55, "%u of 100", mine);
    cluster_free(c);
}

Test(dispatch, priority_stands_above_fairness)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c"), *w = agent_new(c, "w", 1, 1, "f");
    client_job(p, "f", 300, NULL);
    uint64_t job = client_job(p, "f", 50, &(struct belt_open_options){.priority = 1});
    served(w, 0, 1); /* it was on its way */
    cr_assert_eq(served(w, job, 50), 50);
    cluster_free(c);
}

Test(dispatch, a_stalled_reader_stalls_its_own_job_only)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *q = client_new(c, "c2"), *w = agent_new(c, "w", 1, 1, "f");
    uint64_t stalled = client_open(p, "", "f", &(struct belt_open_options){.window_bytes = 1000});
    uint64_t sub = client_subscribe(p, stalled, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    client_push_sized(p, stalled, 0, 90, 2);
    for (int i = 0; i < 20 && agent_take(w); i++)
        agent_result_sized(w, 0, BELT_OK, 300, 50000);
    cr_assert_eq(agent_take(w), 0, "the window of 1000 bytes is full and its reader takes nothing");
    uint64_t job = client_job(q, "f", 10, NULL);
    cr_assert_eq(served(w, job, 10), 10, "I6");
    client_ack(p, sub, 2, 1000);
    cr_assert_eq(agent_take(w), 1, "it goes on when its reader takes");
    cluster_free(c);
}

Test(dispatch, inputs_in_the_window_do_not_stall)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 4, 4, "f");
    uint64_t job = client_open(p, "", "f", &(struct belt_open_options){.window_bytes = 1000});
    client_push_sized(p, job, 0, 4, 300);
    cr_assert_eq(agent_take(w), 4);
    cluster_free(c);
}

Test(dispatch, a_chunk_is_exact_and_goes_together)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 2, 100, "f");
    client_job(p, "f", 25, &(struct belt_open_options){.chunk = 10});
    const struct belt_msg *msg = peer_expect(w, BELT_MSG_DISPATCH);
    cr_assert(msg->u.dispatch.together && msg->u.dispatch.count == 10);
    msg = peer_expect(w, BELT_MSG_DISPATCH);
    cr_assert(msg->u.dispatch.together && msg->u.dispatch.count == 10);
    msg = peer_expect(w, BELT_MSG_DISPATCH);
    cr_assert(msg->u.dispatch.count == 5, "the rest, one chunk ahead");
    peer_expect_nothing(w);
    cluster_free(c);
}

Test(dispatch, a_partial_chunk_waits_a_moment_while_the_job_grows)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 1, 100, "f");
    uint64_t job = client_open(p, "", "f", &(struct belt_open_options){.chunk = 10});
    client_push(p, job, 0, 4);
    cr_assert_eq(agent_take(w), 0);
    client_push(p, job, 4, 6);
    cr_assert_eq(agent_take(w), 10);
    agent_finish(w, 10);
    client_push(p, job, 10, 3);
    cluster_advance(c, 99);
    cr_assert_eq(agent_take(w), 0);
    cluster_advance(c, 1);
    cr_assert_eq(agent_take(w), 3);
    agent_finish(w, 3);
    client_push(p, job, 13, 2);
    client_end(p, job, 15);
    cr_assert_eq(agent_take(w), 2, "nothing more can come");
    cluster_free(c);
}

Test(dispatch, a_chunk_that_fills_up_goes_to_an_agent_that_idled_meanwhile)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 1, 1, "f,g");
    uint64_t job = client_open(p, "", "f", &(struct belt_open_options){.chunk = 10, .window_items = 3});
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 100);
    client_push(p, job, 0, 3);
    agent_take(w);
    uint64_t other = client_job(client_new(c, "c2"), "g", 1, NULL);
    agent_finish(w, 1);
    agent_take(w);
    cr_assert_eq(held_of(w, other), 1);
    client_ack(p, sub, 1, 100);
    agent_finish(w, 1);
    cr_assert_eq(agent_take(w), 0, "the grant was raised: more may come");
    client_push(p, job, 3, 1);
    cr_assert_eq(agent_take(w), 1, "no more can come");
    cluster_free(c);
}

Test(dispatch, a_chunk_in_one_slot_leaves_the_others_free)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 4, 64, "f");
    uint64_t chunk = client_job(p, "f", 20, &(struct belt_open_options){.chunk = 20});
    uint64_t job = client_job(p, "f", 20, NULL);
    agent_take(w);
    cr_assert_eq(held_of(w, chunk), 20);
    cr_assert_eq(held_of(w, job), 3);
    cluster_free(c);
}

/* Two chunks in its slots, of which one task is done, and one behind them: that one is worth asking for. */
Test(dispatch, chunks_that_come_back_are_told_apart)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true});
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 2, 64, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.chunk = 5});
    client_push(p, job, 0, 15);
    client_end(p, job, 15);
    cr_assert_eq(agent_take(w), 15);
    agent_finish(w, 1);
    cluster_restart(c);
    peer_connect(w);
    agent_sync(w);
    struct peer *idle = agent_new(c, "idle", 1, 64, "f");
    cluster_advance(c, 1000);
    cr_assert_eq(agent_take(idle), 0);
    cr_assert_not_null(peer_skip_to(w, BELT_MSG_RECALL));
    cluster_free(c);
}

Test(dispatch, a_chunk_does_not_exceed_the_window)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 2, 8, "f");
    client_job(p, "f", 30, &(struct belt_open_options){.chunk = 6});
    cr_assert_eq(agent_take(w), 8, "six, and two for the other slot");
    cluster_free(c);
}

Test(dispatch, who_comes_later_gets_a_share)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    client_job(p, "f", 10, NULL);
    struct peer *a = agent_new(c, "a", 2, 10, "f");
    cr_assert_eq(agent_take(a), 2);
    struct peer *b = agent_new(c, "b", 2, 10, "g,f");
    cr_assert_eq(agent_take(b), 2);
    struct peer *other = agent_new(c, "other", 2, 10, "g");
    cr_assert_eq(agent_take(other), 0);
    cluster_free(c);
}

Test(dispatch, a_job_that_nobody_serves_is_told_so_once)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_job(p, "f", 3, NULL);
    cluster_advance(c, 999);
    peer_expect_nothing(p);
    cluster_advance(c, 10000);
    const struct belt_msg *msg = peer_expect(p, BELT_MSG_NOTICE);
    cr_assert_eq(msg->u.notice.job, job);
    cr_assert_eq(msg->u.notice.code, BELT_NO_WORKER);
    peer_expect_nothing(p);
    struct peer *w = agent_new(c, "w", 1, 1, "f");
    cr_assert_eq(peer_expect(p, BELT_MSG_NOTICE)->u.notice.code, BELT_OK);
    peer_send_type(w, BELT_MSG_BYE);
    cluster_advance(c, 1000);
    cr_assert_eq(peer_expect(p, BELT_MSG_NOTICE)->u.notice.code, BELT_NO_WORKER);
    cluster_free(c);
}

static uint32_t tasks_sent(const struct core_update *update)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < update->send_count; i++)
        if (update->sends[i].msg.type == BELT_MSG_DISPATCH)
            count += update->sends[i].msg.u.dispatch.count;
    return count;
}

Test(dispatch, a_turn_gives_out_so_much_and_the_next_one_goes_on)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "", "f", NULL);
    for (int i = 0; i < 10; i++)
        agent_new(c, "w", 4096, 65536, "f");
    c->burst = true;
    for (uint64_t next = 0; next < 40960; next += 2048)
        client_push(p, job, next, 2048);
    core_step(c->core, &(struct core_event){.type = CORE_TURN, .now = c->now}, c->update);
    uint32_t sent = tasks_sent(c->update);
    cr_assert(sent >= 32768 && sent < 36864, "%u tasks in one turn", sent);
    cr_assert_eq(core_deadline(c->core), 0, "there is more to do");
    core_update_clear(c->update);
    core_step(c->core, &(struct core_event){.type = CORE_TURN, .now = c->now}, c->update);
    cr_assert_eq(sent + tasks_sent(c->update), 40960);
    core_update_clear(c->update);
    cluster_free(c);
}

/* It was a message for the idle slots and one for what lies ahead: half of all messages to an agent that answers at
 * once. */
Test(dispatch, an_idle_agent_is_filled_by_one_message_when_much_waits)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 2, 65536, "f");
    uint64_t job = client_open(p, "", "f", NULL);
    client_push(p, job, 0, 1);
    agent_take(w);
    agent_result_sized(w, 0, BELT_OK, 1, 1); /* a task takes a microsecond */
    c->burst = true;
    client_push(p, job, 1, 2000);
    core_step(c->core, &(struct core_event){.type = CORE_TURN, .now = c->now}, c->update);
    uint32_t at = 0;
    while (at < c->update->send_count && c->update->sends[at].msg.type != BELT_MSG_DISPATCH)
        at++;
    cr_assert_lt(at, c->update->send_count);
    uint32_t first = c->update->sends[at].msg.u.dispatch.count;
    cr_assert_eq(first, 1001, "%u tasks in the first message", first); /* half of what waits */
    core_update_clear(c->update);
    cluster_free(c);
}

/* One turn of which nobody hears; the first peers that were sent tasks, each once. */
static uint32_t fed_by_a_turn(struct cluster *c, uint64_t peers[16])
{
    uint32_t count = 0;
    core_step(c->core, &(struct core_event){.type = CORE_TURN, .now = c->now}, c->update);
    for (uint32_t i = 0; i < c->update->send_count && count < 16; i++) {
        uint32_t at = 0;
        while (at < count && peers[at] != c->update->sends[i].peer)
            at++;
        if (c->update->sends[i].msg.type == BELT_MSG_DISPATCH && at == count)
            peers[count++] = c->update->sends[i].peer;
    }
    core_update_clear(c->update);
    return count;
}

Test(dispatch, who_was_not_reached_in_a_turn_comes_first_in_the_next)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *early[16];
    uint64_t job = client_open(p, "", "f", NULL), peers[32];
    for (int i = 0; i < 16; i++)
        early[i] = agent_new(c, "early", 4096, 65536, "f");
    c->burst = true;
    for (uint64_t next = 0; next < 110592; next += 2048)
        client_push(p, job, next, 2048);
    uint32_t count = fed_by_a_turn(c, peers);
    cr_assert_lt(count, 16, "all were reached in one turn");
    for (int i = 0; i < 14; i++)
        agent_new(c, "late", 4096, 65536, "f");
    count += fed_by_a_turn(c, peers + count);
    for (int i = 0; i < 16; i++) {
        bool fed = false;
        for (uint32_t k = 0; k < count; k++)
            fed |= early[i]->handle == peers[k];
        cr_assert(fed, "agent %d was passed over again", i);
    }
    cluster_free(c);
}

Test(dispatch, many_slots_share_what_is_in_hand)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    struct peer *w = agent_new(c, "w", 4096, 65536, "f");
    uint64_t job = client_open(p, "", "f", NULL);
    client_push(p, job, 0, 1);
    agent_take(w);
    agent_result_sized(w, 0, BELT_OK, 1, 1); /* a task takes a microsecond: 2000 would be in hand for each */
    for (int i = 0; i < 31; i++) {           /* 131072 slots: half of what is there lies ahead at all of them */
        struct peer *other = peer_new(c, BELT_ROLE_WORKER, "other");
        other->slots = 4096, other->window_items = 65536, other->functions = "f";
        peer_connect(other); /* and nothing more: it gets nothing */
    }
    c->burst = true;
    for (uint64_t next = 1; next < 60000; next += 2000)
        client_push(p, job, next, 2000);
    cluster_turn(c);
    uint32_t held = 0;
    for (uint32_t more; (more = agent_take(w)) > held;)
        held = more;
    cr_assert(held > 4096 + 800 && held <= 4096 + 30000 / 32, "%u tasks in hand", held);
    cluster_free(c);
}

Test(dispatch, drained_when_what_can_be_finished_is_finished)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w", 1, 1, "f");
    uint64_t job = client_job(p, "f", 2, NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 10);
    client_job(p, "nobody", 2, NULL);
    cluster_drain(c);
    cr_assert_not(core_drained(c->core));
    agent_work(w);
    cr_assert_not(core_drained(c->core), "its reader has not taken the results");
    client_ack(p, sub, 2, 10);
    cr_assert(core_drained(c->core));
    cluster_free(c);
}

Test(dispatch, a_large_argument_goes_beside_as_many_large_tasks_as_a_message_takes)
{
    static uint8_t argument[BELT_MAX_ARGUMENT + 1], payload[BELT_INLINE_PAYLOAD + 1];
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 300, "f");
    struct belt_task_item items[BELT_MAX_FRAMES - 1];
    struct belt_msg push = {.type = BELT_MSG_PUSH};

    memset(argument, 'a', sizeof(argument));
    uint64_t job =
        client_open(p, "k", "f", &(struct belt_open_options){.argument = {argument, sizeof(argument)}, .chunk = 200});
    for (uint64_t first = 0; first < 4 * (BELT_MAX_FRAMES - 1); first += BELT_MAX_FRAMES - 1) {
        for (uint32_t i = 0; i < BELT_MAX_FRAMES - 1; i++)
            items[i] = (struct belt_task_item){.index = first + i, .payload = {NULL, payload, sizeof(payload)}};
        push.u.push = (struct belt_msg_push){job, first, items, BELT_MAX_FRAMES - 1};
        peer_send(p, push);
    }
    const struct belt_msg *msg = peer_skip_to(w, BELT_MSG_DISPATCH);
    cr_assert_eq(msg->u.dispatch.argument.len, sizeof(argument));
    cr_assert_eq(memcmp(msg->u.dispatch.argument.data, argument, sizeof(argument)), 0);
    cr_assert_eq(msg->u.dispatch.count, BELT_MAX_FRAMES - 2, "one frame is the header, and one the argument");
    cluster_free(c);
}
