/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, inputs and outputs that would do something to a terminal.
 */
#include "stage.h"

#include <criterion/criterion.h>
#include <string.h>

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

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
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
