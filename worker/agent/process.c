/* SPDX-License-Identifier: Apache-2.0
 *
 * One slot's process as the agent holds it: descriptors, buffers, signals.
 * Reads and writes without waiting; decides nothing.
 */
#include "worker/agent/process.h"
#include "worker/agent/say.h"
#include "worker/agent/watch.h"
#include "worker/agent/process_log.h"
#include "worker/agent/runner.h"
#include "worker/agent/state.h"
#include "proto/text_cut.h"
#include "worker/agent/spawn.h"
#include "proto/shortage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES (64u << 10)
/* What a command has started (as `>(tee log)` does) may write for this long after its end: a filter that has seen
 * the end of its input is through within milliseconds, on a busy machine some more. */
#define HELD_US 500000u
/* Memory that was not used for so long may go; looked at when the agent wakes anyway, with each heartbeat at least. */
#define REST_US 1000000u
/* The operator is told at most this often that the system has no room for processes. */
#define SHORT_SAID_US 60000000u

static void group_note(struct agent *agent, const struct process *process, pid_t group)
{
    atomic_store(&agent->keeper.shared->groups[process->slot], group);
}

void agent_process_started(struct agent *agent, struct process *process, pid_t pid, int in, int out, int err)
{
    process->pid = pid;
    process->in = in;
    process->out = out;
    process->err = err;
    process->starting = process->ended = process->over = process->writing = process->blameless = process->muted = false;
    process->error[0] = '\0';
    group_note(agent, process, pid);
    HASH_ADD_INT(agent->by_pid, pid, process);
    agent_watch(agent, out, WATCH_OUT, process->slot, EPOLLIN);
    agent_watch(agent, err, WATCH_ERR, process->slot, EPOLLIN);
}

static void process_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void agent_process_close(struct agent *agent, struct process *process)
{
    if (process->pid > 0) {
        HASH_DEL(agent->by_pid, process);
        group_note(agent, process, 0);
    }
    if (process->ended)
        agent->hung--;
    if (process->lingers)
        agent->lingering--;
    process->lingers = process->settled = process->killed = process->muted = false;
    process->held_until = 0;
    process->pid = 0;
    if (process->in == process->out)
        process->in = -1;
    process_close_fd(&process->in);
    process_close_fd(&process->out);
    process_close_fd(&process->err);
    slot_reader_free(&process->reader);
    arena_close(&process->arena);
    slot_outbox_clear(&process->queue);
    slot_queue_consume(&process->captured, process->captured.len - process->captured.pos);
    agent_process_log_clear(process);
    process->ended = process->doomed = process->starting = process->writing = process->unread = false;
}

ssize_t agent_process_read(int fd, struct slot_queue *queue)
{
    uint8_t *room = slot_queue_room(queue, READ_BYTES);
    ssize_t n;

    if (!room)
        slot_table_no_memory();
    do {
        n = read(fd, room, READ_BYTES);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        queue->len += (size_t)n;
    return n < 0 && errno != EAGAIN ? 0 : n;
}

static void write_watch(struct agent *agent, struct process *process, bool on)
{
    if (process->writing == on)
        return;
    process->writing = on;
    if (on)
        agent_watch(agent, process->in, WATCH_IN, process->slot, EPOLLOUT);
    else
        agent_unwatch(agent, process->in);
}

/* Writes as much as the ring has room for. That the process is gone is found out at its bell. */
static void write_ring(struct process *process)
{
    struct belt_bytes part;
    size_t n;

    while (slot_outbox_parts(&process->queue, &part, 1) > 0 &&
           (n = slot_pipe_write(&process->pipe, part.data, part.len)) > 0)
        slot_outbox_sent(&process->queue, n);
    (void)slot_pipe_tell(&process->pipe);
    process->writing = !slot_outbox_empty(&process->queue);
}

static ssize_t write_pipe(const struct process *process)
{
    enum { MOST = 16 };
    struct belt_bytes parts[MOST];
    struct iovec io[MOST];
    unsigned count = slot_outbox_parts(&process->queue, parts, MOST);

    for (unsigned i = 0; i < count; i++)
        io[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].len};
    return writev(process->in, io, (int)count);
}

