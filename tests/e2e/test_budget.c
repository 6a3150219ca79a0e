/* SPDX-License-Identifier: Apache-2.0
 *
 * A real broker with a small memory budget under peers that want it to keep more than that: inputs, arguments, results,
 * failed tasks, answers that nobody reads, sessions. Its greatest resident size stays within the budget and what
 * docs/guarantees.md says comes on top, nothing is lost, and a peer that comes then is served.
 */
#include "broker/core/core.h"
#include "proto/link.h"
#include "tests/e2e/stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <zmq.h>

#define BUDGET_KIB (48L << 10)
/* Libraries, tables and buffers of a broker that keeps nothing, what the allocator holds back, and what ZeroMQ has
 * received of what peers send at the same time. */
#define FIXED_KIB (24L << 10)
#define CLIENTS   8u
#define WAIT_MS   60000

static struct stage stage;
static void *context;
static struct belt_decoder *decoder;

struct mate {
    void *socket;
    uint64_t seq;
    struct belt_frames frames; /* of the last message that came */
    struct belt_msg msg;
};

static void open_stage(void)
{
    stage_open(&stage, STAGE_TCP, false, WORDS("--max-payload", "1M", "--memory-budget", "48M", "--lease", "60s"));
    context = belt_link_context();
    decoder = belt_decoder_new(1u << 20);
}

static void mate_send(struct mate *mate, struct belt_msg msg)
{
    struct belt_frames frames = {0};
    zmq_pollitem_t out = {.socket = mate->socket, .events = ZMQ_POLLOUT};
    msg.seq = mate->seq++;
    cr_assert_eq(belt_encode(&msg, &frames), BELT_OK);
    while (belt_link_send(mate->socket, NULL, &frames) != 0 && errno == EAGAIN)
        cr_assert_eq(zmq_poll(&out, 1, WAIT_MS), 1);
    belt_frames_clear(&frames);
}

/* False: nothing came within `ms`. */
static bool mate_receive(struct mate *mate, long ms)
{
    zmq_pollitem_t in = {.socket = mate->socket, .events = ZMQ_POLLIN};
    belt_frames_clear(&mate->frames);
    if (zmq_poll(&in, 1, ms) != 1 || belt_link_recv(mate->socket, NULL, &mate->frames) != 1)
        return false;
    cr_assert_eq(belt_decode(decoder, &mate->frames, &mate->msg), BELT_OK);
    return true;
}

static void mate_expect(struct mate *mate, uint8_t type)
{
    do
        cr_assert(mate_receive(mate, WAIT_MS), "no %s", belt_msg_name(type));
    while (mate->msg.type != type);
}

static void mate_hello(struct mate *mate, uint8_t role, uint32_t number)
{
    static const struct belt_bytes function = {(const uint8_t *)"f", 1};
    uint8_t session[BELT_SESSION_LEN] = {(uint8_t)number, (uint8_t)(number >> 8), role};
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = role,
                                          .session = {session, sizeof(session)},
                                          .name = {(const uint8_t *)"mate", 4}};
    if (role == BELT_ROLE_WORKER)
        msg.u.hello.worker = (struct belt_worker_props){
            .slots = 512, .window_items = 4096, .window_bytes = 1u << 30, .functions = &function, .function_count = 1};
    mate->seq = 0;
    mate_send(mate, msg);
}

static struct mate mate_new(uint8_t role, uint32_t number)
{
    struct mate mate = {
        .socket = belt_link_dealer(context, role == BELT_ROLE_WORKER ? stage.workers : stage.clients, 2u << 20)};
    mate_hello(&mate, role, number);
    mate_expect(&mate, BELT_MSG_WELCOME);
    return mate;
}

static void mate_close(struct mate *mate)
{
    belt_frames_clear(&mate->frames);
    zmq_close(mate->socket);
}

