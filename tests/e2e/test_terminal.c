/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, inputs and outputs that would do something to a terminal.
 */
#include "tests/e2e/stage.h"
#include "tests/e2e/tty.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Colours, C1, a change of direction, broken UTF-8 and a line of its own. */
#define EVIL  "x\033[31m\xc2\x9b\xe2\x80\xae\xff\nforged"
#define SHOWN "x\\x1b[31m\\u009b\\u202e\\xff\\nforged"

/* Nothing but printable characters and ends of lines. */
static void is_fit(const char *text)
{
    cr_assert_null(strstr(text, "\033[31mx"), "%s", text);
    cr_assert_null(strstr(text, "\xc2\x9b"), "%s", text);
    cr_assert_null(strstr(text, "\xe2\x80\xae"), "%s", text);
    cr_assert_null(strstr(text, "\xff"), "%s", text);
    cr_assert_null(strstr(text, "\nforged"), "%s", text);
}

Test(terminal, in_a_pipe_bytes_stay)
{
    struct process *process = process_spawn(
        NULL, WORDS(process_belt(), "map", "--", "printf \"%s\\n\" {}; printf \"%s\\n\" {} >&2", ":::", EVIL));

    cr_assert(process_wait(process, BOUND_MS));
    cr_assert_str_eq(process_out(process), EVIL "\n");
    cr_assert_not_null(strstr(process_err(process), "[0] x\033[31m\xc2\x9b\xe2\x80\xae\xff\n"));
    process_free(process);
}

Test(terminal, messages_repeat_words_of_the_command_line)
{
    static const char *const commands[] = {"map", "status", "worker", "broker", "submit"};

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        struct process *process = process_spawn(NULL, WORDS(process_belt(), commands[i], "--" EVIL));
        cr_assert(process_wait(process, BOUND_MS));
        is_fit(process_err(process));
        cr_assert_not_null(strstr(process_err(process), SHOWN), "%s", process_err(process));
        process_free(process);
    }
}

Test(terminal, a_workers_name_forges_no_line_of_the_trace)
{
    struct stage stage;

    stage_open(&stage, STAGE_IPC, false, WORDS("--trace"));
    struct process *worker = process_spawn(
        NULL, WORDS(process_belt(), "worker", "--broker", stage.workers, "--name", EVIL, "--command", "f=cat"));
    cr_assert(process_wait_err(worker, "connected to", BOUND_MS), "%s", process_err(worker));
    cr_assert(process_wait_err(stage.broker, SHOWN, BOUND_MS), "%s", process_err(stage.broker));
    is_fit(process_err(stage.broker));
    struct process *shown = stage_run(&stage, NULL, 0, WORDS("workers"));
    is_fit(process_out(shown));
    cr_assert_not_null(strstr(process_out(shown), SHOWN), "%s", process_out(shown));
    process_free(shown);
    process_signal(worker, 9);
    process_free(worker);
    stage_close(&stage);
}

/* ---- a real terminal ---- */

/* Each is shown by its escape. A name cannot hold a newline where a line is read. */
#define HOSTILE      "h\033]0;t\007\033[2Jx\xc2\x9b\x7f\xe2\x80\xae\xe2\x81\xa6\xff\xe2\x82"
#define HOSTILE_LINE HOSTILE "\nforged\r"
/* Keys, functions and readers have no other names: a broker refuses them. */
#define KEY "key"
/* As UTF-8, so that JSON has it. */
#define NAME "n\033[2Jx\xc2\x9b\x7f\xe2\x80\xae\nforged\r"

static const char *is_clean(struct tty *tty, const char *what)
{
    const char *text = tty_end(tty, BOUND_MS), *unfit;

    cr_assert_not_null(text, "%s does not leave its terminal", what);
    unfit = tty_unfit(text);
    cr_assert_null(unfit, "%s lets byte %02x through at %ld of:\n%s", what, unfit ? (unsigned char)*unfit : 0,
                   unfit ? (long)(unfit - text) : 0, text);
    cr_assert_null(strstr(text, "\nforged"), "%s forges a line:\n%s", what, text);
    cr_assert_neq(tty_status(tty), 127, "%s did not run", what);
    return text;
}

/* `belt WORDS` on a terminal; `expected` has arrived, and nothing that does something to it. */
static void shows(const char *broker, const char *const *words, const char *expected)
{
    const char *argv[24] = {process_belt()}, *env[] = {broker ? broker : "NOTHING=", NULL};

    for (int at = 0; words[at]; at++)
        argv[at + 1] = words[at];
    struct tty *tty = tty_start(argv, env);
    const char *text = is_clean(tty, words[0]);
    cr_assert(strstr(text, expected), "%s %s does not show '%s':\n%s", words[0], words[1] ? words[1] : "", expected,
              text);
    tty_free(tty);
}

