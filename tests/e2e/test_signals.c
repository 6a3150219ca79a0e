/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals that reach every process of a worker at once, as a shutdown, systemd and Slurm send them: no task counts as
 * done, failed or lost that they have cut off. And signals that mean nothing to Belt.
 */
#include "tests/e2e/stage.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TREE_MAX 256
/* A worker of a busy machine is not given up: who is given up is blamed. */
#define PATIENT WORDS("--heartbeat", "1", "--lease", "20")

/* Says whether the sleep that it waits for has run to its end. */
#define HONEST "if sleep 0.2; then echo {} whole; else echo {} cut; fi"

enum order { OLDEST_FIRST, YOUNGEST_FIRST, SHUFFLED, CONTINUED, ORDERS };

static int by_pid(const void *a, const void *b)
{
    return *(const pid_t *)a - *(const pid_t *)b;
}

static pid_t parent_of(pid_t pid)
{
    char path[48], text[512];
    int parent = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (!file)
        return 0;
    if (fgets(text, sizeof(text), file) && strrchr(text, ')'))
        sscanf(strrchr(text, ')') + 1, " %*c %d", &parent);
    fclose(file);
    return parent;
}

/* The process and all its descendants, by their numbers. */
static unsigned tree(pid_t root, pid_t *pids)
{
    unsigned count = 1;
    DIR *proc = opendir("/proc");
    pid_t all[4096], parents[4096];
    unsigned known = 0;

    pids[0] = root;
    for (struct dirent *entry; (entry = readdir(proc)) && known < 4096;)
        if (atoi(entry->d_name) > 0) {
            all[known] = atoi(entry->d_name);
            parents[known] = parent_of(all[known]);
            known++;
        }
    closedir(proc);
    for (unsigned at = 0; at < count; at++)
        for (unsigned i = 0; i < known && count < TREE_MAX; i++)
            if (parents[i] == pids[at])
                pids[count++] = all[i];
    qsort(pids, count, sizeof(*pids), by_pid);
    return count;
}

static void signal_tree(pid_t root, enum order order, int number)
{
    pid_t pids[TREE_MAX];
    unsigned count = tree(root, pids);

    if (order != OLDEST_FIRST) { /* as `scancel` does; shutdown and systemd begin with the oldest, the worker */
        for (unsigned i = 0; i < count; i++)
            kill(pids[i], SIGCONT);
        usleep((useconds_t)(3000 + rand() % 17000));
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned at = order == OLDEST_FIRST || order == CONTINUED ? i : count - 1 - i;
        if (order == SHUFFLED) {
            unsigned other = i + (unsigned)rand() % (count - i);
            pid_t pid = pids[other];
            pids[other] = pids[i];
            pids[i] = pid;
            at = i;
        }
        kill(pids[at], number);
    }
}

static struct process *worker_that_drains(const struct stage *stage, const char *seconds, const char *kind,
                                          const char *command)
{
    struct process *process = process_start(&(struct process_options){
        .argv = WORDS(process_belt(), "worker", "-j4", "-b", stage->workers, "--drain", seconds, kind, command),
        .env = WORDS("BELT_CONFIG=/dev/null")});

    cr_assert(process_wait_err(process, "connected", BOUND_MS), "%s", process_err(process));
    return process;
}

static struct process *worker(const struct stage *stage, const char *kind, const char *command)
{
    return worker_that_drains(stage, "2", kind, command);
}

/* Workers are ended again and again while a map of `count` inputs runs; every input must be said to be whole, once. */
static void rounds(const char *kind, const char *command, unsigned count, unsigned most)
{
    struct stage stage;
    char *input = stage_numbers(count, "");

    srand(1);
    stage_open(&stage, STAGE_IPC, false, PATIENT);
    /* A run that is blamed would be the last. */
    struct process *map = stage_belt(&stage, input, WORDS("map", "--unordered", "--max-attempts", "1", "f"));
    for (unsigned round = 0; round < most; round++) {
        struct process *process = worker(&stage, kind, command);
        usleep((useconds_t)(20000 + rand() % 300000));
        signal_tree(process_pid(process), (enum order)(round % ORDERS), round % 5 == 4 ? SIGINT : SIGTERM);
        cr_assert(process_wait(process, BOUND_MS));
        cr_assert_eq(process_status(process), 0, "%d: %s", process_status(process), process_err(process));
        process_free(process);
    }
    struct process *last = worker(&stage, kind, command);
    cr_assert(process_wait(map, BOUND_MS), "%s", process_err(map));
    cr_assert_eq(process_status(map), 0, "%d: %s%s", process_status(map), process_err(map), process_out(map));
    cr_assert_null(strstr(process_out(map), "cut"), "%s", process_out(map));
    for (unsigned i = 1; i <= count; i++) {
        char line[32];
        snprintf(line, sizeof(line), "%u whole\n", i);
        const char *found = strstr(process_out(map), line);
        while (found && found != process_out(map) && found[-1] != '\n')
            found = strstr(found + 1, line);
        cr_assert_not_null(found, "%s is missing: %s", line, process_out(map));
    }
    stage_stop_worker(last);
    process_free(map);
    stage_close(&stage);
    free(input);
}

Test(signals, a_command_that_all_signals_hit_is_no_outcome)
{
    rounds("--command", "f=" HONEST, 40, 16);
}

/* It survives the signal, and would say something wrong a long time after. */
Test(signals, a_command_that_goes_on_after_the_signal_is_none_either)
{
    rounds("--command", "f=trap : TERM INT; if sleep 0.2; then echo {} whole; else sleep 0.3; echo {} cut; fi", 20, 8);
}

