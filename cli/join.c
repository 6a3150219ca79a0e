/* SPDX-License-Identifier: Apache-2.0
 *
 * See join.h. The secret key of this node never leaves it, and the token is in no argument, environment or log.
 */
#include "cli/join.h"

#include "cli/clock.h"
#include "cli/endpoint.h"
#include "cli/exit.h"
#include "cli/file.h"
#include "cli/say.h"

#include "proto/access_file.h"
#include "proto/codec.h"
#include "proto/link.h"
#include "proto/token.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* One address is tried for so long, then the next; all of them, in turn, for so long, unless --connect-timeout says
 * otherwise. */
#define ATTEMPT_MS 2000u
#define JOIN_MS    20000u

struct join {
    struct belt_access token;
    uint8_t token_public[BELT_KEY_BYTES];
    struct belt_access own;
    void *context;
    struct belt_decoder *decoder;
};

/* ---- the token ---- */

static int read_descriptor(const char *name, char **text, size_t *len)
{
    int fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    int err = fd < 0 ? errno : file_read(fd, BELT_TOKEN_TEXT, text, len);

    if (fd > STDIN_FILENO)
        close(fd);
    return err;
}

static int read_token(struct join *join, const char *token)
{
    char *text = NULL;
    size_t len = 0;
    bool word = !strncmp(token, BELT_TOKEN_PREFIX, sizeof(BELT_TOKEN_PREFIX) - 1);
    int err = word ? 0 : read_descriptor(token, &text, &len);
    bool good = false;

    if (err) {
        say("--join: cannot read the token from '%s': %s", token, strerror(err));
        return EXIT_USAGE;
    }
    if (word)
        good = belt_token_read(token, &join->token);
    else if ((text = realloc(text, len + 1))) {
        text[len] = '\0';
        good = belt_token_read(text, &join->token);
    }
    belt_secret_free(text, text ? len : 0);
    if (good)
        return EXIT_OK;
    say("--join: this is no token, or a part of it is missing: it is the one word that 'belt keys token' prints");
    return EXIT_USAGE;
}

static int make_keys(struct join *join)
{
    char secret[41], public_text[41] = "";
    zcert_t *pair = zcert_new();

    if (!pair || !zmq_z85_encode(secret, join->token.secret_key, BELT_KEY_BYTES) ||
        zmq_curve_public(public_text, secret) != 0 || !zmq_z85_decode(join->token_public, public_text)) {
        zcert_destroy(&pair);
        say("cannot make a key: this ZeroMQ has no CURVE");
        return EXIT_INTERNAL;
    }
    explicit_bzero(secret, sizeof(secret));
    memcpy(join->own.public_key, zcert_public_key(pair), BELT_KEY_BYTES);
    memcpy(join->own.secret_key, zcert_secret_key(pair), BELT_KEY_BYTES);
    zcert_destroy(&pair);
    memcpy(join->own.brokers, join->token.brokers, sizeof(join->own.brokers));
    join->own.broker_count = join->token.broker_count;
    return EXIT_OK;
}

/* The name that the node would like: its own, as far as that is one. */
static void wish_name(char name[BELT_MAX_NAME + 1])
{
    if (gethostname(name, BELT_MAX_NAME) != 0)
        *name = '\0';
    name[BELT_MAX_NAME] = '\0';
    if (!belt_access_name_valid(name))
        strcpy(name, "node");
}

/* ---- talking ---- */

static bool send_join(struct join *join, void *socket)
{
    char name[BELT_MAX_NAME + 1];
    struct belt_msg msg = {.type = BELT_MSG_JOIN};
    struct belt_frames frames;

    wish_name(name);
    msg.u.join = (struct belt_msg_join){.version = BELT_PROTOCOL_VERSION,
                                        .name = {(const uint8_t *)name, strlen(name)},
                                        .public_key = {join->own.public_key, BELT_KEY_BYTES}};
    bool sent = belt_encode(&msg, &frames) == BELT_OK && belt_link_send(socket, NULL, &frames) == 0;
    if (!sent)
        belt_frames_clear(&frames);
    return sent;
}

/* EXIT_OK: joined. EXIT_REFUSED: the broker said no, and why was said. EXIT_BROKER: there was no answer. */
static int read_answer(struct join *join, const struct belt_frames *frames)
{
    struct belt_msg msg;

    if (belt_decode(join->decoder, frames, &msg) != BELT_OK)
        return EXIT_BROKER;
    if (msg.type == BELT_MSG_ERROR) {
        say("the broker does not let this node join: %.*s", (int)msg.u.error.text.len,
            (const char *)msg.u.error.text.data);
        return EXIT_REFUSED;
    }
    if (msg.type != BELT_MSG_JOINED)
        return EXIT_BROKER;
    snprintf(join->own.name, sizeof(join->own.name), "%.*s", (int)msg.u.joined.name.len,
             (const char *)msg.u.joined.name.data);
    snprintf(join->own.role, sizeof(join->own.role), "%.*s", (int)msg.u.joined.role.len,
             (const char *)msg.u.joined.role.data);
    return EXIT_OK;
}

static int talk(struct join *join, void *socket, uint64_t until)
{
    struct pollfd item = {.fd = belt_link_fd(socket), .events = POLLIN};
    bool sent = false;

    for (uint64_t now = clock_ms(); now < until; now = clock_ms()) {
        struct belt_frames frames;
        int events = belt_link_events(socket), rc;
        if (!sent && (events & ZMQ_POLLOUT)) {
            sent = send_join(join, socket);
            continue;
        }
        if (sent && belt_link_recv(socket, NULL, &frames) == 1) {
            rc = read_answer(join, &frames);
            belt_frames_clear(&frames);
            if (rc != EXIT_BROKER)
                return rc;
            continue;
        }
        poll(&item, 1, (int)(until - now));
    }
    return EXIT_BROKER;
}

