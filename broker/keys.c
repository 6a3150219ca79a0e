/* SPDX-License-Identifier: Apache-2.0
 *
 * See keys.h.
 */
#include "broker/keys.h"

#include "proto/access_file.h"
#include "proto/shortage.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static bool path_of(const char *directory, const char *name, char path[PATH_MAX])
{
    int len = snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return len > 0 && len < PATH_MAX;
}

bool keys_directory(const char *state, bool create, char *directory, size_t room)
{
    char path[PATH_MAX];
    if (state && *state && path_of(state, "key", path) && (create || access(path, F_OK) == 0))
        return (size_t)snprintf(directory, room, "%s", state) < room;
    if (!belt_access_home("", directory, room))
        return false;
    directory[strlen(directory) - 1] = '\0'; /* the slash in front of no name */
    return true;
}

/* ---- the server key ---- */

struct line {
    const char *name, *value;
    size_t name_len, value_len;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **at, size_t *len)
{
    while (*len && blank(**at)) {
        (*at)++;
        (*len)--;
    }
    while (*len && blank((*at)[*len - 1]))
        (*len)--;
}

/* The next line that says something. False: there is none. */
static bool next_line(const char **text, struct line *line)
{
    while (**text) {
        const char *at = *text, *stop = strchrnul(at, '\n');
        size_t len = (size_t)(stop - at);
        *text = *stop ? stop + 1 : stop;
        trim(&at, &len);
        if (len == 0 || *at == '#')
            continue;
        const char *equals = memchr(at, '=', len);
        *line = (struct line){.name = at, .name_len = equals ? (size_t)(equals - at) : len};
        line->value = equals ? equals + 1 : at + len;
        line->value_len = (size_t)(at + len - line->value);
        trim(&line->name, &line->name_len);
        trim(&line->value, &line->value_len);
        return true;
    }
    return false;
}

static bool add_address(const struct line *line, char addresses[KEYS_ADDRESSES][BELT_ACCESS_ADDRESS], uint32_t *count)
{
    if (*count == KEYS_ADDRESSES || line->value_len == 0 || line->value_len >= BELT_ACCESS_ADDRESS)
        return false;
    memcpy(addresses[*count], line->value, line->value_len);
    addresses[(*count)++][line->value_len] = '\0';
    return true;
}

#define HAS_PUBLIC      1u
#define HAS_SECRET      2u
#define HAS_NEXT_PUBLIC 4u
#define HAS_NEXT_SECRET 8u

static bool read_line(struct server_key *key, const struct line *line, unsigned *has)
{
    const struct {
        const char *name;
        uint8_t *bytes;
        unsigned bit;
    } keys[] = {{"public", key->public_key, HAS_PUBLIC},
                {"secret", key->secret_key, HAS_SECRET},
                {"next-public", key->next_public, HAS_NEXT_PUBLIC},
                {"next-secret", key->next_secret, HAS_NEXT_SECRET}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strlen(keys[i].name) == line->name_len && memcmp(keys[i].name, line->name, line->name_len) == 0) {
            bool twice = (*has & keys[i].bit) != 0;
            *has |= keys[i].bit;
            return !twice && belt_key_read(line->value, line->value_len, keys[i].bytes);
        }
    if (line->name_len == 7 && memcmp(line->name, "clients", 7) == 0)
        return add_address(line, key->clients, &key->client_count);
    return line->name_len == 7 && memcmp(line->name, "workers", 7) == 0 &&
           add_address(line, key->workers, &key->worker_count);
}

static bool parse(struct server_key *key, const char *text)
{
    struct line line;
    unsigned has = 0;
    while (next_line(&text, &line))
        if (!read_line(key, &line, &has))
            return false;
    key->has_next = (has & HAS_NEXT_PUBLIC) != 0;
    return (has & (HAS_PUBLIC | HAS_SECRET)) == (HAS_PUBLIC | HAS_SECRET) &&
           key->has_next == ((has & HAS_NEXT_SECRET) != 0);
}

enum keys_found server_key_load(const char *directory, struct server_key *key, char *error, size_t size)
{
    char path[PATH_MAX], *text = NULL;
    size_t len = 0;
    *key = (struct server_key){.has_next = false};
    if (!path_of(directory, "key", path))
        return KEYS_NONE;
    int err = belt_secret_read(path, BELT_ACCESS_BYTES, &text, &len);
    /* In a folder that may not be entered, another user's HOME, there is none for us. */
    if (err == ENOENT || err == ENOTDIR || (err == EACCES && access(path, F_OK) != 0))
        return KEYS_NONE;
    if (err == EPERM)
        text_print(error, size, "the server key %s can be read or written by others: chmod 600 %s", path, path);
    else if (err)
        text_print(error, size, "cannot read the server key %s: %s", path, belt_shortage_text(err));
    bool good = err == 0 && parse(key, text);
    belt_secret_free(text, len);
    if (good)
        return KEYS_FOUND;
    if (err == 0)
        text_print(error, size,
                   "the file %s is no server key: bring it back from a copy, or make new keys (belt keys init)", path);
    server_key_wipe(key);
    errno = err;
    return KEYS_BAD;
}

