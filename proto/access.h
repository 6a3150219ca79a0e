/* SPDX-License-Identifier: Apache-2.0
 *
 * The access file: the one credential of a peer, as text (PROTOCOL.md section 17). Pure: works on a buffer;
 * access_file.h finds and reads the file.
 *
 *     name = ann
 *     role = client
 *     broker = tcp://head:7878 SERVERKEY          several: the first is used unless another is named
 *     workers = tcp://head:7879 SERVERKEY         for `belt worker`
 *     public = KEY
 *     secret = KEY
 *
 * A key is 32 bytes in base64url. A third word of a broker's line is the key that the broker will have next.
 */
#ifndef BELT_ACCESS_H
#define BELT_ACCESS_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key as text: 43 characters and a NUL. */
#define BELT_KEY_TEXT 44u
/* A broker is reached by a few names of its host. */
#define BELT_ACCESS_BROKERS 16u
#define BELT_ACCESS_ADDRESS 288u
/* An access file holds a dozen short lines. */
#define BELT_ACCESS_BYTES 16384u
#define BELT_ACCESS_ROLE  64u

struct belt_access_broker {
    char address[BELT_ACCESS_ADDRESS]; /* tcp://HOST:PORT */
    uint8_t key[BELT_KEY_BYTES];
    uint8_t next[BELT_KEY_BYTES]; /* the key that it will have next, if has_next */
    bool has_next;
    bool workers; /* the address for workers, not for clients */
};

struct belt_access {
    char name[BELT_MAX_NAME + 1];
    char role[BELT_ACCESS_ROLE]; /* as written: the broker's list decides */
    struct belt_access_broker brokers[BELT_ACCESS_BROKERS];
    uint32_t broker_count;
    uint8_t public_key[BELT_KEY_BYTES], secret_key[BELT_KEY_BYTES];
};

/** A key <-> its text. False: the text is no key. */
void belt_key_write(char text[BELT_KEY_TEXT], const uint8_t key[BELT_KEY_BYTES]);
bool belt_key_read(const char *text, size_t len, uint8_t key[BELT_KEY_BYTES]);
/** Whether a text is a name as PROTOCOL.md section 4 has it. */
bool belt_access_name_valid(const char *name);

/** Reads `len` bytes. False with `error` saying "line N: what is wrong", which never shows a key; `access` is wiped. */
bool belt_access_parse(struct belt_access *access, const char *text, size_t len, char *error, size_t size);
/** Writes the file's text; the length that it has, as snprintf() says it. */
size_t belt_access_format(const struct belt_access *access, char *text, size_t size);
/** The first broker for clients or for workers, NULL: there is none. */
const struct belt_access_broker *belt_access_first(const struct belt_access *access, bool workers);
/**
 * The line of the broker at `address`: the one that names it, else the first of its kind, else the first at all: a
 * key that is not the broker's does no harm, its connection only fails. NULL: the file names no broker.
 */
const struct belt_access_broker *belt_access_find(const struct belt_access *access, const char *address, bool workers);
/** Overwrites the secret, so that no later reader of this memory finds it. */
void belt_access_wipe(struct belt_access *access);

#endif
