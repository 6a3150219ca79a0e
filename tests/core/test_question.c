/* SPDX-License-Identifier: Apache-2.0
 *
 * question.c: reports are charged to whoever asks for them, so a flood of STATUS costs the others nothing (§5.5). Costs
 * are counted in rows.
 */
#include "tests/core/cluster.h"
#include "broker/core/model/state.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define JOBS 1000u

static void ask(struct peer *peer, uint64_t ref, uint8_t what)
{
    struct belt_msg msg = {.type = BELT_MSG_STATUS};
    msg.u.status = (struct belt_msg_status){.ref = ref, .what = what, .extended = true};
    peer_send(peer, msg);
}

static struct cluster *cluster_with_jobs(void)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    p->alive = true;
    for (uint32_t i = 0; i < JOBS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%u", i);
        client_open(p, key, "f", NULL);
    }
    return c;
}

Test(question, whoever_asks_without_a_pause_waits)
{
    struct cluster *c = cluster_with_jobs();
    struct peer *greedy = client_new(c, "greedy"), *other = client_new(c, "other");
    greedy->alive = other->alive = true;
    c->core->sessions.report_rows = 0;
    uint64_t asked = 0, answered = 0, refused = 0;
    for (int i = 0; i < 2000; i++)
        ask(greedy, ++asked, BELT_REPORT_QUEUES);
    cr_assert_leq(c->core->sessions.report_rows, 252u * (JOBS + 1), "a quarter of a second's worth");
    ask(other, 1, BELT_REPORT_QUEUES);
    cr_assert_eq(peer_expect(other, BELT_MSG_REPORT)->u.report.ref, 1, "others are answered at once");

    const struct belt_msg *msg;
    uint64_t last = 0, rows = c->core->sessions.report_rows;
    cluster_advance(c, 100);
    cr_assert_leq(c->core->sessions.report_rows - rows, 102u * (JOBS + 1), "and then so much in a second of asking");
    while ((msg = peer_next(greedy))) {
        if (msg->type == BELT_MSG_ERROR) {
            cr_assert_eq(msg->u.error.code, BELT_LIMIT);
            refused++;
            continue;
        }
        cr_assert_eq(msg->type, BELT_MSG_REPORT);
        cr_assert_gt(msg->u.report.ref, last, "in their order");
        last = msg->u.report.ref;
        answered++;
    }
    cr_assert_eq(answered + refused, asked, "each has an answer");
    cr_assert_geq(answered, BELT_MAX_QUESTIONS);
    cluster_free(c);
}

Test(question, a_question_dies_with_its_connection)
{
    struct cluster *c = cluster_with_jobs();
    struct peer *greedy = client_new(c, "greedy");
    for (int i = 0; i < 300; i++)
        ask(greedy, 1, BELT_REPORT_QUEUES);
    cr_assert(!list_is_empty(&c->core->sessions.askers));
    peer_gone(greedy);
    cr_assert(list_is_empty(&c->core->sessions.askers));
    peer_connect(greedy);
    cluster_advance(c, 1000);
    ask(greedy, 9, BELT_REPORT_BROKER);
    cr_assert_eq(peer_expect(greedy, BELT_MSG_REPORT)->u.report.ref, 9);
    for (int i = 0; i < 600; i++)
        ask(greedy, 1, BELT_REPORT_QUEUES);
    cluster_free(c); /* with questions that wait */
}
