/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker with keys as its users see it: nobody is served in plaintext on a network, an access file is all that a peer
 * needs, a node joins by one word, and who was revoked does nothing any more. No secret shows anywhere.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOUND_MS  60000
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

static char directory[] = "/tmp/belt-keys-XXXXXX";
static char home[64], clients[64], workers[64], address[64];
static const char *env[] = {home, "XDG_CONFIG_HOME=", "BELT_CONFIG=/dev/null", NULL};
static struct process *broker, *worker;

static struct process *start_in(const char *const *argv, const char *const *environment, const char *input)
{
    return process_start(&(struct process_options){.argv = argv, .env = environment, .input = input});
}

static struct process *start(const char *const *argv, const char *input)
{
    return start_in(argv, env, input);
}

/* Runs it to its end; its standard output, valid until the next call. */
static const char *runs(const char *const *argv, const char *input, int status)
{
    static char out[16384];
    struct process *process = start(argv, input);
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), status, "belt %s: %d, %s", argv[1], process_status(process),
                 process_err(process));
    snprintf(out, sizeof(out), "%s", process_out(process));
    process_free(process);
    return out;
}

static void fails(const char *const *argv, int status, const char *why)
{
    struct process *process = start(argv, "");
    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_eq(process_status(process), status, "belt %s: %d, %s", argv[1], process_status(process),
                 process_err(process));
    cr_assert_not_null(strstr(process_err(process), why), "belt %s: %s", argv[1], process_err(process));
    process_free(process);
}

