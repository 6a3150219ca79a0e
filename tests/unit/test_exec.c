/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent with real processes, against a broker of a few lines: every runner, and what can go wrong with a slot.
 */
#include "fake_broker.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* -------------------------------------------------------------- functions */

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

/** The input says what to do. */
static int act(belt_task *task, const void *data, size_t len, void *ctx)
{
    char word[64] = "";
    size_t argument_len;
    const char *argument = belt_task_argument(task, &argument_len);
    char text[160];

    (void)ctx;
    memcpy(word, data, len < sizeof(word) ? len : sizeof(word) - 1);
    if (strcmp(word, "fail") == 0)
        return belt_task_fail(task, "as asked");
    if (strcmp(word, "return") == 0)
        return 3;
    if (strcmp(word, "crash") == 0)
        raise(SIGKILL);
    if (strcmp(word, "exit") == 0)
        _exit(5);
    if (strcmp(word, "print") == 0) {
        puts("on stdout");
        fputs("on stderr", stderr);
    }
    if (strcmp(word, "large") == 0) {
        char *large = calloc(1, 2u << 20);
        int rc = belt_task_reply(task, large, 2u << 20);
        free(large);
        return rc == BELT_RESULT_TOO_LARGE ? 0 : 1;
    }
    if (strcmp(word, "wait") == 0) {
        belt_task_progress(task, 1, 4);
        while (!belt_task_cancelled(task))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (strcmp(word, "hang") == 0)
        for (;;)
            pause();
    snprintf(text, sizeof(text), "%s %llu %u %.*s", word, (unsigned long long)belt_task_index(task),
             belt_task_attempt(task), (int)argument_len, argument ? argument : "");
    return belt_task_reply(task, text, strlen(text));
}

static const struct belt_agent_function functions[] = {
    {.name = "echo", .runner = BELT_RUN_C, .function = echo},
    {.name = "act", .runner = BELT_RUN_C, .function = act},
    {.name = "shout", .runner = BELT_RUN_COMMAND, .command = "printf '<%s>' {} | tr a-z A-Z"},
    {.name = "count", .runner = BELT_RUN_COMMAND, .command = "wc -c"},
    {.name = "sh", .runner = BELT_RUN_COMMAND, .command = "exec sh"},
    {.name = "exec", .runner = BELT_RUN_EXEC},
};

static const struct belt_agent_function filter[] = {
    {.name = "upper", .runner = BELT_RUN_FILTER, .command = "while read -r l; do echo \"$l!\"; done"},
};

struct bench {
    struct fake_broker *broker;
    pid_t agent;
};

static struct bench start(struct belt_agent_options options)
{
    struct bench bench;

    if (!options.functions) {
        options.functions = functions;
        options.function_count = sizeof(functions) / sizeof(*functions);
    }
    if (options.slots == 0)
        options.slots = 2;
    if (options.kill_ms == 0)
        options.kill_ms = 400;
    bench.broker = fake_new(options, -1, &bench.agent);
    cr_assert(fake_until(bench.broker, fake_ready, 0), "the agent did not say hello");
    return bench;
}

static void stop(struct bench *bench)
{
    kill(bench->agent, SIGTERM);
    cr_expect(fake_until(bench->broker, fake_gone, 0), "no BYE");
    cr_expect_eq(fake_wait(bench->agent), 0);
    fake_free(bench->broker);
}

static const struct fake_result *one(struct bench *bench, uint64_t job, uint64_t index)
{
    const struct fake_result *r = fake_result(bench->broker, job, index);

    cr_assert_not_null(r, "no result %llu.%llu", (unsigned long long)job, (unsigned long long)index);
    return r;
}

static void expect_data(const struct fake_result *r, const char *data)
{
    cr_expect(r->code == 0 && r->len == strlen(data) && memcmp(r->data, data, r->len) == 0,
              "task %llu: code %u, '%.*s' (%s), expected '%s'", (unsigned long long)r->index, r->code, (int)r->len,
              r->data, r->text, data);
}

static void strings(struct bench *bench, uint64_t job, const char *function, const char *const *inputs, uint32_t count)
{
    struct fake_dispatch d = {.job = job, .function = function};

    fake_strings(bench->broker, &d, inputs, count);
}

/* ------------------------------------------------------------ C functions */

Test(exec, c_functions_answer_fail_and_log)
{
    static const char *const inputs[] = {"a", "fail", "return", "print", "large", "b"};
    struct bench bench = start((struct belt_agent_options){0});
    struct fake_dispatch d = {.job = 1, .function = "act", .attempt = 2, .argument = {(const uint8_t *)"arg", 3}};

    fake_strings(bench.broker, &d, inputs, 6);
    cr_assert(fake_until(bench.broker, fake_results, 6));
    expect_data(one(&bench, 1, 0), "a 0 2 arg");
    cr_expect_eq(one(&bench, 1, 1)->code, BELT_TASK_FAILED);
    cr_expect_str_eq(one(&bench, 1, 1)->text, "as asked");
    cr_expect_str_eq(one(&bench, 1, 2)->text, "the function returned 3 without a reply");
    expect_data(one(&bench, 1, 3), "print 3 2 arg");
    cr_expect_not_null(strstr(one(&bench, 1, 3)->log, "on stdout"));
    cr_expect_not_null(strstr(one(&bench, 1, 3)->log, "on stderr"));
    cr_expect_eq(one(&bench, 1, 4)->code, BELT_RESULT_TOO_LARGE);
    expect_data(one(&bench, 1, 5), "b 5 2 arg");
    cr_expect_eq(one(&bench, 1, 5)->attempt, 2);
    stop(&bench);
}

Test(exec, many_short_tasks_each_answer_once)
{
    struct bench bench = start((struct belt_agent_options){.slots = 2});
    struct belt_bytes payloads[1000];
    char text[1000][8];
    uint64_t seen[3][1000] = {{0}};

    for (uint32_t i = 0; i < 1000; i++)
        payloads[i] = (struct belt_bytes){(const uint8_t *)text[i], (size_t)snprintf(text[i], 8, "%u", i)};
    for (uint64_t job = 0; job < 3; job++) {
        struct fake_dispatch d = {.job = job, .function = "echo"};
        fake_dispatch(bench.broker, &d, payloads, 1000);
    }
    cr_assert(fake_until(bench.broker, fake_results, 3000));
    for (uint32_t i = 0; i < 3000; i++) {
        const struct fake_result *r = &bench.broker->results[i];
        cr_assert_eq(seen[r->job][r->index]++, 0);
        cr_assert_eq((uint64_t)atoi((const char *)r->data), r->index);
    }
    stop(&bench);
}

Test(exec, a_payload_of_a_mebibyte_goes_through_a_slot)
{
    struct bench bench = start((struct belt_agent_options){0});
    uint8_t *large = malloc(1u << 20);
    struct belt_bytes payload = {large, 1u << 20};
    uint64_t sum = 0;

    for (uint32_t i = 0; i < (1u << 20); i++)
        sum += large[i] = (uint8_t)(i * 7);
    fake_dispatch(bench.broker, &(struct fake_dispatch){.job = 1, .function = "echo"}, &payload, 1);
    fake_dispatch(bench.broker, &(struct fake_dispatch){.job = 2, .function = "count"}, &payload, 1);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    cr_expect_eq(one(&bench, 1, 0)->len, 1u << 20);
    cr_expect_eq(one(&bench, 1, 0)->sum, sum);
    expect_data(one(&bench, 2, 0), "1048576\n");
    free(large);
    stop(&bench);
}

Test(exec, a_slot_that_dies_loses_only_the_task_it_ran)
{
    static const char *const inputs[] = {"a", "crash", "b", "exit", "c", "d"};
    struct bench bench = start((struct belt_agent_options){.slots = 1});

    strings(&bench, 1, "act", inputs, 6);
    cr_assert(fake_until(bench.broker, fake_results, 6));
    cr_expect_eq(one(&bench, 1, 1)->code, BELT_TASK_LOST);
    cr_expect_eq(one(&bench, 1, 1)->term_signal, SIGKILL);
    cr_expect_not_null(strstr(one(&bench, 1, 1)->text, "killed by signal 9 (SIGKILL)"));
    cr_expect_eq(one(&bench, 1, 3)->code, BELT_TASK_LOST);
    cr_expect_not_null(strstr(one(&bench, 1, 3)->text, "exit status 5"));
    expect_data(one(&bench, 1, 2), "b 2 1 ");
    expect_data(one(&bench, 1, 5), "d 5 1 ");
    stop(&bench);
}

Test(exec, a_task_over_its_time_out_is_asked_then_killed)
{
    static const char *const inputs[] = {"wait", "hang", "a"};
    struct bench bench = start((struct belt_agent_options){.slots = 1});

    fake_strings(bench.broker, &(struct fake_dispatch){.job = 1, .function = "act", .timeout_ms = 100}, inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    cr_expect_eq(one(&bench, 1, 0)->code, BELT_TASK_TIMEOUT);
    cr_expect_eq(one(&bench, 1, 1)->code, BELT_TASK_TIMEOUT);
    cr_expect_not_null(strstr(one(&bench, 1, 1)->text, "100 ms"));
    expect_data(one(&bench, 1, 2), "a 2 1 ");
    cr_expect_eq(bench.broker->progress_done, 1);
    cr_expect_eq(bench.broker->progress_total, 4);
    stop(&bench);
}

Test(exec, dropped_tasks_are_stopped_and_returned)
{
    static const char *const inputs[] = {"hang", "a"};
    struct bench bench = start((struct belt_agent_options){.slots = 1});

    strings(&bench, 1, "act", inputs, 2);
    fake_drop(bench.broker, (struct belt_task_ref){1, 0, 1});
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1}); /* not held: returned at once */
    cr_assert(fake_until(bench.broker, fake_returned, 2));
    cr_assert(fake_until(bench.broker, fake_results, 1));
    cr_expect_null(fake_result(bench.broker, 1, 0));
    expect_data(one(&bench, 1, 1), "a 1 1 ");
    stop(&bench);
}

