/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of `belt keys` that make keys: init, new, token. A secret key is written to a file or to standard output,
 * and nowhere else.
 */
#include "cli/keys.h"

#include "cli/admin.h"
#include "cli/endpoint.h"
#include "cli/exit.h"
#include "cli/say.h"

#include "proto/access_file.h"
#include "proto/token.h"

#include <czmq.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_EXPIRES_MS (3600u * 1000u)
/* The broker of this machine, for commands that are told to use it. */
#define LOOPBACK "127.0.0.1"

static int failed(const char *what, const char *path, int err)
{
    say("cannot %s %s: %s", what, path, strerror(err));
    return EXIT_IO;
}

static int draw(uint8_t public_key[BELT_KEY_BYTES], uint8_t secret_key[BELT_KEY_BYTES])
{
    zcert_t *pair = zcert_new();

    if (!pair) {
        say("cannot make a key: this ZeroMQ has no CURVE");
        return EXIT_INTERNAL;
    }
    memcpy(public_key, zcert_public_key(pair), BELT_KEY_BYTES);
    memcpy(secret_key, zcert_secret_key(pair), BELT_KEY_BYTES);
    zcert_destroy(&pair);
    return EXIT_OK;
}

/* ---- addresses ---- */

/* The ports of "HOST:PORT,PORT"; the workers' is the one after the clients', unless it is said. */
static bool add_address(struct server_key *server, const char *text)
{
    char host[ENDPOINT_MAX], clients[ENDPOINT_MAX], workers[ENDPOINT_MAX];
    const char *comma = strchr(text, ','), *colon;
    int port = 0;

    snprintf(host, sizeof(host), "%.*s", comma ? (int)(comma - text) : (int)strlen(text), text);
    if (server->client_count == KEYS_ADDRESSES || strlen(text) >= ENDPOINT_MAX ||
        !endpoint_normal(host, ENDPOINT_CLIENTS_PORT, clients) || strncmp(clients, "tcp://", 6) || strchr(clients, '*'))
        return false;
    colon = strrchr(clients, ':');
    port = comma ? atoi(comma + 1) : atoi(colon + 1) + 1;
    if (port < 1 || port > 65535 || (comma && strspn(comma + 1, "0123456789") != strlen(comma + 1)))
        return false;
    snprintf(workers, sizeof(workers), "%.*s:%d", (int)(colon - clients), clients, port);
    if (strlen(clients) >= BELT_ACCESS_ADDRESS || strlen(workers) >= BELT_ACCESS_ADDRESS)
        return false;
    for (uint32_t i = 0; i < server->client_count; i++)
        if (!strcmp(server->clients[i], clients) && !strcmp(server->workers[i], workers))
            return true; /* it is known */
    snprintf(server->clients[server->client_count++], BELT_ACCESS_ADDRESS, "%s", clients);
    snprintf(server->workers[server->worker_count++], BELT_ACCESS_ADDRESS, "%s", workers);
    return true;
}

static int add_addresses(struct server_key *server, const struct option_list *list)
{
    char host[256] = "", local[ENDPOINT_MAX];

    for (uint32_t i = 0; i < list->count; i++)
        if (!add_address(server, list->items[i])) {
            say("--address '%s' is no address that others reach a broker by: HOST, HOST:PORT or "
                "HOST:PORT,WORKERS-PORT, "
                "%u at the most",
                list->items[i], KEYS_ADDRESSES - 1);
            return EXIT_USAGE;
        }
    if (!list->count && (gethostname(host, sizeof(host) - 1) != 0 || !add_address(server, host))) {
        say("this machine has no name that others could reach it by: say --address HOST");
        return EXIT_USAGE;
    }
    snprintf(local, sizeof(local), LOOPBACK "%s,%s", strrchr(server->clients[0], ':'),
             strrchr(server->workers[0], ':') + 1);
    add_address(server, local);
    return EXIT_OK;
}

