/* SPDX-License-Identifier: Apache-2.0
 *
 * See stage.h.
 */
#include "tests/e2e/stage.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 40

static void add(const char **argv, const char *const *more)
{
    int count = 0;

    while (argv[count])
        count++;
    for (; more && *more; more++) {
        cr_assert_lt(count, WORDS_MAX - 1);
        argv[count++] = *more;
    }
    argv[count] = NULL;
}

void stage_open(struct stage *stage, enum stage_transport transport, bool durable, const char *const *broker_options)
{
    *stage = (struct stage){.broker_options = broker_options};
    strcpy(stage->dir, "/tmp/belt-e2e-XXXXXX");
    cr_assert_not_null(mkdtemp(stage->dir));
    if (transport == STAGE_TCP) {
        snprintf(stage->clients, sizeof(stage->clients), "tcp://127.0.0.1:%d", process_free_port());
        snprintf(stage->workers, sizeof(stage->workers), "tcp://127.0.0.1:%d", process_free_port());
    } else {
        snprintf(stage->clients, sizeof(stage->clients), "ipc://%s/clients", stage->dir);
        snprintf(stage->workers, sizeof(stage->workers), "ipc://%s/workers", stage->dir);
    }
    if (durable)
        snprintf(stage->state, sizeof(stage->state), "%s/state", stage->dir);
    stage_start_broker(stage);
}

void stage_start_broker(struct stage *stage)
{
    const char *argv[WORDS_MAX] = {process_belt(), NULL};

    add(argv, WORDS("broker", "--clients", stage->clients, "--workers", stage->workers, "--heartbeat", "200ms",
                    "--lease", "800ms"));
    if (stage->state[0] != '\0')
        add(argv, WORDS("--state", stage->state));
    add(argv, stage->broker_options);
    process_free(stage->broker);
    stage->broker = process_start(&(struct process_options){.argv = argv, .env = WORDS("BELT_CONFIG=/dev/null")});
    cr_assert(process_wait_err(stage->broker, "listening", BOUND_MS), "%s", process_err(stage->broker));
}

void stage_close(struct stage *stage)
{
    char command[64];

    process_signal(stage->broker, SIGTERM);
    cr_assert(process_wait(stage->broker, BOUND_MS));
    cr_assert_eq(process_status(stage->broker), 0, "%s", process_err(stage->broker));
    process_free(stage->broker);
    snprintf(command, sizeof(command), "rm -rf %s", stage->dir);
    cr_assert_eq(system(command), 0);
}

struct process *stage_worker(const struct stage *stage, enum stage_kind kind, const char *slots)
{
    static const char command[] =
        "f=in={}; case $in in die) kill -9 $$;; *:*) exec 3>&1; sleep $(printf '%d.%03d' $((${in#*:} / 1000)) "
        "$((${in#*:} % 1000))); echo ${in%:*};; *) sleep 0.02; echo $in;; esac";
    const char *argv[WORDS_MAX] = {process_belt(), "worker",       "-j",    slots, "-b",
                                   stage->workers, "--kill-after", "200ms", NULL};
    struct process *worker;

    if (kind == STAGE_C)
        memcpy(argv, (const char *[]){FAULT_FUNCTIONS, stage->workers, slots, NULL}, 4 * sizeof(*argv));
    else if (kind == STAGE_COMMAND)
        add(argv, WORDS("--command", command));
    else
        add(argv, WORDS("--coproc", "f=exec " FAULT_FUNCTIONS " slot"));
    worker = process_start(&(struct process_options){.argv = argv, .env = WORDS("BELT_CONFIG=/dev/null")});
    cr_assert(process_wait_err(worker, "connected", BOUND_MS), "%s", process_err(worker));
    return worker;
}

void stage_stop_worker(struct process *worker)
{
    process_signal(worker, SIGTERM);
    cr_assert(process_wait(worker, BOUND_MS));
    cr_assert_eq(process_status(worker), 0, "%s", process_err(worker));
    process_free(worker);
}

struct process *stage_belt(const struct stage *stage, const char *input, const char *const *words)
{
    const char *argv[WORDS_MAX] = {process_belt(), words[0], "-b", stage->clients, NULL};

