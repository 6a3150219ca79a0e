/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames <-> ZeroMQ messages (link.h). Holds no state beside the sockets that
 * it hands out.
 */
#include "proto/link.h"

#include "proto/link_sender.h"
#include "proto/shortage.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <zmq.h>

/* ZeroMQ's option, whose name its header shows to those alone who build it with drafts. */
#define ZAP_ENFORCE_DOMAIN 93

/* Up to this a frame is copied: a copy is cheaper than the book-keeping of sharing, and a small
 * result that is kept does not hold a whole ZeroMQ message. */
#define COPY_BYTES 1024u

/* Messages in flight to or from one peer. Credit bounds what an honest peer has under way far below this, so EAGAIN is
 * rare. What a broker gives a peer that does not read is bounded in bytes before this (broker/flight.h); one that
 * writes without end costs at most 1000 headers of a batch each (64 KiB). A peer's own side has one such queue and can
 * afford more. */
#define HIGH_WATER_ROUTER 1000
#define HIGH_WATER_DEALER 10000

/* A BYE may still leave; everything else was acknowledged before a socket is closed. */
#define LINGER_MS 200

/* ZMTP's own heartbeats find half-open connections (tens of minutes by TCP alone). They are slow on purpose: a large
 * frame on a slow line must pass within the time-out, and leases (PROTOCOL.md §6.3) are what decides. Only a peer
 * beats: libzmq walks all timers of a thread to end one, and with ten thousand peers a broker's would do nothing else.
 * It asks the kernel to find them instead: silence for so long, then so many questions, and data that is not
 * acknowledged. */
#define ZMTP_INTERVAL_MS     5000
#define ZMTP_TIMEOUT_MS      30000
#define KEEPALIVE_IDLE_S     15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT      3

#define RECONNECT_MS     20
#define RECONNECT_MAX_MS 1000
/* A host that does not answer at all: try anew instead of the kernel's two minutes. */
#define CONNECT_TIMEOUT_MS 5000

void belt_link_seed(void)
{
    unsigned seed = 0;
    ssize_t got = 0;
    do
        got = getrandom(&seed, sizeof(seed), 0);
    while (got < 0 && errno == EINTR);
    srand(seed);
}

/* libzmq aborts the process when it gets no thread, and when its threads get no descriptor to wait on. It starts two
 * with the first socket: one for its work, one that closes sockets. Each has two descriptors, the context one and the
 * first socket another one; some are to spare, since whoever connects needs one more at once. */
#define CONTEXT_THREADS     2u
#define CONTEXT_DESCRIPTORS 8u

void *belt_link_context(void)
{
    sigset_t all, before;
    int lacking = belt_shortage_descriptors(CONTEXT_DESCRIPTORS);
    if (lacking == 0)
        lacking = belt_shortage_threads(CONTEXT_THREADS);
    if (lacking != 0) {
        errno = lacking;
        return NULL;
    }
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return NULL;
    void *context = zmq_ctx_new();
    /* The I/O thread starts with the first socket: here, while it inherits a full mask. */
    void *first = context ? zmq_socket(context, ZMQ_PAIR) : NULL;
    int err = errno;
    if (first) {
        zmq_close(first);
    } else if (context) {
        zmq_ctx_term(context);
        context = NULL;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = err;
    return context;
}

static int set_all(void *socket, const int (*options)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (zmq_setsockopt(socket, options[i][0], &options[i][1], sizeof(int)) != 0)
            return -1;
    return 0;
}

static int set_common(void *socket, size_t max_frame)
{
    static const int options[][2] = {
        {ZMQ_LINGER, LINGER_MS},
        {ZMQ_IPV6, 1},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S},
        {ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL_S},
        {ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT},
        {ZMQ_TCP_MAXRT, ZMTP_TIMEOUT_MS},
    };
    int64_t bytes = (int64_t)max_frame;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes, sizeof(bytes)) != 0)
        return -1;
    return set_all(socket, options, sizeof(options) / sizeof(options[0]));
}

