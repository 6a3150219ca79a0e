/* SPDX-License-Identifier: Apache-2.0
 *
 * FAILED: failed tasks are listed, shown, tried again as a new job, or dropped
 * (PROTOCOL.md §9.3). They are kept by journal/dead_letter.c.
 */
#include "broker/core/events/failed.h"
#include "broker/core/journal/dead_letter.h"
#include "broker/core/life/grant.h"
#include "broker/core/life/opening.h"
#include "broker/core/model/account.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/name.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/access.h"
#include "broker/core/policy/waiting.h"
#include "broker/core/events/peer.h"
#include "broker/core/model/steps.h"

#include <stdlib.h>
#include <string.h>

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The indexes of `msg` are sorted. */
static bool is_chosen(const struct session *from, const struct dead_letter *letter, const struct belt_msg_failed *msg)
{
    if ((msg->job && letter->job->id != msg->job) || letter->serial < msg->from)
        return false;
    if (!access_to_past(from, ACCESS_FAILED, account_name(letter->job->account)))
        return false;
    if (msg->function.len && !name_equals(letter->job->queue->function, msg->function))
        return false;
    return msg->count == 0 ||
           bsearch(&letter->index, msg->indexes, msg->count, sizeof(*msg->indexes), by_number) != NULL;
}

static uint64_t count_chosen(const struct core *core, const struct session *from, const struct belt_msg_failed *msg)
{
    const struct dead_letter *letter;
    uint64_t count = 0;
    DL_FOREACH2(core->dead_letters.first, letter, all_next)
    count += is_chosen(from, letter, msg);
    return count;
}

/* Failed tasks of the job in question that were let go; none of a job that the asker may not see. */
static uint64_t let_go_of(struct core *core, const struct session *from, const struct belt_msg_failed *msg)
{
    const struct dead_letter_job *of = msg->job ? dead_letter_job_find(core, msg->job) : NULL;
    const struct job *job = msg->job ? catalog_find(core, msg->job) : NULL;
    if (job && access_to_job(from, ACCESS_FAILED, job) != ACCESS_GRANTED)
        return 0;
    if (of && !access_to_past(from, ACCESS_FAILED, account_name(of->account)))
        return 0;
    return msg->job ? dead_letter_let_go(core, msg->job) : 0;
}

static struct belt_msg_failures *answer(struct core *core, struct session *to, const struct belt_msg_failed *msg,
                                        uint64_t count)
{
    struct belt_msg *out = update_send(core, to, BELT_MSG_FAILURES);
    out->u.failures = (struct belt_msg_failures){.ref = msg->ref,
                                                 .count = count,
                                                 .dropped = core->dead_letters.dropped,
                                                 .extended = msg->extended,
                                                 .let_go = let_go_of(core, to, msg)};
    return &out->u.failures;
}

/* What the answer says must be on disk first. */
static void hold_answer(struct core *core, const struct session *to)
{
    if (core->config.durable && to->peer)
        core->out->sends[core->out->send_count - 1].held = true;
}

static struct belt_letter row_of(struct core *core, const struct dead_letter *letter, bool whole)
{
    struct belt_letter row = {.serial = letter->serial,
                              .job = letter->job->id,
                              .index = letter->index,
                              .attempt = letter->attempt,
                              .code = letter->code,
                              .failed_at = letter->failed_at,
                              .size = letter->payload.len,
                              .function = name_bytes(letter->job->queue->function),
                              .extras = letter->extras};
    if (whole) {
        row.payload = letter->payload;
    } else if (letter->extras && letter->extras->log.len) {
        struct belt_result_extras *extras = update_alloc(core, sizeof(*extras));
        *extras = *letter->extras;
        extras->log = (struct belt_bytes){0};
        row.extras = extras;
    }
    return row;
}

static void list(struct core *core, struct session *from, const struct belt_msg_failed *msg)
{
    bool whole = msg->action == BELT_FAILED_SHOW;
    uint64_t count = count_chosen(core, from, msg);
    uint32_t room = count < BELT_MAX_BATCH ? (uint32_t)count : BELT_MAX_BATCH;
    struct belt_letter *rows = update_alloc(core, (room + 1) * sizeof(*rows));
    struct belt_batch batch = {0};
    const struct dead_letter *letter;
    DL_FOREACH2(core->dead_letters.first, letter, all_next)
    {
        if (!is_chosen(from, letter, msg))
            continue;
        struct belt_letter row = row_of(core, letter, whole);
        size_t overhead = 2 * BELT_MAX_NAME + 128 + (size_t)extras_bytes(row.extras);
        if (batch.count == room || !belt_batch_add(&batch, row.payload.len, overhead))
            break;
        rows[batch.count - 1] = row;
    }
    struct belt_msg_failures *out = answer(core, from, msg, count);
    out->letters = rows;
    out->letter_count = batch.count;
}

/* The answer to a RETRY or DROP. */
static void say(struct core *core, struct session *to, const struct belt_msg_failed *msg, uint64_t count, uint64_t job,
                uint64_t let_go)
{
    struct belt_msg_failures *out = answer(core, to, msg, count);
    out->job = job;
    out->let_go = let_go;
    if (msg->action == BELT_FAILED_RETRY)
        hold_answer(core, to);
}

/* It may be lost, and the question sent again when nothing is there to choose any more. */
static void settle(struct core *core, struct session *from, const struct belt_msg_failed *msg, uint64_t count,
                   uint64_t job, uint64_t let_go)
{
    struct settled *settled = &core->answers.ring[core->answers.next++ % SETTLED_MAX];
    *settled = (struct settled){
        .action = msg->action, .ref = msg->ref, .job = msg->job, .count = count, .made = job, .let_go = let_go};
    memcpy(settled->session, from->id, sizeof(settled->session));
    say(core, from, msg, count, job, let_go);
}

