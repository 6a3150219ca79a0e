/* SPDX-License-Identifier: Apache-2.0
 *
 * A task, and the steps that it may make.
 */
#include "broker/core/model/task.h"
#include "broker/core/util/transition.h"

#include <stdlib.h>
#include <string.h>

/* ARCHITECTURE.md draws it. A task begins as WAITING. */
static const uint8_t allowed[] = {
    [TASK_WAITING] = TO(TASK_RUNNING) | TO(TASK_DONE) | TO(TASK_RELEASED),
    [TASK_RUNNING] = TO(TASK_WAITING) | TO(TASK_DELAYED) | TO(TASK_DONE) | TO(TASK_RELEASED),
    [TASK_DELAYED] = TO(TASK_WAITING) | TO(TASK_RELEASED),
    [TASK_DONE] = TO(TASK_RELEASED),
    [TASK_RELEASED] = 0,
};

void task_step(struct task *task, enum task_state to)
{
    transition_check(allowed, task->state, to);
    task->state = (uint8_t)to;
}

struct belt_result_item task_item(uint64_t index, const struct task *task)
{
    return (struct belt_result_item){.index = index,
                                     .attempt = task->attempt,
                                     .code = task->code,
                                     .service_us = task->n.service_us,
                                     .payload = {task->buf, task->data, task->len},
                                     .extras = task->u.extras};
}

_Static_assert(sizeof(struct task) <= 48, "a waiting task must stay small");

void task_drop_payload(struct task *task)
{
    belt_buf_unref(task->buf);
    task->buf = NULL;
    task->data = NULL;
    task->len = 0;
}

void task_release(struct task *task)
{
    task_drop_payload(task);
    if (task->state == TASK_DONE)
        free(task->u.extras);
    task->u.extras = NULL;
    task_step(task, TASK_RELEASED);
}

static struct belt_bytes bytes_into(char **at, struct belt_bytes from)
{
    struct belt_bytes to = {(const uint8_t *)*at, from.len};
    if (from.len)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return to;
}

struct belt_result_extras *extras_copy(const struct belt_result_extras *extras)
{
    size_t size = sizeof(*extras) + extras->text.len + extras->log.len + extras->host.len;
    struct belt_result_extras *copy = malloc(size);
    if (!copy)
        return NULL;
    *copy = *extras;
    char *at = (char *)(copy + 1);
    copy->text = bytes_into(&at, extras->text);
    copy->log = bytes_into(&at, extras->log);
    copy->host = bytes_into(&at, extras->host);
    return copy;
}
