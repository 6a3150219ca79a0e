/* SPDX-License-Identifier: Apache-2.0
 *
 * Sample messages (samples.h); how two of them are compared is in samples_differ.c.
 */
#include "tests/unit/samples.h"

#include <stdio.h>
#include <string.h>

#define MAX_SAMPLES 128u
#define BIG         300u /* items: needs the 16-bit array form */

static struct belt_msg samples[MAX_SAMPLES];
static size_t sample_count;

static uint8_t large_bytes[BELT_INLINE_PAYLOAD + 1];
static struct belt_buf *large_buf;
static char longest_name[BELT_MAX_NAME + 1], longest_key[BELT_MAX_KEY + 1], longest_text[BELT_MAX_TEXT + 1];
static uint8_t longest_log[BELT_MAX_LOG], longest_argument[BELT_MAX_ARGUMENT], attached_argument[BELT_MAX_ARGUMENT + 1];
static struct belt_bytes names[BELT_MAX_FUNCTIONS];
static char name_texts[BELT_MAX_FUNCTIONS][8];
static struct belt_task_item tasks[BIG];
static struct belt_result_item results[BIG];
static struct belt_task_ref refs[BELT_MAX_BATCH];
static struct belt_result_extras extras[3];
static struct belt_row_queue queues[2];
static struct belt_row_worker workers[2];
static struct belt_row_job jobs[2];
static struct belt_row_reader readers[2];
static struct belt_row_job past_jobs[2];
static struct belt_row_worker stalled_workers[2];
static struct belt_row_broker broker, fuller_broker;
static struct belt_letter letters[3];

static struct belt_bytes str(const char *text)
{
    return (struct belt_bytes){.data = (const uint8_t *)text, .len = strlen(text)};
}

static struct belt_payload payload(size_t len)
{
    return (struct belt_payload){.buf = large_buf, .data = large_buf->data, .len = (uint32_t)len};
}

static struct belt_msg *add(enum belt_msg_type type)
{
    struct belt_msg *msg = &samples[sample_count++];
    msg->type = (uint8_t)type;
    bool first = type == BELT_MSG_HELLO || type == BELT_MSG_WELCOME || type == BELT_MSG_JOIN || type == BELT_MSG_JOINED;
    msg->seq = first ? 0 : sample_count * 1000003;
    return msg;
}

static void fill_items(void)
{
    static const uint64_t edges[] = {0,      1,       0x7f,       0x80,        0xff,          0x100,
                                     0xffff, 0x10000, 0xffffffff, 0x100000000, UINT64_MAX - 1};
    static const uint32_t lengths[] = {0, 1, 15, 31, 32, 255, 256, BELT_INLINE_PAYLOAD, BELT_INLINE_PAYLOAD + 1};
    extras[0] =
        (struct belt_result_extras){.text = str("it broke: \xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8c"), .exit_status = -1};
    extras[1] = (struct belt_result_extras){.text = str("not UTF-8: \xff\xfe"),
                                            .log = {longest_log, sizeof(longest_log)},
                                            .exit_status = 0,
                                            .term_signal = 9};
    extras[2] = (struct belt_result_extras){
        .host = str("host.example"), .started_ms = UINT64_MAX, .exit_status = INT32_MIN, .term_signal = INT32_MAX};
    for (uint32_t i = 0; i < BIG; i++) {
        uint32_t len = i < 9 ? lengths[i] : i % 40;
        tasks[i] =
            (struct belt_task_item){.index = edges[i % 11], .attempt = (uint32_t)edges[i % 9], .payload = payload(len)};
        results[i] = (struct belt_result_item){.index = edges[i % 11],
                                               .attempt = (uint32_t)edges[i % 9],
                                               .code = i % 32,
                                               .service_us = (uint32_t)edges[(i + 3) % 9],
                                               .payload = payload(len),
                                               .extras = i % 4 == 3 && i < 9 ? NULL
                                                         : i < 9             ? &extras[i % 3]
                                                                             : NULL};
    }
    for (uint32_t i = 0; i < BELT_MAX_BATCH; i++)
        refs[i] = (struct belt_task_ref){
            .job = edges[i % 11], .index = edges[(i + 1) % 11], .attempt = (uint32_t)edges[i % 9]};
}

