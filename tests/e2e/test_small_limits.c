/* SPDX-License-Identifier: Apache-2.0
 *
 * Every program under every small limit of processes and of open files: it works, with fewer slots where there is not
 * room for all, or says what is missing and what to do. It is never ended by a signal.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOUND_MS 60000
/* As `belt help map`: a limit or the system. */
#define EXIT_SYSTEM_FAILED 6
/* Users who have no other process, one for each test. The limit of processes counts all of a user's, and root has
 * none. */
#define USER_OF_REFUSED 47111u
#define USER_OF_FILES   47112u
#define USER_OF_MAP     47113u

/* A copy that this user may run: the build may lie in a directory that is root's. */
static char program[] = "/tmp/belt-shortage-XXXXXX";

static void copy_program(void)
{
    char command[1024];
    int fd = mkstemp(program);
    cr_assert_geq(fd, 0);
    close(fd);
    snprintf(command, sizeof(command), "cp '%s' %s && chmod 755 %s", process_belt(), program, program);
    cr_assert_eq(system(command), 0);
}

static void remove_program(void)
{
    unlink(program);
}

TestSuite(small_limits, .init = copy_program, .fini = remove_program, .timeout = 240);

/* Runs `belt ARGUMENTS` with a limit ("u": processes, "n": open files), if the test is root's as another user. */
static struct process *run(unsigned user_id, char kind, unsigned limit, const char *arguments)
{
    char command[1024], user[64] = "";
    if (geteuid() == 0)
        snprintf(user, sizeof(user), "setpriv --reuid %u --clear-groups", user_id);
    snprintf(command, sizeof(command), "exec %s bash -c 'ulimit -%c %u && exec %s %s'", user, kind, limit, program,
             arguments);
    /* The leak checker itself starts a process. */
    return process_start(&(struct process_options){.argv = (const char *const[]){"bash", "-c", command, NULL},
                                                   .env = (const char *const[]){"ASAN_OPTIONS=detect_leaks=0", NULL},
                                                   .input = ""});
}

/* With no room at all: an exit status, and a sentence that names the limit. */
static void refused(char kind, unsigned limit, const char *arguments)
{
    struct process *belt = run(USER_OF_REFUSED, kind, limit, arguments);
    cr_assert(process_wait(belt, BOUND_MS), "belt %s with ulimit -%c %u does not end", arguments, kind, limit);
    cr_assert_eq(process_status(belt), EXIT_SYSTEM_FAILED, "belt %s with ulimit -%c %u: %d %s", arguments, kind, limit,
                 process_status(belt), process_err(belt));
    cr_assert(strstr(process_err(belt), kind == 'u' ? "ulimit -u" : "ulimit -"), "%s", process_err(belt));
    process_free(belt);
}

static const char *const programs[] = {
    "map -j2 -- echo {} ::: a b",
    "broker --clients ipc:///tmp/belt-shortage-c --workers ipc:///tmp/belt-shortage-w",
    "worker --broker ipc:///tmp/belt-shortage-w -j2 --command a=true",
    "status --broker ipc:///tmp/belt-shortage-c",
};

Test(small_limits, no_process_can_be_started)
{
    for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
        refused('u', 1, programs[i]);
}

Test(small_limits, no_file_can_be_opened)
{
    for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
        refused('n', 6, programs[i]); /* the fewest with which the dynamic linker loads its libraries */
}

/* True: it worked. */
static bool maps_or_says_why(char kind, unsigned limit)
{
    struct process *belt =
        run(kind == 'u' ? USER_OF_MAP : USER_OF_FILES, kind, limit, "map -j4 -- echo got {} ::: a b c d e f");
    cr_assert(process_wait(belt, BOUND_MS), "with ulimit -%c %u: %s", kind, limit, process_err(belt));
    bool works = process_status(belt) == 0;
    if (works)
        cr_assert_str_eq(process_out(belt), "got a\ngot b\ngot c\ngot d\ngot e\ngot f\n");
    else
        cr_assert(process_status(belt) == EXIT_SYSTEM_FAILED && strstr(process_err(belt), "raise "),
                  "with ulimit -%c %u: %d %s", kind, limit, process_status(belt), process_err(belt));
    process_free(belt);
    return works;
}

/* From none to enough for all slots, one by one. Processes of a pool that was given up are gone when `map` is. */
Test(small_limits, every_limit_of_processes)
{
    if (geteuid() != 0)
        cr_skip_test("this user's other processes, which the limit counts, come and go: only root can be another user");
    for (unsigned limit = 1; limit < 20; limit++)
        (void)maps_or_says_why('u', limit);
    cr_assert(maps_or_says_why('u', 30), "a small limit is enough");
}

Test(small_limits, every_limit_of_files)
{
    for (unsigned limit = 6; limit < 64; limit += 3)
        (void)maps_or_says_why('n', limit);
    cr_assert(maps_or_says_why('n', 64), "a small limit is enough");
}
