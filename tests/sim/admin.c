/* SPDX-License-Identifier: Apache-2.0
 *
 * An administrator: lists the failed tasks that the broker keeps, has some of them tried again as a new job, which it
 * reads, and drops others (PROTOCOL.md §9.3). What is checked: what was shown as failed is listed, as it was shown and
 * with its input, until it is asked for; a new job has the inputs that were chosen, in their order; what was dropped or
 * tried again is gone.
 */
#include "tests/sim/sim.h"

#define FIRST_READ_REF 1000000u

/* ---- what is known ---- */

static struct job_model *job_by_id(struct sim *sim, uint64_t id)
{
    for (uint32_t number = 0; number < SIM_CLIENTS * SIM_JOBS; number++) {
        struct job_model *job = sim_job(sim, number);
        if (job && id && job->id == id)
            return job;
    }
    return NULL;
}

static struct retried_model *retried_by_id(struct sim *sim, uint64_t id)
{
    for (uint32_t i = 0; i < sim->admin.retried_count; i++)
        if (sim->admin.retried[i].id == id)
            return &sim->admin.retried[i];
    return NULL;
}

/* The life of the broker that speaks to the admin: an answer may be late. 0: one that is over. */
static uint64_t life_heard(const struct sim *sim)
{
    return sim->admin.node.session.epoch == sim->config.epoch ? sim->life : 0;
}

void admin_failed(struct sim *sim, struct job_model *job, const struct belt_result_item *item)
{
    struct letter_model *letter = &job->letters[item->index];
    bool late = job->client->node.session.epoch != sim->config.epoch;
    if (letter->state != LETTER_NONE || (late && !job->durable))
        return;
    *letter = (struct letter_model){.state = LETTER_KEPT, .life = sim->life, .walk = sim->admin.walk};
}

/* A task runs with an input that is another's only in a job of failed tasks, and there with the one that was chosen. (A
 * broker that was killed may have dispatched one that is on no disk, and was never told of.) */
void admin_dispatched(struct sim *sim, const struct job_model *job, uint64_t id, uint64_t index, uint64_t input)
{
    const struct retried_model *retried = retried_by_id(sim, id);
    bool may_be = job->id != id && sim->admin.has_retried;
    if (retried && retried->partly)
        return;
    if (retried ? index >= retried->count || retried->inputs[index] != input : index != input && !may_be)
        sim_fail(sim, "job %llu task %llu was dispatched with the input of %llu", ULL(id), ULL(index), ULL(input));
}

/* ---- asking ---- */

static void send_question(struct sim *sim)
{
    struct admin_model *admin = &sim->admin;
    if (!admin->asked || admin->sent || !node_ready(&admin->node))
        return;
    struct belt_msg msg = {.type = BELT_MSG_FAILED};
    msg.u.failed = admin->question;
    admin->sent = true;
    node_send(&admin->node, &msg);
}

static void ask(struct sim *sim, struct belt_msg_failed question)
{
    struct admin_model *admin = &sim->admin;
    question.ref = ++admin->last_ref;
    admin->question = question;
    admin->life = sim->life;
    admin->asked = true;
    admin->sent = false;
    send_question(sim);
}

static void ask_on(struct sim *sim)
{
    uint8_t action = sim->admin.walk % 2 ? BELT_FAILED_SHOW : BELT_FAILED_LIST;
    ask(sim, (struct belt_msg_failed){.action = action, .from = sim->admin.from});
}

static void begin_walk(struct sim *sim)
{
    struct admin_model *admin = &sim->admin;
    admin->walk++;
    admin->from = 0;
    admin->whole = true;
    ask_on(sim);
}

/* Some of what was in the last listing, all of one job. */
static uint32_t choose(struct sim *sim, struct job_model *job)
{
    struct admin_model *admin = &sim->admin;
    uint32_t count = 0, most = 1 + (uint32_t)sim_random(sim, SIM_CHOSEN);
    for (uint64_t index = job->tasks; index-- > 0 && count < most;)
        if (job->letters[index].state == LETTER_KEPT && job->letters[index].listed == admin->walk &&
            (job->durable || job->letters[index].life == sim->life))
            admin->indexes[count++] = index;
    return count;
}

