/* SPDX-License-Identifier: Apache-2.0
 *
 * The threads around the helm of a connection, as helm_explore.c moves them: where each of them is, and what they
 * share.
 */
#ifndef BELT_TESTS_HELM_THREADS_H
#define BELT_TESTS_HELM_THREADS_H

#include "client/helm.h"

#define READERS   2
#define ASKER     3 /* threads: the readers are 0 and 1 */
#define IO_THREAD 2
#define BROKER    4
#define THREADS   5
#define CHOICES   3
/* Where a thread is. */
enum place {
    /* a reader */
    R_FEED,
    R_TOUCH,
    R_PUSH,
    R_KICK,
    R_RING_DRIVER,
    R_RING_ASIDE,
    R_LOOK,
    R_NOT_ALONE,
    R_CHECK,
    R_WAIT,
    R_SLEEP,
    R_WAKE,
    R_DRAIN,
    R_WORK,
    R_CONDITION,
    R_END,
    R_TAKE_RESULT,
    /* the I/O thread */
    I_TAKE,
    I_TURN,
    I_WAIT,
    I_SLEEP,
    I_WAKE,
    I_DRAIN,
    I_WORK,
    I_GIVE,
    I_HAND_OVER,
    S_STAND_BY,
    S_POLL,
    S_DEEPEN,
    S_SLEEP,
    S_ROUSE,
    S_READ,
    S_LOOK_AGAIN,
    S_COME_BACK,
    /* who asks */
    A_ASK,
    A_KICK,
    A_RING_DRIVER,
    A_RING_ASIDE,
    A_WAIT,
    DONE
};

/* Where the work of a round is. */
enum { WORK_RECEIVE, WORK_TAKE_QUEUE = READERS, WORK_STREAMS, WORK_ANSWER = WORK_STREAMS + 2 * READERS, WORK_ASK };

enum queued { NOT_QUEUED, MARKED, QUEUED };
enum request { NONE, TO_SEND, SENT, ANSWERED };

struct driver {
    uint8_t work;  /* the step of its work */
    uint8_t taken; /* streams that it has taken from the queue: bits */
    bool nap, rung;
};

struct reader {
    uint8_t place, after, round, rings;                 /* `after`: where it goes on when it has rung */
    uint8_t queued;                                     /* enum queued */
    bool task, result, waiting, in_condition, attached; /* mail and stream */
    bool task_out, result_in;                           /* on the way to and from the broker */
    bool mine, soon, again, urgent;                     /* its own */
    struct driver driver;
};

struct state {
    struct client_helm helm;
    bool driver_bell, aside_bell;
    uint8_t io_place, want; /* the number of the reader who is to get the helm */
    uint8_t asker_place, asker_rings, request;
    bool asked, answer_in;
    struct driver io_driver;
    struct reader reader[READERS];
};

/* What a thread does at each place, for people. */
extern const char *const places[];

/* What is explored: how many readers, results that each of them takes, threads that ask the broker something. */
extern unsigned readers, rounds, askers;

/* Makes the next step of a thread; `choice` says which, where the world decides (below CHOICES). False: it has none. */
bool move(struct state *s, unsigned thread, unsigned choice);
/* Everybody has what he wanted. */
bool is_over(const struct state *s);
/* The broker has sent something that nobody has received. */
bool message_there(const struct state *s);
/* What the thread does next, for people. */
const char *step_of(const struct state *s, unsigned thread);

#endif
