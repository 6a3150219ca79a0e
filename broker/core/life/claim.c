/* SPDX-License-Identifier: Apache-2.0
 *
 * Claims. A claim is granted when the session that has what is claimed is gone, and refused when that session has said
 * anything since: so nobody who lives is ousted unasked, and nobody waits long for one that is dead (PROTOCOL.md §7.1).
 */
#include "broker/core/life/claim.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/name.h"
#include "broker/core/model/update.h"

#include <stdlib.h>

void claim_remove(struct core *core, struct claim *claim)
{
    DL_DELETE(core->claims, claim);
    free(claim);
}

/* The session has asked the same before, and asks again. */
static struct claim *claim_find(struct core *core, const struct session *from, uint64_t ref, bool feeds)
{
    struct claim *claim;
    DL_FOREACH (core->claims, claim)
        if (claim->from == from && claim->ref == ref && claim->feeds == feeds)
            return claim;
    return NULL;
}

/* The claim to fill, or NULL after an answer. */
static struct claim *claim_new(struct core *core, struct session *from, uint64_t ref, const struct job *job, bool feeds)
{
    struct claim *claim = claim_find(core, from, ref, feeds);
    uint32_t count = 0;
    if (claim && claim->job == job->id)
        return claim;
    if (claim)
        claim_remove(core, claim);
    DL_COUNT(core->claims, claim, count);
    if (count >= BELT_MAX_CLAIMS) {
        update_error(core, from, ref, feeds ? 0 : job->id, BELT_LIMIT,
                     update_text(core, "%u clients ask for jobs of others at this moment: try again later", count));
        return NULL;
    }
    claim = calloc(1, sizeof(*claim));
    if (!claim)
        abort();
    claim->from = from;
    claim->job = job->id;
    claim->ref = ref;
    claim->feeds = feeds;
    DL_APPEND(core->claims, claim);
    update_trace(core, "%s > asks for job %llu, which another client has", from->name, (unsigned long long)job->id);
    core->marks.again = true;
    return claim;
}

void claim_open(struct core *core, struct session *from, const struct belt_msg_open *msg, const struct job *job)
{
    struct claim *claim = claim_new(core, from, msg->ref, job, true);
    if (!claim)
        return;
    claim->msg.open = (struct belt_msg_open){.ref = msg->ref};
    claim->msg.open.options.digest = msg->options.digest;
}

void claim_subscribe(struct core *core, struct session *from, const struct belt_msg_subscribe *msg,
                     const struct job *job)
{
    struct claim *claim = claim_new(core, from, msg->ref, job, false);
    if (!claim)
        return;
    name_copy(claim->reader, sizeof(claim->reader), msg->reader);
    claim->msg.subscribe = *msg;
    claim->msg.subscribe.reader = name_bytes(claim->reader);
}

/* From now on it counts what the holder says. */
static void ask(struct core *core, struct claim *claim, struct session *holder)
{
    claim->asked = holder;
    claim->since_ms = core->now;
    if (holder->peer)
        update_send(core, holder, BELT_MSG_PONG);
}

enum claim_verdict claim_judge(struct core *core, struct claim *claim, struct session *holder)
{
    if (!holder || holder == claim->from || holder->state == SESSION_GONE)
        return CLAIM_GRANTED;
    if (claim->asked != holder)
        ask(core, claim, holder);
    if (holder->peer)
        return holder->heard_ms > claim->since_ms ? CLAIM_REFUSED : CLAIM_WAITS;
    if (core->now >= holder->parted_ms + BELT_RETURN_MS)
        return CLAIM_GRANTED;
    mark_alarm(core, holder->parted_ms + BELT_RETURN_MS);
    return CLAIM_WAITS;
}

void claim_forget(struct core *core, const struct session *from)
{
    struct claim *claim, *next;
    DL_FOREACH_SAFE (core->claims, claim, next)
        if (claim->from == from)
            claim_remove(core, claim);
}

void claim_forget_all(struct core *core)
{
    while (core->claims)
        claim_remove(core, core->claims);
}
