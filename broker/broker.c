/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker process (broker.h): opens what it needs, runs the loop until it is
 * told to end, and closes it again.
 */
#include "broker/broker.h"
#include "broker/admission.h"
#include "broker/endpoint.h"
#include "broker/listen.h"
#include "broker/notify.h"
#include "broker/shell.h"

#include "proto/signals.h"
#include "proto/heap.h"
#include "proto/link.h"
#include "proto/shortage.h"

#include <belt/belt.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#define CLIENTS_DEFAULT  "tcp://127.0.0.1:7878"
#define WORKERS_DEFAULT  "tcp://127.0.0.1:7879"
#define DRAIN_MS_DEFAULT 10000u
/* What a record holds beside one payload of any size: a batch of small ones, and the header. */
#define RECORD_SPARE (BELT_BATCH_ATTACHED + BELT_MAX_HEADER)
/* For the disk at the end. */
#define CLOSE_MS 10000u
/* For peers to read BYE: a connection that ends takes along what its peer has received and not read yet
 * (ZMQ_IMMEDIATE). */
#define BYE_MS 100
/* The broker's own files, and ZeroMQ's; and more where there are many: ZeroMQ accepts some connections more before one
 * that is too many is closed. With a Unix socket it would end the process when it has no descriptor left. */
#define DESCRIPTORS_OWN   64u
#define DESCRIPTORS_SHARE 4u
/* With fewer of them the log says how many peers that makes. */
#define DESCRIPTORS_FEW 4096u
/* Connections that have no session yet, or are told that there is no place for one. */
#define CONNECTIONS_SPARE 48u
/* A private broker has no store, and no strangers. */
#define DESCRIPTORS_SPARE_PRIVATE 32u
/* Acknowledgements of what is not on disk may wait so long for company. */
#define ACK_MS 5u
/* Builds that look for errors check the books of the scheduler as they go. */
#ifdef BELT_CHECK
#define CHECK_BOOKS true
#else
#define CHECK_BOOKS false
#endif
/* Routes of connections that the core has not decided about. */
#define STRANGERS_MAX 1024u
/* Of the memory budget: what is on its way to peers, and what is kept of peers. */
#define OUT_SHARE 8u
/* But so much: one turn's deliveries, and what each of a hundred peers may have. */
#define OUT_LEAST ((uint64_t)16 << 20)
/* Of what may be on its way: the deliveries of one turn. */
#define TURN_SHARE 4u

struct broker {
    const struct belt_broker_options *options;
    struct shell shell;
    struct durability durability;
    struct keys keys;
    bool keyed;      /* addresses of tcp:// are served with keys */
    void *admission; /* who checks them */
    void *context;
    const char *endpoints[2]; /* as asked for, by enum broker_side */
    char bound[2][BELT_MAX_TEXT];
    char admin_bound[BELT_MAX_TEXT]; /* "": there is none */
    char name[256];
    size_t descriptors; /* that it may open */
    uint32_t peers;     /* that it may serve */
    sigset_t mask_before;
    bool mask_set;
    int signals; /* signalfd */
    struct belt_signals spared;
    bool draining, ended;
    uint64_t drain_until;
    char *error;
    uint32_t size;
};

static int system_error(struct broker *broker, const char *what)
{
    snprintf(broker->error, broker->size, "%s: %s", what, belt_shortage_text(errno));
    return BELT_SYSTEM;
}

/* Before the context: its threads inherit the mask. SIGPIPE is blocked so that a closed standard error is no end. */
static int open_signals(struct broker *broker)
{
    sigset_t ours, blocked;
    sigemptyset(&ours);
    if (!belt_signal_ignored(SIGTERM))
        sigaddset(&ours, SIGTERM);
    if (!belt_signal_ignored(SIGINT))
        sigaddset(&ours, SIGINT);
    blocked = ours;
    belt_signals_spare(&broker->spared);
    sigaddset(&blocked, SIGPIPE);
    if (sigprocmask(SIG_BLOCK, &blocked, &broker->mask_before) != 0)
        return system_error(broker, "cannot block signals");
    broker->mask_set = true;
    broker->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    return broker->signals < 0 ? system_error(broker, "cannot open a signal descriptor") : BELT_OK;
}