Test(exec, recalled_tasks_are_the_last_and_not_started)
{
    static const char *const inputs[] = {"wait", "a", "b", "c"};
    struct bench bench = start((struct belt_agent_options){.slots = 1});

    strings(&bench, 1, "act", inputs, 4);
    cr_assert(fake_until(bench.broker, fake_progress, 1)); /* the first runs */
    fake_recall(bench.broker, 2);
    cr_assert(fake_until(bench.broker, fake_returned, 2));
    cr_expect_eq(bench.broker->returned[0].index, 3);
    cr_expect_eq(bench.broker->returned[1].index, 2);
    fake_drop(bench.broker, (struct belt_task_ref){1, 0, 1});
    cr_assert(fake_until(bench.broker, fake_results, 1));
    expect_data(one(&bench, 1, 1), "a 1 1 ");
    stop(&bench);
}

Test(exec, unrecorded_results_come_again_after_a_hello)
{
    static const char *const inputs[] = {"a", "b", "wait"};
    struct bench bench = start((struct belt_agent_options){.slots = 2});

    bench.broker->silent = true;
    strings(&bench, 1, "act", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    bench.broker->silent = false;
    fake_lose(bench.broker);
    cr_assert(fake_until(bench.broker, fake_ready, 0));
    cr_expect_eq(bench.broker->hellos, 2);
    cr_expect_eq(bench.broker->synced_refs, 3, "one runs, two are not recorded");
    fake_drop(bench.broker, (struct belt_task_ref){1, 2, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1));
    cr_expect_eq(bench.broker->repeated, 2);
    stop(&bench);
}

Test(exec, an_unknown_function_is_refused)
{
    static const char *const inputs[] = {"a"};
    struct bench bench = start((struct belt_agent_options){0});

    strings(&bench, 1, "nobody", inputs, 1);
    cr_assert(fake_until(bench.broker, fake_results, 1));
    cr_expect_eq(one(&bench, 1, 0)->code, BELT_NOT_SERVED);
    stop(&bench);
}

/* --------------------------------------------------------------- commands */

Test(exec, commands_take_the_input_as_a_quoted_argument)
{
    static const char *const inputs[] = {"plain", "it's; $(date) \"x\" {}", ""};
    struct bench bench = start((struct belt_agent_options){0});

    strings(&bench, 1, "shout", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    expect_data(one(&bench, 1, 0), "<PLAIN>");
    expect_data(one(&bench, 1, 1), "<IT'S; $(DATE) \"X\" {}>");
    expect_data(one(&bench, 1, 2), "<>");
    stop(&bench);
}

Test(exec, how_a_command_ends_is_its_outcome)
{
    static const char *const inputs[] = {"echo out; echo err >&2; exit 3", "kill -9 $$", "head -c 3000000 /dev/zero",
                                         "sleep 1000 & echo quick", "echo $$; exec 1>&- 2>&-; exit 0"};
    struct bench bench = start((struct belt_agent_options){0});

    strings(&bench, 1, "sh", inputs, 5);
    cr_assert(fake_until(bench.broker, fake_results, 5));
    cr_expect_eq(one(&bench, 1, 0)->code, BELT_TASK_FAILED);
    cr_expect_eq(one(&bench, 1, 0)->exit_status, 3);
    cr_expect_str_eq(one(&bench, 1, 0)->text, "exit status 3");
    cr_expect_str_eq(one(&bench, 1, 0)->log, "err\n");
    cr_expect_eq(memcmp(one(&bench, 1, 0)->data, "out\n", 4), 0);
    cr_expect_eq(one(&bench, 1, 1)->term_signal, SIGKILL);
    cr_expect_str_eq(one(&bench, 1, 1)->text, "killed by signal 9 (SIGKILL)");
    cr_expect_eq(one(&bench, 1, 2)->code, BELT_RESULT_TOO_LARGE);
    expect_data(one(&bench, 1, 3), "quick\n");
    cr_expect_eq(one(&bench, 1, 4)->code, BELT_OK);
    stop(&bench);
}

Test(exec, a_command_over_its_time_out_is_killed_with_its_group)
{
    static const char *const inputs[] = {"trap '' TERM; sleep 1000; sleep 1000", "sleep 1000"};
    struct bench bench = start((struct belt_agent_options){0});

    fake_strings(bench.broker, &(struct fake_dispatch){.job = 1, .function = "sh", .timeout_ms = 100}, inputs, 2);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    cr_expect_eq(one(&bench, 1, 0)->code, BELT_TASK_TIMEOUT);
    cr_expect_eq(one(&bench, 1, 1)->code, BELT_TASK_TIMEOUT);
    stop(&bench);
}

static void exec_one(struct bench *bench, uint64_t job, const char *argument, size_t argument_len, const char *payload,
                     size_t len)
{
    struct fake_dispatch d = {.job = job, .function = "exec", .argument = {(const uint8_t *)argument, argument_len}};

    fake_dispatch(bench->broker, &d, &(struct belt_bytes){(const uint8_t *)payload, len}, 1);
}

Test(exec, the_command_comes_with_the_job)
{
    static const char words[] = "\0echo\0a{}b\0{}-{}", appended[] = "\0echo\0x", input[] = "\1wc\0-c",
                      shell[] = "\2echo {} | tr a b";
    static const char missing[] = "\0/no/such/program", shell_input[] = "\3cat; echo {}";
    struct bench bench = start((struct belt_agent_options){0});

    exec_one(&bench, 1, words, sizeof(words), "1 2", 3);
    exec_one(&bench, 2, appended, sizeof(appended), "y", 1);
    exec_one(&bench, 3, input, sizeof(input), "12345", 5);
    exec_one(&bench, 4, shell, sizeof(shell), "a'a", 3);
    exec_one(&bench, 5, missing, sizeof(missing), "", 0);
    exec_one(&bench, 6, shell_input, sizeof(shell_input), "in ", 3);
    exec_one(&bench, 7, words, sizeof(words), "a\0b", 3);
    exec_one(&bench, 8, "\0", 1, "a", 1);
    exec_one(&bench, 9, words, sizeof(words) - 1, "a", 1);
    cr_assert(fake_until(bench.broker, fake_results, 9));
    expect_data(one(&bench, 1, 0), "a1 2b 1 2-1 2\n");
    expect_data(one(&bench, 2, 0), "x y\n");
    expect_data(one(&bench, 3, 0), "5\n");
    expect_data(one(&bench, 4, 0), "b'b\n");
    cr_expect_eq(one(&bench, 5, 0)->code, BELT_TASK_FAILED);
    cr_expect_str_eq(one(&bench, 5, 0)->text, "cannot run '/no/such/program': No such file or directory");
    expect_data(one(&bench, 6, 0), "in {}\n");
    cr_expect_not_null(strstr(one(&bench, 7, 0)->text, "NUL"));
    cr_expect_eq(one(&bench, 8, 0)->code, BELT_TASK_FAILED);
    cr_expect_eq(one(&bench, 9, 0)->code, BELT_TASK_FAILED);
    stop(&bench);
}

/* ---------------------------------------------------- coprocesses, filters */

static struct bench start_coproc(const char *command, const char *name, uint32_t slots)
{
    struct belt_agent_function *function = calloc(1, sizeof(*function)); /* of the agent, and of this test */

    *function = (struct belt_agent_function){.name = name, .runner = BELT_RUN_COPROC, .command = command};
    struct bench bench = start((struct belt_agent_options){.functions = function, .function_count = 1, .slots = slots});
    free(function);
    return bench;
}

Test(exec, coprocesses_in_python_and_shell)
{
    static const char *const inputs[] = {"10", "x", "7"};

    struct bench bench = start_coproc("python3 " BELT_EXAMPLES "/coproc/handler.py", "square", 2);
    strings(&bench, 1, "square", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    expect_data(one(&bench, 1, 0), "100");
    cr_expect_eq(one(&bench, 1, 1)->code, BELT_TASK_FAILED);
    expect_data(one(&bench, 1, 2), "49");
    stop(&bench);

    bench = start_coproc("bash " BELT_EXAMPLES "/coproc/handler.sh", "shout", 2);
    strings(&bench, 1, "shout", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    expect_data(one(&bench, 1, 1), "X");
    stop(&bench);
}

Test(exec, a_coprocess_that_breaks_the_protocol_is_replaced)
{
    static const char *const inputs[] = {"a", "b"};
    struct bench bench = start_coproc("echo belt-slot 1; read l; echo what is this; sleep 1000", "f", 1);

    strings(&bench, 1, "f", inputs, 2);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    cr_expect_eq(one(&bench, 1, 0)->code, BELT_TASK_LOST);
    cr_expect_not_null(strstr(one(&bench, 1, 0)->text, "what is this"), "%s", one(&bench, 1, 0)->text);
    stop(&bench);
}

Test(exec, functions_are_offered_again_when_a_slot_starts_after_all)
{
    static const char *const inputs[] = {"a"};
    char path[] = "/tmp/belt-test-XXXXXX", command[200];

    close(mkstemp(path));
    unlink(path);
    snprintf(command, sizeof(command),
             "test -e %s || { echo no licence >&2; exit 3; }; exec bash " BELT_EXAMPLES "/coproc/handler.sh", path);
    struct bench bench = start_coproc(command, "shout", 1);
    strings(&bench, 1, "shout", inputs, 1);
    cr_assert(fake_until(bench.broker, fake_results, 1));
    cr_expect_eq(one(&bench, 1, 0)->code, BELT_NOT_SERVED);
    cr_expect_str_eq(one(&bench, 1, 0)->text, "the slot cannot start: exit status 3: no licence");
    close(creat(path, 0600));
    cr_assert(fake_until(bench.broker, fake_hellos, 2));
    strings(&bench, 2, "shout", inputs, 1);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    expect_data(one(&bench, 2, 0), "A");
    unlink(path);
    stop(&bench);
}

Test(exec, filters_answer_line_by_line)
{
    static const char *const inputs[] = {"a", "b\nc", "d", ""};
    struct bench bench = start((struct belt_agent_options){.functions = filter, .function_count = 1, .slots = 2});

    strings(&bench, 1, "upper", inputs, 4);
    cr_assert(fake_until(bench.broker, fake_results, 4));
    expect_data(one(&bench, 1, 0), "a!");
    cr_expect_eq(one(&bench, 1, 1)->code, BELT_TASK_FAILED);
    expect_data(one(&bench, 1, 2), "d!");
    expect_data(one(&bench, 1, 3), "!");
    stop(&bench);
}

/* ------------------------------------------------------------ life and end */

Test(exec, draining_finishes_what_runs_and_returns_the_rest)
{
    static const char *const inputs[] = {"sleep 0.3; echo done", "echo never"};
    struct bench bench = start((struct belt_agent_options){.slots = 1});

    strings(&bench, 1, "sh", inputs, 2);
    fake_recall(bench.broker, 0);
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1)); /* all before it has arrived */
    kill(bench.agent, SIGTERM);
    cr_assert(fake_until(bench.broker, fake_leaving, 0));
    fake_lose(bench.broker); /* a hello offers the functions anew: LEAVING must be said again */
    cr_assert(fake_until(bench.broker, fake_hellos, 2));
    cr_assert(fake_until(bench.broker, fake_leaving, 0));
    cr_assert(fake_until(bench.broker, fake_gone, 0), "no BYE");
    cr_expect_eq(bench.broker->result_count, 1);
    expect_data(one(&bench, 1, 0), "done\n");
    cr_expect_eq(bench.broker->returned[1].index, 1);
    cr_expect_eq(fake_wait(bench.agent), 0);
    fake_free(bench.broker);
}

Test(exec, a_drain_time_that_is_over_gives_the_task_back)
{
    static const char *const inputs[] = {"sleep 1000"};
    struct bench bench = start((struct belt_agent_options){.slots = 1, .drain_ms = 50});

    strings(&bench, 1, "sh", inputs, 1);
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1));
    kill(bench.agent, SIGTERM);
    cr_assert(fake_until(bench.broker, fake_returned, 2));
    cr_expect_eq(bench.broker->returned[1].job, 1);
    cr_assert(fake_until(bench.broker, fake_gone, 0));
    cr_expect(bench.broker->leaving);
    cr_expect_eq(fake_wait(bench.agent), 0);
    fake_free(bench.broker);
}

