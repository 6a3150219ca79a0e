/* SPDX-License-Identifier: Apache-2.0
 *
 * See joining.h. keyring_join() decides; the connection stays a stranger to the scheduler.
 */
#include "broker/joining.h"

#include <stdio.h>
#include <string.h>

static struct belt_bytes bytes_of(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

/* What does not leave is asked for again by the peer. */
static void send_answer(struct shell *shell, enum broker_side side, const struct belt_route *route,
                        const struct belt_msg *msg)
{
    struct belt_frames frames;
    if (belt_encode(msg, &frames) != BELT_OK)
        return;
    belt_link_send_watched(shell->sockets[side], &shell->watch[side], route, &frames);
    belt_frames_clear(&frames);
}

static void send_error(struct shell *shell, enum broker_side side, const struct belt_route *route, unsigned code,
                       const char *text)
{
    struct belt_msg msg = {.type = BELT_MSG_ERROR};
    msg.u.error.code = code;
    msg.u.error.text = bytes_of(text);
    send_answer(shell, side, route, &msg);
}

static const char *why_not(enum keyring_answer answer)
{
    switch (answer) {
    case KEYRING_OVER:
        return "the token's time is over: ask for a new one (belt keys token)";
    case KEYRING_USED_UP:
        return "the token is used up: ask for a new one (belt keys token)";
    case KEYRING_TAKEN:
        return "this key is another peer's already";
    case KEYRING_FULL:
        return "the broker's list of keys is full: take some out first (belt keys revoke)";
    default:
        return "JOIN needs a connection with the key of a token (belt keys token)";
    }
}

static void send_joined(struct shell *shell, enum broker_side side, const struct belt_route *route,
                        const struct keyring_key *joined)
{
    char roles[64];
    struct belt_msg msg = {.type = BELT_MSG_JOINED};
    keyring_roles_write(joined->identity.roles, roles, sizeof(roles));
    msg.u.joined.name = bytes_of(joined->identity.name);
    msg.u.joined.role = bytes_of(roles);
    send_answer(shell, side, route, &msg);
}

static void join(struct shell *shell, enum broker_side side, const struct belt_route *route,
                 const struct belt_msg_join *msg)
{
    const struct belt_link_sender *sender = &shell->senders.of[side];
    struct keyring_key joined;
    char name[BELT_MAX_NAME + 1], error[512] = "";
    enum keyring_answer answer = KEYRING_NO_TOKEN;
    snprintf(name, sizeof(name), "%.*s", (int)msg->name.len, (const char *)msg->name.data);
    if (shell->senders.keys && sender->kind == BELT_SENDER_KEY)
        answer = keys_join(shell->senders.keys, sender->key, shell->wall, name, msg->public_key.data, &joined, error,
                           sizeof(error));
    if (*error) {
        shell_log(shell, true, "a peer could not join: %s", error);
        send_error(shell, side, route, BELT_STORE_FAILED, "the broker cannot write its list of keys: its log says why");
    } else if (answer == KEYRING_ADDED || answer == KEYRING_KNOWN) {
        shell_log(shell, false, "%s joined by the token %s", joined.identity.name, joined.by);
        send_joined(shell, side, route, &joined);
    } else
        send_error(shell, side, route, answer == KEYRING_FULL ? BELT_LIMIT : BELT_NOT_ALLOWED, why_not(answer));
}

void joining_answer(struct shell *shell, enum broker_side side, const struct belt_route *route,
                    const struct belt_msg *msg)
{
    if (!msg)
        send_error(shell, side, route, BELT_BAD_MESSAGE, "with the key of a token a peer says JOIN");
    else if (msg->type != BELT_MSG_JOIN)
        send_error(shell, side, route, BELT_NOT_ALLOWED,
                   "the key of a token is for JOIN and nothing else: use the access file that was made then");
    else if (msg->u.join.version != BELT_PROTOCOL_VERSION)
        send_error(shell, side, route, BELT_BAD_VERSION, "the broker speaks another version of the protocol");
    else
        join(shell, side, route, &msg->u.join);
}

void joining_refuse(struct shell *shell, enum broker_side side, const struct belt_route *route)
{
    send_error(shell, side, route, BELT_NOT_ALLOWED,
               "this key was revoked, or its time is over: ask for a new one (belt keys new)");
}