static int draw_epoch(struct broker *broker, uint64_t *epoch)
{
    do {
        ssize_t got = getrandom(epoch, sizeof(*epoch), 0);
        if (got < 0 && errno != EINTR)
            return system_error(broker, "cannot draw a random number");
        if (got != (ssize_t)sizeof(*epoch))
            *epoch = 0;
        *epoch &= BELT_MAX_EXACT;
    } while (*epoch == 0);
    return BELT_OK;
}

static const char *own_name(struct broker *broker)
{
    if (broker->options->name && *broker->options->name)
        return broker->options->name;
    if (gethostname(broker->name, sizeof(broker->name) - 1) != 0 || !broker->name[0])
        strcpy(broker->name, "broker");
    return broker->name;
}

/* It ends with the pool that started it, and serves that pool alone. */
static bool is_private(const struct belt_broker_options *options)
{
    return options->lifeline_fd > 0;
}

/* How many peers there may be with so many descriptors. */
static uint32_t peers_of(const struct belt_broker_options *options, size_t descriptors)
{
    size_t own = descriptors / DESCRIPTORS_SHARE > DESCRIPTORS_OWN ? descriptors / DESCRIPTORS_SHARE : DESCRIPTORS_OWN;
    size_t spare =
        is_private(options) ? DESCRIPTORS_SPARE_PRIVATE : own + CONNECTIONS_SPARE + BELT_CONNECTIONS_RESERVED;
    size_t peers = descriptors - spare;
    uint32_t most = options->max_peers && options->max_peers < BELT_MAX_PEERS ? options->max_peers : BELT_MAX_PEERS;
    return peers < most ? (uint32_t)peers : most;
}

/* The budget is shared out: to what is on its way, to peers, and the rest to jobs. */
static void share_out(struct shell *shell, struct core_config *config)
{
    uint64_t all = config->memory_budget, out = all / OUT_SHARE;
    uint64_t peers = all / BELT_PEERS_SHARE;
    shell->out_max = (size_t)(out > OUT_LEAST ? out : OUT_LEAST);
    config->turn_bytes = shell->out_max / TURN_SHARE;
    config->peer_budget = peers > BELT_PEERS_LEAST ? peers : BELT_PEERS_LEAST;
    config->memory_budget = all - out - peers;
}

