/* SPDX-License-Identifier: Apache-2.0
 *
 * The deep comparison of two messages (samples.h); no samples.
 */
#include "tests/unit/samples.h"

#include <string.h>

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
    SAME(options.remember_ms);
    SAME(options.digest);
    SAME(take_over);
    SAME(options.share);
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
    SAME(extended);
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
    SAME(extended);
    SAME(let_go);
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

static const char *differ_query(const struct belt_status_query *a, const struct belt_status_query *b)
{
    SAME(after);
    SAME(past);
    SAME(offset);
    SAME(limit);
    SAME(states);
    SAME_BYTES(function);
    SAME_BYTES(owner);
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
    SAME(stalled);
    SAME(quiet_ms);
    SAME(overdue);
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
    SAME(past);
    SAME(opened_at);
    SAME(over_at);
    SAME(keyed);
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
    SAME(past);
    SAME(failed_kept);
    SAME(failed_let_go);
    SAME(overslept);
    SAME(refused);
    SAME(overdue);
    SAME(stalled);
    SAME(stalled_ms);
    return NULL;
}

static const char *differ_report(const struct belt_msg_report *a, const struct belt_msg_report *b)
{
    SAME(ref);
    SAME(what);
    SAME(count);
    SAME(extended);
    SAME(total);
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
        SAME(u.welcome.max_frame);
        SAME_BYTES(u.welcome.name);
        SAME_BYTES(u.welcome.next_key);
        return NULL;
    case BELT_MSG_ERROR:
        SAME(u.error.ref);
        SAME(u.error.job);
        SAME(u.error.code);
        SAME_BYTES(u.error.text);
        return NULL;
    case BELT_MSG_OPENED:
        SAME(u.opened.digested);
        if (a->u.opened.digested && memcmp(&a->u.opened.digest, &b->u.opened.digest, BELT_DIGEST_BYTES) != 0)
            return "u.opened.digest";
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
        SAME(u.subscribe.take_over);
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
        SAME(u.status.named);
        SAME(u.status.extended);
        return differ_query(&a->u.status.query, &b->u.status.query);
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
    case BELT_MSG_JOIN:
        SAME(u.join.version);
        SAME_BYTES(u.join.name);
        SAME_BYTES(u.join.public_key);
        return NULL;
    case BELT_MSG_JOINED:
        SAME_BYTES(u.joined.name);
        SAME_BYTES(u.joined.role);
        return NULL;
    case BELT_MSG_OPEN:
        return differ_open(&a->u.open, &b->u.open);
    case BELT_MSG_PUSH:
        return differ_push(&a->u.push, &b->u.push);
    case BELT_MSG_END:
    case BELT_MSG_ENDED:
        SAME(u.end.job);
        SAME(u.end.count);
        return NULL;
    case BELT_MSG_CANCEL:
    case BELT_MSG_CANCELLED:
        SAME(u.cancel.ref);
        SAME(u.cancel.job);
        SAME(u.cancel.forget);
        SAME(u.cancel.waiting);
        SAME(u.cancel.leaves);
        SAME_BYTES(u.cancel.reader);
        SAME(u.cancel.one);
        SAME(u.cancel.task);
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
