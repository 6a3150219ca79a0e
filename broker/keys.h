/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a broker with keys: `key`, which holds the server key, and `peers`, the allow-list (keyring.h). They lie
 * in its state directory, else in ~/.config/belt. Reads them again when they change. Decides nothing: keyring.c does.
 *
 * Threads: keys_admits() may be called from any thread; the rest from the broker's own.
 */
#ifndef BELT_BROKER_KEYS_H
#define BELT_BROKER_KEYS_H

#include "broker/keyring.h"

#include <limits.h>
#include <pthread.h>
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
/** Reads DIRECTORY/key. KEYS_NONE: it is not there. KEYS_BAD: the reason is in `error`. */
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
    struct keyring *keyring; /* under `lock`; never NULL */
    pthread_mutex_t lock;
    struct stat seen;    /* of the list, when it was read */
    bool readable;       /* at the last look */
    uint64_t look_at;    /* ms: when to look again */
    uint64_t generation; /* counts the lists that were read */
    char told[512];      /* what is wrong with the list, for the log; "": nothing */
};

/** Opens those of a broker whose state directory is `state` (may be NULL). As server_key_load(). */
enum keys_found keys_open(struct keys *keys, const char *state, char *error, size_t size);
void keys_close(struct keys *keys);
/** Looks at the list when it is time. True: it is another one. `now` in ms. */
bool keys_turn(struct keys *keys, uint64_t now);
/** Whether a connection with this key may begin: it is a peer's or a token's, and its time is not over. */
bool keys_admits(struct keys *keys, const uint8_t key[BELT_KEY_BYTES], uint64_t wall);
/** Whose key it is; NULL: nobody's, or that of a token. Valid until the next keys_turn() or keys_join(). */
const struct belt_identity *keys_identity(const struct keys *keys, const uint8_t key[BELT_KEY_BYTES]);
/** Lets a new peer in (keyring_join()), on disk when it returns. `joined` gets what the list says of it. */
enum keyring_answer keys_join(struct keys *keys, const uint8_t sender[BELT_KEY_BYTES], uint64_t wall,
                              const char *wished, const uint8_t key[BELT_KEY_BYTES], struct keyring_key *joined,
                              char *error, size_t size);

#endif
