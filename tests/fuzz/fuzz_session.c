/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole sessions of hostile peers against the scheduler: messages of valid
 * types with any fields in any order from several peers, some of which tell
 * the truth just enough to get work. After every step the books must add up
 * (tests/core/invariants.h) and all that the broker says must be encodable.
 *
 *   fuzz_session [ROUNDS [SEED]]
 */
#include "tests/fuzz/drawn.h"

#include "tests/core/invariants.h"
#include "proto/codec.h"

#include <string.h>

#define PEERS 6u
#define KNOWN 64u
#define ITEMS 8u

struct hostile {
    uint64_t handle, seq, results;
    uint8_t role;
};

struct known_job {
    uint64_t id, next;
};

struct known_sub {
    uint64_t id, next;
};

struct known_task {
    uint64_t peer;
    struct belt_task_ref ref;
};

/* What the broker told anybody: peers use it, also where it is not theirs. */
struct story {
    struct drawn from;
    struct core *core;
    struct core_update *update;
    struct belt_decoder *decoder;
    uint64_t now, last_handle;
    struct hostile peers[PEERS];
    struct known_job jobs[KNOWN];
    struct known_sub subs[KNOWN];
    struct known_task tasks[KNOWN];
    uint32_t job_count, sub_count, task_count;
};

static uint8_t bytes[64];

static void remember(struct story *story, uint64_t peer, const struct belt_msg *msg)
{
    switch (msg->type) {
    case BELT_MSG_OPENED:
        story->jobs[story->job_count++ % KNOWN] = (struct known_job){msg->u.opened.job, msg->u.opened.next};
        break;
    case BELT_MSG_ACCEPTED:
        for (uint32_t i = 0; i < KNOWN; i++)
            if (story->jobs[i].id == msg->u.accepted.job)
                story->jobs[i].next = msg->u.accepted.next;
        break;
    case BELT_MSG_SUBSCRIBED:
        story->subs[story->sub_count++ % KNOWN] = (struct known_sub){msg->u.subscribed.sub, msg->u.subscribed.cursor};
        break;
    case BELT_MSG_DELIVER:
        for (uint32_t i = 0; i < KNOWN; i++)
            if (story->subs[i].id == msg->u.deliver.sub)
                story->subs[i].next = msg->u.deliver.first + msg->u.deliver.count;
        break;
    case BELT_MSG_DISPATCH:
        for (uint32_t i = 0; i < msg->u.dispatch.count; i++)
            story->tasks[story->task_count++ % KNOWN] = (struct known_task){
                peer, {msg->u.dispatch.job, msg->u.dispatch.tasks[i].index, msg->u.dispatch.tasks[i].attempt}};
        break;
    default:
        break;
    }
}

static void must(struct story *story, bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "at %llu ms: %s\n", (unsigned long long)story->now, what);
    abort();
}

static struct hostile *peer_of(struct story *story, uint64_t handle)
{
    for (uint32_t i = 0; i < PEERS; i++)
        if (story->peers[i].handle == handle)
            return &story->peers[i];
    return NULL;
}

static void check_sends(struct story *story)
{
    const struct core_update *update = story->update;

    for (uint32_t i = 0; i < update->send_count; i++) {
        struct belt_msg msg = update->sends[i].msg, again;
        struct belt_frames frames;
        if (!core_stamp(story->core, update->sends[i].peer, msg.type, &msg.seq))
            continue;
        must(story, belt_encode(&msg, &frames) == BELT_OK, "the broker says what cannot be encoded");
        must(story, belt_decode(story->decoder, &frames, &again) == BELT_OK, belt_decoder_error(story->decoder));
        belt_frames_clear(&frames);
        remember(story, update->sends[i].peer, &msg);
    }
    for (uint32_t i = 0; i < update->drop_count; i++) {
        struct hostile *peer = peer_of(story, update->drops[i]);
        if (peer)
            *peer = (struct hostile){.handle = ++story->last_handle, .role = peer->role};
    }
}

static void step(struct story *story, struct core_event event)
{
    event.now = story->now;
    core_step(story->core, &event, story->update);
    check_sends(story);
    core_update_clear(story->update);
    const char *bad = invariants_broken(story->core);
    must(story, !bad, bad);
}