/* What a peer is told of the broker. */
static void name_broker(struct belt_access *access, const struct server_key *server, uint8_t roles)
{
    bool clients = (roles & ~BELT_MAY_WORKER) != 0, workers = (roles & (BELT_MAY_WORKER | BELT_MAY_ADMIN)) != 0;

    for (uint32_t i = 0; i < server->client_count + server->worker_count; i++) {
        bool is_worker = i >= server->client_count;
        struct belt_access_broker *broker = &access->brokers[access->broker_count];
        if (!(is_worker ? workers : clients) || access->broker_count == BELT_ACCESS_BROKERS)
            continue;
        *broker = (struct belt_access_broker){.workers = is_worker, .has_next = server->has_next};
        snprintf(broker->address, sizeof(broker->address), "%s",
                 is_worker ? server->workers[i - server->client_count] : server->clients[i]);
        memcpy(broker->key, server->public_key, BELT_KEY_BYTES);
        memcpy(broker->next, server->next_public, BELT_KEY_BYTES);
        access->broker_count++;
    }
}

/* A key pair, and what the list and the access file say of it. */
static int make(const struct server_key *server, const char *name, uint8_t roles, struct keyring_key *key,
                struct belt_access *access)
{
    *key = (struct keyring_key){.identity.roles = roles};
    *access = (struct belt_access){.broker_count = 0};
    snprintf(key->identity.name, sizeof(key->identity.name), "%s", name);
    snprintf(key->identity.owner, sizeof(key->identity.owner), "%s", name);
    snprintf(access->name, sizeof(access->name), "%s", name);
    keyring_roles_write(roles, access->role, sizeof(access->role));
    name_broker(access, server, roles);
    if (draw(access->public_key, access->secret_key))
        return EXIT_INTERNAL;
    memcpy(key->identity.credential, access->public_key, BELT_KEY_BYTES);
    return EXIT_OK;
}

/* ---- init ---- */

static const char *own_name(void)
{
    const struct passwd *user = getpwuid(geteuid());

    return user && belt_access_name_valid(user->pw_name) ? user->pw_name : "admin";
}

/* The directory of keys is the user's alone, as are all that it makes on the way. */
static int make_directory(const char *directory)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s", directory);
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return failed("make the directory", path, errno);
        if (!slash)
            return EXIT_OK;
        *slash = '/';
    }
}

/* In the user's own place, unless there is one of another broker. */
static int write_access(const char *directory, const struct belt_access *access, char path[PATH_MAX])
{
    char text[BELT_ACCESS_BYTES], home[PATH_MAX];
    size_t len = belt_access_format(access, text, sizeof(text));
    int err = EEXIST;

    if (belt_access_home("access", path, PATH_MAX) && belt_access_home("", home, sizeof(home))) {
        home[strlen(home) - 1] = '\0';
        if (make_directory(home))
            return EXIT_IO;
        err = belt_secret_write(path, text, len, false);
    }
    if (err == EEXIST) {
        snprintf(path, PATH_MAX, "%s/%s.access", directory, access->name);
        err = belt_secret_write(path, text, len, false);
    }
    explicit_bzero(text, sizeof(text));
    return err ? failed("write the access file", path, err) : EXIT_OK;
}

static int write_all(const char *directory, const struct server_key *server)
{
    char line[KEYRING_LINE + 128], path[PATH_MAX] = "";
    struct keyring_key key;
    struct belt_access access;
    int rc = make(server, own_name(), BELT_MAY_ADMIN | BELT_MAY_WORKER, &key, &access), err;

    if (!rc)
        rc = write_access(directory, &access, path);
    belt_access_wipe(&access);
    if (rc)
        return rc;
    int len = snprintf(line, sizeof(line),
                       "# key, name, roles: 'belt keys' and hands change it, the broker sees it at once\n");
    keyring_line(&key, line + len, sizeof(line) - (size_t)len);
    err = keys_write_list(directory, line, strlen(line));
    if (!err)
        err = server_key_store(directory, server, false);
    if (err) {
        unlink(path);
        return failed("write the keys into", directory, err);
    }
    printf("the key of the broker and the list of keys are in %s, the access of %s in %s\n", directory,
           key.identity.name, path);
    for (uint32_t i = 0; i < server->client_count; i++)
        printf("%s: %s, workers %s\n", i ? "or at" : "others reach the broker at", server->clients[i],
               server->workers[i]);
    printf("start the broker: belt broker --clients tcp://0.0.0.0%s --workers tcp://0.0.0.0%s\n",
           strrchr(server->clients[0], ':'), strrchr(server->workers[0], ':'));
    return EXIT_OK;
}