static uint64_t mate_open(struct mate *mate, const char *key, struct belt_open_options options)
{
    struct belt_msg msg = {.type = BELT_MSG_OPEN};
    msg.u.open = (struct belt_msg_open){.ref = 1,
                                        .key = {(const uint8_t *)key, strlen(key)},
                                        .function = {(const uint8_t *)"f", 1},
                                        .options = options};
    mate_send(mate, msg);
    do
        cr_assert(mate_receive(mate, WAIT_MS));
    while (mate->msg.type != BELT_MSG_OPENED && mate->msg.type != BELT_MSG_ERROR);
    return mate->msg.type == BELT_MSG_OPENED ? mate->msg.u.opened.job : 0;
}

static void mate_push(struct mate *mate, uint64_t job, uint64_t first, uint32_t count, uint32_t size)
{
    struct belt_task_item items[BELT_MAX_BATCH] = {0};
    struct belt_buf *buf = belt_buf_new(size + 1);
    memset(buf->data, 'i', size + 1);
    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct belt_task_item){.index = first + i, .payload = {buf, buf->data, size}};
    struct belt_msg msg = {.type = BELT_MSG_PUSH};
    msg.u.push = (struct belt_msg_push){.job = job, .first = first, .tasks = items, .count = count};
    mate_send(mate, msg);
    belt_buf_unref(buf);
}

static long peak_kib(void)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)process_pid(stage.broker));
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmHWM: %ld kB", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

/* It has kept within its bound, and serves whoever comes. */
static void close_stage(void)
{
    struct mate late = mate_new(BELT_ROLE_ADMIN, 60000);
    struct belt_msg msg = {.type = BELT_MSG_STATUS};
    msg.u.status = (struct belt_msg_status){.ref = 7, .what = BELT_REPORT_BROKER};
    mate_send(&late, msg);
    mate_expect(&late, BELT_MSG_REPORT);
    long kib = peak_kib();
    cr_assert_gt(kib, 0);
    cr_log_info("the broker has grown to %ld KiB", kib);
#ifndef BELT_SANITIZED
    cr_assert_lt(kib, BUDGET_KIB + FIXED_KIB, "the broker has grown to %ld KiB", kib);
#endif
    mate_close(&late);
    zmq_ctx_term(context);
    belt_decoder_free(decoder);
    stage_close(&stage);
}

TestSuite(budget, .init = open_stage, .fini = close_stage, .timeout = 280);

/* What has come for it, and what the broker has to say about all that it has sent until now. The number of its tasks
 * that the broker has accepted, `next` at least. */
static uint64_t mate_accepted(struct mate *mate, uint64_t next)
{
    struct belt_msg msg = {.type = BELT_MSG_STATUS};
    msg.u.status = (struct belt_msg_status){.ref = 7, .what = BELT_REPORT_BROKER};
    mate_send(mate, msg);
    do {
        cr_assert(mate_receive(mate, WAIT_MS), "no answer");
        if (mate->msg.type == BELT_MSG_ACCEPTED)
            next = mate->msg.u.accepted.next;
    } while (mate->msg.type != BELT_MSG_REPORT);
    return next;
}

/* Each wants a window without end, and pushes whatever it is granted, and once more. */
Test(budget, inputs_of_many_windows)
{
    struct mate mates[CLIENTS];
    uint64_t next[CLIENTS] = {0}, taken = 0;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        mates[i] = mate_new(BELT_ROLE_CLIENT, i);
        uint64_t job = mate_open(&mates[i], "", (struct belt_open_options){.window_bytes = (uint64_t)1 << 62});
        uint64_t granted = mates[i].msg.u.opened.grant.bytes;
        cr_assert_leq(granted, (uint64_t)BUDGET_KIB << 10);
        for (uint64_t k = 0; k <= granted >> 20; k++)
            mate_push(&mates[i], job, k, 1, 1u << 20);
    }
    /* An acceptance may come a little later than the answer to what was asked after it. */
    for (int round = 0; round < 1000 && (round < 2 || taken <= 10); round++) {
        taken = 0;
        for (uint32_t i = 0; i < CLIENTS; i++)
            taken += next[i] = mate_accepted(&mates[i], next[i]);
    }
    for (uint32_t i = 0; i < CLIENTS; i++)
        mate_close(&mates[i]);
    cr_assert(taken > 10 && taken < (uint64_t)BUDGET_KIB >> 10, "%llu MiB", (unsigned long long)taken);
}

