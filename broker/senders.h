/* SPDX-License-Identifier: Apache-2.0
 *
 * Who sent the message in hand, at a broker with keys: what the transport has proven becomes an identity of the
 * allow-list. Cuts the connections of those who are not on it any more.
 */
#ifndef BELT_BROKER_SENDERS_H
#define BELT_BROKER_SENDERS_H

#include "broker/admission.h"
#include "broker/keys.h"
#include "proto/link.h"

/* Keys that were refused last: each is told so once, and cut when it says something again. */
#define SENDERS_REFUSED 64u

struct senders {
    struct keys *keys;             /* NULL: nobody has to prove who he is */
    struct belt_link_sender of[2]; /* of the last message of each socket, by enum broker_side */
    struct belt_identity user;     /* of the last one on ipc:// */
    uint8_t refused[SENDERS_REFUSED][BELT_KEY_BYTES];
    uint32_t refused_count; /* so far; the oldest are overwritten */
    const struct broker_admission *admission;
    void *handler;          /* of the admission */
    uint64_t told, told_ms; /* connections that were not let in, as the log was told, and when */
    uint64_t cut, cut_told; /* connections that were cut */
};

enum sender { SENDER_KNOWN, SENDER_TOKEN, SENDER_REFUSED, SENDER_CUT };

/**
 * `identity` gets who sent the message that just came from the socket `side`, NULL without keys; it is valid until the
 * next call. SENDER_TOKEN: it may JOIN and nothing else. SENDER_REFUSED: it may do nothing any more, and is to be told.
 * SENDER_CUT: it was told; its connection was ended.
 */
enum sender senders_identify(struct senders *senders, int side, uint64_t wall, const struct belt_identity **identity);
/** A line for the log, when there is something to tell and the last one was long ago. False: there is none. */
bool senders_tell(struct senders *senders, uint64_t now, char *line, size_t size);

#endif
