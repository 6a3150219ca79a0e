/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections and the sessions behind them: hello, sequence, leases, leaving
 * (PROTOCOL.md §6, §7.5, §8.5).
 */
#include "broker/core/events/peer.h"
#include "broker/core/life/claim.h"
#include "broker/core/life/closing.h"
#include "broker/core/model/account.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/name.h"
#include "broker/core/model/refusal.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/quota.h"
#include "broker/core/events/admission.h"
#include "broker/core/events/job.h"
#include "broker/core/events/question.h"
#include "broker/core/events/subscription.h"
#include "broker/core/events/worker.h"
#include "broker/core/model/steps.h"

#include <stdlib.h>
#include <string.h>

/* Of the sessions that were heard of longest ago, when a place is looked for: a HELLO costs no walk over all. */
#define PLACES_LOOKED_AT 64u

/* Beside a session: its places in two hashes, and what its connection has in the broker's tables. */
#define SESSION_EXTRA 768u

struct session *peer_find(struct core *core, uint64_t peer)
{
    struct session *session = NULL;
    HASH_FIND(by_peer, core->sessions.by_peer, &peer, sizeof(peer), session);
    return session;
}

bool core_stamp(struct core *core, uint64_t peer, uint8_t type, uint64_t *seq)
{
    struct session *session = peer_find(core, peer);
    *seq = 0;
    if (!session)
        return type == BELT_MSG_ERROR; /* to a stranger */
    *seq = session->seq_out = type == BELT_MSG_WELCOME ? 0 : session->seq_out + 1;
    return true;
}

static const char *role_name(unsigned role)
{
    return role == BELT_ROLE_WORKER ? "worker" : role == BELT_ROLE_ADMIN ? "admin" : "client";
}

/* The session has no connection any more; what becomes of the connection is the caller's. */
static void part(struct core *core, struct session *session)
{
    HASH_DELETE(by_peer, core->sessions.by_peer, session);
    session->peer = 0;
    if (session->account)
        session->account->connections--;
    session_step(core, session, SESSION_PARTED);
    claim_forget(core, session);
    question_forget(session);
    if (!session->agent)
        subscription_unplug(core, session);
    else if (session->agent->state != AGENT_LEAVING)
        agent_step(core, session->agent, AGENT_AWAY);
}

/* The last word to this connection: its seq is 0, since nobody counts on it any more (§6.2). */
static void refuse_telling(struct core *core, uint64_t peer, uint64_t ref, unsigned code, struct belt_bytes text)
{
    struct session *session = peer_find(core, peer);
    if (session)
        part(core, session);
    refusal_note(core, session ? session->name : "a connection without HELLO", code, text);
    struct belt_msg *msg = update_send_stranger(core, peer, BELT_MSG_ERROR);
    msg->u.error = (struct belt_msg_error){.ref = ref, .code = code, .text = text};
    update_drop(core, peer);
}

static void refuse(struct core *core, uint64_t peer, unsigned code, struct belt_bytes text)
{
    refuse_telling(core, peer, 0, code, text);
}

/* The connection is over, the session is not. */
static void unbind(struct core *core, struct session *session)
{
    if (!session->peer)
        return;
    update_drop(core, session->peer);
    part(core, session);
}

/* Which connection it came over; 0: it is over, or that is not known. */
static void set_link(struct core *core, struct session *session, uint64_t id)
{
    struct link *link = session->link;
    if (link ? link->id == id : id == 0)
        return;
    if (link && --link->sessions == 0) {
        HASH_DEL(core->sessions.links, link);
        free(link);
    }
    session->link = NULL;
    if (id == 0)
        return;
    HASH_FIND(hh, core->sessions.links, &id, sizeof(id), link);
    if (!link) {
        link = calloc(1, sizeof(*link));
        if (!link)
            abort();
        link->id = id;
        HASH_ADD(hh, core->sessions.links, id, sizeof(link->id), link);
    }
    link->sessions++;
    session->link = link;
}

