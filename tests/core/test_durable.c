/* SPDX-License-Identifier: Apache-2.0
 *
 * durable.c and restore.c: what is on disk, and what comes back (I9, I2, I3), with and without room in the store.
 */
#include "broker/core/model/catalog.h"
#include "broker/core/model/table.h"
#include "broker/core/model/state.h"
#include "tests/core/cluster.h"

#include <criterion/criterion.h>
#include <string.h>

static struct cluster *kept_new(void)
{
    return cluster_new(&(struct core_config){.durable = true});
}

/* The client is back: its job, and its reader from the delivery it lacks. */
static uint64_t come_back(struct peer *p, uint64_t job, uint8_t mode, uint64_t cursor)
{
    peer_connect(p);
    cr_assert_eq(client_open(p, "k", "f", NULL), job);
    return client_subscribe(p, job, "r", mode, cursor, 1000);
}

Test(durable, without_a_store_nothing_is_recorded)
{
    struct cluster *c = cluster_new(NULL);
    client_job(client_new(c, "c1"), "f", 10, NULL);
    cr_assert_eq(c->disk.count, disk_count(&c->disk, RECORD_HISTORY));
    cluster_free(c);
}

Test(durable, a_volatile_job_is_not_recorded)
{
    struct cluster *c = kept_new();
    client_job(client_new(c, "c1"), "f", 10, &(struct belt_open_options){.never_durable = true});
    cr_assert_eq(c->disk.count, disk_count(&c->disk, RECORD_HISTORY));
    cluster_free(c);
}

Test(durable, what_was_accepted_comes_back)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 600);
    cr_assert_eq(disk_count(&c->disk, RECORD_JOB), 1);
    cr_assert_eq(disk_count(&c->disk, RECORD_TASKS), 1, "a batch is one record");
    cluster_restart(c);
    peer_connect(p);
    client_send_open(p, "k", "f", NULL);
    const struct belt_msg *msg = peer_expect(p, BELT_MSG_OPENED);
    cr_assert_eq(msg->u.opened.job, job);
    cr_assert_eq(msg->u.opened.next, 600);
    cr_assert_eq(msg->u.opened.state, BELT_JOB_OPEN);
    client_push(p, job, 600, 10);
    client_end(p, job, 610);
    struct peer *w = agent_new(c, "w1", 4, 2000, "f");
    cluster_advance(c, 3000);
    agent_work(w);
    peer_clear(p);
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    uint64_t seen = 0;
    for (; (msg = peer_skip_to(p, BELT_MSG_DELIVER)); seen += msg->u.deliver.count)
        cr_assert_eq(msg->u.deliver.first, seen);
    cr_assert_eq(seen, 610);
    cluster_free(c);
}

Test(durable, results_come_back_in_their_order_of_completion)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 4);
    client_end(p, job, 4);
    agent_take(w);
    agent_result(w, 2, BELT_OK);
    agent_result(w, 0, BELT_TASK_FAILED);
    cluster_restart(c);
    peer_clear(p);
    come_back(p, job, BELT_UNORDERED, BELT_CURSOR_KEPT);
    cr_assert_str_eq(client_read(p), "2 0!");
    cluster_free(c);
}

Test(durable, what_expired_without_an_attempt_comes_back)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.deadline_ms = 1000});
    client_push(p, job, 0, 3);
    client_end(p, job, 3);
    cluster_advance(c, 2000);
    cluster_restart(c);
    peer_connect(p);
    client_open(p, "k", "f", &(struct belt_open_options){.deadline_ms = 1000});
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    cr_assert_str_eq(client_read(p), "0! 1! 2!.", "nobody has taken these");
    cluster_free(c);
}

Test(durable, a_reader_goes_on_where_it_acknowledged)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 100, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    client_push(p, job, 0, 5);
    client_end(p, job, 5);
    agent_work(w);
    cr_assert_str_eq(client_read(p), "0 1 2 3 4.");
    client_ack(p, sub, 3, 1000);
    cluster_restart(c);
    come_back(p, job, BELT_ORDERED, BELT_CURSOR_KEPT);
    cr_assert_str_eq(client_read(p), "3 4.");
    cluster_free(c);
}

Test(durable, a_reader_that_has_more_in_hand_is_not_shown_it_again)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 100, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 1000);
    client_push(p, job, 0, 5);
    client_end(p, job, 5);
    agent_work(w);
    client_ack(p, sub, 1, 1000);
    cluster_restart(c);
    peer_clear(p);
    sub = come_back(p, job, BELT_UNORDERED, 4);
    cr_assert_str_eq(client_read(p), "4.");
    client_ack(p, sub, 5, 1000);
    cluster_free(c);
}