static int open_core(struct broker *broker, size_t descriptors)
{
    const struct belt_broker_options *options = broker->options;
    struct shell *shell = &broker->shell;
    struct core_config config = {
        .name = own_name(broker),
        .version = BELT_VERSION,
        .heartbeat_ms = options->heartbeat_ms,
        .lease_ms = options->lease_ms,
        .grace_ms = options->grace_ms,
        .max_payload = options->max_payload ? options->max_payload : BELT_MAX_PAYLOAD_DEFAULT,
        .memory_budget = options->memory_budget ? options->memory_budget : BELT_MEMORY_BUDGET_DEFAULT,
        .memory_option = options->memory_option,
        .max_peers = peers_of(options, descriptors),
        .durable = options->state && *options->state,
        .keep_ms = options->keep_ms,
        .keep_max_ms = options->keep_max_ms,
        .tell_refusals = !is_private(options), /* a pool hears of them itself */
        .max_failed = options->max_failed,
        .failed_bytes = options->failed_bytes,
        .history_ms = options->history_ms,
        .ack_ms = ACK_MS,
        .wall_ms = shell_wall(),
        .trace = options->trace,
    };
    int rc = draw_epoch(broker, &config.epoch);
    if (rc != BELT_OK)
        return rc;
    config.first_job = (10000 + config.epoch % 90000) * 100000; /* the life before began elsewhere */
    broker->descriptors = descriptors;
    broker->peers = config.max_peers;
    peers_init(&shell->peers, config.max_peers + STRANGERS_MAX);
    uint32_t lease = config.lease_ms ? config.lease_ms : BELT_LEASE_MS;
    connections_init(&shell->gate.connections, config.max_peers + CONNECTIONS_SPARE, BELT_CONNECTIONS_RESERVED,
                     (uint64_t)BELT_HELLO_LEASES * lease);
    shell->max_frame = (size_t)belt_max_frame(config.max_payload);
    share_out(shell, &config);
    shell->peers.flights.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (shell->peers.flights.wake_fd < 0)
        return system_error(broker, "cannot open an event descriptor");
    shell->trace = options->trace;
    shell->quiet = options->quiet;
    shell->check = CHECK_BOOKS || getenv("BELT_CHECK_BOOKS");
    shell->core = core_new(&config);
    shell->update = core_update_new();
    shell->decoder = belt_decoder_new(config.max_payload);
    if (!shell->core || !shell->update || !shell->decoder) {
        snprintf(broker->error, broker->size, "out of memory");
        return BELT_NO_MEMORY;
    }
    if (!config.durable)
        return BELT_OK;
    rc = durability_open(&broker->durability, options->state, shell->core, config.max_payload, shell_now(),
                         broker->error, broker->size);
    if (rc == BELT_OK)
        shell->durability = &broker->durability;
    return rc;
}

/* Its connections are known by their own end: a path, or a port. */
static int open_admin(struct broker *broker, const struct belt_link_keys *keys)
{
    const char *endpoint = broker->options->admin;
    struct gate *gate = &broker->shell.gate;
    int rc = broker_listen_also(broker->shell.sockets[BROKER_CLIENTS], endpoint, keys, broker->admin_bound,
                                broker->error, broker->size);
    if (rc != BELT_OK)
        return rc;
    gate->admin = broker_endpoint_path(endpoint);
    const char *port = gate->admin ? NULL : strrchr(broker->admin_bound, ':');
    gate->admin_port = port ? (uint16_t)strtoul(port + 1, NULL, 10) : 0;
    return BELT_OK;
}

/* The keys that lie there are used unless somebody wants none. */
static int open_keys(struct broker *broker)
{
    const struct belt_broker_options *options = broker->options;
    if (!options->admission || options->insecure_plaintext || is_private(options))
        return BELT_OK;
    enum keys_found found = keys_open(&broker->keys, options->state, broker->error, broker->size);
    broker->keyed = found == KEYS_FOUND;
    if (broker->keyed) {
        broker->shell.senders.keys = &broker->keys;
        prctl(PR_SET_DUMPABLE, 0); /* a core dump would hold the secret key */
    }
    return found == KEYS_BAD ? (belt_shortage_advice(errno) ? BELT_SYSTEM : BELT_INVALID) : BELT_OK;
}

/* Before anything is bound: from the first connection on somebody answers. */
static int open_admission(struct broker *broker)
{
    if (!broker->keyed)
        return BELT_OK;
    broker->admission = broker->options->admission->start(broker->context, broker->keys.directory);
    if (!broker->admission || broker->options->admission->ended(broker->admission))
        return system_error(broker, "cannot start the check of keys");
    broker->shell.senders.admission = broker->options->admission;
    broker->shell.senders.handler = broker->admission;
    for (int side = 0; side < 2; side++)
        broker->shell.watch[side].sender = &broker->shell.senders.of[side];
    return BELT_OK;
}

