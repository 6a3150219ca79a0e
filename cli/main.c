/* SPDX-License-Identifier: Apache-2.0
 *
 * The program `belt`: finds the command, reads its options from the command
 * line, the environment and the configuration file, and runs it.
 */
#include "cli/completion.h"
#include "cli/exit.h"
#include "cli/file.h"
#include "cli/first.h"
#include "cli/help.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "proto/text_cut.h"

#include <belt/belt.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_CONFIG "/etc/belt/belt.conf"

static int print_help(const struct options *options)
{
    int id;

    if (!options->word_count) {
        help_program(stdout);
        return EXIT_OK;
    }
    id = commands_find(options->words[0]);
    if (id < 0) {
        say("there is no command '%s'; 'belt help' lists them", options->words[0]);
        return EXIT_USAGE;
    }
    help_command(commands_all[id], stdout);
    return EXIT_OK;
}

static int print_version(const struct options *options)
{
    (void)options;
    printf("belt %s\n", belt_version());
    return EXIT_OK;
}

static int print_completion(const struct options *options)
{
    if (options->word_count == 1 && !completion_write(options->words[0], stdout))
        return EXIT_OK;
    say("name the shell: bash, zsh or fish");
    return EXIT_USAGE;
}

static int (*const runs[COMMAND_COUNT])(const struct options *options) = {
    [COMMAND_MAP] = run_map,         [COMMAND_SUBMIT] = run_submit,     [COMMAND_RESULTS] = run_results,
    [COMMAND_BROKER] = run_broker,   [COMMAND_WORKER] = run_worker,     [COMMAND_STATUS] = run_show,
    [COMMAND_WORKERS] = run_show,    [COMMAND_JOBS] = run_show,         [COMMAND_CANCEL] = run_cancel,
    [COMMAND_FORGET] = run_forget,   [COMMAND_WAIT] = run_wait,         [COMMAND_PING] = run_ping,
    [COMMAND_READERS] = run_readers, [COMMAND_FAILED] = run_failed,     [COMMAND_RETRY] = run_retry,
    [COMMAND_STORE] = run_store,     [COMMAND_KEYS] = run_keys,         [COMMAND_BENCH] = run_bench,
    [COMMAND_HELP] = print_help,     [COMMAND_VERSION] = print_version, [COMMAND_COMPLETION] = print_completion,
};

/* A file of which nobody knows whether it is there, as it lies in a folder that may not be entered (another user's
 * HOME), is told and passed over; one that is there and cannot be read would change what the command does. */
static int missing_config(struct options *options, const char *path, bool named, int error)
{
    struct stat status;

    if (!named && (error == ENOENT || error == ENOTDIR))
        return 0;
    if (!named && error == EACCES && stat(path, &status) != 0) {
        say("the configuration %s is not read: %s; BELT_CONFIG names another", path, strerror(error));
        return 0;
    }
    text_print(
        options->error, sizeof(options->error),
        "cannot read the configuration %s: %s; check its owner and permissions, or name another with --config or "
        "BELT_CONFIG (/dev/null: none)",
        path, strerror(error));
    return -1;
}

/* Reads one file: 0, -1 with options->error. A file that nobody asked for by name may be missing. */
static int read_config(struct options *options, const char *path, bool named, struct config *config)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), failed;
    char *data = NULL, error[256];
    size_t len = 0;

    if (fd < 0)
        return missing_config(options, path, named, errno);
    failed = file_read(fd, CONFIG_MAX_BYTES, &data, &len);
    close(fd);
    if (failed)
        text_print(options->error, sizeof(options->error), "cannot read the configuration %s: %s", path,
                   strerror(failed));
    else if (config_parse(config, data, len, error, sizeof(error))) {
        text_print(options->error, sizeof(options->error), "the configuration %s is not valid: %s", path, error);
        failed = -1;
    }
    free(data);
    return failed ? -1 : 1;
}

/* --config, else $BELT_CONFIG, else the user's file, else the system's; `path` gets the one that was read. */
static int find_config(struct options *options, struct config *config, char path[PATH_MAX])
{
    const char *named = options_flag(options, "config"), *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
    int rc = 0;

    if (!named && getenv("BELT_CONFIG") && *getenv("BELT_CONFIG"))
        named = getenv("BELT_CONFIG");
    if (named && !*named) {
        snprintf(options->error, sizeof(options->error), "option '--config': it is empty (an unset variable?)");
        return -1;
    }
    if (named) {
        snprintf(path, PATH_MAX, "%s", named);
        return read_config(options, path, true, config);
    }
    if ((xdg && *xdg) || (home && *home)) {
        snprintf(path, PATH_MAX, "%s%s", xdg && *xdg ? xdg : home,
                 xdg && *xdg ? "/belt/belt.conf" : "/.config/belt/belt.conf");
        rc = read_config(options, path, false, config);
    }
    if (rc)
        return rc;
    snprintf(path, PATH_MAX, "%s", SYSTEM_CONFIG);
    return read_config(options, path, false, config);
}

static int load(struct options *options)
{
    struct config config = {0};
    char path[PATH_MAX];
    int found = 0, rc;

    /* A command without settings works whatever the files say. */
    if (options_find(options->command, "config") >= 0)
        found = find_config(options, &config, path);
    rc = found < 0 ? -1 : options_apply(options, commands_all, found ? &config : NULL, path, environ);
    config_free(&config);
    return rc;
}

static int run_command(enum command_id id, int argc, char **argv)
{
    struct options options;
    int rc = EXIT_OK;

    say_as(commands_all[id]->name);
    if (options_flags(&options, commands_all[id], argc, argv)) {
        say("%s", options.error);
        rc = EXIT_USAGE;
    } else if (options_flag(&options, "help")) {
        help_command(commands_all[id], stdout);
    } else if (load(&options)) {
        say("%s", options.error);
        rc = EXIT_USAGE;
    } else
        rc = runs[id](&options);
    options_free(&options);
    return rc;
}

/* What "belt" alone, --help and --version mean. */
static const char *command_word(const char *word)
{
    if (!strcmp(word, "--help") || !strcmp(word, "-h"))
        return "help";
    return !strcmp(word, "--version") || !strcmp(word, "-V") ? "version" : word;
}

/* A descriptor below 3 that is closed would be given to a socket, and results would be written to it. */
static void reserve_standard_descriptors(void)
{
    /* Reading from what is for writing, and the other way around, fails as a closed descriptor does. */
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
            _exit(EXIT_IO);
}

int main(int argc, char **argv)
{
    int id, rc;

    reserve_standard_descriptors();
    first_process();
    signals_know_parent();
    if (argc < 2) {
        help_program(stderr);
        return EXIT_USAGE;
    }
    id = commands_find(command_word(argv[1]));
    if (id < 0) {
        const char *nearest = commands_nearest(argv[1]);
        say("unknown command '%s'%s%s%s; 'belt help' lists them", argv[1], nearest ? "; did you mean '" : "",
            nearest ? nearest : "", nearest ? "'?" : "");
        return EXIT_USAGE;
    }
    rc = run_command((enum command_id)id, argc - 1, argv + 1);
    if (fflush(stdout) || ferror(stdout)) {
        say("writing to standard output failed: %s", strerror(errno));
        rc = rc ? rc : EXIT_IO;
    }
    return rc == EXIT_INTERRUPTED && signals_stop() ? signals_exit() : rc;
}