Test(durable, what_was_read_leaves_the_disk)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 2000, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 1 << 20);
    for (uint64_t first = 0; first < 20000; first += 500) {
        client_push(p, job, first, 500);
        agent_work(w);
        peer_clear(p);
        client_ack(p, sub, first + 500, 1 << 20);
        cr_assert_leq(c->disk.count, 6, "%u records at %lu", c->disk.count, (unsigned long)first);
    }
    cluster_restart(c);
    peer_connect(p);
    client_send_open(p, "k", "f", NULL);
    const struct belt_msg *msg = peer_expect(p, BELT_MSG_OPENED);
    cr_assert_eq(msg->u.opened.next, 20000, "the mark tells what has gone");
    client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 1 << 20);
    cr_assert_str_eq(client_read(p), "");
    client_end(p, job, 20000);
    cr_assert_str_eq(client_read(p), ".");
    cluster_advance(c, 60000);
    cr_assert_eq(c->disk.count, disk_count(&c->disk, RECORD_HISTORY), "a job that is over leaves its line alone");
    cluster_free(c);
}

Test(durable, a_straggler_keeps_its_neighbours_results_from_running_again)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 1000);
    client_push(p, job, 0, 4);
    client_end(p, job, 4);
    agent_take(w);
    for (int i = 0; i < 3; i++)
        agent_result(w, 1, BELT_OK);
    cr_assert_str_eq(client_read(p), "1 2 3");
    client_ack(p, sub, 3, 1000);
    cluster_restart(c);
    peer_clear(p);
    come_back(p, job, BELT_UNORDERED, BELT_CURSOR_KEPT);
    struct peer *other = agent_new(c, "w2", 4, 100, "f");
    cluster_advance(c, 3000);
    cr_assert_str_eq(agent_holds(other), "1.0/1");
    agent_finish(other, 1);
    cr_assert_str_eq(client_read(p), "0.");
    cluster_free(c);
}

Test(durable, a_cancelled_job_does_not_come_back)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 10);
    client_cancel(p, job);
    cr_assert_eq(c->disk.count, disk_count(&c->disk, RECORD_HISTORY));
    cluster_restart(c);
    peer_connect(p);
    cr_assert_neq(client_open(p, "k", "f", NULL), job, "job ids are not used twice either");
    cluster_free(c);
}

Test(durable, nobody_comes_for_it)
{
    struct cluster *c = cluster_new(&(struct core_config){.durable = true, .keep_ms = 3600000});
    struct peer *p = client_new(c, "c1");
    client_push(p, client_open(p, "k", "f", NULL), 0, 10);
    peer_clear(p);
    client_push(p, client_open(p, "d", "f", &(struct belt_open_options){.detached = true}), 0, 10);
    cluster_restart(c);
    cluster_advance(c, 2 * BELT_GRACE_MS);
    cr_assert_eq(disk_count(&c->disk, RECORD_JOB), 1, "after its grace only the detached one is kept");
    cluster_advance(c, 3700000);
    cr_assert_eq(c->disk.count, disk_count(&c->disk, RECORD_HISTORY));
    cluster_free(c);
}

Test(durable, while_the_store_fails_new_work_is_refused_and_the_old_goes_on)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 100, "f");
    uint64_t job = client_open(p, "k", "f", &(struct belt_open_options){.window_items = 10});
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    client_push(p, job, 0, 10);
    core_store_works(c->core, false, 1 << 20);
    peer_clear(p);
    agent_work(w);
    cr_assert_str_eq(client_read(p), "0", "the next one comes when this was taken");
    client_ack(p, sub, 1, 1000);
    cr_assert_str_eq(client_read(p), "1 2 3 4 5 6 7 8 9");
    client_ack(p, sub, 10, 1000);
    cr_assert_null(peer_skip_to(p, BELT_MSG_ACCEPTED), "no grant");
    client_send_open(p, "l", "f", NULL);
    peer_expect_error(p, BELT_STORE_FAILED);
    client_open(p, "v", "f", &(struct belt_open_options){.never_durable = true});
    core_store_works(c->core, true, 0);
    cluster_turn(c);
    const struct belt_msg *msg = peer_skip_to(p, BELT_MSG_ACCEPTED);
    cr_assert(msg && msg->u.accepted.grant.items == 20);
    cluster_free(c);
}

