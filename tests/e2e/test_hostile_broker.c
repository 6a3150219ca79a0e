/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients beside a broker that answers with well-formed messages of every kind that are wrong: of another type than was
 * asked for, about nothing, out of order, with numbers at the edge of what there is. Whatever comes, a client ends with
 * an error or waits; it never crashes, and the sanitizers find nothing.
 *
 * BELT_HOSTILE_SEEDS in the environment names how many different conversations each command has (12).
 */
#include "tests/unit/samples.h"
#include "tests/e2e/process.h"
#include "proto/link.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define SEEDS_DEFAULT 12u
#define SEEDS_MAX     64u
#define PEERS_MAX     4096u
/* A command that has not ended after this waits for what will never come, which is its right. */
#define PATIENCE_MS 500
#define JOB         1u
#define SUB         3u

/* ---- the broker ---- */

struct known_peer {
    struct belt_route route;
    uint64_t seq;
    uint64_t random;
};

struct liar {
    void *socket;
    struct belt_decoder *decoder;
    struct known_peer peers[PEERS_MAX];
    unsigned count;
};

static uint64_t draw(struct known_peer *peer, uint64_t below)
{
    peer->random = peer->random * 6364136223846793005u + 1442695040888963407u;
    return (peer->random >> 33) % below;
}

static struct known_peer *peer_at(struct liar *liar, const struct belt_route *route)
{
    for (unsigned i = 0; i < liar->count; i++)
        if (liar->peers[i].route.len == route->len && memcmp(liar->peers[i].route.bytes, route->bytes, route->len) == 0)
            return &liar->peers[i];
    if (liar->count == PEERS_MAX)
        _exit(3);
    struct known_peer *peer = &liar->peers[liar->count];
    *peer = (struct known_peer){.route = *route, .random = 77 + 1000003u * liar->count++};
    return peer;
}

static void say(struct liar *liar, struct known_peer *peer, struct belt_msg *msg)
{
    struct belt_frames frames = {0};

    msg->seq = peer->seq++;
    if (belt_encode(msg, &frames) == BELT_OK)
        (void)belt_link_send(liar->socket, &peer->route, &frames);
    belt_frames_clear(&frames);
}

static uint64_t edge(struct known_peer *peer, uint64_t truth)
{
    static const uint64_t edges[] = {0, 1, 2, 4, 1000, UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX, UINT64_MAX - 1};

    return draw(peer, 3) ? truth : edges[draw(peer, sizeof(edges) / sizeof(*edges))];
}

/* Makes a sample a likely answer to the request `ref`, with some numbers that are not. */
static void adapt(struct known_peer *peer, struct belt_msg *msg, uint64_t ref)
{
    switch (msg->type) {
    case BELT_MSG_ERROR:
        msg->u.error.ref = draw(peer, 4) ? ref : 0;
        msg->u.error.job = draw(peer, 2) ? JOB : 0;
        msg->u.error.code = (uint32_t)draw(peer, 64);
        break;
    case BELT_MSG_OPENED:
        msg->u.opened = (struct belt_msg_opened){.ref = ref,
                                                 .job = JOB,
                                                 .next = edge(peer, 0),
                                                 .next_bytes = edge(peer, 0),
                                                 .grant = {edge(peer, 10), edge(peer, 1000)},
                                                 .state = (uint8_t)draw(peer, 4),
                                                 .digested = draw(peer, 2)};
        break;
    case BELT_MSG_ACCEPTED:
        msg->u.accepted = (struct belt_msg_accepted){JOB, edge(peer, 2), {edge(peer, 10), edge(peer, 1000)}};
        break;
    case BELT_MSG_ENDED:
        msg->u.ended = (struct belt_msg_end){JOB, edge(peer, 2)};
        break;
    case BELT_MSG_SUBSCRIBED:
        msg->u.subscribed = (struct belt_msg_subscribed){ref, JOB, SUB, edge(peer, 0)};
        break;
    case BELT_MSG_DELIVER:
        msg->u.deliver.sub = SUB;
        msg->u.deliver.first = edge(peer, 0);
        break;
    case BELT_MSG_DONE:
        msg->u.done = (struct belt_msg_done){SUB, edge(peer, 2), draw(peer, 2) ? BELT_OK : (uint32_t)draw(peer, 64)};
        break;
    case BELT_MSG_CANCELLED:
        msg->u.cancelled.ref = ref;
        break;
    case BELT_MSG_NOTICE:
        msg->u.notice.job = JOB;
        break;
    case BELT_MSG_REPORT:
        msg->u.report.ref = ref;
        break;
    case BELT_MSG_FAILURES:
        msg->u.failures.ref = ref;
        break;
    default:
        break;
    }
}

