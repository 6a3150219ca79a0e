/* SPDX-License-Identifier: Apache-2.0
 *
 * Claims: a session wants to feed a job, or to read as a reader, that another session has. Private to broker/core.
 */
#ifndef BELT_CORE_CLAIM_H
#define BELT_CORE_CLAIM_H

#include "broker/core/model/state.h"

/* OPEN and SUBSCRIBE that wait until it is known whether who has the job or the reader is still there (§7.1, §7.2). */
struct claim {
    struct session *from;
    const struct session *asked; /* who was spoken to because of it, and when; to be compared only */
    uint64_t since_ms;
    uint64_t ref, job;
    bool feeds; /* an OPEN; else a SUBSCRIBE */
    union {
        struct belt_msg_open open; /* without its texts: they were compared */
        struct belt_msg_subscribe subscribe;
    } msg;
    char reader[BELT_MAX_KEY + 1];
    struct claim *prev, *next;
};
enum claim_verdict { CLAIM_WAITS, CLAIM_GRANTED, CLAIM_REFUSED };
/* The claim waits for its verdict. */
void claim_open(struct core *core, struct session *from, const struct belt_msg_open *msg, const struct job *job);
void claim_subscribe(struct core *core, struct session *from, const struct belt_msg_subscribe *msg,
                     const struct job *job);
/* `holder` has the job or reader that is claimed; NULL: nobody does any more. It is spoken to, so that the transport
 * tells when its process is dead. */
enum claim_verdict claim_judge(struct core *core, struct claim *claim, struct session *holder);
void claim_remove(struct core *core, struct claim *claim);
void claim_forget(struct core *core, const struct session *from); /* its connection is over: it asks again */
void claim_forget_all(struct core *core);

#endif
