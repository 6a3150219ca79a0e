/* SPDX-License-Identifier: Apache-2.0
 *
 * Every message of a session passes here before its family sees it, so that no family can forget to ask. What a session
 * may do says the table of access.c; here it is looked up what a message wants, and of which job.
 */
#include "broker/core/events/admission.h"
#include "broker/core/life/reader.h"
#include "broker/core/model/account.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/access.h"

#include <string.h>

const char *admission_bars(const struct core *core, const struct core_event *event)
{
    const struct belt_identity *who = event->identity;
    const unsigned clients = BELT_MAY_CLIENT | BELT_MAY_OBSERVER | BELT_MAY_ADMIN;
    if (!who)
        return NULL;
    if (!who->roles)
        return "it is not on the broker's list, or was revoked";
    if (who->expires_at && core->wall >= who->expires_at)
        return "it has expired";
    if (event->worker_side && !(who->roles & BELT_MAY_WORKER))
        return "it has not the role worker, which this endpoint is for";
    if (!event->worker_side && !(who->roles & clients))
        return "it has none of the roles client, observer and admin, which this endpoint is for";
    return NULL;
}

bool admission_is_same(const struct session *session, const struct belt_identity *identity)
{
    if (!identity || !session->account)
        return !identity && !session->account;
    return memcmp(session->credential, identity->credential, sizeof(session->credential)) == 0 &&
           strcmp(session->account->name, identity->owner) == 0;
}

void admission_note(struct session *session, const struct belt_identity *identity)
{
    if (!identity)
        return;
    session->roles = identity->roles;
    session->account->quotas = identity->quotas;
}

/* What a message wants, and how it is answered. */
struct request {
    enum access_verb verb;
    const struct job *job; /* NULL: it is about none, or none that is there: its family answers */
    uint64_t ref, id;      /* of the answer */
};

static struct request about_job(struct core *core, enum access_verb verb, uint64_t ref, uint64_t id)
{
    return (struct request){.verb = verb, .job = catalog_find(core, id), .ref = ref, .id = id};
}

static struct request about_reader(struct core *core, const struct session *from, uint64_t sub)
{
    const struct reader *reader = reader_find(core, sub);
    bool own = reader && reader->session == from;
    return (struct request){.verb = ACCESS_READ, .job = own ? reader->job : NULL};
}

static enum access_verb verb_of_status(uint8_t what)
{
    return what == BELT_REPORT_JOBS || what == BELT_REPORT_READERS ? ACCESS_LIST : ACCESS_LOOK;
}

static struct request request_of(struct core *core, const struct session *from, const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_OPEN: /* a key names a job of the asker's */
        return (struct request){.verb = ACCESS_FEED, .ref = msg->u.open.ref};
    case BELT_MSG_PUSH:
        return about_job(core, ACCESS_FEED, 0, msg->u.push.job);
    case BELT_MSG_END:
        return about_job(core, ACCESS_FEED, 0, msg->u.end.job);
    case BELT_MSG_SUBSCRIBE:
        return about_job(core, ACCESS_READ, msg->u.subscribe.ref, msg->u.subscribe.job);
    case BELT_MSG_ACK:
        return about_reader(core, from, msg->u.ack.sub);
    case BELT_MSG_DETACH:
        return about_reader(core, from, msg->u.detach.sub);
    case BELT_MSG_CANCEL:
        return about_job(core, ACCESS_CANCEL, msg->u.cancel.ref, msg->u.cancel.job);
    case BELT_MSG_STATUS: /* chooses its rows by itself */
        return (struct request){.verb = verb_of_status(msg->u.status.what), .ref = msg->u.status.ref};
    case BELT_MSG_FAILED: /* likewise */
        return (struct request){.verb = msg->u.failed.action <= BELT_FAILED_SHOW ? ACCESS_FAILED : ACCESS_RETRY,
                                .ref = msg->u.failed.ref,
                                .id = msg->u.failed.job};
    default: /* what a worker says, or nobody */
        return (struct request){.verb = ACCESS_SERVE};
    }
}

bool admission_refused(struct core *core, struct session *from, const struct belt_msg *msg)
{
    if (!from->account || msg->type == BELT_MSG_PING || msg->type == BELT_MSG_BYE)
        return false;
    struct request request = request_of(core, from, msg);
    switch (access_to_job(from, request.verb, request.job)) {
    case ACCESS_HIDDEN:
        update_unknown_job(core, from, request.ref, request.id);
        return true;
    case ACCESS_DENIED:
        update_error(core, from, request.ref, request.id, BELT_NOT_ALLOWED,
                     update_text(core, "your key may not do this (%s): ask the operator for the role",
                                 belt_msg_name(msg->type)));
        return true;
    default:
        return false;
    }
}
