/* SPDX-License-Identifier: Apache-2.0
 *
 * See zap.h. Not czmq's own zauth: with CURVE and no certificates it lets everybody in. The socket belongs to the
 * broker's ZeroMQ context, as the questions come from there; the actor's pipe belongs to czmq's.
 */
#include "broker/zap.h"

#include "broker/keys.h"
#include "broker/zap_answer.h"
#include "proto/shortage.h"

#include <czmq.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#define ENDPOINT "inproc://zeromq.zap.01"
/* Of a question: longer ones are cut, and are none of ours. */
#define FRAME_BYTES 256u
#define ADDRESS_MAX 64u
/* czmq's context has a reaper and an I/O thread; a pipe and its mailboxes have two descriptors each. */
#define ACTOR_THREADS     3u
#define ACTOR_DESCRIPTORS 20u

struct zap {
    void *context;
    struct keys keys; /* of the actor; it reads the list itself */
    zactor_t *actor;
    bool ended;
    pthread_mutex_t lock; /* of the two below */
    uint64_t refused;
    char last[ADDRESS_MAX];
};

struct question {
    char bytes[ZAP_FRAMES][FRAME_BYTES];
    struct zap_frame frames[ZAP_FRAMES];
    size_t count; /* may be more than are kept */
};

static uint64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* Reads a question to its end, however long it is. False: none is there. */
static bool receive(void *socket, struct question *question)
{
    char spare[FRAME_BYTES];
    int more = 1;
    question->count = 0;
    while (more) {
        bool keep = question->count < ZAP_FRAMES;
        char *into = keep ? question->bytes[question->count] : spare;
        int got = zmq_recv(socket, into, FRAME_BYTES, ZMQ_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (keep)
            question->frames[question->count] =
                (struct zap_frame){into, (size_t)got <= FRAME_BYTES ? (size_t)got : FRAME_BYTES + 1};
        question->count++;
        size_t size = sizeof(more);
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    }
    return true;
}

static void send_text(void *socket, const char *text, int flags)
{
    zmq_send(socket, text, strlen(text), flags);
}

static void answer(void *socket, const struct question *question, const char *user)
{
    static const struct zap_frame none = {"", 0};
    struct zap_frame id = question->count > 1 && question->frames[1].len <= FRAME_BYTES ? question->frames[1] : none;
    send_text(socket, "1.0", ZMQ_SNDMORE);
    zmq_send(socket, id.data, id.len, ZMQ_SNDMORE);
    send_text(socket, user ? "200" : "400", ZMQ_SNDMORE);
    send_text(socket, user ? "OK" : "not allowed", ZMQ_SNDMORE);
    send_text(socket, user ? user : "", ZMQ_SNDMORE);
    send_text(socket, "", 0);
}

static void note_refused(struct zap *zap, const struct question *question)
{
    static const size_t address = 3;
    bool known = question->count > address && question->frames[address].len < ADDRESS_MAX;
    pthread_mutex_lock(&zap->lock);
    zap->refused++;
    snprintf(zap->last, sizeof(zap->last), "%.*s", known ? (int)question->frames[address].len : 0,
             question->bytes[address]);
    pthread_mutex_unlock(&zap->lock);
}

/* A connection that begins is rare beside its messages: it can wait for a look at the file, so that nobody who was
 * revoked gets in again. */
static bool admits(struct zap *zap, const uint8_t key[BELT_KEY_BYTES])
{
    keys_look(&zap->keys);
    return keys_find(&zap->keys, key, wall_ms()) != NULL;
}

static void serve(struct zap *zap, void *socket)
{
    struct question question;
    uint8_t key[BELT_KEY_BYTES];
    char user[BELT_KEY_TEXT];
    while (receive(socket, &question)) {
        enum zap_question asked = zap_question(question.frames, question.count, key);
        bool good = asked == ZAP_LOCAL || (asked == ZAP_KEY && admits(zap, key));
        *user = '\0';
        if (!good)
            note_refused(zap, &question);
        else if (asked == ZAP_KEY)
            belt_key_write(user, key);
        answer(socket, &question, good ? user : NULL);
    }
}

/* True: the broker wants the end. */
static bool told_to_end(zsock_t *pipe)
{
    char *word = zstr_recv(pipe);
    bool end = !word || strcmp(word, "$TERM") == 0;
    zstr_free(&word);
    return end;
}

static void run(zsock_t *pipe, void *arg)
{
    struct zap *zap = arg;
    const int linger = 0;
    void *socket = zmq_socket(zap->context, ZMQ_REP);
    bool bound =
        socket && zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger)) == 0 && zmq_bind(socket, ENDPOINT) == 0;
    zsock_signal(pipe, bound ? 0 : 1);
    zmq_pollitem_t items[] = {{.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
                              {.socket = socket, .events = ZMQ_POLLIN}};
    while (bound && (zmq_poll(items, 2, -1) >= 0 || errno == EINTR)) {
        if (items[0].revents && told_to_end(pipe))
            break;
        if (items[1].revents)
            serve(zap, socket);
    }
    if (socket)
        zmq_close(socket);
}

static void stop(void **handler)
{
    struct zap *zap = *handler;
    *handler = NULL;
    if (!zap)
        return;
    zactor_destroy(&zap->actor);
    pthread_mutex_destroy(&zap->lock);
    keys_close(&zap->keys);
    free(zap);
}

/* czmq would end the process for want of a thread or a descriptor. */
static int shortage(void)
{
    int lacking = belt_shortage_descriptors(ACTOR_DESCRIPTORS);
    return lacking ? lacking : belt_shortage_threads(ACTOR_THREADS);
}

static void *start(void *context, const char *directory)
{
    int lacking = shortage();
    struct zap *zap = lacking ? NULL : calloc(1, sizeof(*zap));
    if (lacking)
        errno = lacking;
    if (!zap)
        return NULL;
    zap->context = context;
    if (!keys_open_list(&zap->keys, directory)) {
        free(zap);
        errno = ENOMEM;
        return NULL;
    }
    pthread_mutex_init(&zap->lock, NULL);
    zsys_handler_set(NULL); /* signals are the broker's */
    zap->actor = zactor_new(run, zap);
    return zap;
}

static int descriptor(void *handler)
{
    struct zap *zap = handler;
    return zap->actor ? (int)zsock_fd(zactor_sock(zap->actor)) : -1;
}

/* The actor says one word when it ends. */
static bool ended(void *handler)
{
    struct zap *zap = handler;
    if (!zap->ended)
        zap->ended = !zap->actor || (zsock_events(zactor_sock(zap->actor)) & ZMQ_POLLIN) != 0;
    return zap->ended;
}

static uint64_t refused(void *handler, char *address, size_t size)
{
    struct zap *zap = handler;
    pthread_mutex_lock(&zap->lock);
    uint64_t count = zap->refused;
    snprintf(address, size, "%s", zap->last);
    pthread_mutex_unlock(&zap->lock);
    return count;
}

const struct broker_admission broker_zap = {
    .start = start, .fd = descriptor, .ended = ended, .refused = refused, .stop = stop};