/* The type that would be right, and a ref where the message has one. */
static uint8_t right_answer(const struct belt_msg *msg, uint64_t *ref)
{
    switch (msg->type) {
    case BELT_MSG_OPEN:
        *ref = msg->u.open.ref;
        return BELT_MSG_OPENED;
    case BELT_MSG_SUBSCRIBE:
        *ref = msg->u.subscribe.ref;
        return BELT_MSG_SUBSCRIBED;
    case BELT_MSG_STATUS:
        *ref = msg->u.status.ref;
        return BELT_MSG_REPORT;
    case BELT_MSG_FAILED:
        *ref = msg->u.failed.ref;
        return BELT_MSG_FAILURES;
    case BELT_MSG_CANCEL:
        *ref = msg->u.cancel.ref;
        return BELT_MSG_CANCELLED;
    case BELT_MSG_PUSH:
        return BELT_MSG_ACCEPTED;
    case BELT_MSG_END:
        return BELT_MSG_ENDED;
    case BELT_MSG_ACK:
        return BELT_MSG_DELIVER;
    default:
        return BELT_MSG_PONG;
    }
}

static const struct belt_msg *pick(struct known_peer *peer, uint8_t type)
{
    size_t count;
    const struct belt_msg *samples = samples_get(&count);
    size_t start = (size_t)draw(peer, count);

    for (size_t i = 0; type != 0 && i < count; i++)
        if (samples[(start + i) % count].type == type)
            return &samples[(start + i) % count];
    return &samples[start];
}

static void answer(struct liar *liar, struct known_peer *peer, const struct belt_msg *got)
{
    static const uint8_t later[] = {BELT_MSG_DELIVER,  BELT_MSG_DONE,  BELT_MSG_ENDED,
                                    BELT_MSG_ACCEPTED, BELT_MSG_ERROR, 0};
    uint64_t ref = 1;
    uint8_t right = right_answer(got, &ref);

    for (uint64_t i = 0, n = 1 + draw(peer, 3); i < n; i++) {
        uint8_t type = i == 0 && draw(peer, 3) ? right : later[draw(peer, sizeof(later))];
        struct belt_msg msg = *pick(peer, type);
        adapt(peer, &msg, ref);
        say(liar, peer, &msg);
    }
}

static void hello(struct liar *liar, struct known_peer *peer)
{
    struct belt_msg welcome = {.type = BELT_MSG_WELCOME};

    peer->seq = 0;
    welcome.u.welcome = (struct belt_msg_welcome){
        .version = BELT_PROTOCOL_VERSION, .epoch = 1, .heartbeat_ms = 1000, .lease_ms = 5000, .max_payload = 1u << 24};
    say(liar, peer, &welcome);
}

static _Noreturn void broker_run(const char *endpoint)
{
    static struct liar liar;
    void *context = belt_link_context();

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    liar.decoder = belt_decoder_new(BELT_MAX_PAYLOAD_CEILING);
    liar.socket = belt_link_router(context, endpoint, BELT_MAX_PAYLOAD_CEILING, NULL);
    if (!liar.socket || !liar.decoder)
        _exit(2);
    for (;;) {
        zmq_pollitem_t item = {.socket = liar.socket, .events = ZMQ_POLLIN};
        struct belt_route route;
        struct belt_frames frames;
        struct belt_msg msg;
        zmq_poll(&item, 1, -1);
        while (belt_link_recv(liar.socket, &route, &frames) == 1) {
            struct known_peer *peer = peer_at(&liar, &route);
            if (belt_decode(liar.decoder, &frames, &msg) == BELT_OK) {
                if (msg.type == BELT_MSG_HELLO)
                    hello(&liar, peer);
                else
                    answer(&liar, peer, &msg);
            }
            belt_frames_clear(&frames);
        }
    }
}