static const char *path_of(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", directory, name);
    return path;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

static void setup(void)
{
    int port = process_free_port(), other = process_free_port();
    cr_assert_not_null(mkdtemp(directory));
    snprintf(home, sizeof(home), "HOME=%s", directory);
    snprintf(clients, sizeof(clients), "tcp://0.0.0.0:%d", port);
    snprintf(workers, sizeof(workers), "tcp://0.0.0.0:%d", other);
    snprintf(address, sizeof(address), "localhost:%d,%d", port, other);
}

static void start_broker(void)
{
    broker = start(ARGV("broker", "--clients", clients, "--workers", workers), NULL);
    cr_assert(process_wait_err(broker, "served with keys", BOUND_MS), "%s", process_err(broker));
}

static void start_worker(void)
{
    worker = start(ARGV("worker", "-j2", "--command", "twice=echo {}{}"), NULL);
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
}

static void stop(struct process **process)
{
    if (!*process)
        return;
    process_signal(*process, SIGTERM);
    cr_assert(process_wait(*process, BOUND_MS));
    cr_assert_eq(process_status(*process), 0, "%s", process_err(*process));
    process_free(*process);
    *process = NULL;
}

static void teardown(void)
{
    char command[128];
    stop(&worker);
    stop(&broker);
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(keys, .init = setup, .fini = teardown, .timeout = 200);

Test(keys, nobody_is_served_in_plaintext_on_a_network)
{
    fails(ARGV("broker", "--clients", clients, "--workers", workers), 2, "belt keys init");
    fails(ARGV("broker", "--workers", workers), 2, "--insecure-plaintext");
    fails(ARGV("worker", "--allow-commands"), 2, "--insecure-plaintext");
    fails(ARGV("keys", "list"), 6, "belt keys init");
}

Test(keys, one_file_is_all_that_a_peer_needs)
{
    char path[128];
    runs(ARGV("keys", "init", "--address", address), "", 0);
    fails(ARGV("keys", "init"), 7, "already");
    start_broker();
    start_worker();
    cr_assert_str_eq(runs(ARGV("map", "twice"), "1\n2\n", 0), "11\n22\n", "nothing but the function is named");
    write_file(path_of("ann.access", path), runs(ARGV("keys", "new", "ann", "--role", "client"), "", 0), 0600);
    cr_assert_str_eq(runs(ARGV("map", "--access", path, "twice"), "3\n", 0), "33\n", "at once");
    cr_assert_eq(chmod(path, 0644), 0);
    fails(ARGV("map", "--access", path, "twice"), 2, "chmod 600");
    cr_assert_eq(chmod(path, 0600), 0);
    fails(ARGV("keys", "new", "ann", "--role", "client"), 7, "already");
    fails(ARGV("keys", "new", "bob", "--role", "boss"), 2, "observer");
    cr_assert_not_null(strstr(runs(ARGV("keys", "list", "--json"), "", 0), "\"name\":\"ann\""));
    runs(ARGV("keys", "revoke", "ann"), "", 0);
    fails(ARGV("map", "--access", path, "--connect-timeout", "1", "twice"), 3, "belt keys list");
    fails(ARGV("keys", "revoke", "ann"), 7, "no key 'ann'");
    cr_assert_str_eq(runs(ARGV("map", "twice"), "4\n", 0), "44\n", "others notice nothing");
}

Test(keys, without_keys_a_broker_with_keys_answers_nobody)
{
    char plain[64];
    runs(ARGV("keys", "init", "--address", address), "", 0);
    start_broker();
    snprintf(plain, sizeof(plain), "127.0.0.1%s", strrchr(clients, ':'));
    fails(ARGV("status", "--access", "none", "--broker", plain, "--connect-timeout", "1"), 3, "no broker answered");
    runs(ARGV("status", "--broker", plain), "", 0);
}

/* The answer to its last message tells, unless its connection was cut before it had read that. */
static bool says_why(const char *text)
{
    return strstr(text, "revoked") || strstr(text, "no broker answered");
}

Test(keys, who_is_revoked_does_nothing_any_more)
{
    char path[128];
    runs(ARGV("keys", "init", "--address", address), "", 0);
    start_broker();
    start_worker();
    write_file(path_of("ann.access", path), runs(ARGV("keys", "new", "ann", "--role", "client"), "", 0), 0600);
    struct process *map = process_start(
        &(struct process_options){.argv = ARGV("map", "--access", path, "twice"), .env = env, .stdin_open = true});
    process_write(map, "1\n");
    cr_assert(process_wait_out(map, "11\n", BOUND_MS), "%s", process_err(map));
    runs(ARGV("keys", "revoke", "ann"), "", 0);
    cr_assert(process_wait_err(broker, "it has 1", BOUND_MS), "%s", process_err(broker));
    process_write(map, "2\n");
    cr_assert(process_wait(map, BOUND_MS));
    cr_assert_neq(process_status(map), 0);
    cr_assert_str_eq(process_out(map), "11\n", "it got a result for what it sent after its end");
    cr_assert(says_why(process_err(map)), "%s", process_err(map));
    process_free(map);
    cr_assert_str_eq(runs(ARGV("map", "twice"), "4\n", 0), "44\n");
}

/* Some are revoked while all chatter: those do nothing more, and nobody else loses a result. */
#define CHATTERERS 8
#define CHAT       200

static void chat(struct process *map[CHATTERERS], int from, int to)
{
    char line[16];
    for (int i = from; i < to; i++)
        for (int k = 0; k < CHATTERERS; k++) {
            snprintf(line, sizeof(line), "%d\n", i);
            if (map[k])
                process_write(map[k], line);
        }
}

Test(keys, revoking_under_load_harms_nobody_else)
{
    struct process *map[CHATTERERS];
    char expected[16 * CHAT] = "", path[128], name[32];
    runs(ARGV("keys", "init", "--address", address), "", 0);
    start_broker();
    worker = start(ARGV("worker", "-q", "-j2", "--filter", "same=cat"), NULL);
    for (int k = 0; k < CHATTERERS; k++) {
        snprintf(name, sizeof(name), "peer-%d", k);
        write_file(path_of(name, path), runs(ARGV("keys", "new", name, "--role", "client"), "", 0), 0600);
        map[k] = process_start(
            &(struct process_options){.argv = ARGV("map", "--access", path, "same"), .env = env, .stdin_open = true});
    }
    chat(map, 0, CHAT / 2);
    for (int k = 0; k < CHATTERERS; k++) /* one that never was let in hears nothing of why */
        cr_assert(process_wait_out(map[k], "0\n", BOUND_MS), "peer-%d: %s", k, process_err(map[k]));
    runs(ARGV("keys", "revoke", "peer-1", "peer-4", "peer-6"), "", 0);
    cr_assert(process_wait_err(broker, "it has 6", BOUND_MS), "%s", process_err(broker));
    for (int k = 0; k < CHATTERERS; k++)
        if (k == 1 || k == 4 || k == 6) {
            cr_assert(process_wait(map[k], BOUND_MS), "peer-%d goes on", k);
            cr_assert_neq(process_status(map[k]), 0);
            cr_assert(says_why(process_err(map[k])), "peer-%d: %s", k, process_err(map[k]));
            process_free(map[k]);
            map[k] = NULL;
        }
    chat(map, CHAT / 2, CHAT);
    for (int i = 0; i < CHAT; i++)
        sprintf(expected + strlen(expected), "%d\n", i);
    for (int k = 0; k < CHATTERERS; k++) {
        if (!map[k])
            continue;
        process_close_stdin(map[k]);
        cr_assert(process_wait(map[k], BOUND_MS), "peer-%d", k);
        cr_assert_eq(process_status(map[k]), 0, "peer-%d: %s", k, process_err(map[k]));
        cr_assert_str_eq(process_out(map[k]), expected, "peer-%d", k);
        process_free(map[k]);
    }
}

Test(keys, a_key_ends_with_its_time)
{
    char path[128];
    runs(ARGV("keys", "init", "--address", address), "", 0);
    start_broker();
    start_worker();
    write_file(path_of("ann.access", path),
               runs(ARGV("keys", "new", "ann", "--role", "client", "--expires", "1s"), "", 0), 0600);
    /* Sooner or later it is over, and stays so. */
    for (int status = 0; status == 0;) {
        struct process *map = start(ARGV("map", "--access", path, "--connect-timeout", "1", "twice"), "1\n");
        cr_assert(process_wait(map, BOUND_MS));
        status = process_status(map);
        process_free(map);
    }
    fails(ARGV("map", "--access", path, "--connect-timeout", "1", "twice"), 3, "belt keys list");
    cr_assert_not_null(strstr(runs(ARGV("keys", "list"), "", 0), "over"));
}

/* ---- joining ---- */

static char node[64], token[4096];
static const char *node_env[] = {node, "XDG_CONFIG_HOME=", "BELT_CONFIG=/dev/null", NULL};

static void make_token(const char *uses)
{
    snprintf(node, sizeof(node), "HOME=%s/node", directory);
    snprintf(token, sizeof(token), "%s", runs(ARGV("keys", "token", "spring", "--uses", uses), "", 0));
    token[strcspn(token, "\n")] = '\0';
    cr_assert(strlen(token) > 80 && !strchr(token, ' '), "'%s'", token);
}

static void no_secret_in(const char *name, const char *text)
{
    char file[16384] = "", path[128], *secret;
    FILE *access = fopen(path_of("node/.config/belt/access", path), "r");
    cr_assert_not_null(access);
    file[fread(file, 1, sizeof(file) - 1, access)] = '\0';
    fclose(access);
    secret = strstr(file, "\nsecret = ");
    cr_assert_not_null(secret);
    secret += strlen("\nsecret = ");
    secret[strcspn(secret, "\n")] = '\0';
    cr_assert_null(strstr(text, secret), "the secret key is in %s", name);
    cr_assert_null(strstr(text, token), "the token is in %s", name);
}

static void no_secret_in_process(struct process *process)
{
    static const char *const files[] = {"cmdline", "environ"};
    char path[64], text[65536];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/proc/%d/%s", (int)process_pid(process), files[i]);
        FILE *file = fopen(path, "r");
        size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
        if (file)
            fclose(file);
        text[len] = '\0';
        for (size_t k = 0; k < len; k++)
            text[k] = text[k] ? text[k] : ' ';
        no_secret_in(files[i], text);
    }
    no_secret_in("its log", process_err(process));
}

Test(keys, a_node_joins_by_one_word)
{
    char path[128];
    runs(ARGV("keys", "init", "--address", address), "", 0);
    start_broker();
    make_token("1");
    worker = start_in(ARGV("worker", "--join", token, "--command", "twice=echo {}{}"), node_env, "");
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
    no_secret_in_process(worker);
    no_secret_in("the broker's log", process_err(broker));
    no_secret_in("the list", runs(ARGV("keys", "list", "--json"), "", 0));
    no_secret_in("the status", runs(ARGV("status", "--json"), "", 0));
    cr_assert_str_eq(runs(ARGV("map", "twice"), "1\n", 0), "11\n");
    fails(ARGV("worker", "--access", path_of("second", path), "--join", token, "--echo"), 7, "used up");
    stop(&worker);
    worker = start_in(ARGV("worker", "--command", "twice=echo {}{}"), node_env, "");
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "later without it: %s", process_err(worker));
    stop(&worker);
    worker = start_in(ARGV("worker", "--join", token, "--command", "twice=echo {}{}"), node_env, "");
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "with it again, too: %s", process_err(worker));
    /* A worker's key is none of a client. */
    struct process *status = start_in(ARGV("status", "--connect-timeout", "1"), node_env, "");
    cr_assert(process_wait(status, BOUND_MS));
    cr_assert_neq(process_status(status), 0);
    process_free(status);
}

