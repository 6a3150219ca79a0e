/* SPDX-License-Identifier: Apache-2.0
 *
 * Claims. A session asks to feed a job, or to read as a reader, that another session has. The answer waits until it is
 * known whether that other session is still there. The core owns all claims. Private to broker/core.
 */
#ifndef BELT_CORE_CLAIM_H
#define BELT_CORE_CLAIM_H

#include "broker/core/model/state.h"

/* An OPEN or SUBSCRIBE that waits for its verdict (PROTOCOL.md §7.1, §7.2). */
struct claim {
    struct session *from;        /* who claims */
    const struct session *asked; /* the session that was sent a PING because of the claim; to be compared only */
    uint64_t since_ms;           /* when it was sent */
    uint64_t ref, job;           /* of the message */
    bool feeds;                  /* the message is an OPEN; else a SUBSCRIBE */
    union {
        struct belt_msg_open open; /* without its texts, which were compared when it came */
        struct belt_msg_subscribe subscribe;
    } msg;
    char reader[BELT_MAX_KEY + 1]; /* of a SUBSCRIBE: the name of the reader */
    struct claim *prev, *next;
};
enum claim_verdict { CLAIM_WAITS, CLAIM_GRANTED, CLAIM_REFUSED };
/* Keeps the message as a claim, which the next turns judge. */
void claim_open(struct core *core, struct session *from, const struct belt_msg_open *msg, const struct job *job);
void claim_subscribe(struct core *core, struct session *from, const struct belt_msg_subscribe *msg,
                     const struct job *job);
/* Judges a claim on what `holder` has (NULL: nobody has it any more). The holder is sent a PING, so that the transport
 * notices when its process is dead. */
enum claim_verdict claim_judge(struct core *core, struct claim *claim, struct session *holder);
/* Frees the claim. */
void claim_remove(struct core *core, struct claim *claim);
/* Frees all claims of a session whose connection is over: it asks again when it is back. */
void claim_forget(struct core *core, const struct session *from);
void claim_forget_all(struct core *core);

#endif
