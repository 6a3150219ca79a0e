/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's loop: broker, slots, signals, lifeline -> slot table -> runners, broker.
 * Decides nothing about tasks: the slot table does. See worker/agent.h.
 */
#include "worker/agent/loop.h"
#include "worker/agent/persistent.h"
#include "worker/agent/process.h"
#include "worker/agent/process_log.h"
#include "worker/agent/runner.h"
#include "worker/agent/say.h"
#include "worker/agent/state.h"
#include "worker/agent/wire.h"
#include "worker/agent/spawn.h"
#include "worker/agent/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A slot that closed its output without ending is killed after this. */
#define HUNG_US 200000u
#define EVENTS  64
/* Up to this number of children is asked one by one; of more the system is asked which of them has ended. */
#define REAP_ALL 8u
/* Nobody tells when the rest of a process group has ended, so it is looked at this often. */
#define LINGER_US 10000u
/* While the agent leaves, it looks this often whether its signal has reached the tasks' processes, too. */
#define SHARED_LOOK_US 5000u
/* A persistent slot whose input has ended is signalled after this. */
#define CLOSED_US 500000u
/* While the agent leaves, it looks this often whether the broker has recorded all results. */
#define LEAVE_LOOK_US 100000u
/* A broker that does not record the last results is not waited for longer than this after the drain time. */
#define RECORD_US 2000000u

/* ------------------------------------------------------------------ events */

/* Processes of all slots. */
static void agent_kill(struct agent *agent, int number)
{
    struct process *process, *next;

    HASH_ITER (hh, agent->by_pid, process, next)
        agent_process_kill(agent, process, number);
}

static void agent_resume(struct agent *agent)
{
    if (!agent->paused)
        return;
    agent->paused = false;
    agent_kill(agent, SIGCONT);
    slot_table_resume(agent->table, agent->now);
}

/* Ctrl-Z stops the tasks as well, which are in process groups of their own. The agent of a private pool goes on, so
 * that it keeps its connection. */
static void agent_pause(struct agent *agent)
{
    if (agent->paused || agent->leaving)
        return;
    agent->paused = true;
    slot_table_pause(agent->table, agent->now);
    agent_kill(agent, SIGSTOP);
    if (agent->options->alone)
        return;
    raise(SIGSTOP);
    agent->now = agent_clock_us();
}

static void agent_continued(struct agent *agent)
{
    if (agent->paused)
        agent_resume(agent);
    else
        slot_table_warned(agent->table, agent->now);
}

/* Asked by a signal. */
static void agent_leave(struct agent *agent)
{
    bool again = agent->signalled;

    agent->signalled = true;
    if (again) { /* at once */
        agent_log(agent, "stopping at once");
        agent->abrupt = true;
        return;
    }
    agent_resume(agent);
    if (agent->leaving) /* its owner is gone, too */
        return;
    uint64_t drain = agent->options->drain_ms * 1000;
    agent_log(agent, "leaving: running tasks may finish for %llu ms", (unsigned long long)agent->options->drain_ms);
    agent->leaving = true;
    agent->leave_until = agent->now + drain;
    wire_leaving(agent);
    slot_table_leave(agent->table, agent->now, agent->leave_until);
}

/* Whether the process has ended; slots of C functions are the keeper's children. */
static void process_reap(struct agent *agent, struct process *process)
{
    pid_t pid = process->pid;
    int status;

    if (process->program->runner != &runner_c && waitpid(pid, &status, WNOHANG) == pid)
        agent_process_ended(agent, process, status);
}

/* A process of ours that has ended, as far as one look tells: NULL when the child that ended is none of them. */
static struct process *agent_peek(struct agent *agent)
{
    siginfo_t info = {.si_pid = 0};
    struct process *process = NULL;

    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0)
        HASH_FIND_INT(agent->by_pid, &info.si_pid, process);
    return process;
}

/* What tasks had left behind has ended. */
static void reap_others(struct agent *agent)
{
    siginfo_t info = {.si_pid = 0};
    struct process *process = NULL;

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0) {
        HASH_FIND_INT(agent->by_pid, &info.si_pid, process);
        if ((process && !process->lingers) || info.si_pid == agent->keeper.pid)
            return; /* it has ended since */
        waitpid(info.si_pid, NULL, 0);
        info.si_pid = 0;
    }
}