Test(signals, a_filter_that_all_signals_hit_gives_no_answer)
{
    rounds("--filter", "f=while read -r n; do if sleep 0.2; then echo $n whole; else echo $n cut; fi; done", 24, 8);
}

Test(signals, a_coprocess_that_all_signals_hit_gives_no_answer)
{
    rounds("--coproc",
           "f=echo belt-slot 1; while read -r t id f n arg len; do in=$(head -c $len); "
           "if sleep 0.2; then a=\"$in whole\"; else a=\"$in cut\"; fi; printf 'ok %d\\n%s' ${#a} \"$a\"; done",
           24, 8);
}

static void await_file(const char *path)
{
    for (long long end = process_now_ms() + BOUND_MS; access(path, F_OK) != 0; usleep(10000))
        cr_assert_lt(process_now_ms(), end, "%s does not come", path);
}

/* The worker alone is told to end: what runs has its time, and counts. */
Test(signals, a_worker_that_leaves_alone_finishes_what_runs)
{
    struct stage stage;

    stage_open(&stage, STAGE_IPC, false, PATIENT);
    char command[256], path[96];
    snprintf(command, sizeof(command), "f=echo >%s/{}; until [ -e %s/go ]; do sleep 0.02; done; echo {} whole",
             stage.dir, stage.dir);
    struct process *process = worker_that_drains(&stage, "600", "--command", command);
    struct process *map = stage_belt(&stage, "1\n2\n", WORDS("map", "--max-attempts", "1", "f"));
    for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof(path), "%s/%d", stage.dir, i);
        await_file(path);
    }
    process_signal(process, SIGTERM);
    cr_assert(process_wait_err(process, "leaving", BOUND_MS), "%s", process_err(process));
    usleep(50000); /* what ends with the signal is no outcome */
    snprintf(path, sizeof(path), "%s/go", stage.dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    cr_assert(process_wait(map, BOUND_MS), "%s", process_err(map));
    cr_assert_str_eq(process_out(map), "1 whole\n2 whole\n");
    cr_assert(process_wait(process, BOUND_MS));
    process_free(process);
    process_free(map);
    stage_close(&stage);
}

/* Of a task's process by itself: the worker goes on, the task runs again. */
Test(signals, a_task_that_somebody_ends_runs_again_unblamed)
{
    struct stage stage;
    char path[] = "/tmp/belt-test-XXXXXX", command[256];

    close(mkstemp(path));
    snprintf(command, sizeof(command), "f=if [ -e %s ]; then rm %s; kill -TERM $$; fi; echo {} whole", path, path);
    stage_open(&stage, STAGE_IPC, false, PATIENT);
    struct process *process = worker(&stage, "--command", command);
    struct process *map = stage_run(&stage, "1\n", 0, WORDS("map", "--max-attempts", "1", "f"));
    cr_assert_str_eq(process_out(map), "1 whole\n");
    process_free(map);
    stage_stop_worker(process);
    stage_close(&stage);
}

Test(signals, those_that_mean_nothing_end_no_daemon)
{
    static const int numbers[] = {SIGHUP,  SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGVTALRM,
                                  SIGPROF, SIGIO,   SIGCONT, SIGURG,  SIGWINCH};
    struct stage stage;

    stage_open(&stage, STAGE_IPC, false, PATIENT);
    struct process *process = worker(&stage, "--command", "f=echo {} whole");
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        process_signal(stage.broker, numbers[i]);
        signal_tree(process_pid(process), OLDEST_FIRST, numbers[i]);
    }
    struct process *map = stage_run(&stage, "1\n", 0, WORDS("map", "f"));
    cr_assert_str_eq(process_out(map), "1 whole\n");
    process_free(map);
    stage_stop_worker(process);
    stage_close(&stage);
}

/* Said once each, though a worker tries for ever; --quiet does not hide it. */
Test(signals, a_worker_says_what_it_cannot_reach_and_when_it_can)
{
    struct stage stage;
    const char *text;

    stage_open(&stage, STAGE_IPC, false, PATIENT);
    process_signal(stage.broker, SIGTERM);
    cr_assert(process_wait(stage.broker, BOUND_MS));
    struct process *away = process_start(&(struct process_options){
        .argv = WORDS(process_belt(), "worker", "-q", "-b", stage.workers, "--command", "f=cat"),
        .env = WORDS("BELT_CONFIG=/dev/null")});
    struct process *unknown = process_start(&(struct process_options){
        .argv = WORDS(process_belt(), "worker", "-q", "-b", "tcp://no-such-host.invalid:7879", "--command", "f=cat"),
        .env = WORDS("BELT_CONFIG=/dev/null")});
    struct process *refused = process_start(&(struct process_options){
        .argv = WORDS(process_belt(), "worker", "-q", "-b", "tcp://127.0.0.1:1", "--command", "f=cat"),
        .env = WORDS("BELT_CONFIG=/dev/null")});
    cr_assert(process_wait_err(away, "there is no such socket", BOUND_MS), "%s", process_err(away));
    cr_assert(process_wait_err(unknown, "'no-such-host.invalid' does not resolve", BOUND_MS), "%s",
              process_err(unknown));
    cr_assert(process_wait_err(refused, "refuses the connection", BOUND_MS), "%s", process_err(refused));
    stage_start_broker(&stage);
    cr_assert(process_wait_err(away, "reached the broker", BOUND_MS), "%s", process_err(away));
    text = strstr(process_err(away), "cannot reach");
    cr_assert_null(strstr(text + 1, "cannot reach"), "%s", process_err(away));
    stage_stop_worker(away);
    stage_stop_worker(unknown);
    stage_stop_worker(refused);
    stage_close(&stage);
}