    add(argv, words + 1);
    return process_start(&(struct process_options){
        .argv = argv, .env = WORDS("BELT_CONFIG=/dev/null", "BELT_CONNECT_TIMEOUT=60"), .input = input});
}

struct process *stage_run(const struct stage *stage, const char *input, int status, const char *const *words)
{
    struct process *process = stage_belt(stage, input, words);

    cr_assert(process_wait(process, BOUND_MS), "'belt %s' does not end: %s", words[0], process_err(process));
    cr_assert_eq(process_status(process), status, "exit %d: %s", process_status(process), process_err(process));
    return process;
}

char *stage_numbers(unsigned count, const char *suffix)
{
    size_t room = (size_t)count * (12 + strlen(suffix)) + 1, len = 0;
    char *text = malloc(room);

    cr_assert_not_null(text);
    text[0] = '\0';
    for (unsigned i = 1; i <= count; i++)
        len += (size_t)snprintf(text + len, room - len, "%u%s\n", i, suffix);
    return text;
}

void stage_expect(const char *text, unsigned count, bool ordered)
{
    char *seen = calloc(count + 1, 1), *end;
    unsigned lines = 0;

    for (; *text != '\0'; text = end + 1) {
        unsigned long number = strtoul(text, &end, 10);
        cr_assert(end != text && *end == '\n', "not a number: %.40s", text);
        cr_assert(number >= 1 && number <= count, "%lu was never asked for", number);
        cr_assert_eq(seen[number]++, 0, "%lu is shown twice", number);
        lines++;
        if (ordered)
            cr_assert_eq(number, lines, "%lu in place of %u", number, lines);
    }
    cr_assert_eq(lines, count, "%u results of %u", lines, count);
    free(seen);
}

long long stage_number(const struct stage *stage, const char *rows, const char *key)
{
    const char *command = !strcmp(rows, "workers") || !strcmp(rows, "jobs") ? rows : "status";
    struct process *process = stage_run(stage, NULL, 0, WORDS(command, "--json"));
    json_t *answer = json_loads(process_out(process), 0, NULL), *row = json_object_get(answer, rows);
    long long number = -1;

    cr_assert_not_null(row, "%s", process_out(process));
    if (json_is_array(row))
        row = json_array_get(row, 0);
    if (row) {
        cr_assert(json_is_integer(json_object_get(row, key)), "no %s in %s", key, process_out(process));
        number = json_integer_value(json_object_get(row, key));
    }
    json_decref(answer);
    process_free(process);
    return number;
}

void stage_wait_number(const struct stage *stage, const char *rows, const char *key, long long at_least)
{
    long long end = process_now_ms() + BOUND_MS, number;

    while ((number = stage_number(stage, rows, key)) < at_least) {
        cr_assert_lt(process_now_ms(), end, "%s of %s stays at %lld", key, rows, number);
        usleep(30000);
    }
}

static unsigned children_of(pid_t parent, pid_t *pids, unsigned max)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    unsigned count = 0;

    cr_assert_not_null(proc);
    while (count < max && (entry = readdir(proc))) {
        char path[300], state;
        int pid = atoi(entry->d_name), of;
        FILE *stat;

        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        if (pid <= 0 || !(stat = fopen(path, "re")))
            continue;
        if (fscanf(stat, "%*d (%*[^)]) %c %d", &state, &of) == 2 && of == parent && state != 'Z')
            pids[count++] = pid;
        fclose(stat);
    }
    closedir(proc);
    return count;
}

static bool is_keeper(pid_t pid)
{
    char path[64], name[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    file = fopen(path, "re");
    if (file && !fgets(name, sizeof(name), file))
        name[0] = '\0';
    if (file)
        fclose(file);
    return strcmp(name, "belt-keeper\n") == 0;
}

/* Commands and coprocesses are children of the agent, slots of C functions those of its keeper. */
unsigned stage_slots(const struct process *worker, pid_t *pids, unsigned max)
{
    pid_t children[64];
    unsigned count = children_of(process_pid(worker), children, 64), found = 0;

    for (unsigned i = 0; i < count && found < max; i++)
        if (is_keeper(children[i]))
            found += children_of(children[i], pids + found, max - found);
        else
            pids[found++] = children[i];
    return found;
}
