/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys as text, access files, tokens, and where an access file is looked for.
 */
#include "proto/access_file.h"
#include "proto/base64url.h"
#include "proto/token.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define KEY_B "_v79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"
#define KEY_C "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"

static const char good[] = "# ann\n"
                           "name = ann\r\n"
                           "role=client\n"
                           "broker = tcp://head:7878   " KEY_A "\n"
                           "  broker\t= tcp://[::1]:7878 " KEY_A " " KEY_B "\n"
                           "workers = tcp://head:7879 " KEY_A "\n"
                           "public = " KEY_B "\n"
                           "secret = " KEY_C;

static struct belt_access parsed(const char *text)
{
    struct belt_access access;
    char error[200] = "";
    cr_assert(belt_access_parse(&access, text, strlen(text), error, sizeof(error)), "%s", error);
    return access;
}

static void refused(const char *text, const char *why)
{
    static const struct belt_access wiped;
    struct belt_access access;
    char error[200] = "";
    cr_assert_not(belt_access_parse(&access, text, strlen(text), error, sizeof(error)), "taken: %s", text);
    cr_assert_not_null(strstr(error, why), "got: %s", error);
    cr_assert_null(strstr(error, KEY_C), "the text shows a secret");
    cr_assert_eq(memcmp(&access, &wiped, sizeof(wiped)), 0, "the secret stays in memory");
}

Test(base64url, known_vectors)
{
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const text[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        char out[16];
        uint8_t bytes[16];
        size_t len = 99;
        base64url_write(out, (const uint8_t *)plain[i], strlen(plain[i]));
        cr_assert_str_eq(out, text[i]);
        cr_assert_eq(strlen(out), BASE64URL_LEN(strlen(plain[i])));
        cr_assert(base64url_read(text[i], strlen(text[i]), bytes, sizeof(bytes), &len));
        cr_assert_eq(len, strlen(plain[i]));
        cr_assert_eq(memcmp(bytes, plain[i], len), 0);
    }
}

Test(base64url, one_value_has_one_text)
{
    static const char *const bad[] = {"Z", "Zh", "Zm9", "Zg==", "Zm 8", "Zm+v", "Zm/v", "Zm9vY", "Zm8\n"};
    uint8_t bytes[16];
    size_t len;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_assert_not(base64url_read(bad[i], strlen(bad[i]), bytes, sizeof(bytes), &len), "taken: %s", bad[i]);
    cr_assert_not(base64url_read("Zm9v", 4, bytes, 2, &len), "more than there is room for");
}

Test(access, a_key_has_32_bytes)
{
    uint8_t key[BELT_KEY_BYTES];
    char text[BELT_KEY_TEXT];
    cr_assert(belt_key_read(KEY_B, strlen(KEY_B), key));
    cr_assert_eq(key[0], 0xfe);
    cr_assert_eq(key[31], 0xe0);
    belt_key_write(text, key);
    cr_assert_str_eq(text, KEY_B);
    cr_assert_not(belt_key_read(KEY_B, strlen(KEY_B) - 1, key));
    cr_assert_not(belt_key_read(KEY_B "A", strlen(KEY_B) + 1, key));
    cr_assert_not(belt_key_read("", 0, key));
}

Test(access, a_file_is_read)
{
    struct belt_access access = parsed(good);
    cr_assert_str_eq(access.name, "ann");
    cr_assert_str_eq(access.role, "client");
    cr_assert_eq(access.broker_count, 3);
    cr_assert_str_eq(access.brokers[0].address, "tcp://head:7878");
    cr_assert_not(access.brokers[0].has_next);
    cr_assert_not(access.brokers[0].workers);
    cr_assert_str_eq(access.brokers[1].address, "tcp://[::1]:7878");
    cr_assert(access.brokers[1].has_next);
    cr_assert_eq(access.brokers[1].next[0], 0xfe);
    cr_assert(access.brokers[2].workers);
    cr_assert_eq(access.public_key[0], 0xfe);
    cr_assert_eq(access.secret_key[0], 0x20);
}

Test(access, what_is_written_is_read_again)
{
    struct belt_access access = parsed(good), again;
    char text[4096];
    size_t len = belt_access_format(&access, text, sizeof(text));
    cr_assert_eq(len, strlen(text));
    again = parsed(text);
    cr_assert_eq(memcmp(&access, &again, sizeof(access)), 0);
    cr_assert_eq(belt_access_format(&access, text, 10), len, "it says how long it is, as snprintf does");
}