int keys_init(const struct options *options)
{
    const struct keys_values *values = options->values;
    struct server_key server = {.has_next = false}, there;
    char directory[PATH_MAX], error[512] = "";
    int rc;

    if (!keys_directory(values->state, true, directory, sizeof(directory))) {
        say("there is no HOME that could hold keys: name the broker's state directory with --state DIR");
        return EXIT_USAGE;
    }
    rc = add_addresses(&server, &values->address);
    if (rc || (rc = make_directory(directory)))
        return rc;
    if (server_key_load(directory, &there, error, sizeof(error)) != KEYS_NONE) {
        server_key_wipe(&there);
        say("there are keys in %s already; 'belt keys new' makes one for a peer", directory);
        return EXIT_REFUSED;
    }
    rc = draw(server.public_key, server.secret_key);
    if (!rc)
        rc = write_all(directory, &server);
    server_key_wipe(&server);
    return rc;
}

/* ---- new, token ---- */

static int read_role(const struct options *options, const char *text, uint8_t *roles)
{
    if (!text)
        return admin_usage(options, "say what the key is for: --role client, worker, observer or admin");
    if (keyring_roles_read(text, strlen(text), roles))
        return EXIT_OK;
    say("--role '%s' is none: client, worker, observer or admin, or several with commas between", text);
    return EXIT_USAGE;
}

static int load_server(const struct keys_list *list, struct server_key *server)
{
    char error[512] = "cannot read it";

    if (server_key_load(list->directory, server, error, sizeof(error)) == KEYS_FOUND)
        return EXIT_OK;
    say("%s", error);
    return EXIT_IO;
}

static int set_owner(const struct keys_values *values, struct keyring_key *key)
{
    if (values->owner && !belt_access_name_valid(values->owner)) {
        say("--owner '%s' is no name: letters, digits, '.', '_' and '-', the first neither '.' nor '-'", values->owner);
        return EXIT_USAGE;
    }
    if (values->owner)
        snprintf(key->identity.owner, sizeof(key->identity.owner), "%s", values->owner);
    key->identity.quotas = (struct belt_quotas){.connections = values->connections,
                                                .jobs = values->jobs,
                                                .waiting_bytes = values->waiting_bytes,
                                                .kept_bytes = values->kept_bytes};
    return EXIT_OK;
}

static void set_end(struct keyring_key *key, uint64_t after_ms)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    key->identity.expires_at = after_ms ? (uint64_t)ts.tv_sec * 1000u + after_ms : 0;
    key->identity.expires_at -= key->identity.expires_at % 1000u; /* the list tells seconds */
}

/* A file that the shell made for a secret is nobody else's. */
static void protect_output(void)
{
    struct stat status;

    if (fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid())
        fchmod(STDOUT_FILENO, status.st_mode & 0600);
}