/* Mostly the truth. */
static uint64_t near(struct story *story, uint64_t truth)
{
    return chance(&story->from, 6) ? draw_number(&story->from, 30) : truth;
}

/* One of the last few. */
static uint32_t recent(struct story *story, uint32_t count)
{
    uint32_t most = count < 6 ? count : 6;

    return (count - 1 - draw(&story->from, most)) % KNOWN;
}

static struct known_job a_known_job(struct story *story)
{
    if (story->job_count == 0 || chance(&story->from, 20))
        return (struct known_job){draw_number(&story->from, 10), 0};
    return story->jobs[recent(story, story->job_count)];
}

static uint64_t a_job(struct story *story)
{
    return a_known_job(story).id;
}

static struct known_sub a_known_sub(struct story *story)
{
    if (story->sub_count == 0 || chance(&story->from, 20))
        return (struct known_sub){draw_number(&story->from, 10), 0};
    return story->subs[recent(story, story->sub_count)];
}

static uint64_t a_sub(struct story *story)
{
    return a_known_sub(story).id;
}

/* One that the peer was given, if there is; now and then anything. */
static struct belt_task_ref a_task(struct story *story, const struct hostile *peer)
{
    uint32_t start = draw(&story->from, KNOWN);

    if (chance(&story->from, 20))
        return (struct belt_task_ref){a_job(story), draw_number(&story->from, 20), draw(&story->from, 4)};
    for (uint32_t i = 0; i < KNOWN; i++)
        if (story->tasks[(start + i) % KNOWN].peer == peer->handle)
            return story->tasks[(start + i) % KNOWN].ref;
    return story->tasks[start].ref;
}

static struct belt_bytes a_name(struct story *story)
{
    static const char *const names[] = {"f", "g", "h"};

    return (struct belt_bytes){(const uint8_t *)names[draw(&story->from, 3)], 1};
}

static struct belt_payload a_payload(struct story *story)
{
    return (struct belt_payload){.data = bytes, .len = draw(&story->from, sizeof(bytes))};
}

static struct belt_grant a_grant(struct story *story)
{
    return (struct belt_grant){draw_number(&story->from, 200), draw_number(&story->from, 5000)};
}

static void make_hello(struct story *story, struct hostile *peer, struct belt_msg *msg, struct belt_bytes *functions)
{
    struct drawn *from = &story->from;
    static uint8_t ids[3][BELT_SESSION_LEN] = {{1}, {2}, {3}};
    static uint8_t own[PEERS][BELT_SESSION_LEN];
    uint32_t number = (uint32_t)(peer - story->peers);

    own[number][0] = (uint8_t)(10 + number);
    peer->seq = 0;
    functions[0] = a_name(story);
    functions[1] = a_name(story);
    msg->u.hello = (struct belt_msg_hello){
        .version = chance(from, 30) ? 9 : BELT_PROTOCOL_VERSION,
        .role = chance(from, 30) ? (uint8_t)(1 + draw(from, 3)) : peer->role,
        .session = {chance(from, 10) ? ids[draw(from, 3)] : own[number], BELT_SESSION_LEN},
        .name = a_name(story),
    };
    if (msg->u.hello.role == BELT_ROLE_WORKER)
        msg->u.hello.worker = (struct belt_worker_props){.slots = 1 + draw(from, chance(from, 30) ? BELT_MAX_SLOTS : 4),
                                                         .window_items = draw(from, 20),
                                                         .window_bytes = draw_number(from, 1000),
                                                         .functions = functions,
                                                         .function_count = 1 + draw(from, 2)};
}