static void session_free(struct core *core, struct session *session)
{
    unbind(core, session);
    set_link(core, session, 0);
    HASH_DELETE(by_id, core->sessions.by_id, session);
    if (session->state == SESSION_GONE)
        DL_DELETE(core->sessions.gone, session);
    else
        DL_DELETE(core->sessions.live, session);
    if (session->role == BELT_ROLE_WORKER)
        core->sessions.workers--;
    else
        core->sessions.clients--;
    core->sessions.bytes -= session->cost;
    account_drop(core, session->account);
    free(session);
}

/* What a session takes, with all that a worker says of itself: as if it were the only one with these functions. */
static uint64_t cost_of(const struct belt_msg_hello *hello)
{
    uint64_t function = sizeof(struct queue) + 2 * sizeof(struct agent *) + sizeof(struct queue *) + sizeof(double);
    uint64_t cost = sizeof(struct session) + SESSION_EXTRA;
    if (hello->role == BELT_ROLE_WORKER)
        cost += sizeof(struct agent) + hello->worker.function_count * function;
    return cost;
}

static void charge(struct core *core, struct session *session, uint64_t cost)
{
    core->sessions.bytes += cost - session->cost;
    session->cost = cost;
}

/* How long it may be silent before it is spoken to. */
static uint64_t patience_of(const struct core *core)
{
    return core->config.heartbeat_ms + core->config.heartbeat_ms / 2;
}

/* Least recently heard stays in front. */
static void heard(struct core *core, struct session *session)
{
    session->heard_ms = core->now;
    if (core->sessions.probe_ms > core->now + patience_of(core))
        core->sessions.probe_ms = core->now + patience_of(core);
    if (session->next) {
        DL_DELETE(core->sessions.live, session);
        DL_APPEND(core->sessions.live, session);
    }
}

bool peer_barred(struct core *core, const struct core_event *event)
{
    const char *why = admission_bars(core, event);
    if (!why)
        return false;
    refuse(core, event->peer, BELT_NOT_ALLOWED,
           update_text(core, "key '%s': %s", event->identity->name[0] ? event->identity->name : "unknown", why));
    return true;
}

bool peer_admit(struct core *core, const struct core_event *event, struct session **found)
{
    struct session *session = peer_find(core, event->peer);
    *found = session;
    if (!session || !admission_is_same(session, event->identity)) {
        refuse(core, event->peer, BELT_SYNC_LOST, update_text(core, "say hello first"));
        return false;
    }
    admission_note(session, event->identity);
    heard(core, session);
    uint64_t seq = event->type == CORE_BAD ? session->seq_in + 1 : event->msg->seq;
    if (seq <= session->seq_in)
        return false;
    if (seq > session->seq_in + 1) {
        update_trace(core, "%s > lost %llu messages: hello again", session->name,
                     (unsigned long long)(seq - session->seq_in - 1));
        refuse(core, session->peer, BELT_SYNC_LOST, update_text(core, "messages were lost on the way"));
        return false;
    }
    session->seq_in = seq;
    return true;
}

static struct session *session_new(struct core *core, const struct belt_msg_hello *hello,
                                   const struct belt_identity *identity)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session)
        abort();
    memcpy(session->id, hello->session.data, BELT_SESSION_LEN);
    session->role = hello->role;
    if (identity) {
        session->account = account_take(core, name_bytes(identity->owner));
        memcpy(session->credential, identity->credential, sizeof(session->credential));
    }
    HASH_ADD(by_id, core->sessions.by_id, id, BELT_SESSION_LEN, session);
    DL_APPEND(core->sessions.live, session);
    if (session->role == BELT_ROLE_WORKER)
        core->sessions.workers++;
    else
        core->sessions.clients++;
    return session;
}

/* In `ref`, which nobody waits for before the welcome, stands the version that we speak. */
void peer_other_version(struct core *core, uint64_t peer, uint64_t version)
{
    refuse_telling(core, peer, BELT_PROTOCOL_VERSION, BELT_BAD_VERSION,
                   update_text(core,
                               "you speak version %llu of the protocol, this broker speaks %u: install matching "
                               "versions",
                               (unsigned long long)version, BELT_PROTOCOL_VERSION));
}