static size_t format(const struct server_key *key, char *out, size_t size)
{
    char text[BELT_KEY_TEXT];
    size_t len = 0;
#define ADD(...)             len += (size_t)snprintf(len < size ? out + len : NULL, len < size ? size - len : 0, __VA_ARGS__)
#define ADD_KEY(name, bytes) belt_key_write(text, bytes), ADD("%s = %s\n", name, text)
    ADD("# The key of a Belt broker. Whoever can read this file can pass for the broker (mode 0600).\n");
    ADD_KEY("public", key->public_key);
    ADD_KEY("secret", key->secret_key);
    if (key->has_next) {
        ADD_KEY("next-public", key->next_public);
        ADD_KEY("next-secret", key->next_secret);
    }
    ADD("# The addresses that others reach it by: belt keys new and belt keys token write them down.\n");
    for (uint32_t i = 0; i < key->client_count; i++)
        ADD("clients = %s\n", key->clients[i]);
    for (uint32_t i = 0; i < key->worker_count; i++)
        ADD("workers = %s\n", key->workers[i]);
#undef ADD_KEY
#undef ADD
    explicit_bzero(text, sizeof(text));
    return len;
}

int server_key_store(const char *directory, const struct server_key *key, bool replace)
{
    char path[PATH_MAX], text[BELT_ACCESS_BYTES];
    if (!path_of(directory, "key", path))
        return ENAMETOOLONG;
    size_t len = format(key, text, sizeof(text));
    int err = len < sizeof(text) ? belt_secret_write(path, text, len, replace) : EFBIG;
    explicit_bzero(text, sizeof(text));
    return err;
}

void server_key_wipe(struct server_key *key)
{
    explicit_bzero(key, sizeof(*key));
}

/* ---- the list ---- */

int keys_lock(const char *directory)
{
    char path[PATH_MAX];
    errno = ENAMETOOLONG;
    if (!path_of(directory, "peers.lock", path))
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0)
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    return fd;
}

int keys_read_list(const char *directory, char **text, size_t *len)
{
    char path[PATH_MAX];
    *text = NULL;
    return path_of(directory, "peers", path) ? belt_secret_read(path, KEYRING_BYTES, text, len) : ENAMETOOLONG;
}

int keys_write_list(const char *directory, const char *text, size_t len)
{
    char path[PATH_MAX];
    return path_of(directory, "peers", path) ? belt_secret_write(path, text, len, true) : ENAMETOOLONG;
}

static void put(struct keys *keys, struct keyring *keyring)
{
    keyring_free(keys->keyring);
    keys->keyring = keyring;
    keys->generation++;
}

/* A list that cannot be read lets nobody in: it is as an empty one. */
static void read_list(struct keys *keys)
{
    char *text = NULL;
    size_t len = 0;
    int err = keys_read_list(keys->directory, &text, &len);
    struct keyring *keyring = keyring_read(err ? "" : text, err ? 0 : len);
    belt_secret_free(text, len);
    if (!keyring)
        return; /* out of memory: the next look tries again, as the list is older than its file */
    *keys->told = '\0';
    if (err == EPERM)
        text_print(
            keys->told, sizeof(keys->told),
            "the list of keys %s/peers can be read or written by others, and nobody is let in: chmod 600 %s/peers",
            keys->directory, keys->directory);
    else if (err)
        text_print(keys->told, sizeof(keys->told), "the list of keys %s/peers cannot be read, and nobody is let in: %s",
                   keys->directory, strerror(err));
    else if (keyring->faults)
        text_print(keys->told, sizeof(keys->told), "%u lines of %s/peers allow nothing: %s", (unsigned)keyring->faults,
                   keys->directory, keyring->fault);
    put(keys, keyring);
}

static bool look(struct keys *keys, struct stat *status)
{
    char path[PATH_MAX];
    memset(status, 0, sizeof(*status));
    return path_of(keys->directory, "peers", path) && stat(path, status) == 0;
}