/* ---- a store without room ---- */

static struct cluster *full_new(struct peer **p, struct peer **w, uint64_t *job, uint32_t tasks)
{
    struct cluster *c = kept_new();
    *p = client_new(c, "c1");
    *w = agent_new(c, "w1", 8, 100, "f");
    *job = client_open(*p, "k", "f", &(struct belt_open_options){.detached = true});
    client_push(*p, *job, 0, tasks);
    cr_assert_eq(agent_take(*w), tasks);
    core_store_works(c->core, false, 1000);
    cluster_turn(c);
    peer_clear(*p);
    return c;
}

Test(durable, results_that_nobody_waits_for_are_not_written_without_room)
{
    struct peer *p, *w;
    uint64_t job;
    struct cluster *c = full_new(&p, &w, &job, 4);
    for (int i = 3; i >= 0; i--)
        agent_result_sized(w, (uint32_t)i, BELT_OK, 100, 0);
    cr_assert_eq(disk_count(&c->disk, RECORD_RESULTS), 0);
    cr_assert_null(peer_skip_to(w, BELT_MSG_RECORDED), "they are not safe");
    core_store_works(c->core, true, 0);
    cluster_turn(c);
    cr_assert_eq(disk_count(&c->disk, RECORD_RESULTS), 1);
    const struct belt_msg *msg = peer_skip_to(w, BELT_MSG_RECORDED);
    cr_assert(msg && msg->u.recorded.upto == 4);
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    cr_assert_str_eq(client_read(p), "0 1 2 3");
    cluster_free(c);
}

/* What is there without room is never more than the part that a reader has in hand. */
static void read_without_room(uint8_t mode, const char *first, const char *second)
{
    struct peer *p, *w;
    uint64_t job;
    struct cluster *c = full_new(&p, &w, &job, 4);
    for (int i = 3; i >= 0; i--)
        agent_result_sized(w, (uint32_t)i, BELT_OK, 100, 0);
    uint64_t sub = client_subscribe(p, job, "r", mode, BELT_CURSOR_KEPT, 1000);
    cr_assert_str_eq(client_read(p), first);
    client_ack(p, sub, 1, 1000);
    cr_assert_str_eq(client_read(p), second);
    cluster_restart(c);
    peer_connect(p);
    peer_connect(w);
    agent_sync(w);
    client_subscribe(p, job, "r", mode, BELT_CURSOR_KEPT, 1000);
    cr_assert_str_eq(client_read(p), second, "what was shown is shown again, at the same place");
    cluster_free(c);
}

Test(durable, a_reader_gets_what_it_waits_for_without_room)
{
    read_without_room(BELT_ORDERED, "0", "1");
    read_without_room(BELT_UNORDERED, "0", "1");
}

Test(durable, a_result_that_is_larger_than_the_spare_room_waits)
{
    struct peer *p, *w;
    uint64_t job;
    struct cluster *c = full_new(&p, &w, &job, 2);
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    agent_result_sized(w, 0, BELT_OK, 1001, 0);
    cr_assert_str_eq(client_read(p), "");
    core_store_works(c->core, true, 0);
    cluster_turn(c);
    cr_assert_str_eq(client_read(p), "0");
    cluster_free(c);
}