/* Just then the answer is lost. */
static void disturb(struct sim *sim)
{
    struct wire *down = &sim->admin.node.down;
    if (sim->fault_at == UINT64_MAX || sim->now < down->block_until || !sim_chance(sim, 3000))
        return;
    down->block_until = sim->now + 50;
    down->block_delays = false;
}

static void ask_for_some(struct sim *sim, bool retry)
{
    struct admin_model *admin = &sim->admin;
    struct job_model *job = sim_job(sim, (uint32_t)sim_random(sim, SIM_CLIENTS * SIM_JOBS));
    uint32_t count = job && job->id ? choose(sim, job) : 0;
    if (count == 0 || (retry && admin->retried_count == SIM_RETRIES))
        return;
    admin->of = job;
    admin->has_retried |= retry;
    for (uint32_t i = 0; i < count; i++)
        job->letters[admin->indexes[i]].state = LETTER_ASKED;
    sim_tell(sim, "admin > %s %u failed tasks of job %llu", retry ? "tries again" : "drops", count, ULL(job->id));
    ask(sim, (struct belt_msg_failed){.action = retry ? BELT_FAILED_RETRY : BELT_FAILED_DROP,
                                      .job = job->id,
                                      .indexes = admin->indexes,
                                      .count = count});
    disturb(sim);
}

/* ---- listings ---- */

static void check_fields(struct sim *sim, const struct belt_letter *letter, const struct job_model *job, uint64_t input)
{
    bool whole = sim->admin.question.action == BELT_FAILED_SHOW;
    bool right = strlen(job->function) == letter->function.len &&
                 memcmp(job->function, letter->function.data, letter->function.len) == 0 &&
                 letter->size == sim_size(sim, job->number, input) && letter->code != BELT_OK;
    if (!right || (whole ? !sim_payload_is(sim, letter->payload, job->number, input, 1) : letter->payload.len != 0))
        sim_fail(sim, "job %llu task %llu is not listed as it was", ULL(letter->job), ULL(letter->index));
}

static void check_letter(struct sim *sim, const struct belt_letter *letter)
{
    struct job_model *job = job_by_id(sim, letter->job);
    const struct retried_model *retried = retried_by_id(sim, letter->job);
    if (retried && !retried->partly && letter->index < retried->count)
        check_fields(sim, letter, retried->of, retried->inputs[letter->index]);
    if (!job || letter->index >= job->tasks)
        return; /* of a job of old, under whose key there is another now */
    check_fields(sim, letter, job, letter->index);
    struct letter_model *known = &job->letters[letter->index];
    const struct shown_result *shown = &job->shown[letter->index];
    if (shown->there && (shown->attempt != letter->attempt || shown->code != letter->code))
        sim_fail(sim, "job %llu task %llu is listed with another outcome than shown", ULL(job->id), ULL(letter->index));
    if (known->state == LETTER_RETRIED || (known->state == LETTER_DROPPED && known->life == sim->life))
        sim_fail(sim, "job %llu task %llu is kept, and was %s", ULL(job->id), ULL(letter->index),
                 known->state == LETTER_RETRIED ? "tried again" : "dropped");
    known->listed = sim->admin.walk;
    if (known->state == LETTER_KEPT)
        known->life = life_heard(sim);
}

/* What was shown as failed before the listing began is in it. */
static void check_all_listed(struct sim *sim)
{
    for (uint32_t number = 0; number < SIM_CLIENTS * SIM_JOBS; number++) {
        const struct job_model *job = sim_job(sim, number);
        for (uint64_t index = 0; job && index < job->tasks; index++) {
            const struct letter_model *letter = &job->letters[index];
            if (letter->state == LETTER_KEPT && letter->walk < sim->admin.walk && letter->listed != sim->admin.walk &&
                (job->durable || letter->life == sim->life))
                sim_fail(sim, "job %llu task %llu failed, and is not listed", ULL(job->id), ULL(index));
        }
    }
}