Test(access, each_fault_is_told)
{
    refused("", "'name = …' is missing");
    refused("name = ann\n", "'public = …' or 'secret = …' is missing");
    refused("name = ann\npublic = " KEY_A "\nsecret = " KEY_C "\n", "'broker = ADDRESS KEY' is missing");
    refused("name = -ann\n", "line 1: a name has");
    refused("name = a b\n", "line 1: a name has");
    refused("\nnames = ann\n", "line 2: an access file has");
    refused("name\n", "line 1: expected 'name = value'");
    refused("public = " KEY_A "x\n", "line 1: this is no key");
    refused("secret = " KEY_C "\nsecret = " KEY_C "\n", "line 2: the key is given twice");
    refused("broker = tcp://head:7878\n", "the key of the broker is no key");
    refused("broker = ipc:///run/belt " KEY_A "\n", "expected tcp://HOST:PORT");
    refused("broker = tcp://h\001:7878 " KEY_A "\n", "expected tcp://HOST:PORT");
    refused("broker = tcp://h:7878 " KEY_A " " KEY_C " more\n", "what follows the key");
    refused("role = client worker\n", "a role is one word");
}

Test(access, bounds_are_kept)
{
    char *text = malloc(BELT_ACCESS_BYTES + 2), error[200];
    struct belt_access access;
    size_t len = 0;
    for (unsigned i = 0; i <= BELT_ACCESS_BROKERS; i++)
        len += (size_t)sprintf(text + len, "broker = tcp://h%u:1 " KEY_A "\n", i);
    refused(text, "line 17: more than 16 addresses");
    memset(text, '\n', BELT_ACCESS_BYTES + 1);
    cr_assert_not(belt_access_parse(&access, text, BELT_ACCESS_BYTES + 1, error, sizeof(error)));
    cr_assert_not_null(strstr(error, "larger than 16 KiB"));
    len = (size_t)sprintf(text, "broker = tcp://");
    memset(text + len, 'h', BELT_ACCESS_ADDRESS);
    strcpy(text + len + BELT_ACCESS_ADDRESS, " " KEY_A);
    refused(text, "expected tcp://HOST:PORT");
    free(text);
}

Test(access, the_broker_of_an_address)
{
    struct belt_access access = parsed(good);
    cr_assert_eq(belt_access_find(&access, "tcp://[::1]:7878", false), &access.brokers[1]);
    cr_assert_eq(belt_access_find(&access, "tcp://head:7879", true), &access.brokers[2]);
    cr_assert_eq(belt_access_find(&access, "tcp://10.0.0.1:7878", false), &access.brokers[0], "the first of its kind");
    cr_assert_eq(belt_access_find(&access, "tcp://10.0.0.1:7878", true), &access.brokers[2]);
    access.broker_count = 2;
    cr_assert_eq(belt_access_find(&access, "tcp://10.0.0.1:7879", true), &access.brokers[0], "else any");
    cr_assert_null(belt_access_first(&access, true));
    access.broker_count = 0;
    cr_assert_null(belt_access_find(&access, "tcp://head:7878", false));
}

Test(token, goes_there_and_back)
{
    struct belt_access access = parsed(good), again;
    char text[BELT_TOKEN_TEXT], spaced[BELT_TOKEN_TEXT + 8];
    cr_assert(belt_token_write(&access, text));
    cr_assert_eq(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), strlen(text),
                 "one word that no shell changes");
    snprintf(spaced, sizeof(spaced), " %s\n", text);
    cr_assert(belt_token_read(spaced, &again));
    cr_assert_eq(again.broker_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_str_eq(again.brokers[i].address, access.brokers[i].address);
        cr_assert_eq(again.brokers[i].workers, access.brokers[i].workers);
        cr_assert_eq(memcmp(again.brokers[i].key, access.brokers[0].key, BELT_KEY_BYTES), 0);
    }
    cr_assert_eq(memcmp(again.secret_key, access.secret_key, BELT_KEY_BYTES), 0);
}