/* Sessions that nobody would miss: without a connection, a job, or tasks. */
static void make_place(struct core *core)
{
    struct session *session, *next;
    uint32_t looked = 0;
    DL_FOREACH_SAFE (core->sessions.live, session, next) {
        if (looked++ == PLACES_LOOKED_AT)
            return;
        if (session->peer || session->jobs || session->agent)
            continue;
        update_trace(core, "%s > gives up its place, it is not connected and has no job", session->name);
        session_free(core, session);
        return;
    }
}

/* A new session finds no place. Some are kept for the endpoint of the administration. */
static bool place_refused(struct core *core, const struct core_event *event)
{
    uint32_t most = core->config.max_peers + (event->reserved ? BELT_PEERS_RESERVED : 0);
    struct link *link = NULL;
    HASH_FIND(hh, core->sessions.links, &event->link, sizeof(event->link), link);
    if (event->link && link && link->sessions >= BELT_MAX_LINK_SESSIONS) {
        refuse(core, event->peer, BELT_LIMIT,
               update_text(core,
                           "%u sessions came over this connection, the limit, and are not over: draw a session once "
                           "and keep it, or use another connection",
                           link->sessions));
        return true;
    }
    if (core->sessions.clients + core->sessions.workers >= most)
        make_place(core);
    if (core->sessions.clients + core->sessions.workers >= most) {
        refuse(core, event->peer, BELT_LIMIT,
               update_text(core, "the broker serves %u peers already, its limit", core->config.max_peers));
        return true;
    }
    return false;
}

/* The owner has all the connections that it may have, and this is one more. */
static bool quota_of_connections(struct core *core, const struct core_event *event, const struct session *known)
{
    struct account *account = event->identity ? account_find(core, event->identity->owner) : NULL;
    const struct session *before = peer_find(core, event->peer);
    if (!account)
        return false;
    uint64_t most = quota_or_default(event->identity->quotas.connections, BELT_MAX_PEERS / BELT_QUOTA_SHARE);
    uint64_t has = account->connections;
    has -= known && known->peer;                                    /* it moves here */
    has -= before && before != known && before->account == account; /* it ends here */
    if (has < most)
        return false;
    refuse(core, event->peer, BELT_QUOTA,
           update_text(core,
                       "connections: '%s' has %llu, all that its keys may have together: try again when one of them "
                       "has ended",
                       account->name, (unsigned long long)has));
    return true;
}

static bool hello_refused(struct core *core, const struct core_event *event, const struct session *known)
{
    const struct belt_msg_hello *hello = &event->msg->u.hello;
    if (hello->version != BELT_PROTOCOL_VERSION) {
        peer_other_version(core, event->peer, hello->version);
        return true;
    }
    if ((hello->role == BELT_ROLE_WORKER) != event->worker_side) {
        refuse(core, event->peer, BELT_BAD_ROLE,
               update_text(core,
                           "this is the endpoint for %s, and your role is %s: use the other endpoint of the broker",
                           event->worker_side ? "workers" : "clients", role_name(hello->role)));
        return true;
    }
    if (known && !admission_is_same(known, event->identity)) {
        refuse(core, event->peer, BELT_NOT_ALLOWED,
               update_text(core, "your session is known by another key: draw a session of its own for each key"));
        return true;
    }
    if (quota_of_connections(core, event, known))
        return true;
    if (known && known->role != hello->role) {
        refuse(core, event->peer, BELT_BAD_ROLE,
               update_text(core, "your session is known as that of another role (%s): draw a session of its own for %s",
                           role_name(known->role), role_name(hello->role)));
        return true;
    }
    if (!known && place_refused(core, event))
        return true;
    if (!budget_admits(core, known ? known->cost : 0, cost_of(hello))) {
        refuse(core, event->peer, BELT_LIMIT,
               update_text(core,
                           "the %llu bytes that the broker has for its peers are used up: try again when others have "
                           "left, or raise %s",
                           (unsigned long long)core->config.peer_budget, budget_option(core)));
        return true;
    }
    return false;
}

