/* SPDX-License-Identifier: Apache-2.0
 *
 * The processes of a private pool end with the program that opened it, however it was opened and however it ends: from
 * threads, without standard descriptors, beside other processes that hold copies of all it had open.
 */
#include "tests/e2e/library_stock.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOLS 6
/* Broker, agent, keeper and slot. */
#define PROCESSES 4
#define TREE_MAX  64

/* ---- processes ---- */

/* State and parent of a process; false: there is none. */
static bool look(const char *pid, char *state, int *parent)
{
    char path[300];
    FILE *stat;
    bool found;

    snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
    stat = fopen(path, "re");
    if (!stat)
        return false;
    found = fscanf(stat, "%*d (%*[^)]) %c %d", state, parent) == 2 && *state != 'Z';
    fclose(stat);
    return found;
}

/* Its descendants, up to TREE_MAX. */
static int tree_of(pid_t root, pid_t pids[TREE_MAX])
{
    int count = 0, before;

    do {
        DIR *proc = opendir("/proc");
        struct dirent *entry;

        before = count;
        while ((entry = readdir(proc)) && count < TREE_MAX) {
            bool below, known = false;
            char state;
            int pid = atoi(entry->d_name), parent;

            if (pid <= 0 || !look(entry->d_name, &state, &parent))
                continue;
            below = parent == root;
            for (int i = 0; i < count; i++) {
                below |= parent == pids[i];
                known |= pid == pids[i];
            }
            if (below && !known)
                pids[count++] = pid;
        }
        closedir(proc);
    } while (count > before);
    return count;
}

static bool is_named(pid_t pid, const char *name)
{
    char path[64], line[64] = "";
    FILE *comm;

    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    comm = fopen(path, "re");
    if (comm && !fgets(line, sizeof(line), comm))
        line[0] = '\0';
    if (comm)
        fclose(comm);
    return strncmp(line, name, strlen(name)) == 0;
}

static bool is_child(pid_t pid, pid_t of)
{
    char name[16], state;
    int parent;

    snprintf(name, sizeof(name), "%d", (int)pid);
    return look(name, &state, &parent) && parent == of;
}

static void expect_gone(const pid_t *pids, int count)
{
    char name[16], state = 0;
    int parent, left = count;

    for (int tries = 0; tries < 1500 && left > 0; tries++) {
        left = 0;
        for (int i = 0; i < count; i++) {
            snprintf(name, sizeof(name), "%d", (int)pids[i]);
            left += look(name, &state, &parent);
        }
        if (left > 0)
            usleep(10000);
    }
    cr_expect_eq(left, 0, "%d of %d processes outlive their owner", left, count);
    for (int i = 0; i < count && left > 0; i++)
        kill(pids[i], SIGKILL);
}

static int directories(const char *parent)
{
    DIR *dir = opendir(parent);
    struct dirent *entry;
    int count = 0;

    while ((entry = readdir(dir)))
        count += strncmp(entry->d_name, "belt-", 5) == 0;
    closedir(dir);
    return count;
}

/* ---- programs ---- */

struct program {
    pid_t pid;
    char home[64];
    pid_t tree[TREE_MAX];
    int count;
};

/* Runs `body` in a program of its own until that writes a byte to the descriptor; its descendants are known then. */
static void program_start(struct program *program, void (*body)(int said))
{
    int ends[2];
    char byte = 0;

    stock_home(program->home);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    program->pid = fork();
    if (program->pid == 0) {
        int said = fcntl(ends[1], F_DUPFD_CLOEXEC, 100);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        close(ends[1]);
        body(said);
        for (;;)
            pause();
    }
    close(ends[1]);
    cr_assert_eq(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    cr_assert_eq(byte, 'y', "the program's pools do not work");
    program->count = tree_of(program->pid, program->tree);
}

static void program_kill(struct program *program)
{
    kill(program->pid, SIGKILL);
    waitpid(program->pid, NULL, 0);
    expect_gone(program->tree, program->count);
    cr_expect_eq(directories(program->home), 0);
    rmdir(program->home);
}

static bool works(belt_pool *pool)
{
    belt_result *result = NULL;
    bool ok = pool && belt_pool_apply(pool, "echo", "x", 1, NULL, WAIT_MS, &result) == BELT_OK && result->len == 1;

    belt_result_free(&result);
    return ok;
}

static belt_pool *open_pool(void)
{
    belt_pool_options options;
    belt_pool *pool = NULL;

    belt_pool_options_init(&options);
    options.slots = 1;
    if (belt_pool_open(NULL, &options, &pool) != BELT_OK)
        dprintf(STDERR_FILENO, "%s\n", belt_error_text());
    return pool;
}

static void say(int fd, bool ok)
{
    while (write(fd, ok ? "y" : "n", 1) < 0)
        ;
}

/* ---- from threads ---- */

static void *open_in_thread(void *ok)
{
    *(bool *)ok = works(open_pool());
    for (;;)
        pause();
    return NULL;
}

static void open_from_threads(int said)
{
    static volatile bool ok[POOLS];
    pthread_t thread;
    unsigned left = POOLS;

    stock_functions();
    for (int i = 0; i < POOLS; i++)
        pthread_create(&thread, NULL, open_in_thread, (void *)&ok[i]);
    for (int tries = 0; tries < 2000 && left > 0; tries++) {
        usleep(10000);
        left = 0;
        for (int i = 0; i < POOLS; i++)
            left += !ok[i];
    }
    say(said, left == 0);
}

Test(library_owner, pools_that_threads_open_end_with_the_program)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("AddressSanitizer's allocator may be locked by another thread in a process that was forked");
#endif
    struct program program;

    program_start(&program, open_from_threads);
    cr_expect_eq(program.count, POOLS * PROCESSES, "%d processes", program.count);
    program_kill(&program);
}

