/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent with real processes, against a broker of a few lines: commands, coprocesses and filters.
 */
#include "tests/unit/agent_bench.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --------------------------------------------------------------- commands */

Test(exec_programs, commands_take_the_input_as_a_quoted_argument)
{
    static const char *const inputs[] = {"plain", "it's; $(date) \"x\" {}", ""};
    struct bench bench = bench_start((struct belt_agent_options){0});

    bench_strings(&bench, 1, "shout", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    bench_expect(bench_one(&bench, 1, 0), "<PLAIN>");
    bench_expect(bench_one(&bench, 1, 1), "<IT'S; $(DATE) \"X\" {}>");
    bench_expect(bench_one(&bench, 1, 2), "<>");
    bench_stop(&bench);
}

Test(exec_programs, how_a_command_ends_is_its_outcome)
{
    static const char *const inputs[] = {"echo out; echo err >&2; exit 3", "kill -9 $$", "head -c 3000000 /dev/zero",
                                         "sleep 1000 & echo quick $!", "echo $$; exec 1>&- 2>&-; exit 0"};
    struct bench bench = bench_start((struct belt_agent_options){0});
    int left = 0;

    bench_strings(&bench, 1, "sh", inputs, 5);
    cr_assert(fake_until(bench.broker, fake_results, 5));
    cr_expect_eq(bench_one(&bench, 1, 0)->code, BELT_TASK_FAILED);
    cr_expect_eq(bench_one(&bench, 1, 0)->exit_status, 3);
    cr_expect_str_eq(bench_one(&bench, 1, 0)->text, "exit status 3");
    cr_expect_str_eq(bench_one(&bench, 1, 0)->log, "err\n");
    cr_expect_eq(memcmp(bench_one(&bench, 1, 0)->data, "out\n", 4), 0);
    cr_expect_eq(bench_one(&bench, 1, 1)->term_signal, SIGKILL);
    cr_expect_str_eq(bench_one(&bench, 1, 1)->text, "killed by signal 9 (SIGKILL)");
    cr_expect_eq(bench_one(&bench, 1, 2)->code, BELT_RESULT_TOO_LARGE);
    cr_expect_eq(sscanf((const char *)bench_one(&bench, 1, 3)->data, "quick %d\n", &left), 1);
    cr_expect_eq(kill(left, SIGKILL), 0, "what a command leaves behind is its own affair");
    cr_expect_eq(bench_one(&bench, 1, 4)->code, BELT_OK);
    bench_stop(&bench);
}

Test(exec_programs, a_command_over_its_time_out_is_killed_with_its_group)
{
    static const char *const inputs[] = {"trap '' TERM; sleep 1000; sleep 1000", "sleep 1000"};
    struct bench bench = bench_start((struct belt_agent_options){0});

    fake_strings(bench.broker, &(struct fake_dispatch){.job = 1, .function = "sh", .timeout_ms = 100}, inputs, 2);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    cr_expect_eq(bench_one(&bench, 1, 0)->code, BELT_TASK_TIMEOUT);
    cr_expect_eq(bench_one(&bench, 1, 1)->code, BELT_TASK_TIMEOUT);
    bench_stop(&bench);
}

static void exec_one(struct bench *bench, uint64_t job, const char *argument, size_t argument_len, const char *payload,
                     size_t len)
{
    struct fake_dispatch d = {.job = job, .function = "exec", .argument = {(const uint8_t *)argument, argument_len}};

    fake_dispatch(bench->broker, &d, &(struct belt_bytes){(const uint8_t *)payload, len}, 1);
}

Test(exec_programs, the_command_comes_with_the_job)
{
    static const char words[] = "\0echo\0a{}b\0{}-{}", appended[] = "\0echo\0x", input[] = "\1wc\0-c",
                      shell[] = "\2echo {} | tr a b";
    static const char missing[] = "\0/no/such/program", shell_input[] = "\3cat; echo {}";
    struct bench bench = bench_start((struct belt_agent_options){0});

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
    bench_expect(bench_one(&bench, 1, 0), "a1 2b 1 2-1 2\n");
    bench_expect(bench_one(&bench, 2, 0), "x y\n");
    bench_expect(bench_one(&bench, 3, 0), "5\n");
    bench_expect(bench_one(&bench, 4, 0), "b'b\n");
    cr_expect_eq(bench_one(&bench, 5, 0)->code, BELT_TASK_FAILED);
    cr_expect_str_eq(bench_one(&bench, 5, 0)->text, "cannot run '/no/such/program': No such file or directory");
    bench_expect(bench_one(&bench, 6, 0), "in {}\n");
    cr_expect_not_null(strstr(bench_one(&bench, 7, 0)->text, "NUL"));
    cr_expect_eq(bench_one(&bench, 8, 0)->code, BELT_TASK_FAILED);
    cr_expect_eq(bench_one(&bench, 9, 0)->code, BELT_TASK_FAILED);
    bench_stop(&bench);
}

/* ---------------------------------------------------- coprocesses, filters */

static struct bench start_coproc(const char *command, const char *name, uint32_t slots)
{
    struct belt_agent_function *function = calloc(1, sizeof(*function)); /* of the agent, and of this test */

    *function = (struct belt_agent_function){.name = name, .runner = BELT_RUN_COPROC, .command = command};
    struct bench bench =
        bench_start((struct belt_agent_options){.functions = function, .function_count = 1, .slots = slots});
    free(function);
    return bench;
}

Test(exec_programs, coprocesses_in_python_and_shell)
{
    static const char *const inputs[] = {"10", "x", "7"};

    struct bench bench = start_coproc("python3 " BELT_EXAMPLES "/coproc/handler.py", "square", 2);
    bench_strings(&bench, 1, "square", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    bench_expect(bench_one(&bench, 1, 0), "100");
    cr_expect_eq(bench_one(&bench, 1, 1)->code, BELT_TASK_FAILED);
    bench_expect(bench_one(&bench, 1, 2), "49");
    bench_stop(&bench);

    bench = start_coproc("bash " BELT_EXAMPLES "/coproc/handler.sh", "shout", 2);
    bench_strings(&bench, 1, "shout", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    bench_expect(bench_one(&bench, 1, 1), "X");
    bench_stop(&bench);
}

Test(exec_programs, a_coprocess_that_breaks_the_protocol_is_replaced)
{
    static const char *const inputs[] = {"a", "b"};
    struct bench bench = start_coproc("echo belt-slot 1; read l; echo what is this; sleep 1000", "f", 1);

    bench_strings(&bench, 1, "f", inputs, 2);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    cr_expect_eq(bench_one(&bench, 1, 0)->code, BELT_TASK_LOST);
    cr_expect_not_null(strstr(bench_one(&bench, 1, 0)->text, "what is this"), "%s", bench_one(&bench, 1, 0)->text);
    bench_stop(&bench);
}

/* A slot in Python: `body` answers each task, given id, payload and `say(line, bytes)`. */
#define PYTHON_SLOT(body)                                                                                              \
    "python3 -c 'import sys, os, select\n"                                                                             \
    "def say(line, data=b\"\"):\n"                                                                                     \
    "    sys.stdout.buffer.write(line.encode() + b\"\\n\" + data)\n"                                                   \
    "    sys.stdout.buffer.flush()\n"                                                                                  \
    "say(\"belt-slot 1\")\n"                                                                                           \
    "for line in sys.stdin.buffer:\n"                                                                                  \
    "    _, id, _, attempt, a, n = line.decode().split()\n"                                                            \
    "    sys.stdin.buffer.read(int(a))\n"                                                                              \
    "    data = sys.stdin.buffer.read(int(n))\n" body "'"

/* The second answer comes when the next task is there already: only its name tells. */
Test(exec_programs, an_answer_to_another_task_stops_the_slot)
{
    static const char *const inputs[] = {"a", "b", "c"};
    struct bench bench = start_coproc(PYTHON_SLOT("    say(f\"ok 1 id={id}\", data)\n"
                                                  "    if data == b\"a\":\n"
                                                  "        select.select([0], [], [])\n"
                                                  "        say(f\"ok 1 id={id}\", data)\n"),
                                      "f", 1);

    bench_strings(&bench, 1, "f", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    bench_expect(bench_one(&bench, 1, 0), "a");
    cr_expect_eq(bench_one(&bench, 1, 1)->code, BELT_TASK_LOST); /* the broker would have it run again */
    cr_expect_not_null(strstr(bench_one(&bench, 1, 1)->text, "it answered task 1.0, and task 1.1 was due"), "%s",
                       bench_one(&bench, 1, 1)->text);
    bench_expect(bench_one(&bench, 1, 2), "c");
    bench_stop(&bench);
}

/* Both answers in one write, without names: the slot has no task when the second is read, whatever it is to get. */
Test(exec_programs, an_answer_too_many_is_no_other_tasks_result)
{
    static const char *const inputs[] = {"a", "b", "c", "d", "e", "f"};
    struct bench bench = start_coproc(PYTHON_SLOT("    say(\"ok 1\", data + b\"ok 1\\n\" + data)\n"), "f", 1);

    bench_strings(&bench, 1, "f", inputs, 6);
    cr_assert(fake_until(bench.broker, fake_results, 6));
    for (uint64_t i = 0; i < 6; i++)
        bench_expect(bench_one(&bench, 1, i), inputs[i]);
    bench_stop(&bench);
}

Test(exec_programs, a_line_between_tasks_blames_none)
{
    static const char *const inputs[] = {"a", "b", "c"};
    struct bench bench = start_coproc(PYTHON_SLOT("    say(f\"ok 1 id={id}\", data + b\"done!\\n\")\n"), "f", 1);

    bench_strings(&bench, 1, "f", inputs, 3);
    cr_assert(fake_until(bench.broker, fake_results, 3));
    for (uint64_t i = 0; i < 3; i++)
        bench_expect(bench_one(&bench, 1, i), inputs[i]);
    bench_stop(&bench);
}

Test(exec_programs, a_long_text_is_cut_and_costs_no_slot)
{
    static const char *const inputs[] = {"a"};
    struct bench bench = start_coproc(PYTHON_SLOT("    text = \"Traceback\" + 50000 * \"x\" + str(os.getppid())\n"
                                                  "    say(f\"fail {len(text)} 0 1 1 id={id}\", text.encode())\n"),
                                      "f", 1);
    char parent[20];

    bench_strings(&bench, 1, "f", inputs, 1);
    cr_assert(fake_until(bench.broker, fake_results, 1));
    const struct fake_result *r = bench_one(&bench, 1, 0);
    cr_expect_eq(r->code, BELT_TASK_FAILED);
    cr_expect(strncmp(r->text, "Tracebackxxx", 12) == 0);
    cr_expect_not_null(strstr(r->text, " bytes left out]\n"));
    /* And no shell stands between the agent and a simple command. */
    snprintf(parent, sizeof(parent), "x%d", (int)bench.agent);
    cr_expect_str_eq(r->text + strlen(r->text) - strlen(parent), parent);
    bench_stop(&bench);
}

Test(exec_programs, a_code_of_the_worker_is_the_tasks_failure)
{
    static const char *const inputs[] = {"a", "b"};
    struct bench bench = start_coproc(PYTHON_SLOT("    code = 8 if data == b\"a\" else 9\n"
                                                  "    say(f\"fail 2 0 1 {code} id={id}\", b\"no\")\n"),
                                      "f", 1);

    bench_strings(&bench, 1, "f", inputs, 2);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    cr_expect_eq(bench_one(&bench, 1, 0)->code, BELT_TASK_FAILED);
    cr_expect_eq(bench_one(&bench, 1, 1)->code, BELT_TASK_REFUSED);
    bench_stop(&bench);
}

Test(exec_programs, a_slots_end_is_its_own_and_it_knows_its_limits)
{
    static const char *const inputs[] = {"a", "b"};
    struct bench bench = start_coproc(
        PYTHON_SLOT("    if data == b\"b\": os.kill(os.getpid(), 11)\n"
                    "    text = os.environ[\"BELT_SLOT_MAX_PAYLOAD\"] + \" \" + os.environ[\"BELT_SLOT_START_MS\"]\n"
                    "    say(f\"ok {len(text)} id={id}\", text.encode())\n"),
        "f", 1);

    bench_strings(&bench, 1, "f", inputs, 2);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    bench_expect(bench_one(&bench, 1, 0), "16777216 10000");
    cr_expect_eq(bench_one(&bench, 1, 1)->code, BELT_TASK_LOST);
    cr_expect_not_null(strstr(bench_one(&bench, 1, 1)->text, "killed by signal 11"), "%s",
                       bench_one(&bench, 1, 1)->text);
    bench_stop(&bench);
}

Test(exec_programs, functions_are_offered_again_when_a_slot_starts_after_all)
{
    static const char *const inputs[] = {"a"};
    char path[] = "/tmp/belt-test-XXXXXX", command[200];

    close(mkstemp(path));
    unlink(path);
    snprintf(command, sizeof(command),
             "test -e %s || { echo no licence >&2; exit 3; }; exec bash " BELT_EXAMPLES "/coproc/handler.sh", path);
    struct bench bench = start_coproc(command, "shout", 1);
    bench_strings(&bench, 1, "shout", inputs, 1);
    cr_assert(fake_until(bench.broker, fake_results, 1));
    cr_expect_eq(bench_one(&bench, 1, 0)->code, BELT_NOT_SERVED);
    cr_expect_str_eq(bench_one(&bench, 1, 0)->text, "the slot cannot start: exit status 3: no licence");
    close(creat(path, 0600));
    cr_assert(fake_until(bench.broker, fake_hellos, 2));
    bench_strings(&bench, 2, "shout", inputs, 1);
    cr_assert(fake_until(bench.broker, fake_results, 2));
    bench_expect(bench_one(&bench, 2, 0), "A");
    unlink(path);
    bench_stop(&bench);
}

static const struct belt_agent_function filter[] = {
    {.name = "upper", .runner = BELT_RUN_FILTER, .command = "while read -r l; do echo \"$l!\"; done"},
};

Test(exec_programs, filters_answer_line_by_line)
{
    static const char *const inputs[] = {"a", "b\nc", "d", ""};
    struct bench bench = bench_start((struct belt_agent_options){.functions = filter, .function_count = 1, .slots = 2});

    bench_strings(&bench, 1, "upper", inputs, 4);
    cr_assert(fake_until(bench.broker, fake_results, 4));
    bench_expect(bench_one(&bench, 1, 0), "a!");
    cr_expect_eq(bench_one(&bench, 1, 1)->code, BELT_TASK_FAILED);
    bench_expect(bench_one(&bench, 1, 2), "d!");
    bench_expect(bench_one(&bench, 1, 3), "!");
    bench_stop(&bench);
}
