/* SPDX-License-Identifier: Apache-2.0
 *
 * What the pure parts cost by themselves, without a socket: the broker's core, the codec, the client's stream.
 *
 *   bench_micro [TASKS]      a million tasks of 16 bytes for each line (less for single ones)
 *
 * Prints one line of JSON: nanoseconds of CPU time. A figure is the least of five runs.
 */
#include "bench/measure.h"

#include "broker/core/core.h"
#include "client/stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIZE     16u
#define RUNS     5
#define AGENTS   2u
#define FUNCTION ((struct belt_bytes){(const uint8_t *)"f", 1})

static uint64_t cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* ---- the core: one client, two agents ---- */

enum { CLIENT, FIRST_AGENT, PEERS = 1 + AGENTS };

struct cluster {
    struct core *core;
    struct core_update *update;
    uint64_t seq[PEERS], now, events;
    uint64_t results[PEERS]; /* number of an agent's next result */
    uint64_t job, sub, taken;
    struct belt_msg answers[256]; /* what agents will say */
    struct belt_buf *frames[256]; /* what these came in */
    struct belt_result_item *items;
    uint32_t answer_count, item_count;
};

/* ns of a phase, with its turn. */
struct phases {
    double push, result, ack, all;
    double step; /* of one event of any kind, turns included */
};

static void answer(struct cluster *cluster, uint64_t agent, const struct belt_msg_dispatch *dispatch)
{
    assert(cluster->answer_count < sizeof(cluster->answers) / sizeof(cluster->answers[0]));
    struct belt_buf *frame = cluster->frames[cluster->answer_count] = belt_buf_new(dispatch->count * (SIZE + 4));
    struct belt_msg *msg = &cluster->answers[cluster->answer_count++];
    struct belt_result_item *items = cluster->items + cluster->item_count;

    for (uint32_t i = 0; i < dispatch->count; i++)
        items[i] = (struct belt_result_item){.index = dispatch->tasks[i].index,
                                             .attempt = dispatch->tasks[i].attempt,
                                             .service_us = 1,
                                             .payload = {frame, frame->data + i * (SIZE + 4), SIZE}};
    *msg = (struct belt_msg){.type = BELT_MSG_RESULTS, .seq = agent};
    msg->u.results = (struct belt_msg_results){
        .first = cluster->results[agent], .job = dispatch->job, .results = items, .count = dispatch->count};
    cluster->item_count += dispatch->count;
    cluster->results[agent] += dispatch->count;
}

static void step(struct cluster *cluster, const struct core_event *event)
{
    core_step(cluster->core, event, cluster->update);
    cluster->events++;
    for (uint32_t i = 0; i < cluster->update->send_count; i++) {
        const struct core_send *send = &cluster->update->sends[i];
        if (send->msg.type == BELT_MSG_DISPATCH)
            answer(cluster, send->peer - 1, &send->msg.u.dispatch);
        else if (send->msg.type == BELT_MSG_DELIVER)
            cluster->taken = send->msg.u.deliver.first + send->msg.u.deliver.count;
        else if (send->msg.type == BELT_MSG_OPENED)
            cluster->job = send->msg.u.opened.job;
        else if (send->msg.type == BELT_MSG_SUBSCRIBED)
            cluster->sub = send->msg.u.subscribed.sub;
    }
    core_update_clear(cluster->update);
}

static void say(struct cluster *cluster, uint64_t peer, struct belt_msg *msg)
{
    msg->seq = cluster->seq[peer]++;
    step(cluster, &(struct core_event){.type = CORE_MESSAGE,
                                       .now = cluster->now,
                                       .peer = peer + 1,
                                       .worker_side = peer >= FIRST_AGENT,
                                       .msg = msg});
}

static void turn(struct cluster *cluster)
{
    do
        step(cluster, &(struct core_event){.type = CORE_TURN, .now = cluster->now});
    while (core_deadline(cluster->core) == 0);
}