static void on_list(struct sim *sim, const struct belt_msg_failures *msg)
{
    struct admin_model *admin = &sim->admin;
    for (uint32_t i = 0; i < msg->letter_count; i++) {
        if (msg->letters[i].serial < admin->from)
            sim_fail(sim, "failed task %llu was listed after %llu", ULL(msg->letters[i].serial), ULL(admin->from));
        admin->from = msg->letters[i].serial + 1;
        check_letter(sim, &msg->letters[i]);
    }
    bool bounded = sim->config.memory_budget != 0;
    if (msg->dropped && !bounded)
        sim_fail(sim, "%llu failed tasks were let go, and there is room", ULL(msg->dropped));
    if (msg->letter_count)
        ask_on(sim);
    else if (admin->whole && !bounded)
        check_all_listed(sim);
}

/* ---- a job of failed tasks ---- */

static void read_it(struct sim *sim, struct retried_model *retried)
{
    const struct client_stream_config config = {
        .kind = CLIENT_STREAM_READS,
        .ref = FIRST_READ_REF + (uint64_t)(retried - sim->admin.retried),
        .job = retried->id,
        .cursor = BELT_CURSOR_KEPT,
        .reader = {(const uint8_t *)"admin", 5},
        .mode = sim_chance(sim, 5000) ? BELT_ORDERED : BELT_UNORDERED,
        .window = 1 + sim_random(sim, SIM_CHOSEN),
        .window_bytes = 1 << 20,
    };
    client_stream_init(&retried->wire, &config);
}

static void on_retried(struct sim *sim, const struct belt_msg_failures *msg)
{
    struct admin_model *admin = &sim->admin;
    struct retried_model *retried = &admin->retried[admin->retried_count];
    if (!msg->job || job_by_id(sim, msg->job) || retried_by_id(sim, msg->job))
        sim_fail(sim, "failed tasks are tried again as job %llu, which is another", ULL(msg->job));
    *retried = (struct retried_model){
        .of = admin->of, .id = msg->job, .life = life_heard(sim), .count = admin->question.count};
    for (uint32_t i = 0; i < retried->count; i++) /* they were chosen from the last to the first */
        retried->inputs[i] = admin->indexes[retried->count - 1 - i];
    retried->over = retried->partly = msg->count != retried->count; /* some were let go before: it is not known which */
    read_it(sim, retried);
    admin->retried_count++;
}

static void check_result(struct sim *sim, const struct retried_model *retried, const struct belt_result_item *item)
{
    uint64_t input = retried->inputs[item->index];
    enum fate fate = sim_fate(sim, retried->of->number, input);
    bool stopped = item->code == BELT_TASK_TIMEOUT && retried->of->options.timeout_ms;
    bool fails = fate == FATE_FAILS || fate == FATE_KILLS_SLOT;
    if (item->code == BELT_OK ? fails || !sim_payload_is(sim, item->payload, retried->of->number, input, 2)
                              : !fails && item->code != BELT_TASK_LOST && !stopped)
        sim_fail(sim, "job %llu task %llu, which is %llu of old, ended as %s", ULL(retried->id), ULL(item->index),
                 ULL(input), belt_code_name(item->code));
}

static void on_results(struct sim *sim, struct retried_model *retried, const struct belt_msg_deliver *msg,
                       uint32_t skip)
{
    for (uint32_t i = skip; i < msg->count; i++) {
        const struct belt_result_item *item = &msg->results[i];
        if (item->index >= retried->count || retried->seen >> item->index & 1) {
            sim_fail(sim, "job %llu shows task %llu, twice or of none (I2)", ULL(retried->id), ULL(item->index));
            return;
        }
        retried->seen |= 1u << item->index;
        check_result(sim, retried, item);
    }
    client_stream_take(&retried->wire, retried->wire.received - retried->wire.start, retried->wire.received_bytes,
                       retried->wire.config.window);
}

