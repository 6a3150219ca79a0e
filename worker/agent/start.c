/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent from its options to its end: what it is made of, and what is undone. See agent.h.
 */
#include "worker/agent/loop.h"
#include "worker/agent/say.h"
#include "worker/agent/watch.h"
#include "worker/agent/process_log.h"
#include "worker/agent/runner.h"
#include "worker/agent/state.h"
#include "worker/agent/wire.h"
#include "proto/standard_fds.h"

#include "proto/access_file.h"
#include "proto/heap.h"
#include "proto/text_cut.h"
#include "proto/shortage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

_Static_assert(BELT_START_MS_DEFAULT == SLOT_HELLO_MS, "SLOTS.md says how long a slot may take to say hello");

#define DRAIN_MS_DEFAULT 10000u
/* Descriptors of the agent itself: its connection, what it watches, and what starting a process takes for a moment. */
#define AGENT_DESCRIPTORS 40u
/* Processes and threads beside the slots: the keeper, two of ZeroMQ, one that looks for a broker that does not answer.
 */
#define AGENT_PROCESSES 4u
/* Those of a slot: its input, output and log. */
#define SLOT_DESCRIPTORS 3u

static int64_t wall_offset_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 - (int64_t)agent_clock_us();
}

static const struct runner *runner_of(enum belt_runner kind)
{
    switch (kind) {
    case BELT_RUN_C:
        return &runner_c;
    case BELT_RUN_COPROC:
        return &runner_coproc;
    case BELT_RUN_FILTER:
        return &runner_filter;
    case BELT_RUN_COMMAND:
    case BELT_RUN_EXEC:
        break;
    }
    return &runner_command;
}

/* The number of the function's program: one for all C functions, one for all commands, one for each other command
 * line. */
static uint32_t program_of(struct agent *agent, const struct belt_agent_function *function)
{
    const struct runner *runner = runner_of(function->runner);
    const char *command = runner == &runner_coproc || runner == &runner_filter ? function->command : NULL;

    for (uint32_t i = 0; i < agent->program_count; i++) {
        const struct program *p = &agent->programs[i];
        if (p->runner == runner && (!command || strcmp(command, p->command) == 0))
            return i;
    }
    agent->programs[agent->program_count] = (struct program){runner, command};
    return agent->program_count++;
}

static int agent_table(struct agent *agent, struct slot_table_function *functions, struct slot_table_program *kinds)
{
    const struct belt_agent_options *options = agent->options;

    for (uint32_t i = 0; i < options->function_count; i++) {
        const char *name = options->functions[i].name;
        agent->functions[i] = (struct belt_bytes){(const uint8_t *)name, strlen(name)};
        functions[i] = (struct slot_table_function){agent->functions[i], program_of(agent, &options->functions[i])};
    }
    for (uint32_t i = 0; i < agent->program_count; i++) {
        kinds[i] = agent->programs[i].runner->kind;
        /* Beside others a program of its own processes is started when it is asked for. */
        if (agent->program_count > 1 && agent->programs[i].command)
            kinds[i].ahead = false;
    }
    const struct slot_table_config config = {
        .slots = options->slots,
        .programs = kinds,
        .program_count = agent->program_count,
        .functions = functions,
        .function_count = options->function_count,
        .start_us = options->start_ms * 1000,
        .kill_us = options->kill_ms * 1000,
        .max_tasks = options->max_tasks_per_slot,
        .alone = options->alone,
    };
    agent->table = slot_table_new(&config);
    return agent->table ? 0 : -1;
}

static int agent_processes(struct agent *agent)
{
    uint32_t count = slot_table_count(agent->table);

    agent->processes = calloc(count, sizeof(*agent->processes));
    agent->dirty = calloc(count, sizeof(*agent->dirty));
    agent->asks = calloc(count, sizeof(*agent->asks));
    if (!agent->processes || !agent->dirty || !agent->asks)
        return -1;
    for (uint32_t i = 0; i < count; i++)
        agent->processes[i] = (struct process){.slot = i,
                                               .program = &agent->programs[slot_table_program_of(agent->table, i)],
                                               .in = -1,
                                               .out = -1,
                                               .err = -1};
    return 0;
}

static int agent_build(struct agent *agent)
{
    uint32_t count = agent->options->function_count;
    struct slot_table_function *functions = calloc(count, sizeof(*functions));
    struct slot_table_program *kinds = calloc(count, sizeof(*kinds));

    agent->programs = calloc(count, sizeof(*agent->programs));
    agent->functions = calloc(count, sizeof(*agent->functions));
    agent->wire.decoder = belt_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    int rc = functions && kinds && agent->programs && agent->functions && agent->wire.decoder ? 0 : -1;
    if (rc == 0)
        rc = agent_table(agent, functions, kinds);
    if (rc == 0)
        rc = agent_processes(agent);
    free(functions);
    free(kinds);
    return rc;
}