static void hello(struct cluster *cluster, uint64_t peer)
{
    uint8_t session[BELT_SESSION_LEN] = {(uint8_t)(peer + 1)};
    struct belt_bytes function = FUNCTION;
    struct belt_msg msg = {.type = BELT_MSG_HELLO}, sync = {.type = BELT_MSG_SYNC};

    msg.u.hello = (struct belt_msg_hello){.version = BELT_PROTOCOL_VERSION,
                                          .role = peer >= FIRST_AGENT ? BELT_ROLE_WORKER : BELT_ROLE_CLIENT,
                                          .session = {session, sizeof(session)},
                                          .name = FUNCTION};
    if (peer >= FIRST_AGENT)
        msg.u.hello.worker = (struct belt_worker_props){.name = FUNCTION,
                                                        .slots = 1,
                                                        .window_items = BELT_MAX_HELD,
                                                        .window_bytes = 1 << 30,
                                                        .functions = &function,
                                                        .function_count = 1};
    say(cluster, peer, &msg);
    if (peer >= FIRST_AGENT)
        say(cluster, peer, &sync);
}

static void cluster_begin(struct cluster *cluster, uint32_t round)
{
    struct core_config config = {.epoch = 1};
    struct belt_msg open = {.type = BELT_MSG_OPEN}, subscribe = {.type = BELT_MSG_SUBSCRIBE};

    *cluster = (struct cluster){.core = core_new(&config), .update = core_update_new(), .now = 1000};
    cluster->items = malloc(round * sizeof(*cluster->items));
    if (!cluster->core || !cluster->update || !cluster->items)
        measure_die("memory");
    for (uint64_t peer = 0; peer < PEERS; peer++)
        hello(cluster, peer);
    open.u.open = (struct belt_msg_open){.ref = 1, .function = FUNCTION, .options = {.window_items = 1 << 20}};
    say(cluster, CLIENT, &open);
    subscribe.u.subscribe = (struct belt_msg_subscribe){.ref = 2,
                                                        .job = cluster->job,
                                                        .mode = BELT_UNORDERED,
                                                        .cursor = BELT_CURSOR_KEPT,
                                                        .credit = {UINT64_MAX, UINT64_MAX}};
    say(cluster, CLIENT, &subscribe);
    turn(cluster);
}

static void cluster_end(struct cluster *cluster)
{
    core_update_free(cluster->update);
    core_free(cluster->core);
    free(cluster->items);
}

static void push(struct cluster *cluster, uint64_t first, uint32_t count)
{
    static struct belt_task_item items[BELT_MAX_BATCH];
    struct belt_buf *frame = belt_buf_new(count * (SIZE + 4));
    struct belt_msg msg = {.type = BELT_MSG_PUSH};

    for (uint32_t i = 0; i < count; i++)
        items[i].payload = (struct belt_payload){frame, frame->data + i * (SIZE + 4), SIZE};
    msg.u.push = (struct belt_msg_push){.job = cluster->job, .first = first, .tasks = items, .count = count};
    say(cluster, CLIENT, &msg);
    belt_buf_unref(frame);
}

static void answer_all(struct cluster *cluster)
{
    uint32_t count = cluster->answer_count;

    for (uint32_t i = 0; i < count; i++) {
        say(cluster, cluster->answers[i].seq, &cluster->answers[i]);
        belt_buf_unref(cluster->frames[i]);
    }
    cluster->answer_count = cluster->item_count = 0;
    turn(cluster);
}

static void acknowledge(struct cluster *cluster)
{
    struct belt_msg ack = {.type = BELT_MSG_ACK};

    ack.u.ack = (struct belt_msg_ack){cluster->sub, cluster->taken, {UINT64_MAX, UINT64_MAX}};
    say(cluster, CLIENT, &ack);
    turn(cluster);
}

/* Rounds of ten messages of `batch` tasks, and what follows from them. */
static struct phases run_core(uint64_t tasks, uint32_t batch)
{
    struct cluster cluster;
    struct phases ns = {0};
    uint64_t done = 0;