/* The harness itself finds what it looks for. */
Test(terminal, what_is_unfit_is_found)
{
    static const char *const unfit[] = {"\r",           "\033[0m", "\x7f",     "\xc2\x80",
                                        "\xe2\x80\xae", "\xff",    "\xe2\x82", "\xc0\x80"};

    for (size_t i = 0; i < sizeof(unfit) / sizeof(*unfit); i++) {
        char script[64];
        snprintf(script, sizeof(script), "printf '%%s' 'a\xe2\x82\xac\t%s'", unfit[i]);
        struct tty *tty = tty_start(WORDS("/bin/sh", "-c", script), NULL);
        const char *text = tty_end(tty, BOUND_MS);
        cr_assert_not_null(text);
        cr_assert_eq(tty_unfit(text), text + 5, "%zu: '%s'", i, text);
        tty_free(tty);
    }
    cr_assert_null(tty_unfit("a\t\xe2\x82\xac\xf0\x9f\x98\x80\n"));
}

Test(terminal, tasks_of_a_private_pool)
{
    static const char *const shown = "h\\x1b]0;t\\x07\\x1b[2Jx\\u009b\\x7f\\u202e\\u2066\\xff\\xe2\\x82";
    static const char say[] = "printf '%s\n' {}; printf '%s\n' {} >&2; test {} = none";

    shows(NULL, WORDS("map", "--", say, ":::", HOSTILE, "x"), shown);
    shows(NULL, WORDS("map", "--tag", "--", say, ":::", HOSTILE), shown);
    shows(NULL, WORDS("map", "--results-json", "--", say, ":::", HOSTILE, "\xc2\x9b\x7f\xe2\x80\xae\xf3\xa0\x80\x81"),
          "\\u009b\\u007f\\u202e\\udb40\\udc01");
    shows(NULL, WORDS("map", "--dry-run", "--", say, ":::", HOSTILE), shown);
    shows(NULL, WORDS("map", "--", "test {} = none", ":::", HOSTILE_LINE), "(input: h\\x1b]0;t");
    shows(NULL, WORDS("map", "-u", "--filter", "tee /dev/stderr", ":::", HOSTILE), shown);
    shows(NULL, WORDS("map", "--", HOSTILE_LINE "/none", "{}", ":::", "x"), "cannot run");
    shows(NULL, WORDS("map", "--coproc", "printf '" HOSTILE "\n'; exit 1", ":::", "x"), "failed");
    shows(NULL, WORDS("map", "--coproc", "printf '" HOSTILE "' >&2; exit 1", ":::", "x"), shown);
}

Test(terminal, messages_that_repeat_what_was_given)
{
    static const char *const commands[] = {"map",   "submit", "results", "broker",  "worker",    "status",
                                           "jobs",  "cancel", "wait",    "ping",    "failed",    "retry",
                                           "store", "bench",  "help",    "version", "completion"};
    static const char *const shown = "\\u202e";

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        shows(NULL, WORDS(commands[i], "--" HOSTILE_LINE), shown);
    shows(NULL, WORDS(HOSTILE_LINE), shown);
    shows(NULL, WORDS("help", HOSTILE_LINE), shown);
    shows(NULL, WORDS("map", "--config", HOSTILE_LINE, "--", "true"), shown);
    shows(NULL, WORDS("map", "-a", HOSTILE_LINE, "--", "true"), shown);
    shows(NULL, WORDS("map", "--joblog", "/nowhere/" HOSTILE_LINE, "--", "true"), shown);
    shows(NULL, WORDS("map", "--halt", HOSTILE_LINE, "--", "true"), shown);
    shows(NULL, WORDS("map", "--connect-timeout", "100ms", "-b", HOSTILE_LINE, "f"), shown);
    shows(NULL, WORDS("map", "-b", "localhost:1", HOSTILE_LINE), shown);
    shows(NULL, WORDS("map", HOSTILE_LINE), shown);
    shows(NULL, WORDS("worker", "--command", "=" HOSTILE_LINE), shown);
    shows(NULL, WORDS("worker", "--connect-timeout", "100ms", "-b", HOSTILE_LINE, "--command", "f=cat"), shown);
    shows(NULL, WORDS("broker", "--clients", "ipc:///nowhere/" HOSTILE_LINE), shown);
    shows(NULL, WORDS("broker", "--clients", "tcp://" HOSTILE_LINE), shown);
    shows(NULL, WORDS("broker", "--state", "/nowhere/" HOSTILE_LINE), shown);
    shows(NULL, WORDS("store", "check", "--state", "/nowhere/" HOSTILE_LINE), shown);
    shows(NULL, WORDS("completion", HOSTILE_LINE), "bash");
    shows("BELT_MAP_X\033[31m=1", WORDS("map", "--", "true"), "\\x1b[31m");
    shows("BELT_MAP_CHUNKSIZE=\xe2\x80\xae", WORDS("map", "--", "true"), shown);
}