Test(exec, a_second_signal_stops_at_once)
{
    static const char *const inputs[] = {"trap '' TERM; sleep 1000; sleep 1000", "a"};
    struct bench bench = start((struct belt_agent_options){.slots = 1, .drain_ms = 1000000});

    strings(&bench, 1, "sh", inputs, 2);
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1));
    kill(bench.agent, SIGTERM);
    cr_assert(fake_until(bench.broker, fake_returned, 2));
    kill(bench.agent, SIGTERM);
    cr_assert(fake_until(bench.broker, fake_returned, 3));
    cr_assert(fake_until(bench.broker, fake_gone, 0));
    cr_expect_eq(fake_wait(bench.agent), 0);
    fake_free(bench.broker);
}

/** Processes with this word in their command line. */
static uint32_t processes_with(const char *word)
{
    DIR *dir = opendir("/proc");
    uint32_t count = 0;

    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[300], line[4096];
        snprintf(path, sizeof(path), "/proc/%.200s/cmdline", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        size_t n = fread(line, 1, sizeof(line) - 1, file);
        fclose(file);
        for (size_t i = 0; i < n; i++)
            if (line[i] == '\0')
                line[i] = ' ';
        line[n] = '\0';
        count += strstr(line, word) != NULL;
    }
    closedir(dir);
    return count;
}

