/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages to the broker, at the helm. See connection.h.
 */
#include "client/connection.h"

#include "proto/link.h"
#include "proto/text_cut.h"

#include <stdio.h>
#include <string.h>

bool client_connection_ready(const belt_pool *pool)
{
    return pool->session.state == BELT_SESSION_READY && pool->unsent.count == 0;
}

bool client_connection_flush(belt_pool *pool)
{
    if (pool->unsent.count == 0 || !pool->socket ||
        belt_link_send_watched(pool->socket, &pool->watch, NULL, &pool->unsent) != 0)
        return false;
    memset(&pool->unsent, 0, sizeof(pool->unsent)); /* the link took the references */
    return true;
}

void client_connection_send(belt_pool *pool, struct belt_msg *msg)
{
    int rc;

    belt_session_stamp(&pool->session, client_now_ms(), msg);
    rc = belt_encode(msg, &pool->unsent);
    if (rc != BELT_OK) {
        char text[200];

        belt_frames_clear(&pool->unsent);
        text_print(text, sizeof(text), "a %s message could not be made: %s", belt_msg_name(msg->type),
                   belt_code_text((unsigned)rc));
        client_connection_lost(pool, (unsigned)rc, text);
        return;
    }
    client_connection_flush(pool);
}

void client_connection_lost(belt_pool *pool, unsigned code, const char *text)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->code == BELT_OK) {
        pool->code = code;
        text_print(pool->text, sizeof(pool->text), "%s", text);
        atomic_store(&pool->lost, true);
    }
    wait_tell(&pool->cond);
    pthread_mutex_unlock(&pool->lock);
}