static int open_sockets(struct broker *broker)
{
    const struct belt_link_keys server = {.secret_key = broker->keys.server.secret_key};
    const struct belt_link_keys *keys = broker->keyed ? &server : NULL;
    uint32_t max_payload = broker->options->max_payload ? broker->options->max_payload : BELT_MAX_PAYLOAD_DEFAULT;
    size_t max_frame = (size_t)belt_max_frame(max_payload);
    belt_link_seed();
    broker->context = belt_link_context();
    if (!broker->context)
        return system_error(broker, "cannot start ZeroMQ");
    if (open_admission(broker) != BELT_OK)
        return BELT_SYSTEM;
    for (int side = 0; side < 2; side++) {
        void **monitor = is_private(broker->options) ? NULL : &broker->shell.gate.monitors[side];
        broker->shell.sockets[side] = broker_listen(broker->context, broker->endpoints[side], max_frame, keys,
                                                    broker->bound[side], monitor, broker->error, broker->size);
        if (!broker->shell.sockets[side])
            return BELT_SYSTEM;
        broker->shell.gate.watch[side].look = true;
    }
    if (!broker->options->admin)
        return BELT_OK;
    return open_admin(broker, keys);
}

static int check_options(struct broker *broker)
{
    const struct belt_broker_options *options = broker->options;
    broker->endpoints[BROKER_CLIENTS] = options->clients ? options->clients : CLIENTS_DEFAULT;
    broker->endpoints[BROKER_WORKERS] = options->workers ? options->workers : WORKERS_DEFAULT;
    for (int side = 0; side < 2; side++) {
        int rc = broker_endpoint_check(broker->endpoints[side], options->insecure_plaintext || broker->keyed,
                                       broker->error, broker->size);
        if (rc != BELT_OK)
            return rc;
    }
    if (options->admin && broker_endpoint_check(options->admin, false, broker->error, broker->size) != BELT_OK)
        return BELT_INVALID;
    if (options->max_payload > BELT_MAX_PAYLOAD_CEILING) {
        snprintf(broker->error, broker->size, "max-payload is %u bytes, at most %u are possible", options->max_payload,
                 BELT_MAX_PAYLOAD_CEILING);
        return BELT_INVALID;
    }
    if (options->state && *options->state && options->max_payload > STORE_MAX_BODY - RECORD_SPARE) {
        snprintf(broker->error, broker->size,
                 "max-payload is %u bytes, a store takes %u at most: lower it, or run without a state directory",
                 options->max_payload, STORE_MAX_BODY - RECORD_SPARE);
        return BELT_INVALID;
    }
    return BELT_OK;
}

/* Somebody waits for the addresses on ready_fd; if it does not any more, that is no reason to end. */
static void say_ready(struct broker *broker)
{
    char line[2 * BELT_MAX_TEXT + 2];
    const char *clients = broker->bound[BROKER_CLIENTS], *workers = broker->bound[BROKER_WORKERS];
    shell_log(&broker->shell, false, "listening for clients on %s, for workers on %s%s%s", clients, workers,
              *broker->admin_bound ? ", for administration on " : "", broker->admin_bound);
    if (broker->keyed)
        shell_log(&broker->shell, false, "tcp:// is served with keys: %u are in %s/peers", broker->keys.keyring->count,
                  broker->keys.directory);
    if (broker->keyed && *broker->keys.told)
        shell_log(&broker->shell, true, "%s", broker->keys.told);
    if (broker->descriptors < DESCRIPTORS_FEW && !is_private(broker->options))
        shell_log(&broker->shell, true,
                  "the limit of open files is %zu: %u peers can be served (ulimit -Hn, LimitNOFILE= raise it)",
                  broker->descriptors, broker->peers);
    if (!is_private(broker->options))
        broker_notify("READY=1");
    if (broker->options->ready_fd <= 0)
        return;
    int len = snprintf(line, sizeof(line), "%s %s\n", clients, workers);
    for (int at = 0; at < len;) {
        ssize_t put = write(broker->options->ready_fd, line + at, (size_t)(len - at));
        if (put < 0 && errno != EINTR)
            break;
        at += put > 0 ? (int)put : 0;
    }
    close(broker->options->ready_fd);
}