static void welcome(struct core *core, struct session *session)
{
    struct belt_msg *msg = update_send(core, session, BELT_MSG_WELCOME);
    msg->u.welcome = (struct belt_msg_welcome){
        .version = BELT_PROTOCOL_VERSION,
        .epoch = core->config.epoch,
        .heartbeat_ms = core->config.heartbeat_ms,
        .lease_ms = core->config.lease_ms,
        .max_payload = core->config.max_payload,
        .max_frame = belt_max_frame(core->config.max_payload),
        .name = name_bytes(core->config.name),
    };
}

void peer_hello(struct core *core, const struct core_event *event)
{
    const struct belt_msg_hello *hello = &event->msg->u.hello;
    struct session *session = NULL;
    HASH_FIND(by_id, core->sessions.by_id, hello->session.data, BELT_SESSION_LEN, session);
    if (hello_refused(core, event, session))
        return;
    struct session *before = peer_find(core, event->peer);
    uint8_t was_full = before ? before->full : 0; /* the connection is, whoever speaks on it */
    if (before && before != session)
        part(core, before); /* one connection, one session: the later hello counts */
    bool back = session != NULL;
    if (!session)
        session = session_new(core, hello, event->identity);
    charge(core, session, cost_of(hello));
    if (session->peer != event->peer)
        unbind(core, session);
    else if (!session->agent)
        subscription_unplug(core, session);
    admission_note(session, event->identity);
    if (session->state != SESSION_CONNECTED) {
        session_step(core, session, SESSION_CONNECTED);
        session->peer = event->peer;
        if (session->account)
            session->account->connections++;
        HASH_ADD(by_peer, core->sessions.by_peer, peer, sizeof(session->peer), session);
    }
    session->full = was_full;
    question_forget(session); /* it asks anew */
    set_link(core, session, event->link);
    name_copy(session->name, sizeof(session->name), hello->name);
    session->seq_in = 0;
    heard(core, session);
    welcome(core, session);
    update_trace(core, "%s > %s %s", session->name, role_name(session->role), back ? "is back" : "said hello");
    if (session->role == BELT_ROLE_WORKER)
        worker_hello(core, session, &hello->worker);
}

/* They say hello, and send again what is not recorded. */
void peer_ask_again(struct core *core)
{
    struct agent *agent;
    while ((agent = LIST_FIRST(&core->memory.asked, struct agent, results.asked))) {
        list_remove(&agent->results.asked);
        if (agent->session->peer)
            refuse(core, agent->session->peer, BELT_SYNC_LOST,
                   update_text(core, "there is room again for results that you keep"));
    }
}

static int heard_before(const struct session *a, const struct session *b)
{
    return (a->heard_ms > b->heard_ms) - (a->heard_ms < b->heard_ms);
}

void peer_lost(struct core *core, struct session *session, const char *why)
{
    update_trace(core, "%s > connection lost: %s", session->name, why);
    unbind(core, session);
    /* It may come back at once; it need not be waited for as long as one that is only silent. */
    uint64_t wait = core->config.heartbeat_ms;
    uint64_t early = core->now + wait > core->config.lease_ms ? core->now + wait - core->config.lease_ms : 0;
    if (early < session->heard_ms) {
        session->heard_ms = early;
        DL_DELETE(core->sessions.live, session);
        DL_INSERT_INORDER(core->sessions.live, session, heard_before);
    }
}

void peer_full(struct core *core, const struct core_event *event)
{
    struct session *session = peer_find(core, event->peer);
    bool full = event->type == CORE_FULL;
    static const char *const names[] = {"what it is sent", "what waits for the disk", "answers to what it asks"};
    int where = 1 << event->where;
    if (!session)
        return;
    update_trace(core, "%s > %s %s%s", session->name, full ? "does not get" : "gets", names[event->where],
                 full ? "" : " again");
    session->full = (uint8_t)(full ? session->full | where : session->full & ~where);
    if (!full)
        subscription_resume(core, session);
    if (!full && session->agent)
        mark_agent(core, session->agent);
}

bool peer_reads_nothing(struct core *core, struct session *session, uint64_t ref)
{
    if (!(session->full & FULL_REPLIES))
        return false;
    update_error(core, session, ref, 0, BELT_LIMIT,
                 update_text(core, "answers to earlier questions have not been read: ask again when they have"));
    return true;
}

