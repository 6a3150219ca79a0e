/* SPDX-License-Identifier: Apache-2.0
 *
 * Sample messages (samples.h).
 */
#include "samples.h"

#include <stdio.h>
#include <string.h>

#define MAX_SAMPLES 128u
#define BIG         300u /* items: needs the 16-bit array form */

static struct belt_msg samples[MAX_SAMPLES];
static size_t sample_count;

static uint8_t large_bytes[BELT_INLINE_PAYLOAD + 1];
static struct belt_buf *large_buf;
static char longest_name[BELT_MAX_NAME + 1], longest_key[BELT_MAX_KEY + 1], longest_text[BELT_MAX_TEXT + 1];
static uint8_t longest_log[BELT_MAX_LOG], longest_argument[BELT_MAX_ARGUMENT];
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
static struct belt_row_broker broker;
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
    msg->seq = type == BELT_MSG_HELLO || type == BELT_MSG_WELCOME ? 0 : sample_count * 1000003;
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
    workers[0] = (struct belt_row_worker){str("host:1"), str("a,b"), 1, 2, 3, 4, 5, 6, 7, 8, 1};
    workers[1] = (struct belt_row_worker){.name = str(longest_text), .functions = str("")};
    jobs[0] = (struct belt_row_job){1, str("key"), str("f"), str("owner"), 3,         -100, 1, 2, 3, 4, 5, 6,
                                    7, 8,          9,        10,           str("why")};
    jobs[1] = (struct belt_row_job){.job = UINT64_MAX, .key = str(longest_key), .function = str("f"), .priority = 100};
    readers[0] = (struct belt_row_reader){1, str("r"), 1, 1, 2, 3, 4};
    readers[1] = (struct belt_row_reader){.job = UINT64_MAX, .reader = str(longest_key), .unread = UINT64_MAX};
    broker = (struct belt_row_broker){str("b"), str("0.1.0"), UINT64_MAX, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1};
}

static void fill_texts(void)
{
    memset(longest_name, 'n', BELT_MAX_NAME);
    memset(longest_key, '~', BELT_MAX_KEY);
    memset(longest_text, 't', BELT_MAX_TEXT);
    memset(longest_log, 0xee, sizeof(longest_log));
    memset(longest_argument, 0xdd, sizeof(longest_argument));
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
        (struct belt_msg_welcome){1, UINT64_MAX, 1000, 5000, BELT_MAX_PAYLOAD_CEILING, str("broker")};
    add(BELT_MSG_WELCOME)->u.welcome = (struct belt_msg_welcome){.version = 1, .epoch = 1};
    add(BELT_MSG_ERROR)->u.error = (struct belt_msg_error){0, 0, BELT_SYNC_LOST, str("")};
    add(BELT_MSG_ERROR)->u.error = (struct belt_msg_error){UINT64_MAX, 7, 63, str(longest_text)};
    add(BELT_MSG_PING);
    add(BELT_MSG_PONG);
    add(BELT_MSG_BYE)->u.bye.text = str("good bye");
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
                    UINT64_MAX},
    };
    add(BELT_MSG_OPEN)->u.open = (struct belt_msg_open){
        .ref = 1, .key = str("k"), .function = str("f"), .options = {.backoff_ms = 1, .final_status = {[8] = 1}}};
    add(BELT_MSG_OPENED)->u.opened = (struct belt_msg_opened){1, 2, 3, 4, {5, UINT64_MAX}, BELT_JOB_STOPPED};
    add(BELT_MSG_PUSH)->u.push = (struct belt_msg_push){.job = 1, .first = 0, .tasks = tasks, .count = 0};
    add(BELT_MSG_PUSH)->u.push = (struct belt_msg_push){.job = 1, .first = 5, .tasks = tasks, .count = 9};
    add(BELT_MSG_PUSH)->u.push =
        (struct belt_msg_push){.job = 1, .first = UINT64_MAX - BIG, .tasks = tasks, .count = BIG};
    add(BELT_MSG_ACCEPTED)->u.accepted = (struct belt_msg_accepted){1, 2, {3, 4}};
    add(BELT_MSG_END)->u.end = (struct belt_msg_end){1, UINT64_MAX};
    add(BELT_MSG_ENDED)->u.ended = (struct belt_msg_end){1, 0};
    add(BELT_MSG_CANCEL)->u.cancel = (struct belt_msg_cancel){1, 2};
    add(BELT_MSG_CANCELLED)->u.cancelled = (struct belt_msg_cancel){1, 2};
    add(BELT_MSG_NOTICE)->u.notice = (struct belt_msg_notice){1, BELT_NO_WORKER, str("no worker serves f")};
    add(BELT_MSG_NOTICE)->u.notice = (struct belt_msg_notice){1, BELT_OK, str("")};
}