static void begin_drain(struct broker *broker)
{
    uint64_t grace = broker->options->drain_ms ? broker->options->drain_ms : DRAIN_MS_DEFAULT;
    if (broker->draining) {
        shell_log(&broker->shell, false, "second signal: ending at once");
        broker->ended = true;
        return;
    }
    shell_log(&broker->shell, false, "draining: no new work; running jobs have %llu ms", (unsigned long long)grace);
    broker->draining = true;
    if (!is_private(broker->options))
        broker_notify("STOPPING=1");
    broker->drain_until = shell_now() + grace;
    shell_drain(&broker->shell);
}

static void read_signals(struct broker *broker)
{
    struct signalfd_siginfo info;
    while (read(broker->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        begin_drain(broker);
}

/* Whoever holds the other end is gone: so are we. */
static void read_lifeline(struct broker *broker)
{
    char bytes[64];
    ssize_t got = read(broker->options->lifeline_fd, bytes, sizeof(bytes));
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        broker->ended = true;
}

static long wait_ms(const struct broker *broker, uint64_t now)
{
    long wait = shell_timeout(&broker->shell, now);
    if (!broker->draining)
        return wait;
    uint64_t left = broker->drain_until > now ? broker->drain_until - now : 0;
    return wait < 0 || (uint64_t)wait > left ? (long)left : wait;
}

static bool drained(const struct broker *broker)
{
    return broker->draining && (core_drained(broker->shell.core) || shell_now() >= broker->drain_until);
}

static int monitor_fd(const struct broker *broker, enum broker_side side)
{
    void *monitor = broker->shell.gate.monitors[side];
    return monitor ? belt_link_fd(monitor) : -1;
}

/* Peers that had too much on its way have less: the turn sends on. */
static void read_room(struct broker *broker)
{
    uint64_t count;
    while (read(broker->shell.peers.flights.wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
        continue;
}

/* zmq_poll() would ask each socket twice, and answer late what is there already. */
static int loop(struct broker *broker)
{
    struct shell *shell = &broker->shell;
    struct pollfd items[] = {
        {.fd = belt_link_fd(shell->sockets[BROKER_CLIENTS]), .events = POLLIN},
        {.fd = belt_link_fd(shell->sockets[BROKER_WORKERS]), .events = POLLIN},
        {.fd = broker->signals, .events = POLLIN},
        {.fd = broker->options->lifeline_fd > 0 ? broker->options->lifeline_fd : -1, .events = POLLIN},
        {.fd = shell->durability ? durability_fd(shell->durability) : -1, .events = POLLIN},
        {.fd = broker->options->owner_fd > 0 ? broker->options->owner_fd : -1, .events = POLLIN},
        {.fd = monitor_fd(broker, BROKER_CLIENTS), .events = POLLIN},
        {.fd = monitor_fd(broker, BROKER_WORKERS), .events = POLLIN},
        {.fd = shell->peers.flights.wake_fd, .events = POLLIN},
        {.fd = broker->admission ? broker->options->admission->fd(broker->admission) : -1, .events = POLLIN},
    };
    const int monitors = 6;
    while (!broker->ended && !drained(broker)) {
        bool more = false;
        for (int side = 0; side < 2; side++) {
            more |= belt_link_look(shell->sockets[side], &shell->watch[side]);
            more |= shell->gate.monitors[side] && belt_link_look(shell->gate.monitors[side], &shell->gate.watch[side]);
        }
        int timeout_ms = more ? 0 : (int)wait_ms(broker, shell_now());
        int ready = poll(items, sizeof(items) / sizeof(*items), timeout_ms);
        if (ready < 0 && errno != EINTR)
            return system_error(broker, "cannot wait for messages");
        if (ready == 0)
            shell_slept(shell, timeout_ms);
        for (int side = 0; side < 2; side++)
            shell->watch[side].look |= items[side].revents != 0;
        for (int side = 0; side < 2; side++)
            shell->gate.watch[side].look |= items[monitors + side].revents != 0;
        if (items[2].revents)
            read_signals(broker);
        if (items[3].revents)
            read_lifeline(broker);
        if (items[5].revents)
            broker->ended = true;
        if (items[8].revents)
            read_room(broker);
        if (broker->admission && broker->options->admission->ended(broker->admission)) {
            snprintf(broker->error, broker->size,
                     "the check of keys has ended, and nobody could get in: start the broker again");
            return BELT_SYSTEM;
        }
        shell_turn(shell);
    }
    return BELT_OK;
}

/* While it still listens: nobody else can have taken the path. */
static void close_socket(struct broker *broker, enum broker_side side)
{
    void *socket = broker->shell.sockets[side];
    const char *path = socket ? broker_endpoint_path(broker->endpoints[side]) : NULL;
    if (side == BROKER_CLIENTS && *broker->admin_bound && broker->shell.gate.admin)
        unlink(broker->shell.gate.admin);
    if (path)
        unlink(path);
    void **monitor = &broker->shell.gate.monitors[side];
    if (*monitor)
        belt_link_unmonitor(socket, *monitor);
    *monitor = NULL;
    if (socket)
        zmq_close(socket);
}

static void close_all(struct broker *broker)
{
    struct shell *shell = &broker->shell;
    shell_fini(shell);
    if (shell->durability && durability_close(shell->durability, CLOSE_MS) != BELT_OK)
        shell_log(shell, true, "not everything that was handed in reached the disk; nothing of it was acknowledged");
    close_socket(broker, BROKER_CLIENTS);
    close_socket(broker, BROKER_WORKERS);
    belt_decoder_free(shell->decoder);
    core_update_free(shell->update);
    core_free(shell->core);
    if (broker->admission)
        broker->options->admission->stop(&broker->admission);
    if (broker->context)
        while (zmq_ctx_term(broker->context) != 0 && errno == EINTR)
            continue;
    if (shell->peers.flights.wake_fd >= 0) /* ZeroMQ's thread, which writes to it, has ended */
        close(shell->peers.flights.wake_fd);
    if (broker->signals >= 0)
        close(broker->signals);
    if (broker->mask_set)
        sigprocmask(SIG_SETMASK, &broker->mask_before, NULL);
    belt_signals_restore(&broker->spared);
    keys_close(&broker->keys);
}

int belt_broker_run(const struct belt_broker_options *options, char *error, uint32_t size)
{
    struct broker broker = {.options = options, .signals = -1, .error = error, .size = size};
    broker.shell.peers.flights.wake_fd = -1;
    sigemptyset(&broker.spared.ignored);
    size_t descriptors = 0;
    belt_heap_keep();
    int rc = open_keys(&broker);
    if (rc == BELT_OK)
        rc = check_options(&broker);
    if (rc == BELT_OK)
        rc = broker_raise_descriptors(is_private(options) ? BROKER_DESCRIPTORS_PRIVATE : BROKER_DESCRIPTORS_MIN,
                                      &descriptors, error, size);
    if (rc == BELT_OK)
        rc = open_signals(&broker);
    if (rc == BELT_OK)
        rc = open_core(&broker, descriptors);
    if (rc == BELT_OK)
        rc = open_sockets(&broker);
    if (rc == BELT_OK) {
        say_ready(&broker);
        rc = loop(&broker);
        if (rc == BELT_OK && broker.draining && shell_bye(&broker.shell))
            poll(NULL, 0, BYE_MS);
        shell_log(&broker.shell, rc != BELT_OK, "ended%s%s", rc == BELT_OK ? "" : ": ", rc == BELT_OK ? "" : error);
    }
    close_all(&broker);
    return rc;
}