    cluster_begin(&cluster, 10 * batch);
    cluster.events = 0;
    for (; done < tasks; done += 10u * batch, cluster.now++) {
        uint64_t begin = cpu_ns();
        for (uint32_t i = 0; i < 10; i++)
            push(&cluster, done + (uint64_t)i * batch, batch);
        turn(&cluster);
        uint64_t pushed = cpu_ns();
        while (cluster.taken < done + 10u * batch)
            answer_all(&cluster);
        uint64_t answered = cpu_ns();
        acknowledge(&cluster);
        ns.push += (double)(pushed - begin);
        ns.result += (double)(answered - pushed);
        ns.ack += (double)(cpu_ns() - answered);
    }
    ns.all = ns.push + ns.result + ns.ack;
    ns.step = ns.all / (double)cluster.events;
    ns.push /= (double)done;
    ns.result /= (double)done;
    ns.ack /= (double)done;
    ns.all /= (double)done;
    cluster_end(&cluster);
    return ns;
}

static void print_core(const char *name, uint64_t tasks, uint32_t batch)
{
    struct phases best = {0};

    for (int i = 0; i < RUNS; i++) {
        struct phases run = run_core(tasks, batch);
        if (i == 0 || run.all < best.all)
            best = run;
    }
    printf("\"%s\":{\"push_and_dispatch\":%.1f,\"result_and_deliver\":%.1f,\"acknowledge\":%.1f,\"task\":%.1f,"
           "\"event\":%.1f},",
           name, best.push, best.result, best.ack, best.all, best.step);
}

/* ---- the codec ---- */

static struct belt_msg message_of(uint8_t type, uint32_t count)
{
    static uint8_t bytes[SIZE];
    static struct belt_task_item tasks[BELT_MAX_BATCH];
    static struct belt_result_item results[BELT_MAX_BATCH];
    struct belt_msg msg = {.type = type, .seq = 1000};

    for (uint32_t i = 0; i < count; i++) {
        tasks[i] = (struct belt_task_item){.index = 100000 + i, .attempt = 1, .payload = {NULL, bytes, SIZE}};
        results[i] = (struct belt_result_item){
            .index = 100000 + i, .attempt = 1, .service_us = 1, .payload = {NULL, bytes, SIZE}};
    }
    if (type == BELT_MSG_PUSH)
        msg.u.push = (struct belt_msg_push){.job = 1000, .first = 100000, .tasks = tasks, .count = count};
    else if (type == BELT_MSG_DISPATCH)
        msg.u.dispatch = (struct belt_msg_dispatch){.job = 1000, .function = FUNCTION, .tasks = tasks, .count = count};
    else if (type == BELT_MSG_RESULTS)
        msg.u.results = (struct belt_msg_results){.first = 100000, .job = 1000, .results = results, .count = count};
    else
        msg.u.deliver = (struct belt_msg_deliver){.sub = 1000, .first = 100000, .results = results, .count = count};
    return msg;
}

/* ns of one message. */
static void run_codec(uint8_t type, uint32_t count, uint64_t messages, double *encode, double *decode)
{
    struct belt_msg msg = message_of(type, count), back;
    struct belt_decoder *decoder = belt_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    struct belt_frames frames = {0};
    uint64_t begin = cpu_ns();

    for (uint64_t i = 0; i < messages; i++) {
        belt_frames_clear(&frames);
        if (belt_encode(&msg, &frames) != BELT_OK)
            measure_die("encode");
    }
    uint64_t encoded = cpu_ns();
    for (uint64_t i = 0; i < messages; i++)
        if (belt_decode(decoder, &frames, &back) != BELT_OK)
            measure_die("decode");
    *encode = (double)(encoded - begin) / (double)messages;
    *decode = (double)(cpu_ns() - encoded) / (double)messages;
    belt_frames_clear(&frames);
    belt_decoder_free(decoder);
}

