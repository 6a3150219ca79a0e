/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt worker`.
 */
#include "worker/agent.h"

#include "cli/access.h"
#include "cli/command_check.h"
#include "cli/command_line.h"
#include "cli/echo.h"
#include "cli/endpoint.h"
#include "cli/exit.h"
#include "cli/functions.h"
#include "cli/join.h"
#include "cli/option_values.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/worker_python.h"

#include "proto/access_file.h"
#include "proto/limits.h"
#include "proto/token.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKER_DEFAULT "tcp://127.0.0.1:7879"

struct served {
    struct belt_agent_function functions[BELT_MAX_FUNCTIONS];
    char names[BELT_MAX_FUNCTIONS][FUNCTIONS_NAME];
    uint32_t count;
};

static int refuse(const char *text)
{
    say("%s; see 'belt help worker'", text);
    return EXIT_USAGE;
}

static int serve(struct served *served, const char *name, enum belt_runner runner, const char *command)
{
    for (uint32_t i = 0; i < served->count; i++)
        if (!strcmp(served->names[i], name)) {
            say("function '%s' is given twice: name them apart with NAME=COMMAND", name);
            return EXIT_USAGE;
        }
    if (served->count == BELT_MAX_FUNCTIONS)
        return refuse("more than 256 functions");
    snprintf(served->names[served->count], FUNCTIONS_NAME, "%s", name);
    served->functions[served->count] =
        (struct belt_agent_function){.name = served->names[served->count], .runner = runner, .command = command};
    served->count++;
    return EXIT_OK;
}

/* `kind`: "--command", "--coproc", "--filter". */
static int serve_list(struct served *served, const char *kind, const struct option_list *list, enum belt_runner runner,
                      bool quiet)
{
    char name[FUNCTIONS_NAME];
    const char *command;
    char error[BELT_CHECK_ERROR];
    bool named;
    int rc = EXIT_OK;

    for (uint32_t i = 0; !rc && i < list->count; i++) {
        if (!functions_split(list->items[i], name, &command, &named)) {
            say("'%s' is not valid: expected NAME=COMMAND, NAME of letters, digits, '.', '_' and '-'", list->items[i]);
            return EXIT_USAGE;
        }
        if (!named && !quiet)
            say("'%s' has no name and is served as '%s'; NAME=COMMAND gives it one", command, name);
        if (runner == BELT_RUN_COMMAND && !command_check_line(command, error)) {
            say("--command %s: %s", name, error);
            return EXIT_USAGE;
        }
        if (runner != BELT_RUN_COMMAND && !program_check(kind, command, error)) {
            say("%s: %s", name, error);
            return EXIT_USAGE;
        }
        rc = serve(served, name, runner, command);
    }
    return rc;
}

static int serve_echo(struct served *served)
{
    int rc = EXIT_OK;

    for (uint32_t i = 0; !rc && i < ECHO_FUNCTIONS; i++) {
        rc = serve(served, echo_functions[i].name, BELT_RUN_C, NULL);
        if (!rc)
            served->functions[served->count - 1].function = echo_functions[i].function;
    }
    return rc;
}

static int serve_all(struct served *served, const struct worker_values *values)
{
    int rc;

    if ((rc = serve_list(served, "--command", &values->command, BELT_RUN_COMMAND, values->quiet)) ||
        (rc = serve_list(served, "--coproc", &values->coproc, BELT_RUN_COPROC, values->quiet)) ||
        (rc = serve_list(served, "--filter", &values->filter, BELT_RUN_FILTER, values->quiet)))
        return rc;
    if (values->keep_env.count && !values->allow_commands)
        return refuse("--keep-env is for --allow-commands");
    if (values->allow_commands) {
        if ((rc = serve(served, BELT_EXEC_FUNCTION, BELT_RUN_EXEC, NULL)))
            return rc;
        served->functions[served->count - 1].clean = true;
    }
    if (values->echo && (rc = serve_echo(served)))
        return rc;
    if (!served->count)
        return refuse("nothing to serve: give --command, --coproc, --filter, --allow-commands or --python");
    return EXIT_OK;
}

/* Where the broker is; and who could send commands, when any are run. */
static int find_broker(const struct worker_values *values, char broker[ENDPOINT_MAX])
{
    struct belt_access access;
    int rc = access_read(&values->common, &access);
    bool keyed = !rc && access.broker_count > 0;

    if (!rc)
        rc = access_endpoint(&values->common, &access, true, BROKER_DEFAULT, broker);
    belt_access_wipe(&access);
    if (rc || !values->allow_commands || keyed || values->insecure_plaintext || !strncmp(broker, "ipc://", 6))
        return rc;
    say("--allow-commands at %s without keys would run the commands of whoever reaches the broker, every user of its "
        "machine among them: make keys (belt keys init), use ipc://, serve what is needed with --command, or say "
        "--insecure-plaintext",
        broker);
    return EXIT_USAGE;
}

static int run_agent(const struct served *served, const struct worker_values *values)
{
    char broker[ENDPOINT_MAX], error[BELT_MAX_TEXT] = "";
    struct belt_agent_options agent = {.broker = broker,
                                       .access = values->common.access,
                                       .no_dump = true,
                                       .name = values->name,
                                       .slots = (uint32_t)values->slots,
                                       .functions = served->functions,
                                       .function_count = served->count,
                                       .keep_env = values->keep_env.items,
                                       .keep_env_count = values->keep_env.count,
                                       .drain_ms = values->drain ? values->drain : 1, /* 0: the default */
                                       .kill_ms = belt_agent_kill_ms(values->kill_after),
                                       .start_ms = values->start_timeout,
                                       .log_bytes = belt_agent_log_bytes(values->log_bytes),
                                       .max_tasks_per_slot = values->max_tasks_per_slot,
                                       .connect_timeout_ms = values->common.connect_timeout,
                                       .quiet = values->quiet != 0,
                                       .reaper = true};
    int code = find_broker(values, broker);

    if (code)
        return code;
    code = belt_agent_run(&agent, error, sizeof(error));
    if (code == BELT_OK)
        return EXIT_OK;
    say("%s", *error ? error : "failed without a reason");
    return exit_of_code(code);
}

/* Words of the command line and copies of them are ours to write into. */
static void hide(const char *word)
{
    char *text = (char *)(uintptr_t)word;

    if (text && !strncmp(text, BELT_TOKEN_PREFIX, sizeof(BELT_TOKEN_PREFIX) - 1))
        memset(text, '*', strlen(text));
}

/* The token, which is overwritten where everybody sees the arguments of a process. */
static char *take_token(const struct options *options)
{
    struct worker_values *values = options->values;
    char *token = values->join ? strdup(values->join) : NULL;

    for (uint32_t i = 0; i < options->setting_count; i++)
        if (!strcmp(options->settings[i].def->name, "join"))
            hide(options->settings[i].value);
    hide(values->join);
    return token;
}

/* Joins the broker if a token says so; `path` is that of the access file of this run, too. */
static int join_by_token(const struct options *options, char *path, size_t room)
{
    struct worker_values *values = options->values;
    char *token = take_token(options);
    int rc = EXIT_OK;

    if (token) {
        rc = join_broker(&values->common, token, path, room);
        values->common.access = path;
    }
    belt_secret_free(token, token ? strlen(token) : 0);
    return rc;
}

static int serve_and_run(struct served *served, const struct options *options)
{
    char path[PATH_MAX];
    int rc = serve_all(served, options->values);

    if (!rc)
        rc = join_by_token(options, path, sizeof(path));
    return rc ? rc : run_agent(served, options->values);
}

static int run_python(const struct options *options)
{
    char path[PATH_MAX];
    int rc = join_by_token(options, path, sizeof(path));

    return rc ? rc : worker_python_run(options->values);
}

int run_worker(const struct options *options)
{
    struct served *served;
    int rc;

    if (options->word_count || options->dashes || options->colons)
        return refuse("'worker' takes no words: quote a command that holds blanks");
    rc = worker_python_check(options->values);
    if (rc != EXIT_OK)
        return rc;
    if (((const struct worker_values *)options->values)->python)
        return run_python(options);
    served = calloc(1, sizeof(*served));
    if (!served) {
        say("out of memory");
        return EXIT_INTERNAL;
    }
    rc = serve_and_run(served, options);
    free(served);
    return rc;
}