void agent_process_write(struct agent *agent, struct process *process)
{
    ssize_t n = 0;

    if (process->in < 0)
        return;
    if (process->rings) {
        write_ring(process);
        return;
    }
    while (!slot_outbox_empty(&process->queue)) {
        n = write_pipe(process);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        slot_outbox_sent(&process->queue, (size_t)n);
    }
    if (n < 0 && errno != EAGAIN) /* nobody reads it: not an error, the process says how it ended */
        slot_outbox_clear(&process->queue);
    write_watch(agent, process, !slot_outbox_empty(&process->queue));
}

void agent_process_dirty(struct agent *agent, struct process *process)
{
    if (process->dirty)
        return;
    process->dirty = true;
    agent->dirty[agent->dirty_count++] = process->slot;
}

void agent_process_kill(struct agent *agent, struct process *process, int number)
{
    (void)agent;
    if (process->settled) /* its number may be somebody else's */
        return;
    if (process->pid > 0) {
        if (kill(-process->pid, number) != 0 && errno == ESRCH && !process->lingers)
            kill(process->pid, number); /* a slot that was forked a moment ago has no group yet */
        if (number == SIGKILL)
            process->killed = true;
    } else if (process->starting && number != SIGSTOP && number != SIGCONT) {
        process->doomed = true;
    }
}

void agent_process_fault(struct agent *agent, struct process *process)
{
    slot_table_end(agent->table, agent->now, process->slot);
}

/* Whether a process of its group still lives. */
static bool group_lives(const struct process *process)
{
    while (waitpid(-process->pid, NULL, WNOHANG) >
           0) /* it has become our child: we are the first process of a container */
        continue;
    return !process->killed && kill(-process->pid, 0) == 0;
}

/* Of a command that has ended: whether another process can still write to its output. */
static bool output_held(struct agent *agent, struct process *process)
{
    process->program->runner->output(agent, process);
    agent_process_read_log(agent, process);
    return !process->over && (process->out >= 0 || process->err >= 0);
}

/* Whether the output of a command that has ended is waited for still. */
static bool held(struct agent *agent, const struct process *process)
{
    bool open = process->out >= 0 || process->err >= 0;

    if (!open || process->over || process->killed)
        return false;
    if (agent->now < process->held_until)
        return true;
    if (!agent->held_said)
        agent_warn(agent,
                   "a command has ended, and a process that it started still holds its output: what that writes later "
                   "than %u ms after the command's end is lost; let the command wait for it, or send its output "
                   "elsewhere (this is said once)",
                   HELD_US / 1000);
    agent->held_said = true;
    return false;
}

/* Nobody of its process group is there any more; what they wrote waits to be shown. */
static void process_settle(struct agent *agent, struct process *process)
{
    process->settled = process->lingers = true;
    agent->lingering++;
    group_note(agent, process, 0);
}

/* Whether somebody still runs, or writes, whose end is waited for. */
static bool lives(struct agent *agent, const struct process *process)
{
    if (process->muted)
        return true;
    if (process->settled)
        return false;
    return process->held_until ? held(agent, process) : group_lives(process);
}

void agent_process_ended(struct agent *agent, struct process *process, int status)
{
    bool rest = process->program->runner->kind.persistent || WIFSIGNALED(status) ||
                slot_table_ends(agent->table, process->slot);
    bool held_open = !rest && output_held(agent, process);

    process->status = status;
    agent_process_read_log(agent, process);
    if (process->muted && !group_lives(process)) {
        process_settle(agent, process);
        return;
    }
    if (held_open) {
        process->lingers = true;
        process->held_until = agent->now + HELD_US;
        agent->lingering++;
        return;
    }
    if (!rest || !group_lives(process)) {
        process->program->runner->ended(agent, process, status);
        return;
    }
    process->lingers = true;
    agent->lingering++;
    slot_table_remains(agent->table, agent->now, process->slot);
}

