/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose turn it is to be told of the broker. A STATUS of twenty bytes may make it look at all jobs, so what a report
 * costs is charged to the session that asked: one that asks without a pause gets a tenth of the broker's time, and its
 * further questions wait, in their order (PROTOCOL.md §5.5).
 */
#include "broker/core/events/question.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/update.h"
#include "broker/core/events/report.h"

#include <stdlib.h>
#include <string.h>

/* A row that is looked at costs about 0.1 us; a session is charged ten times that, in us of the clock. */
#define CHARGE_A_ROW 1u
/* So far ahead of the clock may a session be: an overview of thousands of jobs is answered at once. */
#define AHEAD_US 250000u

struct question {
    struct question *next;
    struct belt_msg_status msg; /* its texts lie in `words` */
    uint8_t words[];
};

static struct belt_bytes keep(uint8_t **at, struct belt_bytes from)
{
    struct belt_bytes to = {*at, from.len};
    if (from.len)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return to;
}

static struct question *question_new(const struct belt_msg_status *msg)
{
    size_t size = msg->name.len + msg->query.function.len + msg->query.owner.len;
    struct question *question = malloc(sizeof(*question) + size);
    if (!question)
        abort();
    uint8_t *at = question->words;
    question->next = NULL;
    question->msg = *msg;
    question->msg.name = keep(&at, msg->name);
    question->msg.query.function = keep(&at, msg->query.function);
    question->msg.query.owner = keep(&at, msg->query.owner);
    return question;
}

static uint64_t now_us(const struct core *core)
{
    return core->now * 1000;
}

static bool is_its_turn(const struct core *core, const struct session *session)
{
    return session->charged_us <= now_us(core) + AHEAD_US;
}

static void answer(struct core *core, struct session *to, const struct belt_msg_status *msg)
{
    uint64_t rows = report_status(core, to, msg);
    core->sessions.report_rows += rows;
    if (to->charged_us < now_us(core))
        to->charged_us = now_us(core);
    to->charged_us += rows * CHARGE_A_ROW;
}

static uint64_t turn_of(const struct session *session)
{
    return session->charged_us > AHEAD_US ? (session->charged_us - AHEAD_US + 999) / 1000 : 0;
}

void question_status(struct core *core, struct session *from, const struct belt_msg_status *msg)
{
    if (!from->questions && is_its_turn(core, from)) {
        answer(core, from, msg);
        return;
    }
    if (from->question_count == BELT_MAX_QUESTIONS) {
        update_error(core, from, msg->ref, 0, BELT_LIMIT,
                     update_text(core, "%u of your questions wait to be answered, the limit: ask again later",
                                 from->question_count));
        return;
    }
    if (!from->questions)
        list_append(&core->sessions.askers, &from->asking);
    struct question *question = question_new(msg); /* the macro reads its argument more than once */
    LL_APPEND(from->questions, question);
    from->question_count++;
    mark_alarm(core, turn_of(from));
}

static void drop_first(struct session *session)
{
    struct question *first = session->questions;
    session->questions = first->next;
    session->question_count--;
    free(first);
    if (!session->questions)
        list_remove(&session->asking);
}

void question_forget(struct session *session)
{
    while (session->questions)
        drop_first(session);
}

/* Answers one question of each session whose turn it is. */
void question_turn(struct core *core)
{
    struct session *session, *next;
    LIST_EACH_SAFE (&core->sessions.askers, session, next, asking) {
        if (is_its_turn(core, session)) {
            answer(core, session, &session->questions->msg);
            drop_first(session);
        }
        if (session->questions)
            mark_alarm(core, turn_of(session) > core->now ? turn_of(session) : core->now + 1);
    }
}