/* Signals come as reads; what slots had before is kept for them. */
static int agent_block_signals(struct agent *agent)
{
    static const int read[] = {SIGTERM, SIGINT, SIGCHLD, SIGCONT, SIGTSTP};
    sigset_t wanted;

    sigemptyset(&wanted);
    for (size_t i = 0; i < sizeof(read) / sizeof(*read); i++)
        if (read[i] == SIGCHLD || read[i] == SIGCONT || !belt_signal_ignored(read[i]))
            sigaddset(&wanted, read[i]);
    sigprocmask(SIG_BLOCK, &wanted, &agent->old_mask);
    agent->slot_mask = agent->old_mask;
    for (size_t i = 0; i < sizeof(read) / sizeof(*read); i++)
        sigdelset(&agent->slot_mask, read[i]);
    sigdelset(&agent->slot_mask, SIGUSR1);
    sigdelset(&agent->slot_mask, SIGHUP);
    belt_signals_spare(&agent->spared);
    agent->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    return agent->signals < 0 ? -1 : 0;
}

/* After the keeper was forked: no slot gets a copy of the secret. */
static int agent_read_access(struct agent *agent)
{
    const struct belt_agent_options *options = agent->options;
    struct belt_access access;
    char error[1024];
    enum belt_access_found found = BELT_ACCESS_MISSING;

    if (strncmp(options->broker, "tcp://", strlen("tcp://")) == 0)
        found = belt_access_load(options->access, &access, NULL, 0, error, sizeof(error));
    if (found == BELT_ACCESS_BAD)
        agent_fail(agent, BELT_INVALID, "%s", error);
    if (found != BELT_ACCESS_FOUND)
        return found == BELT_ACCESS_BAD ? -1 : 0;
    if (options->no_dump)
        prctl(PR_SET_DUMPABLE, 0);
    belt_access_link_init(&agent->wire.keys, &access, options->broker, true);
    belt_access_wipe(&access);
    return 0;
}

static int agent_open(struct agent *agent)
{
    if (agent_build(agent) != 0) {
        agent_fail(agent, BELT_NO_MEMORY, "out of memory");
        return -1;
    }
    /* The keeper is forked before there is a context, which no fork survives. */
    if (agent_block_signals(agent) != 0 ||
        keeper_start(&agent->keeper, agent->options, slot_table_count(agent->table), &agent->slot_mask, &agent->spared,
                     agent->signals) != 0 ||
        (agent->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
        getrandom(agent->wire.id, sizeof(agent->wire.id), 0) != (ssize_t)sizeof(agent->wire.id)) {
        agent_fail(agent, BELT_SYSTEM, "cannot start the slots: %s", belt_shortage_text(errno));
        return -1;
    }
    if (agent_read_access(agent) != 0)
        return -1;
    if (agent->options->reaper) /* an ended process that nobody waits for would keep its group for longer */
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    agent_watch(agent, agent->signals, WATCH_SIGNALS, 0, EPOLLIN);
    agent_watch(agent, agent->keeper.fd, WATCH_KEEPER, 0, EPOLLIN);
    if (agent->options->lifeline_fd > 0)
        agent_watch(agent, agent->options->lifeline_fd, WATCH_LIFELINE, 0, EPOLLIN);
    if (agent->options->owner_fd > 0)
        agent_watch(agent, agent->options->owner_fd, WATCH_OWNER, 0, EPOLLIN);
    belt_heap_keep(); /* of the agent alone: slots belong to their functions */
    belt_link_seed();
    agent->wire.context = belt_link_context();
    if (!agent->wire.context) {
        agent_fail(agent, BELT_SYSTEM, "cannot start ZeroMQ: %s", belt_shortage_text(errno));
        return -1;
    }
    agent->now = agent_clock_us();
    agent->wire.started_ms = agent->now / 1000;
    agent->wire.apart_us = agent->now;
    agent->wire.wall_offset_us = wall_offset_us();
    belt_session_init(&agent->wire.session, agent->wire.started_ms);
    if (wire_open(agent) != 0)
        agent_fail(agent, BELT_INVALID, "cannot connect to '%s': %s", agent->options->broker, zmq_strerror(errno));
    return agent->done ? -1 : 0;
}

static void agent_close(struct agent *agent)
{
    agent_end_slots(agent);
    agent_stop_slots(agent);
    agent_process_log_finish(agent);
    uint32_t count = agent->processes ? slot_table_count(agent->table) : 0;
    for (uint32_t i = 0; i < count; i++) {
        slot_outbox_free(&agent->processes[i].queue);
        slot_queue_free(&agent->processes[i].captured);
        slot_queue_free(&agent->processes[i].log);
        slot_queue_free(&agent->processes[i].unsaid);
    }
    slot_queue_free(&agent->log.left);
    wire_close(agent);
    belt_access_link_wipe(&agent->wire.keys);
    if (agent->wire.context)
        zmq_ctx_term(agent->wire.context);
    keeper_stop(&agent->keeper);
    if (agent->wire.reach_fd >= 0)
        close(agent->wire.reach_fd);
    if (agent->epoll >= 0)
        close(agent->epoll);
    if (agent->signals >= 0) {
        struct signalfd_siginfo info;
        while (read(agent->signals, &info, sizeof(info)) > 0) /* a late signal must not end the caller */
            continue;
        close(agent->signals);
        sigprocmask(SIG_SETMASK, &agent->old_mask, NULL);
    }
    belt_signals_restore(&agent->spared);
    belt_decoder_free(agent->wire.decoder);
    slot_table_free(agent->table);
    free(agent->processes);
    free(agent->dirty);
    free(agent->asks);
    free(agent->programs);
    free(agent->functions);
}

uint32_t belt_agent_slots(uint32_t slots)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (slots > 0)
        return slots;
    return processors > 0 ? (uint32_t)processors : 1;
}

