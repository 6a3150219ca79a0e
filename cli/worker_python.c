/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt worker --python`. See worker_python.h.
 */
#include "cli/worker_python.h"

#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PYTHON "python3"
/* Words of the line that are not of a list: the program, options with their values, the end. */
#define ONCE_MOST 24u

/* What `python3 -m belt` does, but for its message when there is no such package. Exit codes: 2 is EXIT_USAGE. */
static char program[] =
    "import sys\n"
    "try:\n"
    "    from belt.__main__ import main\n"
    "except ImportError as error:\n"
    "    print('belt worker: --python needs the Python package of Belt:', error, file=sys.stderr)\n"
    "    print('Install python3-belt, or python/ of the sources (docs/python.md).', file=sys.stderr)\n"
    "    sys.exit(2)\n"
    "sys.exit(main())\n";

struct line {
    char **words; /* NULL at the end */
    size_t count;
    char numbers[6][32];
    unsigned number_count;
};

static void add(struct line *line, const char *word)
{
    line->words[line->count++] = (char *)word; /* exec() changes none */
}

static void add_text(struct line *line, const char *option, const char *value)
{
    if (!value)
        return;
    add(line, option);
    add(line, value);
}

static void add_list(struct line *line, const char *option, const struct option_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        add_text(line, option, list->items[i]);
}

static void add_number(struct line *line, const char *option, uint64_t number)
{
    char *text = line->numbers[line->number_count++];

    snprintf(text, sizeof(line->numbers[0]), "%" PRIu64, number);
    add_text(line, option, text);
}

/* Of milliseconds: seconds. */
static void add_duration(struct line *line, const char *option, uint64_t ms)
{
    char *text = line->numbers[line->number_count++];

    snprintf(text, sizeof(line->numbers[0]), "%" PRIu64 ".%03u", ms / 1000, (unsigned)(ms % 1000));
    add_text(line, option, text);
}

static bool serves_others(const struct worker_values *values)
{
    return values->command.count || values->coproc.count || values->filter.count || values->keep_env.count ||
           values->allow_commands || values->echo;
}

static void write_line(struct line *line, const struct worker_values *values)
{
    add(line, PYTHON);
    add(line, "-c");
    add(line, program);
    add(line, "worker");
    add_text(line, "--broker", values->common.broker);
    add_number(line, "--slots", values->slots);
    add_list(line, "--preload", &values->preload);
    add_list(line, "--path", &values->path);
    add_text(line, "--queue", values->queue);
    add_text(line, "--name", values->name);
    add_number(line, "--max-tasks-per-slot", values->max_tasks_per_slot);
    add_duration(line, "--drain", values->drain);
    add_duration(line, "--kill-after", values->kill_after);
    add_text(line, "--access", values->common.access);
    if (values->insecure)
        add(line, "--insecure");
    add(line, NULL);
}

static int refuse(const char *text)
{
    say("%s; see 'belt help worker'", text);
    return EXIT_USAGE;
}

int worker_python_check(const struct worker_values *values)
{
    if (!values->python)
        return values->preload.count || values->path.count || values->queue || values->insecure
                   ? refuse("--preload, --path, --queue and --insecure are for --python")
                   : EXIT_OK;
    if (serves_others(values))
        return refuse("--python serves the functions of Python programs alone: start another worker for the others");
    return EXIT_OK;
}

int worker_python_run(const struct worker_values *values)
{
    struct line line = {0};

    line.words =
        calloc(ONCE_MOST + 2 * (size_t)values->preload.count + 2 * (size_t)values->path.count, sizeof(*line.words));
    if (!line.words) {
        say("out of memory");
        return EXIT_INTERNAL;
    }
    write_line(&line, values);
    execvp(PYTHON, line.words);
    say("--python cannot start " PYTHON ": %s; install python3", strerror(errno));
    free(line.words);
    return EXIT_IO;
}