Test(durable, a_reader_that_is_away_keeps_the_spare_room_free)
{
    struct peer *p, *w;
    uint64_t job;
    struct cluster *c = full_new(&p, &w, &job, 2);
    uint64_t away = client_subscribe(p, job, "away", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    (void)away;
    peer_cut(p);
    peer_connect(p);
    client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    agent_result_sized(w, 0, BELT_OK, 10, 0);
    cr_assert_str_eq(client_read(p), "", "what one takes stays for the other");
    client_subscribe(p, job, "away", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    cr_assert_str_eq(client_read(p), "0 0");
    cluster_free(c);
}

Test(durable, tasks_that_the_store_has_no_room_for_are_asked_for_again)
{
    struct peer *p, *w;
    uint64_t job;
    struct cluster *c = full_new(&p, &w, &job, 2);
    client_push(p, job, 2, 3);
    client_push(p, job, 5, 3);
    client_end(p, job, 8);
    peer_expect_nothing(p);
    cr_assert_eq(disk_count(&c->disk, RECORD_TASKS), 1);
    core_store_works(c->core, true, 0);
    cluster_turn(c);
    peer_expect_error(p, BELT_SYNC_LOST);
    peer_clear(p);
    client_push(p, job, 2, 6);
    client_end(p, job, 8);
    cr_assert(peer_skip_to(p, BELT_MSG_ENDED));
    cluster_free(c);
}

Test(durable, tries_are_not_forgiven_before_the_result_is_written)
{
    struct peer *p, *w;
    uint64_t job;
    struct cluster *c = kept_new();
    p = client_new(c, "c1");
    w = agent_new(c, "w1", 1, 100, "f");
    job = client_open(p, "k", "f", &(struct belt_open_options){.retries = 5, .backoff_ms = BELT_NO_BACKOFF});
    client_push(p, job, 0, 1);
    agent_take(w);
    agent_result_sized(w, 0, BELT_TASK_FAILED, 0, 0);
    core_store_works(c->core, false, 1000);
    agent_take(w);
    agent_result_sized(w, 0, BELT_OK, 10, 0);
    cluster_restart(c);
    peer_connect(w);
    agent_sync(w);
    cluster_advance(c, 3000);
    cr_assert_str_eq(agent_holds(w), "1.0/2", "it is the second attempt, not the first");
    cluster_free(c);
}

/* The mark is written anew when a result that is on disk was read, and its record shortened. */
Test(durable, failures_that_wait_for_room_are_not_in_the_mark)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 100, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    client_push(p, job, 0, 4);
    client_end(p, job, 4);
    cr_assert_eq(agent_take(w), 4);
    agent_result_sized(w, 0, BELT_OK, 100, 0);
    cr_assert_str_eq(client_read(p), "0");
    core_store_works(c->core, false, 1000);
    agent_result(w, 1, BELT_TASK_FAILED);
    agent_result(w, 1, BELT_TASK_FAILED);
    cr_assert_str_eq(agent_holds(w), "1.1/1");
    cr_assert_eq(disk_count(&c->disk, RECORD_MARK), 0);
    client_ack(p, sub, 1, 1000);
    cr_assert_eq(disk_count(&c->disk, RECORD_MARK), 1);
    cr_assert_eq(disk_count(&c->disk, RECORD_TAKEN), 1);
    cr_assert_eq(disk_count(&c->disk, RECORD_RESULTS), 0, "two wait in memory");
    cluster_restart(c);
    struct peer *other = agent_new(c, "w2", 4, 100, "f");
    cluster_advance(c, 3000);
    cr_assert_eq(agent_take(other), 3);
    cluster_forget_trace(c);
    agent_result(other, 0, BELT_OK);
    agent_result(other, 0, BELT_TASK_FAILED);
    agent_result(other, 0, BELT_TASK_FAILED);
    cr_assert_not_null(strstr(c->trace, "complete: 2 done, 2 failed"), "%s", c->trace);
    peer_clear(p);
    come_back(p, job, BELT_ORDERED, BELT_CURSOR_KEPT);
    cr_assert_str_eq(client_read(p), "1 2! 3!.");
    cluster_free(c);
}

/* The mark counts the errors that went; those that came later are in their records. */
Test(durable, errors_before_and_behind_the_mark_are_counted)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 8, 100, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 1000);
    client_push(p, job, 0, 2);
    cr_assert_eq(agent_take(w), 2);
    agent_result(w, 0, BELT_TASK_FAILED);
    agent_result(w, 0, BELT_TASK_FAILED);
    cr_assert_str_eq(client_read(p), "0! 1!");
    client_ack(p, sub, 2, 1000);
    cr_assert_eq(disk_count(&c->disk, RECORD_RESULTS), 0);
    client_push(p, job, 2, 4);
    cr_assert_eq(agent_take(w), 4);
    agent_result(w, 0, BELT_TASK_FAILED);
    agent_result(w, 0, BELT_OK);
    cluster_restart(c);
    const struct job *back = catalog_find(c->core, job);
    cr_assert(back->counts.failed == 3 && back->counts.done == 1, "%llu failed, %llu done",
              (unsigned long long)back->counts.failed, (unsigned long long)back->counts.done);
    cluster_free(c);
}

static void lose(struct disk *disk, uint8_t kind)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < disk->count; i++)
        if (disk->rows[i].kind == kind)
            belt_buf_unref(disk->rows[i].body);
        else
            disk->rows[left++] = disk->rows[i];
    disk->count = left;
}