static void client_over(struct core *core, struct session *session)
{
    closing_orphan(core, session);
    session_free(core, session);
}

static void worker_over(struct core *core, struct session *session, bool blame)
{
    worker_gone(core, session->agent, blame);
    session_free(core, session);
}

void peer_bye(struct core *core, struct session *session)
{
    update_trace(core, "%s > bye", session->name);
    if (session->agent)
        worker_over(core, session, false);
    else
        client_over(core, session);
}

static void lease_over(struct core *core, struct session *session)
{
    update_trace(core, "%s > lease expired", session->name);
    if (!session->agent)
        job_leave(core, session);
    if (session->agent) {
        worker_over(core, session, true);
    } else if (session->jobs == 0) {
        client_over(core, session);
    } else {
        unbind(core, session);
        session_step(core, session, SESSION_GONE);
    }
}

/* When its lease is over. What came in while the broker itself was held up is not read yet: all have a lease anew. */
static uint64_t lease_end(const struct core *core, const struct session *session)
{
    uint64_t from = session->heard_ms > core->sessions.awake_ms ? session->heard_ms : core->sessions.awake_ms;
    return from + core->config.lease_ms;
}

/* A peer that is silent for longer than its heartbeat is spoken to: when its process is dead the transport says so.
 * Returns when to look at it again. */
static uint64_t probe(struct core *core, struct session *session)
{
    uint64_t spoken = session->probed_ms > session->heard_ms ? session->probed_ms : session->heard_ms;
    uint64_t wait = spoken == session->heard_ms ? patience_of(core) : core->config.heartbeat_ms;
    if (!session->peer)
        return UINT64_MAX;
    if (core->now >= spoken + wait) {
        update_send(core, session, BELT_MSG_PONG);
        session->probed_ms = spoken = core->now;
        wait = core->config.heartbeat_ms;
    }
    return spoken + wait;
}

static uint64_t probe_all(struct core *core)
{
    uint64_t next = UINT64_MAX, when;
    struct session *session;
    DL_FOREACH (core->sessions.live, session) {
        bool silent = core->now >= session->heard_ms + patience_of(core);
        when = silent ? probe(core, session) : session->heard_ms + patience_of(core);
        next = when < next ? when : next;
        if (!silent)
            break;
    }
    return next;
}

void peer_expire(struct core *core)
{
    if (core->sessions.turn_due_ms && core->now > core->config.heartbeat_ms &&
        core->now - core->config.heartbeat_ms > core->sessions.turn_due_ms)
        core->sessions.awake_ms = core->now;
    while (core->sessions.live && core->now >= lease_end(core, core->sessions.live))
        lease_over(core, core->sessions.live);
    if (core->now >= core->sessions.probe_ms)
        core->sessions.probe_ms = probe_all(core);
    mark_alarm(core, core->sessions.probe_ms);
    if (core->sessions.live)
        mark_alarm(core, lease_end(core, core->sessions.live));
    while (core->sessions.gone && core->now >= core->sessions.gone->gone_ms + core->config.grace_ms)
        client_over(core, core->sessions.gone);
    if (core->sessions.gone)
        mark_alarm(core, core->sessions.gone->gone_ms + core->config.grace_ms);
}

void peer_forget_all(struct core *core)
{
    struct session *session, *next;
    struct link *link, *next_link;
    HASH_ITER (hh, core->sessions.links, link, next_link) {
        HASH_DEL(core->sessions.links, link);
        free(link);
    }
    claim_forget_all(core);
    while ((session = LIST_FIRST(&core->sessions.askers, struct session, asking)))
        question_forget(session);
    HASH_CLEAR(by_peer, core->sessions.by_peer);
    HASH_CLEAR(by_id, core->sessions.by_id);
    DL_FOREACH_SAFE (core->sessions.live, session, next) {
        account_drop(core, session->account);
        free(session);
    }
    DL_FOREACH_SAFE (core->sessions.gone, session, next) {
        account_drop(core, session->account);
        free(session);
    }
}