static void make_open(struct story *story, struct belt_msg *msg)
{
    static const char *const keys[] = {"", "a", "b", "c"};
    struct drawn *from = &story->from;
    const char *key = keys[draw(from, 4)];

    msg->u.open = (struct belt_msg_open){
        .ref = draw_number(from, 100),
        .key = {(const uint8_t *)key, strlen(key)},
        .function = a_name(story),
        .options = {.window_items = draw_number(from, 50),
                    .window_bytes = draw_number(from, 10000),
                    .priority = (int32_t)draw(from, 201) - 100,
                    .retries = draw(from, 3),
                    .max_attempts = draw(from, 4),
                    .chunk = draw(from, 5),
                    .timeout_ms = draw_number(from, 100),
                    .detail = chance(from, 4),
                    .detached = chance(from, 4),
                    .durable = chance(from, 8),
                    .backoff_ms = chance(from, 2) ? BELT_NO_BACKOFF : draw_number(from, 3000),
                    .after_ms = chance(from, 8) ? draw_number(from, 3000) : 0,
                    .deadline_ms = chance(from, 4) ? draw_number(from, 5000) : 0,
                    .after_at = chance(from, 8) ? draw_number(from, UINT32_MAX) : 0,
                    .final_status = {(uint8_t)draw(from, 8)}},
    };
    msg->u.open.options.never_durable = !msg->u.open.options.durable && chance(from, 4);
}

static void make_results(struct story *story, struct hostile *peer, struct belt_msg *msg,
                         struct belt_result_item *items)
{
    struct drawn *from = &story->from;
    static const struct belt_result_extras extras = {.text = {bytes, 10}, .log = {bytes, 20}, .exit_status = 1};
    struct belt_task_ref first = a_task(story, peer);
    uint32_t count = 1 + draw(from, ITEMS);

    for (uint32_t i = 0; i < count; i++) {
        struct belt_task_ref ref = i == 0 ? first : a_task(story, peer);
        items[i] = (struct belt_result_item){.index = ref.index,
                                             .attempt = ref.attempt,
                                             .code = chance(from, 3) ? draw(from, 10) : 0,
                                             .service_us = (uint32_t)draw_number(from, 1000),
                                             .payload = a_payload(story),
                                             .extras = chance(from, 4) ? &extras : NULL};
    }
    msg->u.results = (struct belt_msg_results){
        .first = near(story, peer->results), .job = first.job, .results = items, .count = count};
    peer->results = msg->u.results.first == peer->results ? peer->results + count : peer->results;
}

static void make_failed(struct story *story, struct belt_msg *msg)
{
    static uint64_t indexes[ITEMS];
    struct drawn *from = &story->from;
    bool all = chance(from, 2);
    for (uint32_t i = 0; i < ITEMS; i++)
        indexes[i] = draw_number(from, 30);
    msg->u.failed = (struct belt_msg_failed){.ref = draw_number(from, 9),
                                             .action = (uint8_t)(1 + draw(from, 4)),
                                             .function = all ? (struct belt_bytes){0} : a_name(story),
                                             .job = chance(from, 3) ? 0 : a_job(story),
                                             .from = chance(from, 3) ? draw_number(from, 30) : 0,
                                             .indexes = indexes,
                                             .count = all ? 0 : draw(from, ITEMS)};
}

