/* SPDX-License-Identifier: Apache-2.0
 *
 * Who drives the connection of a pool, and how whoever sleeps learns that there is something to do: the decisions of
 * io.c as a small machine. Pure: no atomics, no sockets, no threads, no clock. Every step is one function over the
 * state, and happens at once: the shell replaces the whole state in one atomic operation. tests/wake/helm_explore.c
 * runs the steps in every order that threads can make of them; tests/models/helm.pml has them by the same names.
 *
 * The one who drives sleeps on the descriptor of the socket and on the driver's bell. The I/O thread, while it stands
 * by, sleeps on a bell of its own. A step answers which of the two is to be rung after it.
 */
#ifndef BELT_CLIENT_HELM_H
#define BELT_CLIENT_HELM_H

#include <stdbool.h>
#include <stdint.h>

enum client_helm_driver { CLIENT_HELM_NOBODY, CLIENT_HELM_IO_THREAD, CLIENT_HELM_READER };

/** How the driver sleeps, or is to be taken to sleep while there is none. A nap ends by itself after a millisecond. */
enum client_helm_sleep { CLIENT_HELM_AWAKE, CLIENT_HELM_NAP, CLIENT_HELM_ASLEEP };

/** Where the I/O thread is while it does not drive. */
enum client_helm_aside {
    CLIENT_HELM_HERE,   /* it drives or is about to try */
    CLIENT_HELM_ASIDE,  /* it stands by and looks again after a millisecond */
    CLIENT_HELM_DISTANT /* it stands by until its bell rings */
};

struct client_helm {
    uint32_t wanted; /* the number of the reader who would like to drive; 0: none */
    uint8_t driver;  /* enum client_helm_driver */
    uint8_t sleep;   /* enum client_helm_sleep */
    uint8_t aside;   /* enum client_helm_aside */
    bool work : 1;   /* somebody has left something to do since the driver looked last */
    bool drove : 1;  /* a reader has driven since the I/O thread looked last */
};

/** What a step answers: bits. */
#define CLIENT_HELM_YES         1u
#define CLIENT_HELM_RING_DRIVER 2u
#define CLIENT_HELM_RING_ASIDE  4u

/** A step: what it takes and answers is said at each. */
typedef uint32_t client_helm_step(struct client_helm *helm, uint32_t argument);

/** There is something to do, which was put in its place before. `urgent`: at once, else a nap may end first. Rings. */
client_helm_step client_helm_kick;

/** The I/O thread would like to drive. YES: it does. */
client_helm_step client_helm_take;
/** A reader would like to drive. YES: it does. `number`: else the I/O thread hands over to it; 0: no. */
client_helm_step client_helm_take_reader;
/** The reader `number` does not want it any more. */
client_helm_step client_helm_forgo;
/** The reader who drives stops. Rings. */
client_helm_step client_helm_leave;
/** The I/O thread has done a round of work: answers the number of the reader who wants to drive, and then goes on
 * driving until it hands over or releases; 0: none does, and nobody drives. */
client_helm_step client_helm_give;
/** The I/O thread stops in favour of a reader, and stands by. */
client_helm_step client_helm_hand_over;
/** The I/O thread stops after all. */
client_helm_step client_helm_release;

/** The driver is about to sleep. YES: it may; else there is something to do, which is the driver's from now on. */
client_helm_step client_helm_begin_wait;
/** It has slept. */
client_helm_step client_helm_end_wait;
/** The driver works without sleeping. YES: there is something to do that somebody has left. */
client_helm_step client_helm_take_word;

/** The I/O thread stands by, and begins to sleep for a millisecond. */
client_helm_step client_helm_stand_by;
/** The millisecond is over. YES: one reader has slept at the helm all the time; so does the I/O thread, until it is
 * rung for. */
client_helm_step client_helm_deepen;
/** It was rung for. */
client_helm_step client_helm_rouse;
/** It looks again. YES: a reader drives or did; it stands by for a further millisecond. */
client_helm_step client_helm_look_again;
/** It does not stand by any more. */
client_helm_step client_helm_come_back;

#endif
