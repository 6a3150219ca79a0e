/* SPDX-License-Identifier: Apache-2.0
 *
 *     bench_jobs [COUNT …]     (10 1000 100000)
 *
 * What handing in, asking for by key, cancelling and leaving cost the scheduler beside COUNT other jobs: µs of CPU time
 * each, without sockets and disk. Each job belongs to a client of its own, as those of `belt submit` do.
 */
#include "broker/core/core.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 2000u

struct broker {
    struct core *core;
    struct core_update *update;
    uint64_t now, job; /* the job that was opened last */
};

static struct belt_bytes bytes(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

static void step(struct broker *broker, struct core_event event)
{
    uint64_t seq;
    event.now = broker->now;
    core_update_clear(broker->update);
    core_step(broker->core, &event, broker->update);
    for (uint32_t i = 0; i < broker->update->send_count; i++) {
        const struct belt_msg *msg = &broker->update->sends[i].msg;
        core_stamp(broker->core, broker->update->sends[i].peer, msg->type, &seq);
        if (msg->type == BELT_MSG_OPENED)
            broker->job = msg->u.opened.job;
        if (msg->type == BELT_MSG_ERROR) {
            fprintf(stderr, "the broker answers: %.*s\n", (int)msg->u.error.text.len,
                    (const char *)msg->u.error.text.data);
            exit(1);
        }
    }
}

/* As the broker's loop does with a message that comes alone. */
static void say(struct broker *broker, uint64_t peer, uint64_t seq, struct belt_msg msg)
{
    msg.seq = seq;
    step(broker, (struct core_event){.type = CORE_MESSAGE, .peer = peer, .msg = &msg});
    step(broker, (struct core_event){.type = CORE_TURN});
}

static void hello(struct broker *broker, uint64_t peer, uint8_t role)
{
    uint8_t session[BELT_SESSION_LEN] = {role};
    struct belt_msg msg = {.type = BELT_MSG_HELLO};
    memcpy(session + 1, &peer, sizeof(peer));
    msg.u.hello = (struct belt_msg_hello){
        .version = BELT_PROTOCOL_VERSION, .role = role, .session = {session, sizeof(session)}, .name = bytes("bench")};
    say(broker, peer, 0, msg);
}

/* Hands in a job of one task; the client goes, the job stays. */
static void submit(struct broker *broker, uint64_t number)
{
    char key[32];
    uint64_t peer = number + 10;
    struct belt_task_item task = {.payload = {.data = (const uint8_t *)"x", .len = 1}};
    snprintf(key, sizeof(key), "key-%" PRIu64, number);
    hello(broker, peer, BELT_ROLE_CLIENT);
    struct belt_msg msg = {.type = BELT_MSG_OPEN};
    msg.u.open =
        (struct belt_msg_open){.ref = 1, .key = bytes(key), .function = bytes("f"), .options = {.detached = true}};
    say(broker, peer, 1, msg);
    msg = (struct belt_msg){.type = BELT_MSG_PUSH};
    msg.u.push = (struct belt_msg_push){.job = broker->job, .first = 0, .tasks = &task, .count = 1};
    say(broker, peer, 2, msg);
    msg = (struct belt_msg){.type = BELT_MSG_END};
    msg.u.end = (struct belt_msg_end){.job = broker->job, .count = 1};
    say(broker, peer, 3, msg);
    say(broker, peer, 4, (struct belt_msg){.type = BELT_MSG_BYE});
}

static void ask(struct broker *broker, uint64_t peer, uint64_t seq, uint64_t number)
{
    char key[32];
    struct belt_msg msg = {.type = BELT_MSG_STATUS};
    snprintf(key, sizeof(key), "key-%" PRIu64, number);
    msg.u.status = (struct belt_msg_status){
        .ref = seq, .what = BELT_REPORT_JOBS, .name = bytes(key), .named = true, .extended = true};
    say(broker, peer, seq, msg);
}

static double cpu_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static void measure(uint64_t count)
{
    struct core_config config = {.epoch = 1, .first_job = 1000};
    struct broker broker = {.core = core_new(&config), .update = core_update_new(), .now = 1000};
    uint64_t jobs[ROUNDS], admin = 1;
    if (!broker.core || !broker.update)
        exit(1);
    for (uint64_t i = 0; i < count; i++)
        submit(&broker, i);
    double began = cpu_us();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        submit(&broker, count + i);
        jobs[i] = broker.job;
    }
    double submitted = cpu_us();
    hello(&broker, admin, BELT_ROLE_ADMIN);
    double admitted = cpu_us();
    for (uint64_t i = 0; i < ROUNDS; i++)
        ask(&broker, admin, i + 1, count + i);
    double asked = cpu_us();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct belt_msg msg = {.type = BELT_MSG_CANCEL};
        msg.u.cancel = (struct belt_msg_cancel){.ref = i + 1, .job = jobs[i]};
        say(&broker, admin, ROUNDS + i + 1, msg);
    }
    double cancelled = cpu_us();
    printf("%8" PRIu64 " jobs: submit %.2f, named query %.2f, cancel %.2f us\n", count, (submitted - began) / ROUNDS,
           (asked - admitted) / ROUNDS, (cancelled - asked) / ROUNDS);
    double end = cpu_us();
    core_free(broker.core);
    core_update_free(broker.update);
    printf("%8s       freed in %.0f ms\n", "", (cpu_us() - end) / 1e3);
}

int main(int argc, char **argv)
{
    static const uint64_t usual[] = {10, 1000, 100000};
    for (int i = 1; i < argc; i++)
        measure(strtoull(argv[i], NULL, 10));
    for (size_t i = 0; argc < 2 && i < sizeof(usual) / sizeof(*usual); i++)
        measure(usual[i]);
    return 0;
}