Test(keys, a_node_joins_at_the_address_that_it_is_told)
{
    const char *where = runs(ARGV("keys", "init", "--address", "127.0.0.1:1"), "", 0);
    cr_assert_null(strstr(where, "or at"), "one address is named once: %s", where);
    start_broker();
    make_token("1");
    worker = start_in(ARGV("worker", "--join", token, "--broker", workers, "--echo"), node_env, "");
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
    stop(&worker);
    fails(ARGV("worker", "--join", token, "--broker", "tcp://", "--echo"), 2, "expected an address");
}

Test(keys, a_token_comes_from_a_file_or_standard_input)
{
    char path[128], access[128], wrong[4096];
    runs(ARGV("keys", "init", "--address", address), "", 0);
    start_broker();
    make_token("2");
    worker = start_in(ARGV("worker", "--join", "-", "--echo"), node_env, token);
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
    stop(&worker);
    write_file(path_of("token", path), token, 0600);
    worker = start(ARGV("worker", "--access", path_of("other", access), "--join", path, "--echo"), "");
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
    stop(&worker);
    snprintf(wrong, sizeof(wrong), "%s", token);
    wrong[40] = wrong[40] == 'x' ? 'y' : 'x';
    fails(ARGV("worker", "--access", "/nowhere/access", "--join", wrong, "--echo"), 2, "no token");
    runs(ARGV("keys", "revoke", "spring"), "", 0);
    unlink(access);
    fails(ARGV("worker", "--access", access, "--connect-timeout", "1", "--join", token, "--echo"), 3, "revoked");
}