/* ---- the clients ---- */

static const char *const commands[][12] = {
    {"status"},
    {"status", "--json"},
    {"jobs"},
    {"jobs", "1"},
    {"jobs", "1", "--json"},
    {"workers"},
    {"ping"},
    {"cancel", "1"},
    {"wait", "1"},
    {"results", "1"},
    {"results", "--follow", "1"},
    {"results", "-u", "--results-json", "1"},
    {"failed", "list"},
    {"failed", "list", "--json"},
    {"failed", "show", "1.2"},
    {"failed", "retry", "--function", "f"},
    {"failed", "drop", "--function", "f"},
    {"retry", "1", "--failed"},
    {"forget", "1"},
    {"readers", "list"},
    {"readers", "list", "--json", "1"},
    {"readers", "remove", "1", "log"},
    {"cancel", "--all", "--yes"},
    {"jobs", "--limit", "5"},
    {"submit", "f", ":::", "1", "2"},
    {"map", "f", ":::", "1", "2", "3"},
    {"map", "--unordered", "--key", "k", "f", ":::", "1"},
};

static pid_t liar;
static char directory[64], endpoint[96];

static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/belt-liar-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/clients", directory);
    liar = fork();
    if (liar == 0)
        broker_run(endpoint);
}

static void teardown(void)
{
    char command[96];

    kill(liar, SIGKILL);
    waitpid(liar, NULL, 0);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    (void)!system(command);
}

static void check(const char *const *command, unsigned seed, struct process *process, long long until)
{
    long long left = until - process_now_ms();
    bool ended = process_wait(process, left > 0 ? (int)left : 0);
    const char *err = process_err(process);

    cr_expect(!ended || process_status(process) >= 0, "%s %s, conversation %u: killed by signal %d: %s", command[0],
              command[1] ? command[1] : "", seed, -process_status(process), err);
    cr_expect(!strstr(err, "Sanitizer") && !strstr(err, "runtime error") && !strstr(err, "Assertion"), "%s %s: %s",
              command[0], command[1] ? command[1] : "", err);
    process_free(process);
}

TestSuite(hostile_broker, .init = setup, .fini = teardown);

Test(hostile_broker, no_answer_crashes_a_client, .timeout = 280)
{
    static char broker[120];
    /* libzmq does not free a message that is half received when its context ends. */
    const char *const env[] = {broker, "BELT_CONFIG=/dev/null", "BELT_CONNECT_TIMEOUT=2", "ASAN_OPTIONS=detect_leaks=0",
                               NULL};
    const char *wanted = getenv("BELT_HOSTILE_SEEDS");
    unsigned seeds = wanted ? (unsigned)strtoul(wanted, NULL, 10) : SEEDS_DEFAULT;

    snprintf(broker, sizeof(broker), "BELT_BROKER=%s", endpoint);
    seeds = seeds < SEEDS_MAX ? seeds : SEEDS_MAX;
    for (size_t c = 0; c < sizeof(commands) / sizeof(*commands); c++) {
        struct process *running[SEEDS_MAX];
        const char *argv[14] = {process_belt()};
        memcpy(argv + 1, commands[c], sizeof(commands[c]));
        for (unsigned i = 0; i < seeds; i++)
            running[i] = process_start(&(struct process_options){.argv = argv, .env = env});
        long long until = process_now_ms() + PATIENCE_MS;
        for (unsigned i = 0; i < seeds; i++)
            check(commands[c], i, running[i], until);
    }
    cr_assert_eq(waitpid(liar, NULL, WNOHANG), 0, "the broker of this test ended by itself");
}