static void print_codec(uint64_t tasks)
{
    static const uint8_t types[] = {BELT_MSG_PUSH, BELT_MSG_DISPATCH, BELT_MSG_RESULTS, BELT_MSG_DELIVER};
    static const uint32_t counts[] = {1, 100};

    for (size_t i = 0; i < sizeof(types) * 2; i++) {
        uint8_t type = types[i / 2];
        double best[2] = {1e300, 1e300};
        for (int run = 0; run < RUNS; run++) {
            double encode, decode;
            run_codec(type, counts[i % 2], tasks / counts[i % 2] / (i % 2 ? 1 : 4), &encode, &decode);
            best[0] = encode < best[0] ? encode : best[0];
            best[1] = decode < best[1] ? decode : best[1];
        }
        printf("\"%s of %u\":{\"encode\":%.1f,\"decode\":%.1f},", belt_msg_name(type), counts[i % 2], best[0], best[1]);
    }
}

/* ---- the client's stream ---- */

static void reply(struct client_stream *stream, struct belt_msg msg)
{
    uint32_t skip;

    client_stream_receive(stream, &msg, &skip);
}

/* Plays the broker to one message of the stream. */
static void play(struct client_stream *stream, const struct belt_msg *msg)
{
    struct belt_msg out = {0};

    if (msg->type == BELT_MSG_OPEN) {
        out.type = BELT_MSG_OPENED;
        out.u.opened = (struct belt_msg_opened){.ref = 1, .job = 1, .grant = {UINT64_MAX, UINT64_MAX}};
    } else if (msg->type == BELT_MSG_SUBSCRIBE) {
        out.type = BELT_MSG_SUBSCRIBED;
        out.u.subscribed = (struct belt_msg_subscribed){.ref = 1, .job = 1, .sub = 1};
    } else if (msg->type == BELT_MSG_PUSH) {
        uint64_t next = msg->u.push.first + msg->u.push.count;
        struct belt_msg deliver = message_of(BELT_MSG_DELIVER, msg->u.push.count);
        deliver.u.deliver.first = msg->u.push.first;
        out.type = BELT_MSG_ACCEPTED;
        out.u.accepted = (struct belt_msg_accepted){.job = 1, .next = next, .grant = {UINT64_MAX, UINT64_MAX}};
        reply(stream, out);
        reply(stream, deliver);
        return;
    }
    reply(stream, out);
}

/* ns of a task: appended, pushed, accepted, delivered, taken, acknowledged; copies of payloads included. */
static double run_stream(uint64_t tasks)
{
    static const uint8_t bytes[SIZE];
    struct client_stream_config config = {
        .ref = 1, .function = FUNCTION, .mode = BELT_UNORDERED, .window = 10000, .window_bytes = 1 << 26};
    struct client_stream stream;
    struct belt_msg msg;

    client_stream_init(&stream, &config);
    uint64_t begin = cpu_ns();
    for (uint64_t done = 0; done < tasks; done += 1000) {
        for (int i = 0; i < 1000; i++) {
            struct belt_payload payload = belt_payload_copy(bytes, SIZE);
            if (!client_stream_append(&stream, &payload))
                measure_die("memory");
        }
        while (client_stream_send(&stream, true, &msg))
            play(&stream, &msg);
        client_stream_take(&stream, stream.received, stream.received_bytes, config.window);
    }
    double ns = (double)(cpu_ns() - begin) / (double)tasks;
    client_stream_fini(&stream);
    return ns;
}

int main(int argc, char **argv)
{
    uint64_t tasks = argc > 1 ? measure_number(argv[1]) : 1000000;
    double best = 1e300;

    printf("{");
    print_core("core, messages of 100 tasks", tasks, 100);
    print_core("core, messages of 1 task", tasks / 4, 1);
    print_codec(tasks);
    for (int i = 0; i < RUNS; i++) {
        double ns = run_stream(tasks);
        best = ns < best ? ns : best;
    }
    printf("\"client stream\":{\"task\":%.1f}}\n", best);
    return 0;
}