/* Fields for a message of this type; false: nothing to say. */
static bool make(struct story *story, struct hostile *peer, struct belt_msg *msg)
{
    static struct belt_task_item tasks[ITEMS];
    static struct belt_result_item results[ITEMS];
    static struct belt_task_ref refs[ITEMS];
    static struct belt_bytes functions[2];
    struct drawn *from = &story->from;
    struct known_job job;
    struct known_sub sub;

    switch (msg->type) {
    case BELT_MSG_HELLO:
        make_hello(story, peer, msg, functions);
        return true;
    case BELT_MSG_OPEN:
        make_open(story, msg);
        return true;
    case BELT_MSG_PUSH:
        for (uint32_t i = 0; i < ITEMS; i++)
            tasks[i] = (struct belt_task_item){.payload = a_payload(story)};
        job = a_known_job(story);
        msg->u.push = (struct belt_msg_push){job.id, near(story, job.next), tasks, 1 + draw(from, ITEMS)};
        return true;
    case BELT_MSG_END:
        job = a_known_job(story);
        msg->u.end = (struct belt_msg_end){job.id, near(story, job.next)};
        return true;
    case BELT_MSG_SUBSCRIBE:
        msg->u.subscribe =
            (struct belt_msg_subscribe){.ref = draw_number(from, 9),
                                        .job = a_job(story),
                                        .reader = a_name(story),
                                        .mode = (uint8_t)draw(from, 2),
                                        .cursor = chance(from, 2) ? BELT_CURSOR_KEPT : draw_number(from, 30),
                                        .credit = a_grant(story)};
        return true;
    case BELT_MSG_ACK:
        sub = a_known_sub(story);
        msg->u.ack = (struct belt_msg_ack){sub.id, near(story, sub.next), a_grant(story)};
        return true;
    case BELT_MSG_DETACH:
        msg->u.detach.sub = a_sub(story);
        return true;
    case BELT_MSG_CANCEL:
        msg->u.cancel = (struct belt_msg_cancel){.ref = draw_number(from, 9),
                                                 .job = a_job(story),
                                                 .forget = chance(from, 3),
                                                 .waiting = chance(from, 3),
                                                 .one = chance(from, 2),
                                                 .task = draw_number(from, 9),
                                                 .leaves = chance(from, 3),
                                                 .reader = a_name(story)};
        return true;
    case BELT_MSG_STATUS:
        msg->u.status = (struct belt_msg_status){.ref = draw_number(from, 9),
                                                 .what = (uint8_t)(1 + draw(from, 5)),
                                                 .name = a_name(story),
                                                 .named = chance(from, 2),
                                                 .extended = chance(from, 2)};
        if (msg->u.status.extended)
            msg->u.status.query = (struct belt_status_query){.after = draw_number(from, 9),
                                                             .past = chance(from, 3),
                                                             .offset = draw_number(from, 9),
                                                             .limit = (uint32_t)draw(from, 4),
                                                             .states = (uint8_t)draw(from, 16)};
        return true;
    case BELT_MSG_FAILED:
        make_failed(story, msg);
        return true;
    case BELT_MSG_SYNC:
    case BELT_MSG_RETURNED:
        for (uint32_t i = 0; i < ITEMS; i++)
            refs[i] = a_task(story, peer);
        msg->u.sync = (struct belt_msg_refs){refs, draw(from, ITEMS), msg->type == BELT_MSG_SYNC && chance(from, 4)};
        return true;
    case BELT_MSG_RESULTS:
        make_results(story, peer, msg, results);
        return true;
    case BELT_MSG_PROGRESS:
        msg->u.progress = (struct belt_msg_progress){a_task(story, peer), draw_number(from, 10), draw_number(from, 10)};
        return true;
    case BELT_MSG_PING:
    case BELT_MSG_LEAVING:
        return true;
    case BELT_MSG_BYE:
        msg->u.bye.text = a_name(story);
        return true;
    case BELT_MSG_RECORDED: /* the broker's own words, from a peer */
        msg->u.recorded.upto = 1;
        return true;
    default:
        return false;
    }
}

static uint8_t a_type(struct story *story, const struct hostile *peer)
{
    static const uint8_t client[] = {BELT_MSG_OPEN,   BELT_MSG_PUSH,      BELT_MSG_PUSH,   BELT_MSG_PUSH,
                                     BELT_MSG_END,    BELT_MSG_SUBSCRIBE, BELT_MSG_ACK,    BELT_MSG_ACK,
                                     BELT_MSG_DETACH, BELT_MSG_CANCEL,    BELT_MSG_STATUS, BELT_MSG_PING,
                                     BELT_MSG_OPEN,   BELT_MSG_FAILED,    BELT_MSG_FAILED};
    static const uint8_t worker[] = {BELT_MSG_RESULTS, BELT_MSG_RESULTS, BELT_MSG_RESULTS,  BELT_MSG_RETURNED,
                                     BELT_MSG_SYNC,    BELT_MSG_SYNC,    BELT_MSG_PROGRESS, BELT_MSG_PING};
    static const uint8_t rare[] = {BELT_MSG_HELLO,    BELT_MSG_BYE,     BELT_MSG_LEAVING,
                                   BELT_MSG_RECORDED, BELT_MSG_RESULTS, BELT_MSG_OPEN};

    if (peer->seq == 0)
        return chance(&story->from, 20) ? BELT_MSG_PING : BELT_MSG_HELLO;
    if (peer->seq == 1 && peer->role == BELT_ROLE_WORKER)
        return BELT_MSG_SYNC;
    if (chance(&story->from, 16))
        return rare[draw(&story->from, sizeof(rare))];
    return peer->role == BELT_ROLE_WORKER ? worker[draw(&story->from, sizeof(worker))]
                                          : client[draw(&story->from, sizeof(client))];
}