static int set_dealer(void *socket)
{
    static const int options[][2] = {
        {ZMQ_SNDHWM, HIGH_WATER_DEALER},
        {ZMQ_RCVHWM, HIGH_WATER_DEALER},
        {ZMQ_IMMEDIATE, 1}, /* no connection: EAGAIN, instead of a queue that nobody reads */
        {ZMQ_RECONNECT_IVL, RECONNECT_MS},
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS},
        {ZMQ_CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS},
        {ZMQ_HEARTBEAT_IVL, ZMTP_INTERVAL_MS}, /* without a time to live: that would be a timer at the broker */
        {ZMQ_HEARTBEAT_TIMEOUT, ZMTP_TIMEOUT_MS},
    };
    return set_all(socket, options, sizeof(options) / sizeof(options[0]));
}

/* zmq_bind() or zmq_connect(), which end with EINTR before they begin when a signal arrives. */
static int attach(int (*call)(void *, const char *), void *socket, const char *endpoint)
{
    int rc = 0;
    do
        rc = call(socket, endpoint);
    while (rc != 0 && errno == EINTR);
    return rc;
}

static void *close_failed(void *socket)
{
    int err = errno;
    if (socket)
        zmq_close(socket);
    errno = err;
    return NULL;
}

/* A dual-stack socket tells an IPv4 address in its mapped form, which nobody would recognise as what was asked for. */
static void unmap(char *address)
{
    static const char prefix[] = "tcp://[::ffff:";
    char *end = strrchr(address, ']');
    if (strncmp(address, prefix, sizeof(prefix) - 1) != 0 || !end)
        return;
    memmove(end, end + 1, strlen(end));
    char *from = address + sizeof(prefix) - 1;
    memmove(address + sizeof("tcp://") - 1, from, strlen(from) + 1);
}

/* The events of `router` come on the socket that is returned. Its queue has no bound: ZeroMQ's thread would wait at it,
 * and there are two events for each connection. */
static void *monitor_of(void *context, void *router)
{
    static atomic_uint count;
    char address[64];
    int unbounded = 0;
    snprintf(address, sizeof(address), "inproc://monitor-%u", atomic_fetch_add(&count, 1));
    if (zmq_socket_monitor(router, address, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) != 0)
        return NULL;
    void *monitor = zmq_socket(context, ZMQ_PAIR);
    if (monitor && zmq_setsockopt(monitor, ZMQ_RCVHWM, &unbounded, sizeof(unbounded)) == 0 &&
        zmq_connect(monitor, address) == 0)
        return monitor;
    return close_failed(monitor);
}

static bool is_tcp(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", strlen("tcp://")) == 0;
}

/* What ZeroMQ keeps of these for the next address that is bound or connected, and for no other. */
static int set_server(void *socket, const char *endpoint, const struct belt_link_keys *keys)
{
    int server = keys && is_tcp(endpoint), enforce = 1;
    const char *domain = server ? BELT_LINK_DOMAIN : BELT_LINK_DOMAIN_LOCAL;
    if (!keys)
        return 0;
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &server, sizeof(server)) != 0 ||
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) != 0 ||
        zmq_setsockopt(socket, ZAP_ENFORCE_DOMAIN, &enforce, sizeof(enforce)) != 0)
        return -1;
    return server ? zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, BELT_KEY_BYTES) : 0;
}

static int set_client(void *socket, const struct belt_link_keys *keys)
{
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys->server_key, BELT_KEY_BYTES) == 0 &&
                   zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, BELT_KEY_BYTES) == 0 &&
                   zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, BELT_KEY_BYTES) == 0
               ? 0
               : -1;
}

static void *router_new(void *context, const char *endpoint, size_t max_frame, const struct belt_link_keys *keys,
                        char *bound, void **monitor)
{
    static const int options[][2] = {
        {ZMQ_ROUTER_MANDATORY, 1}, {ZMQ_SNDHWM, HIGH_WATER_ROUTER}, {ZMQ_RCVHWM, HIGH_WATER_ROUTER}};
    size_t len = BELT_MAX_TEXT;
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    if (!socket || set_common(socket, max_frame) != 0 ||
        set_all(socket, options, sizeof(options) / sizeof(options[0])) != 0 ||
        (monitor && !(*monitor = monitor_of(context, socket))) || set_server(socket, endpoint, keys) != 0 ||
        attach(zmq_bind, socket, endpoint) != 0)
        return close_failed(socket);
    if (bound && zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &len) != 0)
        return close_failed(socket);
    if (bound)
        unmap(bound);
    return socket;
}