/* Takes our children alone: the program that runs the worker waits for its own. */
static void agent_reap(struct agent *agent)
{
    struct process *process, *next;

    while (HASH_COUNT(agent->by_pid) > REAP_ALL && (process = agent_peek(agent)))
        process_reap(agent, process);
    HASH_ITER (hh, agent->by_pid, process, next)
        process_reap(agent, process);
    if (agent->keeper.pid > 0 && waitpid(agent->keeper.pid, NULL, WNOHANG) == agent->keeper.pid) {
        agent->keeper.pid = -1;
        agent_fail(agent, BELT_SYSTEM, "the keeper process of the slots died: start the worker again");
    }
    if (agent->options->reaper)
        reap_others(agent);
}

static void agent_signals(struct agent *agent)
{
    struct signalfd_siginfo info;
    bool child = false;

    while (read(agent->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGCHLD:
            child = true;
            break;
        case SIGCONT:
            agent_continued(agent);
            break;
        case SIGTSTP:
            agent_pause(agent);
            break;
        default:
            slot_table_signalled(agent->table, agent->now);
            agent_leave(agent);
        }
    }
    if (child) /* after them: what a signal has ended is known as such */
        agent_reap(agent);
}

static void keeper_event(struct agent *agent, const struct keeper_event *event)
{
    struct process *process = &agent->processes[event->slot];
    char text[96];

    switch (event->type) {
    case KEEPER_STARTED:
        persistent_started(agent, process, event->pid, event->io, event->io, event->log);
        if (agent->ending) /* agent_end_slots() has ended the others' input before this one was known */
            persistent_close(agent, process);
        break;
    case KEEPER_FAILED:
        if (spawn_is_short(event->status)) {
            agent_process_short(agent, process, event->status);
            break;
        }
        snprintf(text, sizeof(text), "cannot fork: %s", strerror(event->status));
        agent_process_lost(agent, process, text);
        break;
    case KEEPER_DIED:
        if (process->pid == event->pid)
            agent_process_ended(agent, process, event->status);
        break;
    default:
        break;
    }
}

static void agent_keeper(struct agent *agent)
{
    struct keeper_event event;
    int rc;

    while ((rc = keeper_next(&agent->keeper, &event)) == 1)
        keeper_event(agent, &event);
    if (rc < 0)
        agent_fail(agent, BELT_SYSTEM, "the keeper process of the slots died: start the worker again");
}

/* The pool's: the tasks have the time that they have for every other reason. */
static void owner_gone(struct agent *agent)
{
    if (agent->options->lifeline_fd > 0)
        agent_unwatch(agent, agent->options->lifeline_fd);
    if (agent->options->owner_fd > 0)
        agent_unwatch(agent, agent->options->owner_fd);
    agent->orphan = true;
    agent_resume(agent);
    agent->leaving = true;
    agent->leave_until = agent->now;
    slot_table_leave(agent->table, agent->now, agent->now);
}

static void agent_lifeline(struct agent *agent)
{
    char byte;
    ssize_t n = read(agent->options->lifeline_fd, &byte, 1);

    if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
        return;
    owner_gone(agent);
}

static void agent_event(struct agent *agent, uint64_t tag)
{
    struct process *process = &agent->processes[tag >> 8];

    switch ((enum agent_watch)(tag & 0xff)) {
    case WATCH_BROKER:
        agent->wire.socket_watch.look = true;
        break;
    case WATCH_SIGNALS:
        agent_signals(agent);
        break;
    case WATCH_LIFELINE:
        agent_lifeline(agent);
        break;
    case WATCH_OWNER:
        owner_gone(agent);
        break;
    case WATCH_REACH:
        wire_reach(agent);
        break;
    case WATCH_KEEPER:
        agent_keeper(agent);
        break;
    case WATCH_IN:
    case WATCH_OUT:
        if (process->pid > 0)
            process->program->runner->output(agent, process);
        break;
    case WATCH_ERR:
        if (process->pid > 0)
            agent_process_read_log(agent, process);
        break;
    case WATCH_LOG:
        agent_process_log_resume(agent);
        break;
    }
}

/* ----------------------------------------------------------------- actions */

