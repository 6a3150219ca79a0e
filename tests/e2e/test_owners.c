/* SPDX-License-Identifier: Apache-2.0
 *
 * Owners at a broker with keys, as their users see them: what one owner hands in does not exist for another, unless it
 * is shared; then both read all of it. So it is also behind a broker that was killed.
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

static char directory[] = "/tmp/belt-owners-XXXXXX";
static char home[64], state[64], clients[64], workers[64], address[64];
static char ann[64], bob[64], eve[64];
static const char *env[] = {home, "XDG_CONFIG_HOME=", "BELT_CONFIG=/dev/null", "BELT_CONNECT_TIMEOUT=60", NULL};
static struct process *broker, *worker;

static struct process *start(const char *const *argv, const char *input)
{
    return process_start(&(struct process_options){.argv = argv, .env = env, .input = input});
}

/* Runs it to its end, which is `status`; free it. */
static struct process *ends(int status, const char *const *argv, const char *input)
{
    struct process *process = start(argv, input);

    cr_assert(process_wait(process, BOUND_MS), "belt %s does not end: %s", argv[1], process_err(process));
    cr_assert_eq(process_status(process), status, "belt %s: %d, %s%s", argv[1], process_status(process),
                 process_out(process), process_err(process));
    return process;
}

/* Its standard output, valid until the next call. */
static const char *runs(const char *const *argv, const char *input)
{
    static char out[16384];
    struct process *process = ends(0, argv, input);

    snprintf(out, sizeof(out), "%s", process_out(process));
    process_free(process);
    return out;
}

static void prints(const char *expected, const char *const *argv)
{
    cr_assert_str_eq(runs(argv, ""), expected, "belt %s", argv[1]);
}

static void fails(int status, const char *why, const char *const *argv)
{
    struct process *process = ends(status, argv, "1\n");

    cr_assert_not_null(strstr(process_err(process), why), "belt %s: %s", argv[1], process_err(process));
    process_free(process);
}

/* A key that `keys new` makes, and where its access file lies. */
static void make_key(char path[64], const char *name, const char *const *argv)
{
    snprintf(path, 64, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(runs(argv, ""), file), 0);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, 0600), 0);
}

static void start_broker(void)
{
    broker = start(ARGV("broker", "--clients", clients, "--workers", workers, "--state", state), NULL);
    cr_assert(process_wait_err(broker, "served with keys", BOUND_MS), "%s", process_err(broker));
}

static void kill_broker(void)
{
    process_signal(broker, SIGKILL);
    cr_assert(process_wait(broker, BOUND_MS));
    process_free(broker);
    start_broker();
}

static void setup(void)
{
    int port = process_free_port(), other = process_free_port();

    cr_assert_not_null(mkdtemp(directory));
    snprintf(home, sizeof(home), "HOME=%s", directory);
    snprintf(state, sizeof(state), "%s/state", directory);
    snprintf(clients, sizeof(clients), "tcp://127.0.0.1:%d", port);
    snprintf(workers, sizeof(workers), "tcp://127.0.0.1:%d", other);
    snprintf(address, sizeof(address), "127.0.0.1:%d,%d", port, other);
    runs(ARGV("keys", "init", "--state", state, "--address", address), "");
    make_key(ann, "ann", ARGV("keys", "new", "--state", state, "ann", "--role", "client"));
    make_key(bob, "bob", ARGV("keys", "new", "--state", state, "bob", "--role", "client", "--jobs", "1"));
    make_key(eve, "eve", ARGV("keys", "new", "--state", state, "eve", "--role", "observer"));
    start_broker();
    worker = start(ARGV("worker", "-q", "-j2", "--command", "twice=echo {}{}"), NULL);
}