void *belt_link_router(void *context, const char *endpoint, size_t max_frame, char *bound)
{
    return router_new(context, endpoint, max_frame, NULL, bound, NULL);
}

bool belt_link_router_keyed(void *context, const char *endpoint, size_t max_frame, const struct belt_link_keys *keys,
                            char *bound, void **router, void **monitor)
{
    if (monitor)
        *monitor = NULL;
    *router = router_new(context, endpoint, max_frame, keys, bound, monitor);
    if (!*router && monitor)
        *monitor = close_failed(*monitor);
    return *router != NULL;
}

int belt_link_bind(void *router, const char *endpoint, const struct belt_link_keys *keys, char *bound)
{
    size_t len = BELT_MAX_TEXT;
    if (set_server(router, endpoint, keys) != 0 || attach(zmq_bind, router, endpoint) != 0 ||
        zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, bound, &len) != 0)
        return -1;
    unmap(bound);
    return 0;
}

void *belt_link_dealer(void *context, const char *endpoint, size_t max_frame)
{
    return belt_link_dealer_keyed(context, endpoint, max_frame, NULL);
}

void *belt_link_dealer_keyed(void *context, const char *endpoint, size_t max_frame, const struct belt_link_keys *keys)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    if (!socket || set_common(socket, max_frame) != 0 || set_dealer(socket) != 0 ||
        (keys && is_tcp(endpoint) && set_client(socket, keys) != 0) || attach(zmq_connect, socket, endpoint) != 0)
        return close_failed(socket);
    return socket;
}

/* ---- receiving ---- */

/* A frame that stays in ZeroMQ's memory. */
struct wrapped {
    struct belt_buf buf;
    zmq_msg_t msg;
};

static void release_wrapped(struct belt_buf *self)
{
    struct wrapped *wrapped = (struct wrapped *)(void *)self;
    zmq_msg_close(&wrapped->msg);
    free(wrapped);
}

/* Empties `msg` into a buffer; NULL when out of memory. */
static struct belt_buf *take(zmq_msg_t *msg)
{
    size_t len = zmq_msg_size(msg);
    if (len <= COPY_BYTES)
        return belt_buf_copy(zmq_msg_data(msg), len);
    struct wrapped *wrapped = malloc(sizeof(*wrapped));
    if (!wrapped)
        return NULL;
    zmq_msg_init(&wrapped->msg);
    zmq_msg_move(&wrapped->msg, msg);
    atomic_init(&wrapped->buf.refs, 1);
    wrapped->buf.len = len;
    wrapped->buf.data = zmq_msg_data(&wrapped->msg);
    wrapped->buf.share = false;
    wrapped->buf.release = release_wrapped;
    return &wrapped->buf;
}

