/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker of a few lines for tests of the agent. See fake_broker.h.
 */
#include "tests/unit/fake_broker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define LIMIT_MS 20000

/* A broken expectation of the protocol ends the test, whatever NDEBUG says. */
static void must(bool holds)
{
    if (!holds)
        abort();
}

static uint64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Reads the endpoint that the test writes once its broker is bound. */
static _Noreturn void agent_child(int fd, struct belt_agent_options *options)
{
    char endpoint[BELT_MAX_TEXT] = "", error[512];

    if (read(fd, endpoint, sizeof(endpoint) - 1) <= 0)
        _exit(99);
    close(fd);
    options->broker = endpoint;
    options->quiet = true;
    int rc = belt_agent_run(options, error, sizeof(error));
    if (rc != BELT_OK)
        fprintf(stderr, "agent: %s\n", error);
    _exit(rc);
}

struct fake_broker *fake_new(struct belt_agent_options options, int not_for_agent, pid_t *agent)
{
    pid_t parent = getpid();
    int ends[2];

    must(pipe(ends) == 0);
    *agent = fork(); /* before there is a context: nothing that holds threads survives a fork */
    if (*agent == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(99);
        close(ends[1]);
        if (not_for_agent >= 0)
            close(not_for_agent);
        agent_child(ends[0], &options);
    }
    close(ends[0]);
    struct fake_broker *broker = calloc(1, sizeof(*broker));
    belt_link_seed();
    broker->context = belt_link_context();
    broker->socket = belt_link_router(broker->context, "tcp://127.0.0.1:*", BELT_MAX_PAYLOAD_CEILING, broker->endpoint);
    must(broker->socket != NULL);
    broker->decoder = belt_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    must(write(ends[1], broker->endpoint, strlen(broker->endpoint)) > 0);
    close(ends[1]);
    return broker;
}

void fake_free(struct fake_broker *broker)
{
    zmq_close(broker->socket);
    zmq_ctx_term(broker->context);
    belt_decoder_free(broker->decoder);
    free(broker);
}

static void fake_send(struct fake_broker *broker, struct belt_msg *msg)
{
    struct belt_frames frames = {.count = 0};

    msg->seq = broker->seq++;
    int rc = belt_encode(msg, &frames);
    must(rc == BELT_OK);
    while (belt_link_send(broker->socket, &broker->route, &frames) != 0 && errno == EAGAIN)
        continue;
    belt_frames_clear(&frames);
}

static void copy_text(char *to, size_t size, struct belt_bytes from)
{
    snprintf(to, size, "%.*s", (int)from.len, from.len ? (const char *)from.data : "");
}

static void fake_keep(struct fake_broker *broker, uint64_t job, const struct belt_result_item *item)
{
    struct fake_result *r = &broker->results[broker->result_count++ % FAKE_RESULTS];

    *r = (struct fake_result){.job = job,
                              .index = item->index,
                              .attempt = item->attempt,
                              .code = item->code,
                              .service_us = item->service_us,
                              .len = item->payload.len,
                              .exit_status = -1};
    memcpy(r->data, item->payload.data, item->payload.len < sizeof(r->data) ? item->payload.len : sizeof(r->data) - 1);
    for (uint32_t i = 0; i < item->payload.len; i++)
        r->sum += item->payload.data[i];
    if (!item->extras)
        return;
    copy_text(r->text, sizeof(r->text), item->extras->text);
    copy_text(r->log, sizeof(r->log), item->extras->log);
    r->exit_status = item->extras->exit_status;
    r->term_signal = item->extras->term_signal;
}

static void fake_take(struct fake_broker *broker, const struct belt_msg_results *results)
{
    struct belt_msg msg = {.type = BELT_MSG_RECORDED};

    for (uint32_t i = 0; i < results->count; i++) {
        if (results->first + i < broker->result_next) {
            broker->repeated++;
            continue;
        }
        must(results->first + i == broker->result_next);
        broker->result_next++;
        fake_keep(broker, results->job, &results->results[i]);
    }
    if (broker->silent)
        return;
    msg.u.recorded.upto = broker->result_next;
    fake_send(broker, &msg);
}

static void fake_welcome(struct fake_broker *broker, const struct belt_msg_hello *hello)
{
    struct belt_msg msg = {.type = BELT_MSG_WELCOME};

    broker->hellos++;
    broker->seq = 0;
    broker->synced = broker->leaving = false;
    broker->synced_refs = 0;
    broker->slots = hello->worker.slots;
    broker->window_items = hello->worker.window_items;
    msg.u.welcome = (struct belt_msg_welcome){.version = BELT_PROTOCOL_VERSION,
                                              .epoch = 7,
                                              .heartbeat_ms = 1000,
                                              .lease_ms = 5000,
                                              .max_payload = 1u << 20,
                                              .name = {(const uint8_t *)"fake", 4}};
    fake_send(broker, &msg);
    broker->welcomed = true;
}