static void agent_action(struct agent *agent, const struct slot_table_action *action)
{
    struct process *process = &agent->processes[action->slot];

    switch (action->type) {
    case SLOT_TABLE_START:
        process->program->runner->start(agent, process);
        break;
    case SLOT_TABLE_GIVE:
        process->program->runner->give(agent, process, &action->task);
        break;
    case SLOT_TABLE_RECLAIM:
        process->program->runner->reclaim(agent, process);
        break;
    case SLOT_TABLE_CLOSE:
        persistent_close(agent, process);
        break;
    case SLOT_TABLE_ASK:
        if (process->program->runner->ask)
            process->program->runner->ask(agent, process);
        break;
    case SLOT_TABLE_TERM:
        agent_process_kill(agent, process, SIGTERM);
        break;
    case SLOT_TABLE_KILL:
        agent_process_kill(agent, process, SIGKILL);
        break;
    }
}

static void agent_asks(struct agent *agent)
{
    uint32_t done = 0;

    while (done < agent->ask_count) {
        int rc = keeper_ask(&agent->keeper, agent->asks[done]);
        if (rc < 0)
            agent_fail(agent, BELT_SYSTEM, "the keeper process of the slots died: start the worker again");
        if (rc != 0)
            break;
        done++;
    }
    agent->ask_count -= done;
    if (done > 0)
        memmove(agent->asks, agent->asks + done, agent->ask_count * sizeof(*agent->asks));
}

/* A process that closed its output but lives holds its slot for nothing. True: there was one. */
static bool agent_hung(struct agent *agent)
{
    bool any = false;

    for (uint32_t i = 0; agent->hung > 0 && i < slot_table_count(agent->table); i++) {
        struct process *process = &agent->processes[i];
        if (!process->ended || process->lingers || agent->now - process->ended_us < HUNG_US)
            continue;
        if (process->error[0] == '\0')
            snprintf(process->error, sizeof(process->error), "it closed its output and went on");
        agent_process_fault(agent, process);
        any = true;
    }
    return any;
}

/* A task seems to be over its time: which one runs is asked first. */
static void agent_look(struct agent *agent)
{
    for (uint32_t i = 0; i < slot_table_count(agent->table); i++) {
        struct process *process = &agent->processes[i];
        if (process->pid > 0 && process->program->runner->look)
            process->program->runner->look(agent, process);
    }
}

/* Writes to the slots that got something, and reads on where the last read left something. True: it read. */
static bool agent_dirty(struct agent *agent)
{
    bool any = false;

    for (uint32_t n = agent->dirty_count; n > 0; n--) {
        struct process *process = &agent->processes[agent->dirty[--agent->dirty_count]];
        process->dirty = false;
        if (!process->writing)
            agent_process_write(agent, process);
        if (process->unread && process->pid > 0) {
            process->program->runner->output(agent, process);
            any = true;
        }
    }
    return any;
}

/* After a signal that asks the agent to end: whether the tasks have got it too. */
static void agent_shared(struct agent *agent)
{
    if (!agent->signalled || agent->shared || agent->now - agent->shared_us < SHARED_LOOK_US)
        return;
    agent->shared_us = agent->now;
    agent->shared = agent->keeper.pid > 0 && keeper_signalled(&agent->keeper);
    if (agent->shared)
        slot_table_shared(agent->table);
}

/* True: something has changed after the turn of the table, which has to decide again before the agent sleeps. */
static bool agent_act(struct agent *agent)
{
    struct slot_table_action action;
    bool acted = false;

    agent_shared(agent);
    if (slot_table_overdue(agent->table, agent->now))
        agent_look(agent);
    agent_processes_linger(agent); /* before the turn: their answers are followed by new tasks */
    slot_table_turn(agent->table, agent->now);
    while (!agent->done && slot_table_next_action(agent->table, &action)) {
        agent_action(agent, &action);
        acted = true;
    }
    acted |= agent_dirty(agent);
    agent_asks(agent);
    acted |= agent_hung(agent);
    agent_processes_rest(agent);
    if (slot_table_recovered(agent->table))
        belt_session_again(&agent->wire.session, agent->now / 1000);
    return acted;
}