void agent_processes_linger(struct agent *agent)
{
    for (uint32_t i = 0; agent->lingering > 0 && i < slot_table_count(agent->table); i++) {
        struct process *process = &agent->processes[i];
        if (!process->lingers)
            continue;
        agent_process_read_log(agent, process);
        if (lives(agent, process))
            continue;
        process->program->runner->ended(agent, process, process->status);
    }
}

int agent_process_spawn(struct agent *agent, struct process *process, char *const *argv, char *const *env, bool input,
                        bool tty)
{
    struct spawn spawn = {.argv = argv, .env = env, .tty = tty, .input = input, .mask = agent->slot_mask};
    int rc = spawn_start(&spawn);

    if (rc == 0)
        agent_process_started(agent, process, spawn.pid, spawn.in, spawn.out, spawn.err);
    process->tty = rc == 0 && tty;
    return rc;
}

void agent_process_status(int status, char *text, size_t size, struct slot_table_outcome *outcome)
{
    outcome->exit_status = -1;
    outcome->term_signal = 0;
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        outcome->term_signal = WTERMSIG(status);
        snprintf(text, size, "killed by signal %d%s%s%s", WTERMSIG(status), name ? " (SIG" : "", name ? name : "",
                 name ? ")" : "");
    } else {
        outcome->exit_status = WEXITSTATUS(status);
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    }
    outcome->text = (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

void agent_process_lost(struct agent *agent, struct process *process, const char *why)
{
    struct slot_table_outcome outcome = {.exit_status = -1, .text = {(const uint8_t *)why, strlen(why)}};

    process->starting = false;
    slot_table_died(agent->table, agent->now, process->slot, &outcome);
    agent_process_warn(agent, process);
}

void agent_process_short(struct agent *agent, struct process *process, int error)
{
    char command[PROCESS_COMMAND];

    process->starting = false;
    slot_table_short(agent->table, agent->now, process->slot, strerror(error));
    if (agent->leaving || (agent->short_us != 0 && agent->now - agent->short_us < SHORT_SAID_US))
        return;
    agent->short_us = agent->now;
    agent_warn(agent,
               "no process can be started for %s: its task waits and starting is tried again: %s, or use fewer slots",
               agent_process_command(process, command, sizeof(command)), belt_shortage_text(error));
}

const char *agent_process_command(const struct process *process, char *text, size_t size)
{
    const char *command = process->program->command;
    size_t line, len;

    if (!command)
        return process->program->runner == &runner_c ? "the C functions" : "a command";
    line = strcspn(command, "\n");
    len = text_cut_at(command, line, size - 8);
    snprintf(text, size, "'%.*s%s'", (int)len, command, command[len] ? "…" : "");
    return text;
}

void agent_process_warn(struct agent *agent, const struct process *process)
{
    uint32_t failures = agent->leaving ? 0 : slot_table_failures(agent->table, process->slot);
    char command[PROCESS_COMMAND];

    if (failures == SLOT_TABLE_FAILURES) /* once, until one answers */
        agent_warn(agent, "the slots of %s cannot start: %s; %s, and starting is tried again from time to time",
                   agent_process_command(process, command, sizeof(command)),
                   slot_table_why(agent->table, process->slot),
                   agent->options->alone ? "their tasks fail" : "their functions are left to other workers");
    else if (failures > 0)
        agent_log(agent, "slot %u ended before it answered a task (%u in a row): %s", process->slot, failures,
                  slot_table_why(agent->table, process->slot));
}

void agent_processes_rest(struct agent *agent)
{
    if (agent->now - agent->rested_us < REST_US)
        return;
    agent->rested_us = agent->now;
    for (uint32_t i = 0; i < slot_table_count(agent->table); i++) {
        struct process *process = &agent->processes[i];
        if (process->pid > 0 && process->program->runner->rest)
            process->program->runner->rest(agent, process);
    }
}