/* A store that was salvaged may have lost results that its reader had taken: they come again, and nobody wants them. */
Test(durable, an_error_that_was_taken_before_it_was_written_is_counted)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 8, 100, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_ORDERED, BELT_CURSOR_KEPT, 1000);
    client_push(p, job, 0, 4);
    cr_assert_eq(agent_take(w), 4);
    agent_finish(w, 2);
    cr_assert_str_eq(client_read(p), "0 1");
    client_ack(p, sub, 2, 1000);
    lose(&c->disk, RECORD_RESULTS);
    cluster_restart(c);
    struct peer *other = agent_new(c, "w2", 8, 100, "f");
    cluster_advance(c, 3000);
    cr_assert_eq(agent_take(other), 4);
    agent_result(other, 0, BELT_TASK_FAILED);
    agent_result(other, 0, BELT_TASK_FAILED);
    cr_assert_eq(disk_count(&c->disk, RECORD_TAKEN), 2);
    cr_assert_eq(disk_count(&c->disk, RECORD_RESULTS), 0);
    cluster_restart(c);
    const struct job *back = catalog_find(c->core, job);
    cr_assert(back->counts.failed == 2 && back->counts.done == 0, "%llu failed, %llu done",
              (unsigned long long)back->counts.failed, (unsigned long long)back->counts.done);
    cluster_free(c);
}

Test(durable, a_straggler_lies_before_segments_that_are_gone)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 4, 2000, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    uint64_t sub = client_subscribe(p, job, "r", BELT_UNORDERED, BELT_CURSOR_KEPT, 1 << 20);
    client_push(p, job, 0, TABLE_SEGMENT);
    client_push(p, job, TABLE_SEGMENT, TABLE_SEGMENT);
    while (agent_take(w) > 1)
        agent_result_sized(w, 1, BELT_OK, 70000, 5);
    cr_assert_str_eq(agent_holds(w), "1.0/1");
    client_ack(p, sub, 2 * TABLE_SEGMENT - 1, 1 << 20);
    cluster_restart(c);
    peer_clear(p);
    come_back(p, job, BELT_UNORDERED, BELT_CURSOR_KEPT);
    client_push(p, job, 2 * TABLE_SEGMENT, 2);
    client_end(p, job, 2 * TABLE_SEGMENT + 2);
    struct peer *other = agent_new(c, "w2", 4, 2000, "f");
    cluster_advance(c, 3000);
    cr_assert_eq(agent_take(other), 3);
    agent_finish(other, 3);
    cr_assert_str_eq(client_read(p), "0 512 513.");
    cluster_free(c);
}

/* What a new broker says of the disk without row `without`, and with `again` once more at its end. */
static int read_back(const struct cluster *c, uint32_t without, uint32_t again)
{
    struct disk_row rows[64];
    struct disk disk = {.rows = rows, .last_number = c->disk.last_number};
    struct core *core = core_new(&c->config);
    cr_assert(core && c->disk.count < 64);
    for (uint32_t i = 0; i < c->disk.count; i++)
        if (i != without)
            rows[disk.count++] = c->disk.rows[i];
    if (again < c->disk.count) {
        rows[disk.count] = c->disk.rows[again];
        rows[disk.count++].number = ++disk.last_number;
    }
    int rc = disk_restore(&disk, core, c->now);
    core_free(core);
    return rc;
}

Test(durable, a_record_that_is_missing_or_there_twice_is_damage)
{
    struct cluster *c = kept_new();
    struct peer *p = client_new(c, "c1"), *w = agent_new(c, "w1", 1, 4, "f");
    uint64_t job = client_open(p, "k", "f", NULL);
    client_push(p, job, 0, 10);
    client_push(p, job, 10, 10);
    client_end(p, job, 20);
    for (int i = 0; i < 4; i++) {
        agent_take(w);
        agent_finish(w, 1);
    }
    cr_assert_geq(disk_count(&c->disk, RECORD_RESULTS), 4);
    cr_assert_eq(read_back(c, UINT32_MAX, UINT32_MAX), BELT_OK);
    for (uint32_t i = 0; i < c->disk.count; i++) {
        cr_assert_eq(read_back(c, UINT32_MAX, i), BELT_BAD_MESSAGE, "row %u twice", i);
        if (c->disk.rows[i].kind != RECORD_END && i + 1 < c->disk.count) /* without the last result it runs again */
            cr_assert_eq(read_back(c, i, UINT32_MAX), BELT_BAD_MESSAGE, "row %u missing", i);
    }
    cluster_free(c);
}
