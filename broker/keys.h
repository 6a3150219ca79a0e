/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a broker with keys: `key`, which holds the server key, and `peers`, the allow-list (keyring.h). They lie
 * in its state directory, else in ~/.config/belt. Reads them again when they change. Decides nothing: keyring.c does.
 *
 * Threads: one has it. The handler of connections has a copy of its own, which is as new as the file.
 */
#ifndef BELT_BROKER_KEYS_H
#define BELT_BROKER_KEYS_H

#include "broker/keyring.h"

#include <limits.h>
#include <sys/stat.h>

#define KEYS_ADDRESSES 16u
/* Changes of the files are looked for this often: within a second they hold. */
#define KEYS_LOOK_MS 500u

/** What is in the file `key`: lines public, secret, next-public, next-secret, and those of the addresses. */
struct server_key {
    uint8_t public_key[BELT_KEY_BYTES], secret_key[BELT_KEY_BYTES];
    bool has_next;
    uint8_t next_public[BELT_KEY_BYTES], next_secret[BELT_KEY_BYTES];
    /* The addresses that others reach the broker by: host:port of the clients' endpoint, and of the workers'. */
    char clients[KEYS_ADDRESSES][BELT_ACCESS_ADDRESS], workers[KEYS_ADDRESSES][BELT_ACCESS_ADDRESS];
    uint32_t client_count, worker_count;
};

enum keys_found { KEYS_NONE, KEYS_FOUND, KEYS_BAD };

/** The directory of the keys: `state` when it has a key or `create`, else the user's own. False: there is none. */
bool keys_directory(const char *state, bool create, char *directory, size_t room);
/** Reads DIRECTORY/key. KEYS_NONE: it is not there. KEYS_BAD: the reason is in `error`, and errno tells a shortage. */
enum keys_found server_key_load(const char *directory, struct server_key *key, char *error, size_t size);
/** Writes it. 0, or an errno. */
int server_key_store(const char *directory, const struct server_key *key, bool replace);
void server_key_wipe(struct server_key *key);

/** Takes the lock that every change of the list is made under; a descriptor to be closed, -1 with errno. */
int keys_lock(const char *directory);
/** Reads DIRECTORY/peers (*gives* its text). 0, or an errno: ENOENT when it is not there. */
int keys_read_list(const char *directory, char **text, size_t *len);
int keys_write_list(const char *directory, const char *text, size_t len);

struct keys {
    char directory[PATH_MAX];
    struct server_key server;
    struct keyring *keyring; /* never NULL */
    struct stat seen;        /* of the list, when it was read */
    bool readable;           /* at the last look */
    uint64_t look_at;        /* ms: when to look again */
    uint64_t generation;     /* counts the lists that were read */
    uint64_t announced;      /* the generation that keys_turn() told of */
    char told[512];          /* what is wrong with the list, for the log; "": nothing */
};

/** Opens those of a broker whose state directory is `state` (may be NULL). As server_key_load(). */
enum keys_found keys_open(struct keys *keys, const char *state, char *error, size_t size);
/** The list alone of this directory, without the server key. False: out of memory. */
bool keys_open_list(struct keys *keys, const char *directory);
void keys_close(struct keys *keys);
/** Reads the list again if it has changed. True: it has. */
bool keys_look(struct keys *keys);
/**
 * The same when it is time. `now` in ms. True: the list has changed since the last call that said so, also when
 * keys_find() was who read it again.
 */
bool keys_turn(struct keys *keys, uint64_t now);
/** The line of a key; NULL: it is not there, or its time is over. Valid until the list is looked at again. Looks at it
 * before it says no: who was let in this moment is in. */
const struct keyring_key *keys_find(struct keys *keys, const uint8_t key[BELT_KEY_BYTES], uint64_t wall);
/** Lets a new peer in (keyring_join()), on disk when it returns. `joined` gets what the list says of it. */
enum keyring_answer keys_join(struct keys *keys, const uint8_t sender[BELT_KEY_BYTES], uint64_t wall,
                              const char *wished, const uint8_t key[BELT_KEY_BYTES], struct keyring_key *joined,
                              char *error, size_t size);

#endif