Test(budget, jobs_with_keys_and_arguments)
{
    static uint8_t argument[BELT_MAX_ARGUMENT];
    uint32_t all = 0;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct mate mate = mate_new(BELT_ROLE_CLIENT, i);
        struct belt_open_options options = {.detached = true, .argument = {argument, sizeof(argument)}};
        char key[64];
        for (uint32_t k = 0; k < 2000; k++, all++) {
            snprintf(key, sizeof(key), "%u-%u", i, k);
            if (!mate_open(&mate, key, options))
                break;
        }
        cr_assert(mate.msg.type == BELT_MSG_ERROR && mate.msg.u.error.code == BELT_LIMIT);
        mate_close(&mate);
    }
    cr_assert(all > 50 && all < BUDGET_KIB / 64, "%u", all);
}

/* ---- results ---- */

enum { TASKS = 240, RESULT = 512 << 10 };

struct answers {
    struct belt_task_ref refs[TASKS];
    uint32_t count, answered;
    uint32_t least; /* so many are to be there before the first is answered */
    uint64_t recorded;
    unsigned code;
};

static void answer(struct mate *worker, const struct answers *answers, uint64_t number)
{
    static uint8_t log[BELT_MAX_LOG];
    struct belt_buf *buf = belt_buf_new(RESULT);
    memset(buf->data, 'r', RESULT);
    struct belt_task_ref ref = answers->refs[number];
    struct belt_result_extras extras = {.log = {log, sizeof(log)}, .exit_status = 1};
    bool ok = answers->code == BELT_OK;
    struct belt_result_item item = {.index = ref.index, .attempt = ref.attempt, .code = answers->code};
    item.payload = ok ? (struct belt_payload){buf, buf->data, RESULT} : (struct belt_payload){0};
    item.extras = ok ? NULL : &extras;
    struct belt_msg msg = {.type = BELT_MSG_RESULTS};
    msg.u.results = (struct belt_msg_results){.first = number, .job = ref.job, .results = &item, .count = 1};
    mate_send(worker, msg);
    belt_buf_unref(buf);
}

static void sync_all(struct mate *worker, const struct answers *answers)
{
    struct belt_msg msg = {.type = BELT_MSG_SYNC};
    uint32_t recorded = (uint32_t)answers->recorded;
    msg.u.sync = (struct belt_msg_refs){.refs = answers->refs + recorded, .count = answers->count - recorded};
    mate_send(worker, msg);
}

/* What has come, if anything: tasks are answered at once, and on SYNC_LOST all that is not recorded again. */
static void work(struct mate *worker, struct answers *answers, long ms)
{
    while (mate_receive(worker, ms)) {
        const struct belt_msg *msg = &worker->msg;
        ms = 0;
        if (msg->type == BELT_MSG_RECORDED)
            answers->recorded = msg->u.recorded.upto;
        uint32_t first = answers->count;
        for (uint32_t i = 0; msg->type == BELT_MSG_DISPATCH && i < msg->u.dispatch.count; i++) {
            cr_assert_lt(answers->count, TASKS, "each is given out once");
            answers->refs[answers->count++] = (struct belt_task_ref){
                msg->u.dispatch.job, msg->u.dispatch.tasks[i].index, msg->u.dispatch.tasks[i].attempt};
        }
        if (answers->count < answers->least) /* all that it gets is given out before any result is known */
            continue;
        for (uint32_t i = first > answers->answered ? answers->answered : first; i < answers->count; i++)
            answer(worker, answers, i);
        answers->answered = answers->count;
        if (msg->type != BELT_MSG_ERROR)
            continue;
        cr_assert_eq(msg->u.error.code, BELT_SYNC_LOST);
        mate_hello(worker, BELT_ROLE_WORKER, 1);
        mate_expect(worker, BELT_MSG_WELCOME);
        sync_all(worker, answers);
        for (uint64_t i = answers->recorded; i < answers->count; i++)
            answer(worker, answers, i);
    }
}

