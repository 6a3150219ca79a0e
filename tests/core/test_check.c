/* SPDX-License-Identifier: Apache-2.0
 *
 * The core notices errors of the program: books that do not add up, steps that are not allowed, callers that do not
 * keep to its contract.
 */
#include "tests/core/cluster.h"
#include "broker/core/model/state.h"
#include "broker/core/model/steps.h"

#include <criterion/criterion.h>
#include <signal.h>

static struct cluster *cluster_with_job(void)
{
    struct cluster *c = cluster_new(NULL);
    client_job(client_new(c, "c1"), "f", 3, NULL);
    return c;
}

Test(check, a_wrong_sum_is_named)
{
    struct cluster *c = cluster_with_job();
    char text[256] = "";
    cr_assert(core_check(c->core, text, sizeof(text)));
    c->core->memory.bytes++;
    cr_assert_not(core_check(c->core, text, sizeof(text)));
    cr_assert(strstr(text, "memory.bytes"), "%s", text);
    c->core->memory.bytes--;
    c->core->jobs.by_id->counts.waiting--;
    cr_assert_not(core_check(c->core, text, sizeof(text)));
    cr_assert(strstr(text, "job 1"), "%s", text);
    c->core->jobs.by_id->counts.waiting++;
    cr_assert(core_check(c->core, text, sizeof(text)));
    cluster_free(c);
}

/* Between two looks go as many steps as share out what a look costs. */
Test(check, a_look_at_many_things_is_rare)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1");
    char text[256];
    for (int i = 0; i < 640; i++)
        client_job(p, "f", 1, NULL);
    cr_assert(core_check_sometimes(c->core, text, sizeof(text)));
    uint64_t steps = c->core->check_after;
    cr_assert_geq(steps, 10);
    c->core->memory.bytes++;
    while (steps--)
        cr_assert(core_check_sometimes(c->core, text, sizeof(text)));
    cr_assert_not(core_check_sometimes(c->core, text, sizeof(text)));
    c->core->memory.bytes--;
    cluster_free(c);
}

Test(check, a_job_that_is_over_does_not_go_on, .signal = SIGABRT)
{
    struct cluster *c = cluster_with_job();
    struct job *job = c->core->jobs.by_id;
    job_step(c->core, job, BELT_JOB_STOPPED, "the test has stopped it");
    job_step(c->core, job, BELT_JOB_ENDED_INPUT, NULL);
}

Test(check, a_task_does_not_wait_again_when_it_is_done, .signal = SIGABRT)
{
    struct task task = {0};
    task_step(&task, TASK_DONE);
    task_step(&task, TASK_WAITING);
}

Test(check, a_clock_that_runs_backwards_is_refused, .signal = SIGABRT)
{
    struct cluster *c = cluster_with_job();
    struct core_event event = {.type = CORE_TURN, .now = c->core->now - 1};
    core_step(c->core, &event, c->update);
}

Test(check, a_message_from_nowhere_is_refused, .signal = SIGABRT)
{
    struct cluster *c = cluster_with_job();
    struct belt_msg msg = {.type = BELT_MSG_PING};
    struct core_event event = {.type = CORE_MESSAGE, .now = c->core->now, .msg = &msg};
    core_step(c->core, &event, c->update);
}