static void fill_rows(void)
{
    queues[0] = (struct belt_row_queue){.function = str("analyze"), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    queues[1] = (struct belt_row_queue){.function = str(longest_name), .waiting = UINT64_MAX, .workers = UINT32_MAX};
    workers[0] = (struct belt_row_worker){str("host:1"), str("a,b"), 1, 2, 3, 4, 5, 6, 7, 8, 1, false, 0, 0};
    workers[1] = (struct belt_row_worker){.name = str(longest_text), .functions = str("")};
    jobs[0] = (struct belt_row_job){.job = 1,
                                    .key = str("key"),
                                    .function = str("f"),
                                    .owner = str("owner"),
                                    .state = 3,
                                    .priority = -100,
                                    .total = 1,
                                    .waiting = 2,
                                    .running = 3,
                                    .done = 4,
                                    .failed = 5,
                                    .retried = 6,
                                    .unread = 7,
                                    .age_ms = 8,
                                    .readers = 9,
                                    .progress_permille = 10,
                                    .why = str("why")};
    jobs[1] = (struct belt_row_job){.job = UINT64_MAX, .key = str(longest_key), .function = str("f"), .priority = 100};
    readers[0] = (struct belt_row_reader){1, str("r"), 1, 1, 2, 3, 4};
    readers[1] = (struct belt_row_reader){.job = UINT64_MAX, .reader = str(longest_key), .unread = UINT64_MAX};
    memcpy(stalled_workers, workers, sizeof(stalled_workers));
    stalled_workers[0].stalled = true;
    stalled_workers[0].quiet_ms = 9;
    stalled_workers[1].overdue = UINT64_MAX;
    memcpy(past_jobs, jobs, sizeof(past_jobs));
    past_jobs[0].past = true;
    past_jobs[0].opened_at = 1;
    past_jobs[0].over_at = UINT64_MAX;
    past_jobs[0].keyed = 1;
    broker = (struct belt_row_broker){.name = str("b"),
                                      .version = str("0.1.0"),
                                      .epoch = UINT64_MAX,
                                      .uptime_ms = 1,
                                      .bytes = 2,
                                      .budget = 3,
                                      .clients = 4,
                                      .workers = 5,
                                      .slots = 6,
                                      .jobs = 7,
                                      .accepted = 8,
                                      .done = 9,
                                      .failed = 10,
                                      .retried = 11,
                                      .stale = 12,
                                      .draining = 1};
    fuller_broker = broker;
    fuller_broker.past = 1;
    fuller_broker.refused = 2;
    fuller_broker.overdue = 3;
    fuller_broker.stalled = 4;
    fuller_broker.stalled_ms = 5;
    fuller_broker.failed_kept = 2;
    fuller_broker.failed_let_go = UINT64_MAX;
    fuller_broker.overslept = 3;
}

static void fill_texts(void)
{
    memset(longest_name, 'n', BELT_MAX_NAME);
    memset(longest_key, '~', BELT_MAX_KEY);
    memset(longest_text, 't', BELT_MAX_TEXT);
    memset(longest_log, 0xee, sizeof(longest_log));
    memset(longest_argument, 0xdd, sizeof(longest_argument));
    memset(attached_argument, 0xee, sizeof(attached_argument));
    for (size_t i = 0; i < sizeof(large_bytes); i++)
        large_bytes[i] = (uint8_t)(i * 7 + i / 256);
    large_buf = belt_buf_copy(large_bytes, sizeof(large_bytes));
    for (uint32_t i = 0; i < BELT_MAX_FUNCTIONS; i++) {
        snprintf(name_texts[i], sizeof(name_texts[i]), "f.%u_-", i);
        names[i] = str(name_texts[i]);
    }
}

static void add_connection(void)
{
    static const uint8_t session[BELT_SESSION_LEN] = {1, 2, 3, 0xff};
    static const uint8_t key_bytes[BELT_KEY_BYTES] = {1, 2, 3};
    const struct belt_bytes key = {key_bytes, sizeof(key_bytes)};
    struct belt_msg_hello hello = {
        .version = 1, .role = BELT_ROLE_CLIENT, .session = {session, sizeof(session)}, .name = str("h:1")};
    add(BELT_MSG_HELLO)->u.hello = hello;
    hello.role = BELT_ROLE_ADMIN;
    hello.version = UINT32_MAX;
    hello.name = str("");
    add(BELT_MSG_HELLO)->u.hello = hello;
    hello.role = BELT_ROLE_WORKER;
    hello.worker = (struct belt_worker_props){
        .slots = 1, .window_items = BELT_MAX_HELD, .window_bytes = UINT64_MAX, .functions = names, .function_count = 1};
    add(BELT_MSG_HELLO)->u.hello = hello;
    hello.worker.slots = BELT_MAX_SLOTS;
    hello.worker.function_count = BELT_MAX_FUNCTIONS;
    add(BELT_MSG_HELLO)->u.hello = hello;
    add(BELT_MSG_WELCOME)->u.welcome =
        (struct belt_msg_welcome){1, UINT64_MAX, 1000, 5000, BELT_MAX_PAYLOAD_CEILING, UINT64_MAX, str("broker"), key};
    add(BELT_MSG_WELCOME)->u.welcome = (struct belt_msg_welcome){.version = 1, .epoch = 1};
    add(BELT_MSG_ERROR)->u.error = (struct belt_msg_error){0, 0, BELT_SYNC_LOST, str("")};
    add(BELT_MSG_ERROR)->u.error = (struct belt_msg_error){UINT64_MAX, 7, 63, str(longest_text)};
    add(BELT_MSG_PING);
    add(BELT_MSG_PONG);
    add(BELT_MSG_BYE)->u.bye.text = str("good bye");
    add(BELT_MSG_WELCOME)->u.welcome = (struct belt_msg_welcome){.version = 1, .epoch = 1, .next_key = key};
    add(BELT_MSG_JOIN)->u.join = (struct belt_msg_join){.version = UINT32_MAX, .name = str("n1"), .public_key = key};
    add(BELT_MSG_JOIN)->u.join = (struct belt_msg_join){.version = 1, .name = str(longest_name), .public_key = key};
    add(BELT_MSG_JOINED)->u.joined = (struct belt_msg_joined){str("n1-2"), str("client,worker")};
}

static void add_jobs(void)
{
    add(BELT_MSG_OPEN)->u.open = (struct belt_msg_open){.ref = 1, .key = str(""), .function = str("f")};
    add(BELT_MSG_OPEN)->u.open = (struct belt_msg_open){
        .ref = UINT64_MAX,
        .key = str(longest_key),
        .function = str(longest_name),
        .options = {BELT_WINDOW_ITEMS_MAX,
                    UINT64_MAX,
                    -100,
                    1,
                    2,
                    3,
                    4,
                    true,
                    true,
                    true,
                    true,
                    {longest_argument, sizeof(longest_argument)},
                    BELT_NO_BACKOFF,
                    BELT_MAX_WAIT_MS,
                    BELT_MAX_WAIT_MS,
                    UINT64_MAX,
                    UINT64_MAX,
                    {0x04, [31] = 0x80},
                    UINT64_MAX,
                    1,
                    true,
                    true},
        .take_over = true,
    };
    add(BELT_MSG_OPEN)->u.open = (struct belt_msg_open){
        .ref = 1, .key = str("k"), .function = str("f"), .options = {.backoff_ms = 1, .final_status = {[8] = 1}}};
    add(BELT_MSG_OPEN)->u.open = (struct belt_msg_open){
        .ref = 1, .key = str("k"), .function = str("f"), .options = {.remember_ms = BELT_MAX_WAIT_MS}};
    add(BELT_MSG_OPENED)->u.opened =
        (struct belt_msg_opened){.ref = 1, .job = 2, .next = 3, .next_bytes = 4, .grant = {5, UINT64_MAX}, .state = 3};
    add(BELT_MSG_OPENED)->u.opened =
        (struct belt_msg_opened){.ref = 1, .digested = true, .digest = {{0xff, 1, 2, 3, [15] = 0x80}}};
    add(BELT_MSG_PUSH)->u.push = (struct belt_msg_push){.job = 1, .first = 0, .tasks = tasks, .count = 0};
    add(BELT_MSG_PUSH)->u.push = (struct belt_msg_push){.job = 1, .first = 5, .tasks = tasks, .count = 9};
    add(BELT_MSG_PUSH)->u.push =
        (struct belt_msg_push){.job = 1, .first = UINT64_MAX - BIG, .tasks = tasks, .count = BIG};
    add(BELT_MSG_ACCEPTED)->u.accepted = (struct belt_msg_accepted){1, 2, {3, 4}};
    add(BELT_MSG_END)->u.end = (struct belt_msg_end){1, UINT64_MAX};
    add(BELT_MSG_ENDED)->u.ended = (struct belt_msg_end){1, 0};
    add(BELT_MSG_CANCEL)->u.cancel = (struct belt_msg_cancel){.ref = 1, .job = 2};
    add(BELT_MSG_CANCEL)->u.cancel = (struct belt_msg_cancel){.ref = 1, .job = 2, .forget = true};
    add(BELT_MSG_CANCEL)->u.cancel = (struct belt_msg_cancel){.ref = 1, .job = 2, .waiting = true};
    add(BELT_MSG_CANCEL)->u.cancel = (struct belt_msg_cancel){.ref = 1, .job = 2, .one = true};
    add(BELT_MSG_CANCEL)->u.cancel = (struct belt_msg_cancel){.ref = 1, .job = 2, .one = true, .task = UINT64_MAX};
    add(BELT_MSG_CANCEL)->u.cancel = (struct belt_msg_cancel){.ref = 1, .job = 2, .forget = true, .waiting = true};
    add(BELT_MSG_CANCEL)->u.cancel = (struct belt_msg_cancel){.ref = 1, .job = 2, .leaves = true, .reader = str("log")};
    add(BELT_MSG_CANCEL)->u.cancel = (struct belt_msg_cancel){.ref = 1, .job = 2, .leaves = true, .reader = str("")};
    add(BELT_MSG_CANCELLED)->u.cancelled = (struct belt_msg_cancel){.ref = 1, .job = 2};
    add(BELT_MSG_NOTICE)->u.notice = (struct belt_msg_notice){1, BELT_NO_WORKER, str("no worker serves f")};
    add(BELT_MSG_NOTICE)->u.notice = (struct belt_msg_notice){1, BELT_OK, str("")};
}

static void add_reading(void)
{
    add(BELT_MSG_SUBSCRIBE)->u.subscribe =
        (struct belt_msg_subscribe){1, 2, str("me"), BELT_UNORDERED, BELT_CURSOR_KEPT, {3, 4}, false};
    add(BELT_MSG_SUBSCRIBE)->u.subscribe =
        (struct belt_msg_subscribe){1, 2, str(""), BELT_ORDERED, UINT64_MAX - 1, {0, 0}, true};
    add(BELT_MSG_SUBSCRIBED)->u.subscribed = (struct belt_msg_subscribed){1, 2, 3, 4};
    add(BELT_MSG_DELIVER)->u.deliver = (struct belt_msg_deliver){1, 2, results, 9};
    add(BELT_MSG_DELIVER)->u.deliver = (struct belt_msg_deliver){1, 0, results, 0};
    add(BELT_MSG_ACK)->u.ack = (struct belt_msg_ack){1, 2, {3, 4}};
    add(BELT_MSG_DONE)->u.done = (struct belt_msg_done){1, 2, BELT_JOB_CANCELLED};
    add(BELT_MSG_DETACH)->u.detach.sub = 1;
    for (uint8_t what = 1; what <= 4; what++)
        add(BELT_MSG_STATUS)->u.status =
            (struct belt_msg_status){.ref = 1, .what = what, .name = str("x"), .named = true};
    add(BELT_MSG_STATUS)->u.status = (struct belt_msg_status){.ref = 1, .what = 3, .extended = true};
    add(BELT_MSG_STATUS)->u.status = (struct belt_msg_status){.ref = 1, .what = 3, .named = true, .extended = true};
    add(BELT_MSG_STATUS)->u.status =
        (struct belt_msg_status){.ref = 1,
                                 .what = 3,
                                 .name = str(longest_key),
                                 .named = true,
                                 .extended = true,
                                 .query = {UINT64_MAX, true, 1, 2, 15, str("f"), str("o")}};
    add(BELT_MSG_REPORT)->u.report =
        (struct belt_msg_report){.ref = 1, .what = BELT_REPORT_QUEUES, .count = 2, .rows = {.queues = queues}};
    add(BELT_MSG_REPORT)->u.report =
        (struct belt_msg_report){.ref = 1, .what = BELT_REPORT_WORKERS, .count = 2, .rows = {.workers = workers}};
    add(BELT_MSG_REPORT)->u.report =
        (struct belt_msg_report){.ref = 1, .what = BELT_REPORT_JOBS, .count = 2, .rows = {.jobs = jobs}};
    add(BELT_MSG_REPORT)->u.report =
        (struct belt_msg_report){.ref = 1, .what = BELT_REPORT_JOBS, .count = 0, .rows = {.jobs = jobs}};
    add(BELT_MSG_REPORT)->u.report =
        (struct belt_msg_report){.ref = 1, .what = BELT_REPORT_BROKER, .count = 1, .rows = {.broker = &broker}};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){
        .ref = 1, .what = BELT_REPORT_JOBS, .count = 2, .rows = {.jobs = past_jobs}, .extended = true, .total = 2};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){
        .ref = 1, .what = BELT_REPORT_BROKER, .count = 1, .rows = {.broker = &fuller_broker}, .extended = true};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){
        .ref = 1, .what = BELT_REPORT_QUEUES, .count = 2, .rows = {.queues = queues}, .extended = true};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){
        .ref = 1, .what = BELT_REPORT_WORKERS, .count = 2, .rows = {.workers = stalled_workers}, .extended = true};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){
        .ref = 1, .what = BELT_REPORT_READERS, .count = 2, .rows = {.readers = readers}, .extended = true};
    add(BELT_MSG_REPORT)->u.report =
        (struct belt_msg_report){.ref = 1, .what = BELT_REPORT_READERS, .count = 2, .rows = {.readers = readers}};
}