static void read_on(struct sim *sim, struct retried_model *retried)
{
    struct belt_msg msg;
    while (!retried->over && node_ready(&sim->admin.node) && client_stream_send(&retried->wire, true, &msg))
        node_send(&sim->admin.node, &msg);
    if (retried->over || !client_stream_settled(&retried->wire))
        return;
    retried->over = true;
    bool kept = retried->of->durable || retried->life == sim->life;
    if (kept && retried->seen != (1u << retried->count) - 1)
        sim_fail(sim, "job %llu of failed tasks ended (%s) with results %x of %u", ULL(retried->id), retried->wire.text,
                 retried->seen, retried->count);
}

static void to_reader(struct sim *sim, struct retried_model *retried, const struct belt_msg *msg)
{
    uint32_t skip;
    if (!retried || retried->over)
        return;
    if (client_stream_receive(&retried->wire, msg, &skip) == CLIENT_STREAM_RESULTS)
        on_results(sim, retried, &msg->u.deliver, skip);
    read_on(sim, retried);
}

static struct retried_model *by_sub(struct sim *sim, uint64_t sub)
{
    for (uint32_t i = 0; i < sim->admin.retried_count; i++)
        if (sim->admin.retried[i].wire.state == CLIENT_STREAM_READING && sim->admin.retried[i].wire.sub == sub)
            return &sim->admin.retried[i];
    return NULL;
}

static struct retried_model *by_ref(struct sim *sim, uint64_t ref)
{
    uint64_t at = ref - FIRST_READ_REF;
    return ref >= FIRST_READ_REF && at < sim->admin.retried_count ? &sim->admin.retried[at] : NULL;
}

/* ---- answers ---- */

/* What it asked for is this now, unless another job has come under that key. */
static void settle(struct sim *sim, enum letter_state state)
{
    struct admin_model *admin = &sim->admin;
    for (uint32_t i = 0; i < admin->question.count && admin->of->id == admin->question.job; i++) {
        struct letter_model *letter = &admin->of->letters[admin->indexes[i]];
        letter->state = (uint8_t)state;
        letter->life = life_heard(sim);
        letter->walk = admin->walk;
    }
}

static void on_failures(struct sim *sim, const struct belt_msg_failures *msg)
{
    struct admin_model *admin = &sim->admin;
    if (!admin->asked || msg->ref != admin->question.ref)
        return;
    admin->asked = false;
    if (admin->question.action <= BELT_FAILED_SHOW) {
        on_list(sim, msg);
        return;
    }
    if (msg->count > admin->question.count || (msg->count < admin->question.count && !sim->config.memory_budget))
        sim_fail(sim, "%llu failed tasks of job %llu were chosen, not %u", ULL(msg->count), ULL(admin->question.job),
                 admin->question.count);
    settle(sim, admin->question.action == BELT_FAILED_RETRY ? LETTER_RETRIED : LETTER_DROPPED);
    if (admin->question.action != BELT_FAILED_RETRY)
        return;
    on_retried(sim, msg);
    if (sim->fault_at != UINT64_MAX && sim_chance(sim, 5000))
        broker_kill(sim); /* what it has answered is on disk */
}

static void on_error(struct sim *sim, const struct belt_msg_error *msg)
{
    struct admin_model *admin = &sim->admin;
    if (!admin->asked || msg->ref != admin->question.ref)
        return;
    if (msg->code == BELT_DRAINING || msg->code == BELT_STORE_FAILED) {
        settle(sim, LETTER_KEPT);
    } else if (msg->code == BELT_UNKNOWN_TASK) {
        /* Asked before a restart, and heard then, or lost with it. */
        if (admin->life == sim->life && !sim->config.memory_budget)
            sim_fail(sim, "failed tasks of job %llu were listed and cannot be had", ULL(admin->question.job));
    } else {
        sim_fail(sim, "the admin is told %s: %.*s", belt_code_name(msg->code), (int)msg->text.len,
                 (const char *)msg->text.data);
    }
    admin->asked = false;
}