static int attempt(struct join *join, const struct belt_access_broker *broker, uint64_t until)
{
    const struct belt_link_keys keys = {
        .secret_key = join->token.secret_key, .public_key = join->token_public, .server_key = broker->key};
    void *socket = belt_link_dealer_keyed(join->context, broker->address, BELT_MAX_HEADER, &keys);
    int rc = socket ? talk(join, socket, until) : EXIT_BROKER;

    if (socket)
        zmq_close(socket);
    return rc;
}

static int try_all(struct join *join, uint64_t within_ms)
{
    uint64_t end = clock_ms() + within_ms, now;
    int rc = EXIT_BROKER;

    while (rc == EXIT_BROKER && clock_ms() < end)
        for (uint32_t i = 0; rc == EXIT_BROKER && i < join->token.broker_count && (now = clock_ms()) < end; i++)
            rc = attempt(join, &join->token.brokers[i], now + ATTEMPT_MS < end ? now + ATTEMPT_MS : end);
    if (rc == EXIT_BROKER)
        say("no broker answered at %s or another address of the token within %llu s: check that it runs and can be "
            "reached "
            "from here, and that the token is not revoked or over (belt keys list, where the broker runs)",
            join->token.brokers[0].address, (unsigned long long)within_ms / 1000u);
    return rc;
}

/* The address that --broker names is tried first, and is the first of the access file. */
static int put_first(struct join *join, const char *broker)
{
    char address[ENDPOINT_MAX];
    struct belt_access *of[] = {&join->token, &join->own};

    if (!endpoint_normal(broker, ENDPOINT_WORKERS_PORT, address) || strlen(address) >= BELT_ACCESS_ADDRESS) {
        say("--broker '%s' is no address: HOST, HOST:PORT or tcp://HOST:PORT", broker);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
        struct belt_access *access = of[i];
        uint32_t kept = access->broker_count < BELT_ACCESS_BROKERS ? access->broker_count : BELT_ACCESS_BROKERS - 1;
        memmove(&access->brokers[1], &access->brokers[0], kept * sizeof(access->brokers[0]));
        snprintf(access->brokers[0].address, BELT_ACCESS_ADDRESS, "%s", address);
        access->broker_count = kept + 1;
    }
    return EXIT_OK;
}

static int run(struct join *join, const struct broker_values *values)
{
    int rc = values->broker ? put_first(join, values->broker) : EXIT_OK;

    if (rc != EXIT_OK)
        return rc;
    belt_link_seed();
    join->context = belt_link_context();
    join->decoder = belt_decoder_new(BELT_MAX_HEADER);
    if (!join->context || !join->decoder) {
        say("cannot start ZeroMQ: %s", strerror(errno));
        return EXIT_IO;
    }
    rc = try_all(join, values->connect_timeout ? values->connect_timeout : JOIN_MS);
    return rc;
}

/* ---- the access file ---- */

static bool same_broker(const struct belt_access *access, const struct belt_access *token)
{
    return access->broker_count && memcmp(access->brokers[0].key, token->brokers[0].key, BELT_KEY_BYTES) == 0;
}

static int find_path(const struct broker_values *values, char *path, size_t room)
{
    char *slash;

    if (values->access && strcmp(values->access, BELT_ACCESS_NONE) != 0)
        return (size_t)snprintf(path, room, "%s", values->access) < room ? EXIT_OK : EXIT_USAGE;
    if (!belt_access_home("access", path, room)) {
        say("there is no HOME that could hold the access file: name one with --access FILE");
        return EXIT_USAGE;
    }
    for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700); /* what fails here is told when the file is written */
        *slash = '/';
    }
    return EXIT_OK;
}

static int keep(struct join *join, const char *path)
{
    char text[BELT_ACCESS_BYTES];
    size_t len = belt_access_format(&join->own, text, sizeof(text));
    int err = belt_secret_write(path, text, len, false);

    explicit_bzero(text, sizeof(text));
    if (err) {
        say("joined as %s, but the access file %s cannot be written: %s", join->own.name, path, strerror(err));
        return EXIT_IO;
    }
    say("joined the broker at %s as %s; the access file is %s", join->own.brokers[0].address, join->own.name, path);
    return EXIT_OK;
}

/* 1: there is none yet. */
static int look(const struct join *join, const char *path)
{
    struct belt_access there;
    char error[1024];
    int rc = 1;

    if (access(path, F_OK) != 0)
        return 1;
    if (belt_access_load(path, &there, NULL, 0, error, sizeof(error)) != BELT_ACCESS_FOUND) {
        say("%s", error);
        return EXIT_USAGE;
    }
    rc = same_broker(&there, &join->token) ? EXIT_OK : EXIT_REFUSED;
    if (rc)
        say("the access file %s is for another broker: remove it, or name another with --access FILE", path);
    belt_access_wipe(&there);
    return rc;
}

int join_broker(const struct broker_values *values, const char *token, char *path, size_t room)
{
    struct join join = {.context = NULL};
    int rc = read_token(&join, token);

    prctl(PR_SET_DUMPABLE, 0); /* a core dump would hold the keys */
    if (!rc)
        rc = find_path(values, path, room);
    if (!rc && (rc = look(&join, path)) == 1) {
        rc = make_keys(&join);
        if (!rc)
            rc = run(&join, values);
        if (!rc)
            rc = keep(&join, path);
    }
    belt_decoder_free(join.decoder);
    if (join.context)
        zmq_ctx_term(join.context);
    belt_access_wipe(&join.token);
    belt_access_wipe(&join.own);
    prctl(PR_SET_DUMPABLE, 1); /* for the slots; the agent does it again */
    return rc;
}