/* Kills what runs, reaps it, and waits for nothing else. */
void agent_stop_slots(struct agent *agent)
{
    struct process *process, *next;

    HASH_ITER (hh, agent->by_pid, process, next) {
        pid_t pid = process->pid;
        bool ours = process->program->runner != &runner_c;
        agent_process_kill(agent, process, SIGKILL);
        ours = ours && !process->lingers;
        while (ours && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        agent_process_log_last(agent, process);
        agent_process_close(agent, process);
    }
}

static void agent_wait(struct agent *agent, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(agent->epoll, events, EVENTS, timeout_ms);

    agent->now = agent_clock_us();
    for (int i = 0; i < n; i++)
        agent_event(agent, events[i].data.u64);
}

void agent_end_slots(struct agent *agent)
{
    struct process *process, *next;
    uint64_t start = agent_clock_us(), term = start + CLOSED_US;
    uint64_t end = term + agent->options->kill_ms * 1000;

    if (agent->abrupt || agent->keeper.pid <= 0 || agent->epoll < 0)
        return;
    agent->now = start;
    agent->leaving = agent->ending = true;
    if (agent->wire.socket)
        agent_unwatch(agent, agent->wire.socket_fd);
    HASH_ITER (hh, agent->by_pid, process, next)
        persistent_close(agent, process);
    while (agent->by_pid && !agent->abrupt && agent->now < end && agent->keeper.pid > 0) {
        agent_wait(agent, agent->lingering > 0 ? (int)(LINGER_US / 1000) : (int)(LEAVE_LOOK_US / 1000));
        agent_processes_linger(agent);
        if (agent->now < term)
            continue;
        agent_kill(agent, SIGTERM);
        term = UINT64_MAX;
    }
}

static void agent_leave_step(struct agent *agent)
{
    bool over = slot_table_held(agent->table) == 0 && (agent->orphan || slot_table_unrecorded(agent->table) == 0);
    bool late = agent->now >= agent->leave_until + agent->options->kill_ms * 1000 + RECORD_US;

    /* Without a broker nobody records: the drain time is all that is waited. */
    if (agent->wire.session.state != BELT_SESSION_READY && slot_table_held(agent->table) == 0 &&
        agent->now >= agent->leave_until)
        late = true;
    if (!over && !late && !agent->abrupt)
        return;
    if (!over) {
        agent_stop_slots(agent);
        slot_table_abandon(agent->table);
        wire_send_news(agent);
    }
    if (slot_table_held(agent->table) == 0)
        wire_bye(agent);
    agent->done = true;
}

static int agent_timeout_ms(struct agent *agent, bool again)
{
    uint64_t when = slot_table_deadline(agent->table), wire = wire_deadline_us(agent);

    if (again || agent->dirty_count > 0 || wire_ready(agent))
        return 0;
    if (wire < when)
        when = wire;
    if (agent->hung > 0 && agent->now + HUNG_US / 2 < when)
        when = agent->now + HUNG_US / 2;
    if (agent->lingering > 0 && agent->now + LINGER_US < when)
        when = agent->now + LINGER_US;
    if (agent->leaving && agent->now + LEAVE_LOOK_US < when)
        when = agent->now + LEAVE_LOOK_US;
    if (when == UINT64_MAX)
        return -1;
    uint64_t now = agent_clock_us();
    uint64_t ms = when > now ? (when - now + 999) / 1000 : 0;
    return ms < 3600000 ? (int)ms : 3600000;
}

/* A sleep ended by its time-out while a message was there is a fault of Belt, and is reported. */
static void agent_slept(struct agent *agent, int timeout_ms)
{
    if (timeout_ms < BELT_OVERSLEPT_MS || !agent->wire.socket ||
        !belt_link_overslept(agent->wire.socket, &agent->wire.socket_watch))
        return;
    agent_warn(agent,
               "a message of the broker was slept through for up to %d ms (%llu so far): this is a fault of Belt, "
               "please report it",
               timeout_ms, (unsigned long long)++agent->wire.overslept);
}

void agent_loop(struct agent *agent)
{
    struct epoll_event events[EVENTS];

    while (!agent->done) {
        agent->now = agent_clock_us();
        wire_receive(agent);
        wire_timer(agent);
        bool again = agent_act(agent);
        if (!agent->done)
            wire_send_news(agent);
        if (agent->leaving)
            agent_leave_step(agent);
        if (agent->done)
            break;
        int timeout_ms = agent_timeout_ms(agent, again);
        int n = epoll_wait(agent->epoll, events, EVENTS, timeout_ms);
        if (n == 0)
            agent_slept(agent, timeout_ms);
        agent->now = agent_clock_us();
        for (int i = 0; i < n && !agent->done; i++)
            agent_event(agent, events[i].data.u64);
    }
}