static void add_failed(void)
{
    static const uint64_t indexes[] = {0, 127, UINT64_MAX};
    add(BELT_MSG_FAILED)->u.failed =
        (struct belt_msg_failed){.ref = 1, .action = BELT_FAILED_LIST, .function = str("")};
    add(BELT_MSG_FAILED)->u.failed =
        (struct belt_msg_failed){UINT64_MAX, BELT_FAILED_DROP, str("f"), UINT64_MAX, UINT64_MAX, indexes, 3, false};
    add(BELT_MSG_FAILED)->u.failed = (struct belt_msg_failed){
        .ref = 1, .action = BELT_FAILED_RETRY, .function = str(""), .job = 1, .extended = true};
    for (uint32_t i = 0; i < 3; i++)
        letters[i] = (struct belt_letter){.serial = indexes[i],
                                          .job = i,
                                          .index = indexes[i],
                                          .attempt = i,
                                          .code = BELT_TASK_REFUSED + i,
                                          .failed_at = indexes[2 - i],
                                          .size = i * 1000,
                                          .function = str(i ? "f" : longest_name),
                                          .payload = payload(i * (BELT_INLINE_PAYLOAD + 1) / 2),
                                          .extras = i ? &extras[i] : NULL};
    add(BELT_MSG_FAILURES)->u.failures =
        (struct belt_msg_failures){.ref = 1, .count = 2, .dropped = 3, .job = 4, .letters = letters};
    add(BELT_MSG_FAILURES)->u.failures = (struct belt_msg_failures){
        .ref = 1, .count = 2, .letters = letters, .letter_count = 2, .extended = true, .let_go = UINT64_MAX};
    add(BELT_MSG_FAILURES)->u.failures =
        (struct belt_msg_failures){.ref = 1, .count = 2, .letters = letters, .extended = true};
    add(BELT_MSG_FAILURES)->u.failures = (struct belt_msg_failures){
        .ref = UINT64_MAX, .count = 1, .dropped = 2, .job = UINT64_MAX, .letters = letters, .letter_count = 3};
}