static void add_reading(void)
{
    add(BELT_MSG_SUBSCRIBE)->u.subscribe =
        (struct belt_msg_subscribe){1, 2, str("me"), BELT_UNORDERED, BELT_CURSOR_KEPT, {3, 4}};
    add(BELT_MSG_SUBSCRIBE)->u.subscribe =
        (struct belt_msg_subscribe){1, 2, str(""), BELT_ORDERED, UINT64_MAX - 1, {0, 0}};
    add(BELT_MSG_SUBSCRIBED)->u.subscribed = (struct belt_msg_subscribed){1, 2, 3, 4};
    add(BELT_MSG_DELIVER)->u.deliver = (struct belt_msg_deliver){1, 2, results, 9};
    add(BELT_MSG_DELIVER)->u.deliver = (struct belt_msg_deliver){1, 0, results, 0};
    add(BELT_MSG_ACK)->u.ack = (struct belt_msg_ack){1, 2, {3, 4}};
    add(BELT_MSG_DONE)->u.done = (struct belt_msg_done){1, 2, BELT_JOB_CANCELLED};
    add(BELT_MSG_DETACH)->u.detach.sub = 1;
    for (uint8_t what = 1; what <= 4; what++)
        add(BELT_MSG_STATUS)->u.status = (struct belt_msg_status){1, what, str("x")};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){1, BELT_REPORT_QUEUES, 2, {.queues = queues}};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){1, BELT_REPORT_WORKERS, 2, {.workers = workers}};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){1, BELT_REPORT_JOBS, 2, {.jobs = jobs}};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){1, BELT_REPORT_JOBS, 0, {.jobs = jobs}};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){1, BELT_REPORT_BROKER, 1, {.broker = &broker}};
    add(BELT_MSG_REPORT)->u.report = (struct belt_msg_report){1, BELT_REPORT_READERS, 2, {.readers = readers}};
}

static void add_failed(void)
{
    static const uint64_t indexes[] = {0, 127, UINT64_MAX};
    add(BELT_MSG_FAILED)->u.failed =
        (struct belt_msg_failed){.ref = 1, .action = BELT_FAILED_LIST, .function = str("")};
    add(BELT_MSG_FAILED)->u.failed =
        (struct belt_msg_failed){UINT64_MAX, BELT_FAILED_DROP, str("f"), UINT64_MAX, UINT64_MAX, indexes, 3};
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
    add(BELT_MSG_FAILURES)->u.failures = (struct belt_msg_failures){1, 2, 3, 4, letters, 0};
    add(BELT_MSG_FAILURES)->u.failures = (struct belt_msg_failures){UINT64_MAX, 1, 2, UINT64_MAX, letters, 3};
}