Test(token, every_slip_of_the_pen_is_noticed)
{
    static const struct belt_access wiped;
    struct belt_access access = parsed(good), again;
    char text[BELT_TOKEN_TEXT], wrong[BELT_TOKEN_TEXT];
    cr_assert(belt_token_write(&access, text));
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        memcpy(wrong, text, len + 1);
        wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
        cr_assert_not(belt_token_read(wrong, &again), "character %zu changed", i);
        cr_assert_eq(memcmp(&again, &wiped, sizeof(wiped)), 0);
        memcpy(wrong, text, i);
        wrong[i] = '\0';
        cr_assert_not(belt_token_read(wrong, &again), "cut after %zu", i);
    }
    snprintf(wrong, sizeof(wrong), "%s more", text);
    cr_assert_not(belt_token_read(wrong, &again));
    access.broker_count = 0;
    cr_assert_not(belt_token_write(&access, text), "nobody could use it");
}

/* ---- the file ---- */

static char place[] = "/tmp/belt-access-XXXXXX";
static char path[64];

static void in_a_place(void)
{
    cr_assert_not_null(mkdtemp(place));
    snprintf(path, sizeof(path), "%s/belt", place);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/belt/access", place);
    setenv("XDG_CONFIG_HOME", place, 1);
    unsetenv("BELT_ACCESS");
}

static void clear_place(void)
{
    char folder[64];
    unlink(path);
    snprintf(folder, sizeof(folder), "%s/belt", place);
    rmdir(folder);
    rmdir(place);
}

TestSuite(access_file, .init = in_a_place, .fini = clear_place);

static enum belt_access_found load(const char *named, struct belt_access *access, char error[400])
{
    char used[200] = "";
    enum belt_access_found found = belt_access_load(named, access, used, sizeof(used), error, 400);
    cr_assert(found != BELT_ACCESS_FOUND || !strcmp(used, path));
    return found;
}

Test(access_file, is_found_where_it_belongs)
{
    struct belt_access access;
    char error[400] = "";
    cr_assert_eq(load(NULL, &access, error), BELT_ACCESS_MISSING);
    cr_assert_eq(belt_secret_write(path, good, strlen(good), false), 0);
    cr_assert_eq(load(NULL, &access, error), BELT_ACCESS_FOUND, "%s", error);
    cr_assert_str_eq(access.name, "ann");
    cr_assert_eq(load("none", &access, error), BELT_ACCESS_MISSING);
    setenv("BELT_ACCESS", "/nowhere/access", 1);
    cr_assert_eq(load(NULL, &access, error), BELT_ACCESS_BAD, "one that is named must be there");
    cr_assert_not_null(strstr(error, "/nowhere/access"));
    cr_assert_eq(load(path, &access, error), BELT_ACCESS_FOUND, "an option wins over the environment");
    setenv("BELT_ACCESS", "none", 1);
    cr_assert_eq(load(NULL, &access, error), BELT_ACCESS_MISSING);
}

Test(access_file, is_refused_when_others_can_read_it)
{
    static const mode_t open_to[] = {0640, 0604, 0620, 0602, 0610, 0601};
    struct belt_access access;
    char error[400] = "";
    struct stat status;
    cr_assert_eq(belt_secret_write(path, good, strlen(good), false), 0);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0600);
    for (size_t i = 0; i < sizeof(open_to) / sizeof(*open_to); i++) {
        cr_assert_eq(chmod(path, open_to[i]), 0);
        cr_assert_eq(load(NULL, &access, error), BELT_ACCESS_BAD, "mode %o", (unsigned)open_to[i]);
        cr_assert_not_null(strstr(error, "chmod 600"), "%s", error);
    }
    cr_assert_eq(chmod(path, 0400), 0);
    cr_assert_eq(load(NULL, &access, error), BELT_ACCESS_FOUND, "%s", error);
    cr_assert_eq(load(place, &access, error), BELT_ACCESS_BAD, "a directory");
}

Test(access_file, is_written_whole_or_not_at_all)
{
    char *data;
    size_t len;
    cr_assert_eq(belt_secret_write(path, "one", 3, false), 0);
    cr_assert_eq(belt_secret_write(path, "two", 3, false), EEXIST);
    cr_assert_eq(belt_secret_read(path, 10, &data, &len), 0);
    cr_assert_str_eq(data, "one");
    belt_secret_free(data, len);
    cr_assert_eq(belt_secret_write(path, "three", 5, true), 0);
    cr_assert_eq(belt_secret_read(path, 5, &data, &len), 0);
    cr_assert_str_eq(data, "three");
    belt_secret_free(data, len);
    cr_assert_eq(belt_secret_read(path, 4, &data, &len), EFBIG);
    cr_assert_null(data);
    cr_assert_eq(belt_secret_write("/nowhere/key", "x", 1, true), ENOENT);
}