static void fake_handle(struct fake_broker *broker, const struct belt_msg *msg)
{
    struct belt_msg pong = {.type = BELT_MSG_PONG};

    switch (msg->type) {
    case BELT_MSG_HELLO:
        fake_welcome(broker, &msg->u.hello);
        break;
    case BELT_MSG_PING:
        fake_send(broker, &pong);
        break;
    case BELT_MSG_SYNC:
        broker->synced_refs += msg->u.sync.count;
        broker->synced = !msg->u.sync.more;
        break;
    case BELT_MSG_RESULTS:
        fake_take(broker, &msg->u.results);
        break;
    case BELT_MSG_RETURNED:
        for (uint32_t i = 0; i < msg->u.returned.count; i++)
            broker->returned[broker->returned_count++ % FAKE_RESULTS] = msg->u.returned.refs[i];
        break;
    case BELT_MSG_PROGRESS:
        broker->progress_count++;
        broker->progress_done = msg->u.progress.done;
        broker->progress_total = msg->u.progress.total;
        break;
    case BELT_MSG_LEAVING:
        broker->leaving = broker->synced; /* PROTOCOL.md 8.4: after the last SYNC */
        break;
    case BELT_MSG_BYE:
        broker->bye = true;
        break;
    default:
        must(false);
    }
}

static void fake_turn(struct fake_broker *broker)
{
    struct belt_frames frames = {.count = 0};
    struct belt_msg msg;

    while (belt_link_recv(broker->socket, &broker->route, &frames) == 1) {
        int rc = belt_decode(broker->decoder, &frames, &msg);
        if (rc != BELT_OK)
            fprintf(stderr, "fake broker: %s\n", belt_decoder_error(broker->decoder));
        must(rc == BELT_OK);
        fake_handle(broker, &msg);
        belt_frames_clear(&frames);
    }
}

bool fake_until(struct fake_broker *broker, bool (*done)(struct fake_broker *broker, uint64_t want), uint64_t want)
{
    uint64_t until = clock_ms() + LIMIT_MS;

    for (;;) {
        zmq_pollitem_t item = {.socket = broker->socket, .events = ZMQ_POLLIN};
        fake_turn(broker);
        if (done(broker, want))
            return true;
        if (clock_ms() > until)
            return false;
        zmq_poll(&item, 1, 100);
    }
}

bool fake_ready(struct fake_broker *broker, uint64_t want)
{
    (void)want;
    return broker->synced;
}

bool fake_leaving(struct fake_broker *broker, uint64_t want)
{
    (void)want;
    return broker->synced && broker->leaving;
}

bool fake_hellos(struct fake_broker *broker, uint64_t want)
{
    return broker->hellos >= want && broker->synced;
}

bool fake_results(struct fake_broker *broker, uint64_t want)
{
    return broker->result_count >= want;
}

bool fake_returned(struct fake_broker *broker, uint64_t want)
{
    return broker->returned_count >= want;
}

bool fake_gone(struct fake_broker *broker, uint64_t want)
{
    (void)want;
    return broker->bye;
}

bool fake_progress(struct fake_broker *broker, uint64_t want)
{
    return broker->progress_count >= want;
}

const struct fake_result *fake_result(const struct fake_broker *broker, uint64_t job, uint64_t index)
{
    uint32_t count = broker->result_count < FAKE_RESULTS ? broker->result_count : FAKE_RESULTS;

    for (uint32_t i = 0; i < count; i++)
        if (broker->results[i].job == job && broker->results[i].index == index)
            return &broker->results[i];
    return NULL;
}

void fake_dispatch(struct fake_broker *broker, const struct fake_dispatch *d, const struct belt_bytes *payloads,
                   uint32_t count)
{
    struct belt_task_item *items = calloc(count, sizeof(*items));
    struct belt_msg msg = {.type = BELT_MSG_DISPATCH};

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct belt_task_item){.index = d->first + i,
                                           .attempt = d->attempt ? d->attempt : 1,
                                           .payload = belt_payload_copy(payloads[i].data, (uint32_t)payloads[i].len)};
    msg.u.dispatch = (struct belt_msg_dispatch){.job = d->job,
                                                .function = {(const uint8_t *)d->function, strlen(d->function)},
                                                .timeout_ms = d->timeout_ms,
                                                .together = d->together,
                                                .argument = d->argument,
                                                .tasks = items,
                                                .count = count};
    fake_send(broker, &msg);
    for (uint32_t i = 0; i < count; i++)
        belt_payload_clear(&items[i].payload);
    free(items);
}

void fake_strings(struct fake_broker *broker, const struct fake_dispatch *d, const char *const *payloads,
                  uint32_t count)
{
    struct belt_bytes *bytes = calloc(count, sizeof(*bytes));

    for (uint32_t i = 0; i < count; i++)
        bytes[i] = (struct belt_bytes){(const uint8_t *)payloads[i], strlen(payloads[i])};
    fake_dispatch(broker, d, bytes, count);
    free(bytes);
}

void fake_drop(struct fake_broker *broker, struct belt_task_ref ref)
{
    struct belt_msg msg = {.type = BELT_MSG_DROP};

    msg.u.drop = (struct belt_msg_refs){.refs = &ref, .count = 1};
    fake_send(broker, &msg);
}

void fake_recall(struct fake_broker *broker, uint32_t count)
{
    struct belt_msg msg = {.type = BELT_MSG_RECALL};

    msg.u.recall.count = count;
    fake_send(broker, &msg);
}

void fake_lose(struct fake_broker *broker)
{
    struct belt_msg msg = {.type = BELT_MSG_ERROR};

    msg.u.error = (struct belt_msg_error){.code = BELT_SYNC_LOST, .text = {(const uint8_t *)"test", 4}};
    broker->synced = false;
    broker->seq = 0;
    fake_send(broker, &msg);
}

int fake_wait(pid_t pid)
{
    int status;

    for (int i = 0; i < LIMIT_MS / 10; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        poll(NULL, 0, 10);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
}
