/* SPDX-License-Identifier: Apache-2.0
 *
 * The allow-list of a broker with keys: whose key it is, what it allows, and until when (PROTOCOL.md §12.1, §17). Pure:
 * works on the text of the file; keys.h reads and writes that.
 *
 * One line a key, blanks between its words, # in front of a comment:
 *
 *     PUBLIC NAME ROLES [owner=NAME] [expires=2027-01-31T22:30:00Z] [connections=N] [jobs=N] [waiting-bytes=SIZE]
 *                       [kept-bytes=SIZE] [by=TOKEN]
 *     PUBLIC NAME join grants=ROLES uses=N expires=TIME [owner=NAME] …              (a token)
 *
 * A line that is not valid allows nothing, and neither does one that has the key or the name of a line above it.
 */
#ifndef BELT_BROKER_KEYRING_H
#define BELT_BROKER_KEYRING_H

#include "proto/access.h"
#include "proto/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#ifndef uthash_fatal
#define uthash_fatal(msg) abort()
#endif
#include <uthash.h>

/* More keys than a broker has places for peers, and the longest line that one can have. */
#define KEYRING_MAX   65536u
#define KEYRING_LINE  1024u
#define KEYRING_BYTES (16u << 20)

struct keyring_key {
    struct belt_identity identity; /* of a token: without roles */
    bool token;
    uint8_t grants;             /* of a token: the roles of the keys that it lets in */
    uint32_t uses;              /* of a token: how many more it lets in */
    char by[BELT_MAX_NAME + 1]; /* the token that it came in by; "": none */
    uint32_t line;              /* of the text */
    UT_hash_handle by_key, by_name;
};

struct keyring {
    struct keyring_key *by_key, *by_name;
    uint32_t count;
    uint32_t faults; /* lines that allow nothing */
    char fault[256]; /* of the first: "line 3: why" */
};

/** Reads `len` bytes. NULL when out of memory; what is wrong with single lines is in `faults`. */
struct keyring *keyring_read(const char *text, size_t len);
/** Accepts NULL. */
void keyring_free(struct keyring *keyring);

/** NULL: this key is not there. Of one that is there `keyring_lives()` says whether its time is over. */
const struct keyring_key *keyring_find(const struct keyring *keyring, const uint8_t key[BELT_KEY_BYTES]);
const struct keyring_key *keyring_named(const struct keyring *keyring, const char *name);
/** `wall` in ms since 1970. */
bool keyring_lives(const struct keyring_key *key, uint64_t wall);

enum keyring_answer {
    KEYRING_ADDED,    /* `joined` is to be added, and `token` has one use less */
    KEYRING_KNOWN,    /* it was added before, by the same token: `joined` is what it is */
    KEYRING_NO_TOKEN, /* the sender's key is no token's */
    KEYRING_OVER,     /* the token's time is over */
    KEYRING_USED_UP,  /* it has no uses left */
    KEYRING_TAKEN,    /* the key is somebody else's */
    KEYRING_FULL      /* there are too many keys */
};
/**
 * What becomes of a JOIN with `key` under the name `wished`, sent with the key of a token (PROTOCOL.md §17.4). Changes
 * nothing: `token` and `joined` are copies, to be written by keyring_line().
 */
enum keyring_answer keyring_join(const struct keyring *keyring, const uint8_t sender[BELT_KEY_BYTES], uint64_t wall,
                                 const char *wished, const uint8_t key[BELT_KEY_BYTES], struct keyring_key *token,
                                 struct keyring_key *joined);

/** The line of a key, with a newline; the length that it has, as snprintf() says it. */
size_t keyring_line(const struct keyring_key *key, char *out, size_t size);
/**
 * The text with `line` (which ends with a newline) in place of line `number`; NULL: without that line; number 0: with
 * it at the end. *Gives* it, with a NUL behind it; NULL when out of memory.
 */
char *keyring_edit(const char *text, size_t len, uint32_t number, const char *line, size_t *edited);

/** "client,worker" <-> bits. False, or "": there is none of these. */
bool keyring_roles_read(const char *text, size_t len, uint8_t *roles);
void keyring_roles_write(uint8_t roles, char *out, size_t size);
/** "2027-01-31T22:30:00Z" <-> ms since 1970. */
bool keyring_time_read(const char *text, size_t len, uint64_t *ms);
void keyring_time_write(uint64_t ms, char out[24]);

#endif