static void *open_and_end(void *argument)
{
    *(belt_pool **)argument = open_pool();
    return NULL;
}

static void open_in_a_thread_that_ends(int said)
{
    belt_pool *pool = NULL;
    pthread_t thread;

    stock_functions();
    pthread_create(&thread, NULL, open_and_end, &pool);
    pthread_join(thread, NULL);
    say(said, works(pool));
}

Test(library_owner, a_pool_outlives_the_thread_that_opened_it_but_not_the_program)
{
    struct program program;

    program_start(&program, open_in_a_thread_that_ends);
    cr_expect_eq(program.count, PROCESSES);
    program_kill(&program);
}

/* ---- without standard descriptors ---- */

static int closed_from, closed_to;

static void open_without_descriptors(int said)
{
    stock_functions();
    for (int fd = closed_from; fd <= closed_to; fd++)
        close(fd);
    say(said, works(open_pool()));
}

static void without(int from, int to)
{
    struct program program;

    closed_from = from;
    closed_to = to;
    program_start(&program, open_without_descriptors);
    cr_expect_eq(program.count, PROCESSES);
    program_kill(&program);
}

Test(library_owner, standard_descriptors_may_be_closed)
{
    without(0, 0);
    without(1, 1);
    without(2, 2);
    without(0, 2);
}

/* ---- beside the user's own processes ---- */

static void open_beside_a_fork(int said)
{
    belt_pool *pool;

    stock_functions();
    pool = open_pool();
    if (_Fork() == 0) /* without handlers of the library: it holds a copy of everything, for as long as it likes */
        for (;;)
            pause();
    say(said, works(pool));
}

Test(library_owner, a_fork_of_the_user_keeps_nothing_alive)
{
    struct program program;
    pid_t forked = 0;
    int kept = 0;

    program_start(&program, open_beside_a_fork);
    cr_expect_eq(program.count, PROCESSES + 1);
    for (int i = 0; i < program.count; i++)
        if (is_child(program.tree[i], program.pid) && !is_named(program.tree[i], "belt-"))
            forked = program.tree[i];
    cr_assert_gt(forked, 0);
    for (int i = 0; i < program.count; i++)
        if (program.tree[i] != forked)
            program.tree[kept++] = program.tree[i];
    program.count = kept;
    program_kill(&program);
    kill(forked, SIGKILL);
}

static void exec_with_a_pool(int said)
{
    stock_functions();
    say(said, works(open_pool()));
    raise(SIGSTOP); /* until its processes are counted */
    execl("/bin/sleep", "sleep", "600", (char *)NULL);
}

Test(library_owner, a_program_that_becomes_another_one_leaves_its_pool)
{
    struct program program;
    int status;

    program_start(&program, exec_with_a_pool);
    cr_expect_eq(program.count, PROCESSES);
    cr_assert_eq(waitpid(program.pid, &status, WUNTRACED), program.pid);
    cr_assert(WIFSTOPPED(status));
    kill(program.pid, SIGCONT);
    expect_gone(program.tree, program.count);
    program_kill(&program);
}

/* ---- what is left in the file system ---- */

static void open_one(int said)
{
    stock_functions();
    say(said, works(open_pool()));
}

Test(library_owner, a_directory_that_belongs_to_nobody_is_cleared_by_the_next_pool)
{
    struct program program;
    char home[64], foreign[80];
    belt_pool *pool;

    program_start(&program, open_one);
    strcpy(home, program.home);
    for (int i = 0; i < program.count; i++)
        if (is_named(program.tree[i], "belt-broker"))
            kill(program.tree[i], SIGKILL); /* first: it would clean up after the program */
    kill(program.pid, SIGKILL);
    waitpid(program.pid, NULL, 0);
    expect_gone(program.tree, program.count);
    cr_assert_eq(directories(home), 1, "it was left behind");
    snprintf(foreign, sizeof(foreign), "%s/belt-foreig", home); /* somebody's own, with a name like ours */
    cr_assert_eq(mkdir(foreign, 0700), 0);

    pool = stock_pool(1);
    cr_assert_eq(directories(home), 2, "the leftover is gone");
    cr_assert(works(pool));
    {
        belt_pool *second = stock_pool(1);

        cr_assert_eq(directories(home), 3, "what belongs to somebody stays");
        cr_assert(works(pool));
        belt_pool_close(&second);
    }
    belt_pool_close(&pool);
    cr_assert_eq(rmdir(foreign), 0);
    cr_assert_eq(rmdir(home), 0);
}