static void add_work(void)
{
    add(BELT_MSG_SYNC)->u.sync = (struct belt_msg_refs){refs, BELT_MAX_BATCH, true};
    add(BELT_MSG_SYNC)->u.sync = (struct belt_msg_refs){refs, 0, false};
    add(BELT_MSG_DISPATCH)->u.dispatch =
        (struct belt_msg_dispatch){.job = 1, .function = str("f"), .tasks = tasks, .count = 9};
    add(BELT_MSG_DISPATCH)->u.dispatch = (struct belt_msg_dispatch){
        1, str("f"), UINT64_MAX, true, true, {longest_argument, sizeof(longest_argument)}, NULL, tasks + 9, BIG - 9};
    add(BELT_MSG_DISPATCH)->u.dispatch =
        (struct belt_msg_dispatch){.job = 1,
                                   .function = str("f"),
                                   .argument = {attached_argument, sizeof(attached_argument)},
                                   .tasks = tasks,
                                   .count = 9};
    add(BELT_MSG_OPEN)->u.open =
        (struct belt_msg_open){.ref = 1,
                               .key = str("k"),
                               .function = str("f"),
                               .options = {.argument = {attached_argument, sizeof(attached_argument)}}};
    add(BELT_MSG_RESULTS)->u.results = (struct belt_msg_results){0, 1, results, BIG};
    add(BELT_MSG_RECORDED)->u.recorded.upto = UINT64_MAX;
    add(BELT_MSG_RECALL)->u.recall.count = UINT32_MAX;
    add(BELT_MSG_RETURNED)->u.returned = (struct belt_msg_refs){refs, 11, false};
    add(BELT_MSG_DROP)->u.drop = (struct belt_msg_refs){refs, 1, false};
    add(BELT_MSG_LEAVING);
    add(BELT_MSG_PROGRESS)->u.progress = (struct belt_msg_progress){refs[5], 1, UINT64_MAX};
}

const struct belt_msg *samples_get(size_t *count)
{
    if (sample_count == 0) {
        fill_texts();
        fill_items();
        fill_rows();
        add_connection();
        add_jobs();
        add_reading();
        add_failed();
        add_work();
    }
    *count = sample_count;
    return samples;
}