static void receive(struct node *node, const struct belt_msg *msg)
{
    struct sim *sim = node->sim;
    switch (msg->type) {
    case BELT_MSG_FAILURES:
        on_failures(sim, &msg->u.failures);
        break;
    case BELT_MSG_SUBSCRIBED:
        to_reader(sim, by_ref(sim, msg->u.subscribed.ref), msg);
        break;
    case BELT_MSG_DELIVER:
        to_reader(sim, by_sub(sim, msg->u.deliver.sub), msg);
        break;
    case BELT_MSG_DONE:
        to_reader(sim, by_sub(sim, msg->u.done.sub), msg);
        break;
    case BELT_MSG_ERROR:
        on_error(sim, &msg->u.error);
        to_reader(sim, by_ref(sim, msg->u.error.ref), msg);
        break;
    default:
        break;
    }
}

static void welcomed(struct node *node)
{
    struct sim *sim = node->sim;
    struct admin_model *admin = &sim->admin;
    admin->sent = false;
    admin->whole &= !node->session.epoch_changed;
    for (uint32_t i = 0; i < admin->retried_count; i++)
        client_stream_resync(&admin->retried[i].wire);
    send_question(sim);
}

/* ---- its loop ---- */

static bool clients_finished(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->client_count; i++)
        if (!client_finished(&sim->clients[i]))
            return false;
    return sim->fault_at == UINT64_MAX;
}

static void next_question(struct sim *sim)
{
    struct admin_model *admin = &sim->admin;
    bool over = clients_finished(sim);
    if (admin->asked || admin->final || (sim->now < admin->next_at && !over) || !node_ready(&admin->node))
        return;
    admin->next_at = sim->now + 200 + sim_random(sim, 4000);
    uint64_t roll = sim_random(sim, 100);
    if (over || roll < 50 || admin->walk == 0)
        begin_walk(sim);
    else
        ask_for_some(sim, roll < 80);
    admin->final = over;
}

void admin_run(struct sim *sim)
{
    struct admin_model *admin = &sim->admin;
    if (!admin->there || node_asleep(&admin->node))
        return;
    node_run(&admin->node);
    next_question(sim);
    send_question(sim);
    for (uint32_t i = 0; i < admin->retried_count; i++)
        read_on(sim, &admin->retried[i]);
}

uint64_t admin_deadline(const struct sim *sim)
{
    const struct admin_model *admin = &sim->admin;
    if (!admin->there)
        return UINT64_MAX;
    uint64_t when = node_deadline(&admin->node);
    if (admin->asked || admin->final || !node_ready(&admin->node))
        return when;
    uint64_t own = admin->next_at < admin->node.asleep_until ? admin->node.asleep_until : admin->next_at;
    return least(when, own);
}

bool admin_finished(const struct sim *sim)
{
    const struct admin_model *admin = &sim->admin;
    for (uint32_t i = 0; i < admin->retried_count; i++)
        if (!admin->retried[i].over)
            return false;
    return !admin->there || (admin->final && !admin->asked);
}

void admin_start(struct sim *sim)
{
    struct admin_model *admin = &sim->admin;
    admin->there = sim_chance(sim, 5000);
    if (!admin->there)
        return;
    node_start(sim, &admin->node, BELT_ROLE_ADMIN, "admin");
    admin->node.welcomed = welcomed;
    admin->node.receive = receive;
    admin->next_at = sim->now + sim_random(sim, 8000);
}

void admin_fini(struct sim *sim)
{
    if (!sim->admin.there)
        return;
    for (uint32_t i = 0; i < sim->admin.retried_count; i++)
        client_stream_fini(&sim->admin.retried[i].wire);
    node_fini(&sim->admin.node);
}