static void teardown(void)
{
    char command[128];

    process_free(worker);
    process_free(broker);
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(owners, .init = setup, .fini = teardown, .timeout = 200);

static void submit(char id[32], const char *access, const char *key, bool shared)
{
    const char *out = shared ? runs(ARGV("submit", "--access", access, "--key", key, "--share", "twice"), "1\n2\n3\n")
                             : runs(ARGV("submit", "--access", access, "--key", key, "twice"), "1\n2\n3\n");

    snprintf(id, 32, "%s", out);
    id[strcspn(id, "\n")] = '\0';
}

static bool lists(const char *access, const char *id)
{
    char row[64];

    snprintf(row, sizeof(row), "\"job\":%s,", id);
    return strstr(runs(ARGV("jobs", "--json", "--access", access), ""), row) != NULL;
}

/* Neither by its id nor by its key: for the asker there is no such job. */
static void does_not_exist(const char *access, const char *name)
{
    fails(7, name, ARGV("jobs", "--access", access, name));
    fails(7, name, ARGV("results", "--access", access, name));
    fails(7, name, ARGV("results", "--access", access, "--reader", "desk", "--take-over", name));
    fails(7, name, ARGV("cancel", "--access", access, name));
    fails(7, name, ARGV("forget", "--access", access, name));
    fails(7, name, ARGV("wait", "--access", access, name));
    fails(7, name, ARGV("readers", "list", "--access", access, name));
    fails(7, name, ARGV("readers", "remove", "--access", access, name, "desk"));
}

/* Of what Ann has handed in nothing is there for Bob, and Eve sees it. */
static void is_anns_alone(const char *id, const char *key)
{
    cr_assert(!lists(bob, id), "Bob lists Ann's job");
    does_not_exist(bob, id);
    does_not_exist(bob, key);
    cr_assert(lists(ann, id) && lists(eve, id));
    fails(7, "", ARGV("cancel", "--access", eve, id));
    fails(7, "", ARGV("forget", "--access", eve, id));
    fails(7, "", ARGV("results", "--access", eve, id));
    fails(7, "", ARGV("readers", "remove", "--access", eve, id, "desk"));
}

Test(owners, a_job_of_one_does_not_exist_for_another)
{
    char id[32], his[32];

    submit(id, ann, "nightly", false);
    runs(ARGV("wait", "--access", ann, id), "");
    for (int round = 0; round < 2; round++) {
        is_anns_alone(id, "nightly");
        if (round == 0)
            kill_broker();
    }
    submit(his, bob, "nightly", false);
    cr_assert_str_neq(id, his, "Bob has taken Ann's key");
    cr_assert(!lists(ann, his) && lists(bob, his) && lists(eve, his));
    prints("11\n22\n33\n", ARGV("results", "--follow", "--access", bob, "--reader", "desk", "nightly"));
    prints("11\n22\n33\n", ARGV("results", "--follow", "--access", ann, "--reader", "desk", "nightly"));
}

Test(owners, a_shared_job_is_read_by_others_and_stays_its_owners)
{
    char id[32];

    submit(id, ann, "open", true);
    prints("11\n22\n33\n", ARGV("results", "--follow", "--access", bob, "--reader", "desk", id));
    kill_broker();
    cr_assert(lists(ann, id) && lists(bob, id) && lists(eve, id));
    fails(7, "", ARGV("cancel", "--access", bob, id));
    fails(7, "", ARGV("forget", "--access", bob, id));
    fails(7, "", ARGV("cancel", "--access", eve, id));
    fails(7, "", ARGV("results", "--access", eve, id));
    prints("11\n22\n33\n", ARGV("results", "--follow", "--access", ann, "--reader", "desk", id));
}

Test(owners, a_full_quota_says_which_one_it_is)
{
    char first[32], second[32];

    submit(first, bob, "first", false);
    fails(7, "jobs", ARGV("submit", "--access", bob, "--key", "second", "twice"));
    kill_broker();
    fails(7, "jobs", ARGV("submit", "--access", bob, "--key", "second", "twice"));
    submit(second, ann, "other", false);
    prints("11\n22\n33\n", ARGV("results", "--follow", "--access", bob, first));
    submit(second, bob, "second", false);
    prints("11\n22\n33\n", ARGV("results", "--follow", "--access", bob, second));
}