/* Names of workers, keys and readers, inputs, outputs and standard error, through all that a cluster shows; the broker
 * and the worker have terminals as well. */
Test(terminal, a_cluster_with_hostile_names)
{
    static const char *const shown = "\\u202e";
    char dir[] = "/tmp/belt-test-XXXXXX", clients[64], workers[64], broker[96], remove[64], task[32];

    cr_assert_not_null(mkdtemp(dir));
    snprintf(clients, sizeof(clients), "ipc://%s/c", dir);
    snprintf(workers, sizeof(workers), "ipc://%s/w", dir);
    snprintf(broker, sizeof(broker), "BELT_BROKER=%s", clients);
    struct tty *served = tty_start(
        WORDS(process_belt(), "broker", "--trace", "--clients", clients, "--workers", workers, "--name", NAME), NULL);
    cr_assert(tty_wait(served, "listening", BOUND_MS));
    struct tty *worker = tty_start(
        WORDS(process_belt(), "worker", "-j1", "-b", workers, "--name", NAME, "--allow-commands", "--command",
              "f=printf '%s\n' {}; printf '%s\n' {} >&2; exit 3", "--coproc", "g=: '" HOSTILE_LINE "'; exit 1"),
        NULL);
    cr_assert(tty_wait(worker, "connected", BOUND_MS));

    struct tty *submit = tty_start(WORDS(process_belt(), "submit", "--key", KEY, "f", ":::", HOSTILE, "x"),
                                   (const char *[]){broker, NULL});
    snprintf(task, sizeof(task), "%llu.0", strtoull(is_clean(submit, "submit"), NULL, 10));
    tty_free(submit);
    shows(broker, WORDS("wait", KEY), "is complete: 0 done, 2 failed");
    shows(broker, WORDS("wait", "--json", KEY), "\"failed\":2");
    shows(broker, WORDS("status"), "\\x1b[2J");
    shows(broker, WORDS("status", "--json"), shown);
    shows(broker, WORDS("workers"), shown);
    shows(broker, WORDS("workers", "--json"), shown);
    shows(broker, WORDS("jobs"), "key");
    shows(broker, WORDS("jobs", "--json"), "\"key\"");
    shows(broker, WORDS("jobs", KEY), "complete");
    shows(broker, WORDS("failed", "list"), task);
    shows(broker, WORDS("failed", "list", "--json"), "\"index\":0");
    shows(broker, WORDS("failed", "show", task), shown);
    shows(broker, WORDS("failed", "show", "--json", task), "log_base64");
    shows(broker, WORDS("failed", "show", "--input", task), shown);
    shows(broker, WORDS("results", "--reader", "reader", KEY), shown);
    shows(broker, WORDS("results", "--reader", "r", KEY), "none are left");
    shows(broker, WORDS("map", "--results-json", "f", ":::", "\xe2\x80\xae\x7f"), "\\u202e\\u007f");
    shows(broker, WORDS("jobs", "--json", KEY), "\"reader\"");
    shows(broker, WORDS("map", "f", ":::", HOSTILE), shown);
    shows(broker, WORDS("map", "--", "printf '%s\n' {} >&2", ":::", HOSTILE), shown);
    shows(broker, WORDS("map", "--", HOSTILE_LINE "/none", "{}", ":::", "x"), "cannot run");
    shows(broker, WORDS("retry", "--failed", KEY), "again");
    shows(broker, WORDS("forget", KEY), "job");
    shows(broker, WORDS("cancel", HOSTILE_LINE "2"), shown);
    shows(broker, WORDS("results", HOSTILE_LINE "2"), shown);
    shows(broker, WORDS("status", HOSTILE_LINE), shown);
    shows(broker, WORDS("failed", "drop", HOSTILE_LINE), shown);

    tty_signal(worker, SIGTERM);
    is_clean(worker, "worker");
    tty_free(worker);
    tty_signal(served, SIGTERM);
    cr_assert_not_null(strstr(is_clean(served, "broker"), shown));
    tty_free(served);
    snprintf(remove, sizeof(remove), "rm -rf %s", dir);
    cr_assert_eq(system(remove), 0);
}