static int receive_part(void *socket, zmq_msg_t *msg)
{
    int rc = 0;
    do
        rc = zmq_msg_recv(msg, socket, ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : 0;
}

static void fill_route(struct belt_route *route, zmq_msg_t *msg)
{
    size_t len = zmq_msg_size(msg);
    route->len = (uint8_t)(len <= BELT_MAX_ROUTE ? len : BELT_MAX_ROUTE);
    memcpy(route->bytes, zmq_msg_data(msg), route->len);
}

/* The header tells what the message is about. */
static void keep_header(struct belt_frames *frames)
{
    while (frames->count > 1)
        belt_buf_unref(frames->frame[--frames->count]);
    frames->cut = true;
}

/* As far as the type can be read from the first bytes: an array, and in it the number of HELLO in any width. */
static bool may_be_hello(const uint8_t *bytes, size_t len)
{
    size_t at = len == 0 ? 0 : (bytes[0] & 0xf0) == 0x90 ? 1 : bytes[0] == 0xdc ? 3 : bytes[0] == 0xdd ? 5 : 0;
    size_t width = at && at < len && bytes[at] >= 0xcc && bytes[at] <= 0xcf ? (size_t)1 << (bytes[at] - 0xcc) : 0;
    return at && at + width < len && bytes[at + width] == BELT_MSG_HELLO;
}

/* The descriptor that a whole message came over; it is there on the last frame only. */
static int source_of(zmq_msg_t *msg)
{
    return may_be_hello(zmq_msg_data(msg), zmq_msg_size(msg)) ? zmq_msg_get(msg, ZMQ_SRCFD) : -1;
}

/* The frames after the route. All parts of a message are there once the first one is. */
static int receive_frames(void *socket, zmq_msg_t *msg, bool more, struct belt_frames *frames, int *source,
                          struct belt_link_sender *sender)
{
    while (more) {
        if (receive_part(socket, msg) != 0)
            return -1;
        more = zmq_msg_more(msg);
        if (source && !more && frames->count == 0)
            *source = source_of(msg);
        if (sender && !more)
            link_sender_read(msg, sender);
        if (frames->cut)
            continue;
        struct belt_buf *buf = frames->count < BELT_MAX_FRAMES ? take(msg) : NULL;
        if (buf)
            frames->frame[frames->count++] = buf;
        else /* too many, or no memory for it: the rest is read and dropped */
            keep_header(frames);
    }
    return 1;
}

static int receive(void *socket, struct belt_route *route, struct belt_frames *frames, int *source,
                   struct belt_link_sender *sender)
{
    zmq_msg_t msg;
    int rc = -1;
    bool more = true;
    frames->count = 0;
    frames->cut = false;
    zmq_msg_init(&msg);
    if (route) {
        if (receive_part(socket, &msg) != 0)
            goto out;
        fill_route(route, &msg);
        more = zmq_msg_more(&msg);
    }
    rc = receive_frames(socket, &msg, more, frames, source, sender);
out:
    if (rc < 0 && errno == EAGAIN)
        rc = 0;
    int err = errno;
    if (rc < 1)
        belt_frames_clear(frames);
    zmq_msg_close(&msg);
    errno = err;
    return rc;
}

int belt_link_recv(void *socket, struct belt_route *route, struct belt_frames *frames)
{
    return receive(socket, route, frames, NULL, NULL);
}

/* ---- sending ---- */

static void unref_sent(void *data, void *hint)
{
    (void)data;
    belt_buf_unref(hint);
}

/* `msg` shows the bytes of `buf`, with a reference of its own when it does not copy them. */
static int fill(zmq_msg_t *msg, struct belt_buf *buf)
{
    if (buf->len <= COPY_BYTES && !buf->share) {
        if (zmq_msg_init_size(msg, buf->len) != 0)
            return -1;
        memcpy(zmq_msg_data(msg), buf->data, buf->len);
        return 0;
    }
    belt_buf_ref(buf);
    if (zmq_msg_init_data(msg, buf->data, buf->len, unref_sent, buf) == 0)
        return 0;
    belt_buf_unref(buf);
    return -1;
}

/* Takes `msg`, also when it fails. */
static int send_part(void *socket, zmq_msg_t *msg, bool more)
{
    int rc = 0;
    do
        rc = zmq_msg_send(msg, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return 0;
    int err = errno;
    zmq_msg_close(msg);
    errno = err;
    return -1;
}

/* All parts are made before the first is sent: a message that was begun can be finished. Returns how many were made. */
static uint32_t fill_all(zmq_msg_t *parts, const struct belt_frames *frames)
{
    uint32_t made = 0;
    while (made < frames->count && fill(&parts[made], frames->frame[made]) == 0)
        made++;
    return made;
}

/* A connection that ends within a message makes one part fail; ZeroMQ then waits for the remaining ones to drop them.
 */
static int send_parts(void *socket, zmq_msg_t *parts, uint32_t count, bool begun)
{
    int err = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (err && !begun) {
            zmq_msg_close(&parts[i]);
        } else if (send_part(socket, &parts[i], i + 1 < count) != 0) {
            err = err ? err : errno;
            continue;
        }
        begun = begun || !err;
    }
    errno = err;
    return err ? -1 : 0;
}

static void close_parts(zmq_msg_t *parts, uint32_t count)
{
    int err = errno;
    for (uint32_t i = 0; i < count; i++)
        zmq_msg_close(&parts[i]);
    errno = err;
}

static int send_route(void *socket, const struct belt_route *route)
{
    zmq_msg_t msg;
    if (zmq_msg_init_size(&msg, route->len) != 0)
        return -1;
    memcpy(zmq_msg_data(&msg), route->bytes, route->len);
    return send_part(socket, &msg, true);
}

int belt_link_send(void *socket, const struct belt_route *route, struct belt_frames *frames)
{
    zmq_msg_t parts[BELT_MAX_FRAMES];
    uint32_t made = fill_all(parts, frames);
    if (made < frames->count || (route && send_route(socket, route) != 0)) {
        close_parts(parts, made);
        return -1;
    }
    if (send_parts(socket, parts, made, route != NULL) != 0)
        return -1;
    belt_frames_clear(frames);
    return 0;
}

/* ---- waiting ---- */

/* A question that a signal interrupts has often taken what ZeroMQ had to tell from the descriptor already: it is asked
 * again until there is an answer (watch.pml: events). */
int belt_link_events(void *socket)
{
    int rc = 0, events = 0;
    size_t size = sizeof(events);
    do
        rc = zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? events : 0;
}

int belt_link_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof(fd);
    return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

/* ---- asking seldom ---- */

/* The steps of a watched socket are those of tests/models/watch.pml. */

int belt_link_recv_watched(void *socket, struct belt_link_watch *watch, struct belt_route *route,
                           struct belt_frames *frames)
{
    watch->source = -1;
    int rc = watch->look ? receive(socket, route, frames, route ? &watch->source : NULL, watch->sender) : 0;
    if (watch->look && rc != 1)
        *watch = (struct belt_link_watch){.source = -1, .sender = watch->sender};
    return rc;
}

int belt_link_send_watched(void *socket, struct belt_link_watch *watch, const struct belt_route *route,
                           struct belt_frames *frames)
{
    watch->sent = true;
    return belt_link_send(socket, route, frames);
}

bool belt_link_look(void *socket, struct belt_link_watch *watch)
{
    if (!watch->look && watch->sent)
        watch->look = (belt_link_events(socket) & ZMQ_POLLIN) != 0;
    watch->sent = false;
    return watch->look;
}

bool belt_link_overslept(void *socket, struct belt_link_watch *watch)
{
    struct pollfd item = {.fd = belt_link_fd(socket), .events = POLLIN};
    if (poll(&item, 1, 0) != 0 || (belt_link_events(socket) & ZMQ_POLLIN) == 0)
        return false;
    watch->look = true;
    return true;
}

/* ---- connections ---- */

void belt_link_unmonitor(void *router, void *monitor)
{
    zmq_socket_monitor(router, NULL, 0);
    zmq_close(monitor);
}

int belt_link_monitor_recv(void *monitor, struct belt_link_watch *watch, struct belt_link_news *news)
{
    struct belt_frames frames;
    uint16_t event;
    uint32_t value;
    while (belt_link_recv_watched(monitor, watch, NULL, &frames) == 1) {
        bool whole = frames.count == 2 && frames.frame[0]->len >= sizeof(event) + sizeof(value);
        if (whole) { /* in the byte order of this machine */
            memcpy(&event, frames.frame[0]->data, sizeof(event));
            memcpy(&value, frames.frame[0]->data + sizeof(event), sizeof(value));
        }
        belt_frames_clear(&frames);
        if (!whole || (event != ZMQ_EVENT_ACCEPTED && event != ZMQ_EVENT_DISCONNECTED))
            continue;
        *news = (struct belt_link_news){.came = event == ZMQ_EVENT_ACCEPTED, .fd = (int)value};
        return 1;
    }
    return 0;
}
