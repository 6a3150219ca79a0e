/* SPDX-License-Identifier: Apache-2.0
 *
 * A token: what a new peer needs to JOIN, as one word (PROTOCOL.md section 17.4). It is an access whose key may do
 * nothing but JOIN. Pure.
 *
 *     belt- base64url( version server-key secret-key *( kind length host-and-port ) check )
 */
#ifndef BELT_TOKEN_H
#define BELT_TOKEN_H

#include "proto/access.h"

#define BELT_TOKEN_PREFIX "belt-"
/* Characters, with the NUL: keys, the check, and every address that an access may name. */
#define BELT_TOKEN_TEXT 8192u

/** Writes the token of `access`, whose brokers all have the key of the first. False: it is too long, or has none. */
bool belt_token_write(const struct belt_access *access, char text[BELT_TOKEN_TEXT]);
/**
 * Reads a token into an access without a name and a public key, blanks around it aside. False: it is none, or a
 * character of it is wrong or missing; `access` is wiped.
 */
bool belt_token_read(const char *text, struct belt_access *access);

#endif