static void agent_defaults(struct agent *agent, struct belt_agent_options *options)
{
    char host[128] = "";

    options->slots = belt_agent_slots(options->slots);
    if (options->kill_ms == 0)
        options->kill_ms = BELT_KILL_AFTER_MS;
    if (options->start_ms == 0)
        options->start_ms = BELT_START_MS_DEFAULT;
    if (options->start_ms > BELT_MAX_WAIT_MS)
        options->start_ms = BELT_MAX_WAIT_MS;
    if (options->log_bytes == 0)
        options->log_bytes = BELT_LOG_BYTES;
    else if (options->log_bytes > BELT_LOG_BYTES_MAX)
        options->log_bytes = 0; /* BELT_AGENT_NO_LOG */
    agent->log.fd = options->log_fd;
    if (options->drain_ms == 0)
        options->drain_ms = DRAIN_MS_DEFAULT;
    gethostname(host, sizeof(host) - 1);
    if (options->name)
        text_print(agent->name, sizeof(agent->name), "%s", options->name);
    else
        snprintf(agent->name, sizeof(agent->name), "%s:%d", host, (int)getpid());
}

/* So many slots as there are descriptors for: a process that cannot be started would only be tried again. */
static void fit_descriptors(struct agent *agent, struct belt_agent_options *options)
{
    struct rlimit limit;
    rlim_t fit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    fit = limit.rlim_cur > AGENT_DESCRIPTORS ? (limit.rlim_cur - AGENT_DESCRIPTORS) / SLOT_DESCRIPTORS : 0;
    if (fit == 0)
        fit = 1;
    if (fit >= options->slots)
        return;
    agent_warn(agent, "%u slots do not fit into the limit of %llu open files: %u are used; raise it with ulimit -n",
               options->slots, (unsigned long long)limit.rlim_cur, (unsigned)fit);
    options->slots = (uint32_t)fit;
}

/* And so many as there are processes for. */
static void fit_processes(struct agent *agent, struct belt_agent_options *options)
{
    uint32_t fit = options->slots_room;
    int error = EAGAIN;

    if (fit == 0) {
        unsigned room = belt_shortage_processes(AGENT_PROCESSES + options->slots, &error);

        fit = room > AGENT_PROCESSES ? room - AGENT_PROCESSES : 1;
    }
    if (fit >= options->slots)
        return;
    agent_warn(agent, "%u slots do not fit beside the processes that run: %u are used: %s", options->slots,
               (unsigned)fit, belt_shortage_text(error));
    options->slots = fit;
}

static int agent_check(struct agent *agent)
{
    const struct belt_agent_options *options = agent->options;

    if (!options->broker || !*options->broker)
        agent_fail(agent, BELT_INVALID, "no broker is named: give its workers' endpoint, as tcp://host:7879");
    else if (options->slots > BELT_MAX_SLOTS)
        agent_fail(agent, BELT_INVALID, "%u slots are over the limit of %u", options->slots, BELT_MAX_SLOTS);
    else if (options->function_count == 0)
        agent_fail(agent, BELT_INVALID, "the worker serves no function: register one");
    else if (options->function_count > BELT_MAX_FUNCTIONS)
        agent_fail(agent, BELT_INVALID, "%u functions are over the limit of %u", options->function_count,
                   BELT_MAX_FUNCTIONS);
    return agent->done ? -1 : 0;
}

int belt_agent_run(const struct belt_agent_options *given, char *error, uint32_t size)
{
    struct belt_agent_options options = *given;
    struct agent agent = {
        .options = &options, .error = error, .error_size = size, .epoll = -1, .signals = -1, .wire.reach_fd = -1};

    standard_fds_fill(); /* slots get these numbers, and must not get the agent's ends of something with them */
    agent.keeper = (struct keeper){.pid = -1, .fd = -1};
    sigemptyset(&agent.spared.ignored);
    if (error && size > 0)
        error[0] = '\0';
    agent_defaults(&agent, &options);
    if (agent_check(&agent) == 0) {
        fit_descriptors(&agent, &options);
        fit_processes(&agent, &options);
    }
    if (!agent.done && agent_open(&agent) == 0)
        agent_loop(&agent);
    agent_close(&agent);
    return agent.rc;
}