static bool none_left(const char *word)
{
    for (int i = 0; i < 1000 && processes_with(word) > 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return processes_with(word) == 0;
}

Test(exec, all_processes_die_with_a_killed_agent)
{
    char word[32], command[128];
    const char *inputs[1] = {command};
    struct bench bench = start((struct belt_agent_options){.slots = 1});

    snprintf(word, sizeof(word), "1000.%d", (int)getpid());
    snprintf(command, sizeof(command), "sleep %s; sleep %s", word, word); /* the sleep is a grandchild */
    strings(&bench, 1, "sh", inputs, 1);
    fake_drop(bench.broker, (struct belt_task_ref){9, 9, 1});
    cr_assert(fake_until(bench.broker, fake_returned, 1));
    for (int i = 0; i < 1000 && processes_with(word) == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cr_expect_gt(processes_with(word), 0);
    kill(bench.agent, SIGKILL);
    cr_expect_eq(fake_wait(bench.agent), 128 + SIGKILL);
    cr_expect(none_left(word), "a process outlived its agent");
    fake_free(bench.broker);
}

static uint32_t descriptors(pid_t pid)
{
    char path[64];
    uint32_t count = 0;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

Test(exec, nothing_leaks_over_hundreds_of_processes)
{
    const char *inputs[100];
    struct bench bench = start((struct belt_agent_options){.slots = 2});
    uint32_t before = 0;

    for (uint32_t i = 0; i < 100; i++)
        inputs[i] = i % 10 == 9 ? "crash" : "a";
    for (uint64_t round = 0; round < 3; round++) {
        strings(&bench, 2 * round + 1, "act", inputs, 100);
        strings(&bench, 2 * round + 2, "sh", inputs, 100);
        cr_assert(fake_until(bench.broker, fake_results, 200 * (round + 1)));
        fake_strings(bench.broker, &(struct fake_dispatch){.job = 100 + round, .function = "act"}, inputs, 2);
        if (round == 0)
            before = descriptors(bench.agent);
    }
    cr_assert(fake_until(bench.broker, fake_results, 606));
    cr_expect_leq(descriptors(bench.agent), before + 6, "%u, then %u", before, descriptors(bench.agent));
    stop(&bench);
}

Test(exec, a_spent_slot_is_replaced)
{
    const char *inputs[20];
    struct bench bench = start((struct belt_agent_options){.slots = 1, .max_tasks_per_slot = 3});

    for (uint32_t i = 0; i < 20; i++)
        inputs[i] = "a";
    strings(&bench, 1, "act", inputs, 20);
    cr_assert(fake_until(bench.broker, fake_results, 20));
    for (uint32_t i = 0; i < 20; i++)
        cr_expect_eq(one(&bench, 1, i)->code, BELT_OK);
    stop(&bench);
}

Test(exec, a_broker_that_is_not_there_is_told)
{
    char error[512];
    struct belt_agent_options options = {.broker = "tcp://127.0.0.1:9",
                                         .functions = functions,
                                         .function_count = 1,
                                         .slots = 1,
                                         .connect_timeout_ms = 200,
                                         .quiet = true};

    cr_expect_eq(belt_agent_run(&options, error, sizeof(error)), BELT_NO_BROKER);
    cr_expect_not_null(strstr(error, "tcp://127.0.0.1:9"), "%s", error);
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "no child is left");
}

Test(exec, the_children_of_the_program_are_its_own)
{
    struct belt_agent_options options = {.broker = "tcp://127.0.0.1:9",
                                         .functions = functions,
                                         .function_count = 1,
                                         .slots = 1,
                                         .connect_timeout_ms = 400,
                                         .quiet = true};
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        _exit(7);
    }
    cr_expect_eq(belt_agent_run(&options, NULL, 0), BELT_NO_BROKER);
    cr_assert_eq(waitpid(pid, &status, 0), pid, "somebody else took it");
    cr_expect_eq(WEXITSTATUS(status), 7);
}

Test(exec, the_end_of_the_lifeline_ends_the_agent)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    struct belt_agent_options options = {
        .functions = functions, .function_count = 1, .slots = 1, .lifeline_fd = ends[0]};
    pid_t pid;
    struct fake_broker *broker = fake_new(options, ends[1], &pid);
    close(ends[0]);
    cr_assert(fake_until(broker, fake_ready, 0));
    close(ends[1]);
    cr_expect_eq(fake_wait(pid), 0);
    fake_free(broker);
}