static void add_work(void)
{
    add(BELT_MSG_SYNC)->u.sync = (struct belt_msg_refs){refs, BELT_MAX_BATCH, true};
    add(BELT_MSG_SYNC)->u.sync = (struct belt_msg_refs){refs, 0, false};
    add(BELT_MSG_DISPATCH)->u.dispatch =
        (struct belt_msg_dispatch){.job = 1, .function = str("f"), .tasks = tasks, .count = 9};
    add(BELT_MSG_DISPATCH)->u.dispatch = (struct belt_msg_dispatch){
        1, str("f"), UINT64_MAX, true, true, {longest_argument, sizeof(longest_argument)}, tasks + 9, BIG - 9};
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

/* ---- comparison ---- */

#define SAME(member)                                                                                                   \
    if (a->member != b->member)                                                                                        \
    return #member
#define SAME_BYTES(member)                                                                                             \
    if (!same_bytes(a->member, b->member))                                                                             \
    return #member
#define SAME_GRANT(member)                                                                                             \
    SAME(member.items);                                                                                                \
    SAME(member.bytes)

static bool same_bytes(struct belt_bytes a, struct belt_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool same_payload(const struct belt_payload *a, const struct belt_payload *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static const char *differ_hello(const struct belt_msg_hello *a, const struct belt_msg_hello *b)
{
    SAME(version);
    SAME(role);
    SAME_BYTES(session);
    SAME_BYTES(name);
    if (a->role != BELT_ROLE_WORKER)
        return NULL;
    SAME(worker.slots);
    SAME(worker.window_items);
    SAME(worker.window_bytes);
    SAME(worker.function_count);
    for (uint32_t i = 0; i < a->worker.function_count; i++)
        SAME_BYTES(worker.functions[i]);
    return NULL;
}

static const char *differ_open(const struct belt_msg_open *a, const struct belt_msg_open *b)
{
    SAME(ref);
    SAME_BYTES(key);
    SAME_BYTES(function);
    SAME(options.window_items);
    SAME(options.window_bytes);
    SAME(options.priority);
    SAME(options.retries);
    SAME(options.max_attempts);
    SAME(options.chunk);
    SAME(options.timeout_ms);
    SAME(options.detail);
    SAME(options.detached);
    SAME(options.durable);
    SAME(options.never_durable);
    SAME_BYTES(options.argument);
    SAME(options.backoff_ms);
    SAME(options.after_ms);
    SAME(options.deadline_ms);
    SAME(options.after_at);
    SAME(options.deadline_at);
    SAME(options.keep_ms);
    return memcmp(a->options.final_status, b->options.final_status, BELT_STATUS_BYTES) ? "final_status" : NULL;
}

static const char *differ_extras(const struct belt_result_extras *a, const struct belt_result_extras *b)
{
    if (!a || !b)
        return a == b ? NULL : "extras";
    SAME_BYTES(text);
    SAME_BYTES(log);
    SAME_BYTES(host);
    SAME(started_ms);
    SAME(exit_status);
    SAME(term_signal);
    return NULL;
}

static const char *differ_results(const struct belt_result_item *as, const struct belt_result_item *bs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct belt_result_item *a = &as[i], *b = &bs[i];
        SAME(index);
        SAME(attempt);
        SAME(code);
        SAME(service_us);
        if (!same_payload(&a->payload, &b->payload))
            return "payload";
        const char *what = differ_extras(a->extras, b->extras);
        if (what)
            return what;
    }
    return NULL;
}

static const char *differ_failed(const struct belt_msg_failed *a, const struct belt_msg_failed *b)
{
    SAME(ref);
    SAME(action);
    SAME_BYTES(function);
    SAME(job);
    SAME(from);
    SAME(count);
    for (uint32_t i = 0; i < a->count; i++)
        SAME(indexes[i]);
    return NULL;
}

static const char *differ_letter(const struct belt_letter *a, const struct belt_letter *b)
{
    SAME(serial);
    SAME(job);
    SAME(index);
    SAME(attempt);
    SAME(code);
    SAME(failed_at);
    SAME(size);
    SAME_BYTES(function);
    if (!same_payload(&a->payload, &b->payload))
        return "payload";
    return differ_extras(a->extras, b->extras);
}

static const char *differ_failures(const struct belt_msg_failures *a, const struct belt_msg_failures *b)
{
    const char *what = NULL;
    SAME(ref);
    SAME(count);
    SAME(dropped);
    SAME(job);
    SAME(letter_count);
    for (uint32_t i = 0; i < a->letter_count && !what; i++)
        what = differ_letter(&a->letters[i], &b->letters[i]);
    return what;
}

static const char *differ_dispatch(const struct belt_msg_dispatch *a, const struct belt_msg_dispatch *b)
{
    SAME(job);
    SAME_BYTES(function);
    SAME(timeout_ms);
    SAME(detail);
    SAME(together);
    SAME_BYTES(argument);
    SAME(count);
    for (uint32_t i = 0; i < a->count; i++) {
        SAME(tasks[i].index);
        SAME(tasks[i].attempt);
        if (!same_payload(&a->tasks[i].payload, &b->tasks[i].payload))
            return "payload";
    }
    return NULL;
}

static const char *differ_push(const struct belt_msg_push *a, const struct belt_msg_push *b)
{
    SAME(job);
    SAME(first);
    SAME(count);
    for (uint32_t i = 0; i < a->count; i++) {
        if (b->tasks[i].index != a->first + i || b->tasks[i].attempt != 0)
            return "index";
        if (!same_payload(&a->tasks[i].payload, &b->tasks[i].payload))
            return "payload";
    }
    return NULL;
}

static const char *differ_refs(const struct belt_msg_refs *a, const struct belt_msg_refs *b)
{
    SAME(count);
    SAME(more);
    for (uint32_t i = 0; i < a->count; i++) {
        SAME(refs[i].job);
        SAME(refs[i].index);
        SAME(refs[i].attempt);
    }
    return NULL;
}

static const char *differ_queue(const struct belt_row_queue *a, const struct belt_row_queue *b)
{
    SAME_BYTES(function);
    SAME(waiting);
    SAME(running);
    SAME(done);
    SAME(failed);
    SAME(retried);
    SAME(workers);
    SAME(slots);
    SAME(jobs);
    SAME(rate_milli);
    SAME(service_us);
    SAME(oldest_ms);
    return NULL;
}

static const char *differ_worker(const struct belt_row_worker *a, const struct belt_row_worker *b)
{
    SAME_BYTES(name);
    SAME_BYTES(functions);
    SAME(slots);
    SAME(running);
    SAME(queued);
    SAME(done);
    SAME(failed);
    SAME(lost);
    SAME(connected_ms);
    SAME(silent_ms);
    SAME(state);
    return NULL;
}

static const char *differ_job(const struct belt_row_job *a, const struct belt_row_job *b)
{
    SAME(job);
    SAME_BYTES(key);
    SAME_BYTES(function);
    SAME_BYTES(owner);
    SAME(state);
    SAME(priority);
    SAME(total);
    SAME(waiting);
    SAME(running);
    SAME(done);
    SAME(failed);
    SAME(retried);
    SAME(unread);
    SAME(age_ms);
    SAME(readers);
    SAME(progress_permille);
    SAME_BYTES(why);
    return NULL;
}

static const char *differ_reader(const struct belt_row_reader *a, const struct belt_row_reader *b)
{
    SAME(job);
    SAME_BYTES(reader);
    SAME(mode);
    SAME(connected);
    SAME(acknowledged);
    SAME(unread);
    SAME(sent);
    return NULL;
}

static const char *differ_broker(const struct belt_row_broker *a, const struct belt_row_broker *b)
{
    SAME_BYTES(name);
    SAME_BYTES(version);
    SAME(epoch);
    SAME(uptime_ms);
    SAME(bytes);
    SAME(budget);
    SAME(clients);
    SAME(workers);
    SAME(slots);
    SAME(jobs);
    SAME(accepted);
    SAME(done);
    SAME(failed);
    SAME(retried);
    SAME(stale);
    SAME(draining);
    return NULL;
}

static const char *differ_report(const struct belt_msg_report *a, const struct belt_msg_report *b)
{
    SAME(ref);
    SAME(what);
    SAME(count);
    const char *what = NULL;
    for (uint32_t i = 0; i < a->count && !what; i++) {
        if (a->what == BELT_REPORT_QUEUES)
            what = differ_queue(&a->rows.queues[i], &b->rows.queues[i]);
        else if (a->what == BELT_REPORT_WORKERS)
            what = differ_worker(&a->rows.workers[i], &b->rows.workers[i]);
        else if (a->what == BELT_REPORT_READERS)
            what = differ_reader(&a->rows.readers[i], &b->rows.readers[i]);
        else if (a->what == BELT_REPORT_JOBS)
            what = differ_job(&a->rows.jobs[i], &b->rows.jobs[i]);
        else
            what = differ_broker(&a->rows.broker[i], &b->rows.broker[i]);
    }
    return what;
}

static const char *differ_answer(const struct belt_msg *a, const struct belt_msg *b)
{
    switch (a->type) {
    case BELT_MSG_WELCOME:
        SAME(u.welcome.version);
        SAME(u.welcome.epoch);
        SAME(u.welcome.heartbeat_ms);
        SAME(u.welcome.lease_ms);
        SAME(u.welcome.max_payload);
        SAME_BYTES(u.welcome.name);
        return NULL;
    case BELT_MSG_ERROR:
        SAME(u.error.ref);
        SAME(u.error.job);
        SAME(u.error.code);
        SAME_BYTES(u.error.text);
        return NULL;
    case BELT_MSG_OPENED:
        SAME(u.opened.ref);
        SAME(u.opened.job);
        SAME(u.opened.next);
        SAME(u.opened.next_bytes);
        SAME_GRANT(u.opened.grant);
        SAME(u.opened.state);
        return NULL;
    case BELT_MSG_ACCEPTED:
        SAME(u.accepted.job);
        SAME(u.accepted.next);
        SAME_GRANT(u.accepted.grant);
        return NULL;
    case BELT_MSG_NOTICE:
        SAME(u.notice.job);
        SAME(u.notice.code);
        SAME_BYTES(u.notice.text);
        return NULL;
    default:
        return "type";
    }
}

static const char *differ_request(const struct belt_msg *a, const struct belt_msg *b)
{
    switch (a->type) {
    case BELT_MSG_SUBSCRIBE:
        SAME(u.subscribe.ref);
        SAME(u.subscribe.job);
        SAME_BYTES(u.subscribe.reader);
        SAME(u.subscribe.mode);
        SAME(u.subscribe.cursor);
        SAME_GRANT(u.subscribe.credit);
        return NULL;
    case BELT_MSG_SUBSCRIBED:
        SAME(u.subscribed.ref);
        SAME(u.subscribed.job);
        SAME(u.subscribed.sub);
        SAME(u.subscribed.cursor);
        return NULL;
    case BELT_MSG_ACK:
        SAME(u.ack.sub);
        SAME(u.ack.upto);
        SAME_GRANT(u.ack.credit);
        return NULL;
    case BELT_MSG_DONE:
        SAME(u.done.sub);
        SAME(u.done.count);
        SAME(u.done.code);
        return NULL;
    case BELT_MSG_STATUS:
        SAME(u.status.ref);
        SAME(u.status.what);
        SAME_BYTES(u.status.name);
        return NULL;
    case BELT_MSG_PROGRESS:
        SAME(u.progress.task.job);
        SAME(u.progress.task.index);
        SAME(u.progress.task.attempt);
        SAME(u.progress.done);
        SAME(u.progress.total);
        return NULL;
    default:
        return differ_answer(a, b);
    }
}

const char *samples_differ(const struct belt_msg *a, const struct belt_msg *b)
{
    SAME(type);
    SAME(seq);
    switch (a->type) {
    case BELT_MSG_HELLO:
        return differ_hello(&a->u.hello, &b->u.hello);
    case BELT_MSG_BYE:
        SAME_BYTES(u.bye.text);
        return NULL;
    case BELT_MSG_OPEN:
        return differ_open(&a->u.open, &b->u.open);
    case BELT_MSG_PUSH:
        return differ_push(&a->u.push, &b->u.push);
    case BELT_MSG_END:
    case BELT_MSG_ENDED:
    case BELT_MSG_CANCEL:
    case BELT_MSG_CANCELLED:
        SAME(u.end.job);
        SAME(u.end.count);
        return NULL;
    case BELT_MSG_DELIVER:
        SAME(u.deliver.sub);
        SAME(u.deliver.first);
        SAME(u.deliver.count);
        return differ_results(a->u.deliver.results, b->u.deliver.results, a->u.deliver.count);
    case BELT_MSG_DISPATCH:
        return differ_dispatch(&a->u.dispatch, &b->u.dispatch);
    case BELT_MSG_RESULTS:
        SAME(u.results.first);
        SAME(u.results.job);
        SAME(u.results.count);
        return differ_results(a->u.results.results, b->u.results.results, a->u.results.count);
    case BELT_MSG_REPORT:
        return differ_report(&a->u.report, &b->u.report);
    case BELT_MSG_FAILED:
        return differ_failed(&a->u.failed, &b->u.failed);
    case BELT_MSG_FAILURES:
        return differ_failures(&a->u.failures, &b->u.failures);
    case BELT_MSG_SYNC:
    case BELT_MSG_RETURNED:
    case BELT_MSG_DROP:
        return differ_refs(&a->u.sync, &b->u.sync);
    case BELT_MSG_DETACH:
    case BELT_MSG_RECORDED:
        SAME(u.recorded.upto);
        return NULL;
    case BELT_MSG_RECALL:
        SAME(u.recall.count);
        return NULL;
    case BELT_MSG_PING:
    case BELT_MSG_PONG:
    case BELT_MSG_LEAVING:
        return NULL;
    default:
        return differ_request(a, b);
    }
}
