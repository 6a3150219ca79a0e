/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of proto/limits.h that hold when nobody says otherwise, each at its edge.
 */
#include "cluster.h"

#include <criterion/criterion.h>
#include <string.h>

Test(bounds, a_pause_before_a_retry_ends_growing)
{
    struct cluster *c = cluster_new(NULL);
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 10, "f");
    p->alive = w->alive = true;
    client_push(p, client_open(p, "k", "f", &(struct belt_job_options){.retries = 20}), 0, 1);
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
    uint64_t job = client_open(p, "k", "f", &(struct belt_job_options){.window_bytes = (uint64_t)1 << 30});
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
    client_push(p, client_open(p, "k", "f", &(struct belt_job_options){.detached = true}), 0, 1);
    peer_gone(p);
    cluster_forget_trace(c);
    cluster_advance(c, BELT_KEEP_MS - BELT_LEASE_MS - BELT_GRACE_MS);
    cr_assert_null(strstr(c->trace ? c->trace : "", "cancelled"), "%s", c->trace);
    cluster_advance(c, 2 * (BELT_LEASE_MS + BELT_GRACE_MS));
    cr_assert_not_null(strstr(c->trace, "cancelled"), "%s", c->trace);
    cluster_free(c);
}