static void subscribe(struct mate *mate, uint64_t job)
{
    struct belt_msg msg = {.type = BELT_MSG_SUBSCRIBE};
    msg.u.subscribe = (struct belt_msg_subscribe){
        .ref = 2, .job = job, .reader = {(const uint8_t *)"r", 1}, .mode = BELT_ORDERED, .cursor = BELT_CURSOR_KEPT};
    msg.u.subscribe.credit = (struct belt_grant){TASKS, (uint64_t)1 << 40};
    mate_send(mate, msg);
}

/* All at one worker, before anybody knows how large their results are; then a reader takes them. */
Test(budget, results_of_what_was_given_out)
{
    struct mate worker = mate_new(BELT_ROLE_WORKER, 1), reader = mate_new(BELT_ROLE_CLIENT, 1);
    static struct answers answers = {.code = BELT_OK, .least = TASKS};
    uint64_t job = mate_open(&reader, "", (struct belt_open_options){0}), sub = 0, taken = 0;
    sync_all(&worker, &answers);
    mate_push(&reader, job, 0, TASKS, 8);
    for (int i = 0; i < 5; i++)
        work(&worker, &answers, 50);
    subscribe(&reader, job);
    while (taken < TASKS) {
        while (mate_receive(&reader, 20)) {
            if (reader.msg.type == BELT_MSG_SUBSCRIBED)
                sub = reader.msg.u.subscribed.sub;
            if (reader.msg.type != BELT_MSG_DELIVER)
                continue;
            for (uint32_t i = 0; i < reader.msg.u.deliver.count; i++)
                cr_assert_eq(reader.msg.u.deliver.results[i].index, taken++, "in order, each once");
            struct belt_msg msg = {.type = BELT_MSG_ACK};
            msg.u.ack = (struct belt_msg_ack){.sub = sub, .upto = taken, .credit = {TASKS, (uint64_t)1 << 40}};
            mate_send(&reader, msg);
        }
        work(&worker, &answers, 1);
    }
    mate_close(&worker);
    mate_close(&reader);
}

Test(budget, failed_tasks_and_their_logs)
{
    struct mate worker = mate_new(BELT_ROLE_WORKER, 1), client = mate_new(BELT_ROLE_CLIENT, 1);
    static struct answers answers = {.code = BELT_TASK_FAILED};
    uint64_t job = mate_open(&client, "", (struct belt_open_options){.window_bytes = 1u << 30});
    sync_all(&worker, &answers);
    for (uint32_t i = 0; i < 24; i++) /* 9 MiB of inputs, and for each a log that is kept twice */
        mate_push(&client, job, i * 10, 10, 40000);
    for (int i = 0; i < 10; i++)
        work(&worker, &answers, 50);
    cr_assert_gt(answers.count, 50);
    mate_close(&worker);
    mate_close(&client);
}

/* ---- answers that nobody reads ---- */

Test(budget, answers_that_nobody_reads)
{
    struct mate asker = mate_new(BELT_ROLE_CLIENT, 1);
    uint32_t jobs = 0;
    while (jobs < 4000 && mate_open(&asker, "", (struct belt_open_options){.detached = true}))
        jobs++;
    cr_assert_gt(jobs, 1000);
    struct mate mates[CLIENTS];
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct belt_msg msg = {.type = BELT_MSG_STATUS};
        msg.u.status = (struct belt_msg_status){.ref = 7, .what = BELT_REPORT_JOBS, .extended = true};
        mates[i] = mate_new(BELT_ROLE_CLIENT, 2 + i);
        for (uint32_t k = 0; k < 300; k++)
            mate_send(&mates[i], msg);
    }
    poll(NULL, 0, 500);
    struct mate reads = mate_new(BELT_ROLE_CLIENT, 100); /* after them in the broker's loop */
    mate_close(&reads);
    for (uint32_t i = 0; i < CLIENTS; i++)
        mate_close(&mates[i]);
    mate_close(&asker);
}