static bool changed(const struct keys *keys, const struct stat *status, bool readable)
{
    const struct stat *seen = &keys->seen;
    return readable != keys->readable || status->st_ino != seen->st_ino || status->st_size != seen->st_size ||
           status->st_mode != seen->st_mode || status->st_mtim.tv_sec != seen->st_mtim.tv_sec ||
           status->st_mtim.tv_nsec != seen->st_mtim.tv_nsec || status->st_ctim.tv_sec != seen->st_ctim.tv_sec ||
           status->st_ctim.tv_nsec != seen->st_ctim.tv_nsec;
}

/* What is looked at is older than what is read: a change in between is read again. */
static void take(struct keys *keys)
{
    keys->readable = look(keys, &keys->seen);
    read_list(keys);
}

enum keys_found keys_open(struct keys *keys, const char *state, char *error, size_t size)
{
    *keys = (struct keys){.keyring = NULL};
    if (!keys_directory(state, false, keys->directory, sizeof(keys->directory)))
        return KEYS_NONE;
    enum keys_found found = server_key_load(keys->directory, &keys->server, error, size);
    if (found != KEYS_FOUND)
        return found;
    take(keys);
    keys->announced = keys->generation;
    if (keys->keyring)
        return KEYS_FOUND;
    text_print(error, size, "out of memory");
    keys_close(keys);
    return KEYS_BAD;
}

void keys_close(struct keys *keys)
{
    server_key_wipe(&keys->server);
    if (!keys->keyring)
        return;
    keyring_free(keys->keyring);
    keys->keyring = NULL;
}

bool keys_open_list(struct keys *keys, const char *directory)
{
    *keys = (struct keys){.keyring = NULL};
    snprintf(keys->directory, sizeof(keys->directory), "%s", directory);
    take(keys);
    keys->announced = keys->generation;
    return keys->keyring != NULL;
}

bool keys_look(struct keys *keys)
{
    struct stat status;
    uint64_t generation = keys->generation;
    bool readable = look(keys, &status);
    if (changed(keys, &status, readable))
        take(keys);
    return keys->generation != generation;
}

bool keys_turn(struct keys *keys, uint64_t now)
{
    if (now >= keys->look_at) {
        keys->look_at = now + KEYS_LOOK_MS;
        keys_look(keys);
    }
    bool news = keys->generation != keys->announced;
    keys->announced = keys->generation;
    return news;
}

static const struct keyring_key *living(const struct keys *keys, const uint8_t key[BELT_KEY_BYTES], uint64_t wall)
{
    const struct keyring_key *found = keyring_find(keys->keyring, key);
    return found && keyring_lives(found, wall) ? found : NULL;
}

const struct keyring_key *keys_find(struct keys *keys, const uint8_t key[BELT_KEY_BYTES], uint64_t wall)
{
    const struct keyring_key *found = living(keys, key, wall);
    return found || !keys_look(keys) ? found : living(keys, key, wall);
}

/* The list with the new key in it, and the token with one use less. 0, or an errno. */
static int write_joined(const struct keys *keys, const char *text, size_t len, const struct keyring_key *token,
                        const struct keyring_key *joined)
{
    char line[KEYRING_LINE + 1];
    size_t used_len = 0, added_len = 0;
    keyring_line(token, line, sizeof(line));
    char *used = keyring_edit(text, len, token->line, line, &used_len);
    keyring_line(joined, line, sizeof(line));
    char *added = used ? keyring_edit(used, used_len, 0, line, &added_len) : NULL;
    int err = added ? keys_write_list(keys->directory, added, added_len) : ENOMEM;
    free(used);
    free(added);
    return err;
}

enum keyring_answer keys_join(struct keys *keys, const uint8_t sender[BELT_KEY_BYTES], uint64_t wall,
                              const char *wished, const uint8_t key[BELT_KEY_BYTES], struct keyring_key *joined,
                              char *error, size_t size)
{
    struct keyring_key token;
    enum keyring_answer answer = KEYRING_NO_TOKEN;
    char *text = NULL;
    size_t len = 0;
    int lock = keys_lock(keys->directory);
    int err = lock < 0 ? errno : keys_read_list(keys->directory, &text, &len);
    struct keyring *keyring = err ? NULL : keyring_read(text, len);
    *error = '\0';
    if (keyring)
        answer = keyring_join(keyring, sender, wall, wished, key, &token, joined);
    else
        err = err ? err : ENOMEM;
    if (answer == KEYRING_ADDED)
        err = write_joined(keys, text, len, &token, joined);
    if (err)
        text_print(error, size, "the list of keys %s/peers: %s", keys->directory, strerror(err));
    keyring_free(keyring);
    belt_secret_free(text, len);
    if (lock >= 0)
        close(lock);
    if (err == 0 && answer == KEYRING_ADDED)
        take(keys);
    return answer;
}