static int print_secret(const char *text, size_t len)
{
    protect_output();
    while (len) {
        ssize_t put = write(STDOUT_FILENO, text, len);
        if (put < 0 && errno != EINTR) {
            say("writing to standard output failed: %s; the key is in the list: revoke it", strerror(errno));
            return EXIT_IO;
        }
        text += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    return EXIT_OK;
}

static int check_name(const struct keys_list *list, const char *name)
{
    if (!belt_access_name_valid(name)) {
        say("'%s' is no name: letters, digits, '.', '_' and '-', the first neither '.' nor '-', %u at the most", name,
            BELT_MAX_NAME);
        return EXIT_USAGE;
    }
    if (!keyring_named(list->keyring, name))
        return EXIT_OK;
    say("there is a key '%s' already; revoke it first, or choose another name", name);
    return EXIT_REFUSED;
}

static int add_key(struct keys_list *list, const struct keyring_key *key)
{
    char line[KEYRING_LINE + 1];

    if (keyring_line(key, line, sizeof(line)) >= sizeof(line)) {
        say("the name and the owner are too long");
        return EXIT_USAGE;
    }
    return keys_list_edit(list, 0, line);
}

static int new_key(const struct options *options, struct keys_list *list, const char *name)
{
    const struct keys_values *values = options->values;
    char text[BELT_ACCESS_BYTES];
    struct server_key server;
    struct keyring_key key;
    struct belt_access access;
    uint8_t roles;
    int rc;

    if ((rc = read_role(options, values->role, &roles)) || (rc = check_name(list, name)) ||
        (rc = load_server(list, &server)))
        return rc;
    rc = make(&server, name, roles, &key, &access);
    if (!rc)
        rc = set_owner(values, &key);
    set_end(&key, values->expires);
    if (!rc)
        rc = add_key(list, &key);
    if (!rc)
        rc = print_secret(text, belt_access_format(&access, text, sizeof(text)));
    explicit_bzero(text, sizeof(text));
    belt_access_wipe(&access);
    server_key_wipe(&server);
    return rc;
}

int keys_new(const struct options *options)
{
    struct keys_list list;
    int rc;

    if (options->word_count != 2)
        return admin_usage(options, "say whose key it is: belt keys new NAME --role ROLE");
    rc = keys_list_open(options->values, &list);
    if (!rc)
        rc = new_key(options, &list, options->words[1]);
    keys_list_close(&list);
    return rc;
}

static int new_token(const struct options *options, struct keys_list *list, const char *name)
{
    const struct keys_values *values = options->values;
    char text[BELT_TOKEN_TEXT + 1];
    struct server_key server;
    struct keyring_key key;
    struct belt_access access;
    uint8_t roles;
    int rc;

    if ((rc = read_role(options, values->role ? values->role : "worker", &roles)) || (rc = check_name(list, name)) ||
        (rc = load_server(list, &server)))
        return rc;
    rc = make(&server, name, roles, &key, &access);
    key.token = true;
    key.grants = roles;
    key.identity.roles = 0;
    key.uses = (uint32_t)values->uses;
    set_end(&key, values->expires ? values->expires : TOKEN_EXPIRES_MS);
    if (!rc)
        rc = set_owner(values, &key);
    if (!rc && !belt_token_write(&access, text)) {
        say("the addresses of the broker are too long for a token: shorten them in %s/key", list->directory);
        rc = EXIT_REFUSED;
    }
    if (!rc)
        rc = add_key(list, &key);
    if (!rc) {
        strcat(text, "\n");
        rc = print_secret(text, strlen(text));
    }
    explicit_bzero(text, sizeof(text));
    belt_access_wipe(&access);
    server_key_wipe(&server);
    return rc;
}

/* Tokens need no names of their own, but for being revoked. */
static void name_token(const struct keyring *keyring, char name[BELT_MAX_NAME + 1])
{
    unsigned i = 1;

    do
        snprintf(name, BELT_MAX_NAME + 1, "token-%u", i++);
    while (keyring_named(keyring, name));
}

int keys_token(const struct options *options)
{
    char name[BELT_MAX_NAME + 1];
    struct keys_list list;
    int rc = keys_list_open(options->values, &list);

    if (rc)
        return rc;
    name_token(list.keyring, name);
    rc = new_token(options, &list, options->word_count == 2 ? options->words[1] : name);
    keys_list_close(&list);
    return rc;
}