static void speak(struct story *story, struct hostile *peer)
{
    struct belt_msg msg = {.type = a_type(story, peer)}, got;
    struct belt_frames frames;

    if (!make(story, peer, &msg))
        return;
    msg.seq = peer->seq++;
    if (chance(&story->from, 100)) {
        msg.seq = draw_number(&story->from, 20);
        peer->seq = msg.type == BELT_MSG_HELLO ? 1 : 0;
    }
    if (belt_encode(&msg, &frames) != BELT_OK)
        return;
    /* What the decoder refuses is its fuzzer's. */
    struct core_event event = {.type = CORE_MESSAGE, .peer = peer->handle, .msg = &got};
    event.worker_side = (peer->role == BELT_ROLE_WORKER) != chance(&story->from, 100);
    int rc = belt_decode(story->decoder, &frames, &got);
    if (rc != BELT_OK) {
        event.type = CORE_BAD;
        event.code = (unsigned)rc;
        event.text = belt_decoder_error(story->decoder);
        event.msg = NULL;
        belt_decoder_named(story->decoder, &frames, &event.named);
    }
    step(story, event);
    belt_frames_clear(&frames);
}

static void happen(struct story *story)
{
    struct drawn *from = &story->from;
    struct hostile *peer = &story->peers[draw(from, PEERS)];

    switch (draw(from, 12)) {
    case 0:
    case 1:
    case 2:
        story->now += draw(from, 3);
        step(story, (struct core_event){.type = CORE_TURN});
        break;
    case 3:
        if (chance(from, 4))
            story->now += draw(from, 3000);
        if (chance(from, 40))
            story->now += 100000;
        step(story, (struct core_event){.type = CORE_TURN});
        break;
    case 4:
        if (chance(from, 8)) {
            step(story, (struct core_event){
                            .type = CORE_GONE, .peer = peer->handle, .worker_side = peer->role == BELT_ROLE_WORKER});
            *peer = (struct hostile){.handle = ++story->last_handle, .role = peer->role};
        } else if (chance(from, 8)) {
            step(story,
                 (struct core_event){.type = CORE_BAD, .peer = peer->handle, .code = BELT_BAD_MESSAGE, .text = "bad"});
            peer->seq++;
        } else if (chance(from, 8)) {
            bool held = chance(from, 2);
            step(story, (struct core_event){.type = chance(from, 2) ? CORE_FULL : CORE_ROOM,
                                            .peer = peer->handle,
                                            .where = held ? CORE_FULL_DISK : CORE_FULL_LINK});
        } else if (chance(from, 200)) {
            step(story, (struct core_event){.type = CORE_DRAIN});
        } else if (chance(from, 20)) {
            core_store_works(story->core, chance(from, 2), chance(from, 2) ? 1000 : 0);
        }
        break;
    default:
        speak(story, peer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct story story = {.from = {data, data + size}, .now = 1000};
    const struct core_config config = {.name = "fuzz",
                                       .version = "0",
                                       .epoch = 7,
                                       .max_payload = 1u << 20,
                                       .memory_budget = 1u << 20,
                                       .max_peers = PEERS - 1,
                                       .max_jobs = 8,
                                       .grace_ms = 2000,
                                       .ack_ms = chance(&story.from, 2) ? 5 : 0,
                                       .durable = chance(&story.from, 2),
                                       .trace = chance(&story.from, 2)};

    story.core = core_new(&config);
    story.update = core_update_new();
    story.decoder = belt_decoder_new(config.max_payload);
    if (!story.core || !story.update || !story.decoder)
        abort();
    for (uint32_t i = 0; i < PEERS; i++)
        story.peers[i] =
            (struct hostile){.handle = ++story.last_handle, .role = i < 3 ? BELT_ROLE_CLIENT : BELT_ROLE_WORKER};
    story.peers[2].role = BELT_ROLE_ADMIN;
    while (story.from.at < story.from.end)
        happen(&story);
    (void)core_drained(story.core);
    belt_decoder_free(story.decoder);
    core_update_free(story.update);
    core_free(story.core);
    return 0;
}

#ifndef BELT_FUZZ
int main(int argc, char **argv)
{
    return drawn_main(argc, argv, 6000);
}
#endif