static const struct settled *settled_find(const struct core *core, const struct session *from,
                                          const struct belt_msg_failed *msg)
{
    for (uint32_t i = 1; i <= SETTLED_MAX; i++) { /* the latest first */
        const struct settled *settled = &core->answers.ring[(core->answers.next - i) % SETTLED_MAX];
        if (settled->action == msg->action && settled->ref == msg->ref && settled->job == msg->job &&
            memcmp(settled->session, from->id, sizeof(settled->session)) == 0)
            return settled;
    }
    return NULL;
}

static void none(struct core *core, struct session *from, const struct belt_msg_failed *msg)
{
    const struct settled *settled = settled_find(core, from, msg);
    if (settled) {
        say(core, from, msg, settled->count, settled->made, settled->let_go);
        return;
    }
    update_error(core, from, msg->ref, msg->job, BELT_UNKNOWN_TASK,
                 msg->job ? update_text(core, "no such failed task of job %llu is kept", (unsigned long long)msg->job)
                          : update_text(core, "no such failed task is kept"));
}

static void drop(struct core *core, struct session *from, const struct belt_msg_failed *msg)
{
    struct dead_letter *letter, *next;
    uint64_t count = 0, let_go = msg->job ? dead_letter_let_go(core, msg->job) : 0;
    DL_FOREACH_SAFE2(core->dead_letters.first, letter, next, all_next)
    if (is_chosen(from, letter, msg)) {
        dead_letter_drop(core, letter);
        count++;
    }
    if (!count) {
        none(core, from, msg);
        return;
    }
    settle(core, from, msg, count, 0, let_go);
}

/* In the order of their job of old; they failed in another. */
static int by_index(const void *a, const void *b)
{
    const struct dead_letter *x = *(const struct dead_letter *const *)a, *y = *(const struct dead_letter *const *)b;
    return (x->index > y->index) - (x->index < y->index);
}

static struct dead_letter **choose_sorted(struct core *core, const struct session *from,
                                          const struct belt_msg_failed *msg, uint64_t count)
{
    struct dead_letter **chosen = update_alloc(core, (count + 1) * sizeof(*chosen)), *letter;
    uint64_t at = 0;
    DL_FOREACH2(core->dead_letters.first, letter, all_next)
    if (is_chosen(from, letter, msg))
        chosen[at++] = letter;
    qsort(chosen, count, sizeof(*chosen), by_index);
    return chosen;
}

/* A job like that of old, but for what was said of its time, its window and who waits for it. */
static struct job *open_again(struct core *core, const struct dead_letter_job *of)
{
    struct belt_msg_open open = {.function = name_bytes(of->queue->function), .options = of->options};
    open.options.detached = true;
    open.options.never_durable = !of->durable;
    open.options.window_items = open.options.window_bytes = 0;
    open.options.after_at = open.options.deadline_at = 0;
    return opening_new(core, of->account, NULL, opening_id(core, is_durable(core, &open.options)), &open);
}

static void retry(struct core *core, struct session *from, const struct belt_msg_failed *msg)
{
    struct dead_letter_job *of = dead_letter_job_find(core, msg->job);
    uint64_t count = of ? count_chosen(core, from, msg) : 0, let_go = of ? of->let_go : 0;
    if (!count) {
        none(core, from, msg);
        return;
    }
    if (opening_refused(core, from, msg->ref, &of->options))
        return;
    struct job *job = open_again(core, of);
    struct pinned last = {0};
    struct dead_letter **chosen = choose_sorted(core, from, msg, count);
    update_trace(core, "%s > job %llu tries %llu failed tasks of job %llu again", from->name,
                 (unsigned long long)job->id, (unsigned long long)count, (unsigned long long)msg->job);
    for (uint64_t i = 0; i < count; i++) {
        grant_take(core, job, chosen[i]->payload, &last);
        dead_letter_drop(core, chosen[i]);
    }
    pin_done(&last);
    job->input.granted = (struct belt_grant){job->input.next, job->input.bytes};
    core->counts.accepted += count;
    job->queue->waiting += count;
    job_step(core, job, BELT_JOB_ENDED_INPUT, NULL);
    waiting_changed(core, job);
    settle(core, from, msg, count, job->id, let_go);
}

/* A copy of the question, with its indexes in order. */
static struct belt_msg_failed sorted(struct core *core, const struct belt_msg_failed *msg)
{
    struct belt_msg_failed copy = *msg;
    uint64_t *indexes = update_alloc(core, (msg->count + 1) * sizeof(*indexes));
    if (msg->count)
        memcpy(indexes, msg->indexes, msg->count * sizeof(*indexes));
    qsort(indexes, msg->count, sizeof(*indexes), by_number);
    copy.indexes = indexes;
    return copy;
}

void failed_request(struct core *core, struct session *from, const struct belt_msg_failed *question)
{
    struct belt_msg_failed copy = sorted(core, question);
    const struct belt_msg_failed *msg = &copy;
    if (!from->account && !access_rules(from, NULL)) /* with keys the table has been asked */
        update_error(core, from, msg->ref, msg->job, BELT_NOT_ALLOWED,
                     update_text(core, "failed tasks are for administrators: connect as one"));
    else if (peer_reads_nothing(core, from, msg->ref))
        return;
    else if (msg->action == BELT_FAILED_RETRY)
        retry(core, from, msg);
    else if (msg->action == BELT_FAILED_DROP)
        drop(core, from, msg);
    else
        list(core, from, msg);
}
